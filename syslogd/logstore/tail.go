package logstore

import (
	"context"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"rondo/syslogd"
	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

// tailHub passes what is stored on to the live tails.
type tailHub struct {
	mu     sync.Mutex
	tails  []*tail
	closed bool
	lost   atomic.Int64
}

// tail is one reader. Its buffer is bounded: what does not fit is lost and
// counted, the writer never waits.
type tail struct {
	most, mostBytes int
	wake            chan struct{} // closed by the hub's close

	mu            sync.Mutex
	pending       [][]syslog.Message
	length, bytes int
	dropped       int64
}

// publish hands a batch to all tails. The batch is copied once for all of
// them, and only if there are any; tails share it and only read.
func (h *tailHub) publish(batch []syslog.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.tails) == 0 {
		return
	}
	own := make([]syslog.Message, len(batch))
	for i := range batch {
		own[i] = batch[i].Clone()
	}
	for _, t := range h.tails {
		h.lost.Add(t.offer(own))
	}
}

// messageBytes is about what a message takes beside its strings.
const messageBytes = 256

// sizeOf is about how much memory a message takes.
func sizeOf(m *syslog.Message) int {
	n := messageBytes + len(m.Raw)
	for _, f := range fieldsOf(m) {
		n += len(*f)
	}
	return n
}

// offer queues a batch, or as much of it as fits. One message always does.
func (t *tail) offer(batch []syslog.Message) (lost int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fits := 0
	for fits < len(batch) && t.length < t.most {
		size := sizeOf(&batch[fits])
		if t.length > 0 && t.bytes+size > t.mostBytes {
			break
		}
		t.bytes += size
		t.length++
		fits++
	}
	if fits > 0 {
		t.pending = append(t.pending, batch[:fits])
	}
	lost = int64(len(batch) - fits)
	t.dropped += lost
	select {
	case t.wake <- struct{}{}:
	default:
	}
	return lost
}

func (t *tail) take() (batches [][]syslog.Message, dropped int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	batches, t.pending, t.length, t.bytes = t.pending, nil, 0, 0
	return batches, t.dropped
}

func (h *tailHub) join(most, mostBytes int) *tail {
	t := &tail{most: most, mostBytes: mostBytes, wake: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		close(t.wake)
	} else {
		h.tails = append(h.tails, t)
	}
	return t
}

func (h *tailHub) leave(t *tail) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tails = slices.DeleteFunc(h.tails, func(x *tail) bool { return x == t })
}

// close ends all tails.
func (h *tailHub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, t := range h.tails {
		close(t.wake)
	}
	h.tails = nil
}

// Tail yields messages that match from now on, as they are stored and even
// before they are durable, until ctx ends or the store is closed. A reader
// that lags TailBuffer messages, or TailBytes, behind loses the newest; they are counted
// before the filter, so Dropped may be more than what it would have seen.
func (s *Store) Tail(ctx context.Context, f *filter.Filter) iter.Seq2[syslog.Message, syslogd.TailStatus] {
	return func(yield func(syslog.Message, syslogd.TailStatus) bool) {
		t := s.tails.join(s.o.TailBuffer, s.o.TailBytes)
		defer s.tails.leave(t)
		for {
			select {
			case <-ctx.Done():
				return
			case _, open := <-t.wake:
				if !open {
					return
				}
			}
			batches, dropped := t.take()
			for _, batch := range batches {
				for i := range batch {
					if f.Match(&batch[i]) && !yield(batch[i], syslogd.TailStatus{Dropped: dropped}) {
						return
					}
				}
			}
		}
	}
}
