package push

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"rondo/syslogd/out"
	"rondo/syslogd/syslog"
)

// A portion is the messages of one request, encoded.
type portion struct {
	log   string // Batch.Log
	buf   []byte
	items []item
	begun time.Time // when its first message came
}

// An item is one message.
type item struct {
	number   uint64  // in the queue
	stream   *stream // of Loki
	from, to int     // in the portion's buf
}

func (p *portion) data(it item) []byte { return p.buf[it.from:it.to] }

func (p *portion) empty() bool { return len(p.items) == 0 }

func (p *portion) reset() { p.buf, p.items = p.buf[:0], p.items[:0] }

// session implements out.Session. Its goroutine posts one portion while Send
// fills the next one.
type session struct {
	d      *Destination
	client *http.Client
	cancel context.CancelFunc
	wg     sync.WaitGroup
	broken chan struct{} // closed with err
	wake   chan struct{} // for the goroutine: fill may be due
	room   chan struct{} // for Send: fill is empty

	mu      sync.Mutex
	fill    *portion
	closing bool
	n       uint64 // settled
	refused uint64
	err     error
}

func newSession(ctx context.Context, d *Destination, client *http.Client) *session {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // it lasts until Close
	s := &session{
		d: d, client: client, cancel: cancel, fill: &portion{},
		broken: make(chan struct{}), wake: make(chan struct{}, 1), room: make(chan struct{}, 1),
	}
	s.wg.Go(func() { s.run(ctx) })
	return s
}

// Send implements out.Session. It waits while a portion is under way and the
// next one is full.
func (s *session) Send(ctx context.Context, batch out.Batch) error {
	for i := range batch.Messages {
		for !s.add(&batch.Messages[i], batch, i) {
			select {
			case <-s.room:
			case <-s.broken:
				return s.failure()
			case <-ctx.Done():
				return fmt.Errorf("push: %w", ctx.Err())
			}
		}
	}
	return s.failure()
}

// add puts a message into the portion, unless that is full.
func (s *session) add(m *syslog.Message, batch out.Batch, i int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.fill
	if s.full(p) {
		return false
	}
	if p.empty() {
		p.log, p.begun = batch.Log, time.Now()
		notify(s.wake) // that its time runs
	}
	it := item{number: batch.Numbers[i], from: len(p.buf)}
	it.stream, p.buf = s.d.format.append(p.buf, m, batch.Key(i))
	it.to = len(p.buf)
	p.items = append(p.items, it)
	if s.full(p) {
		notify(s.wake)
	}
	return true
}

func (s *session) full(p *portion) bool {
	return len(p.items) >= s.d.cfg.Batch.Messages || len(p.buf) >= s.d.cfg.Batch.Bytes
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Flush implements out.Session: a portion waits for others on purpose.
func (s *session) Flush(context.Context) error { return s.failure() }

// Settled implements out.Session.
func (s *session) Settled() (n, refused uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n, s.refused
}

// Broken implements out.Session.
func (s *session) Broken() <-chan struct{} { return s.broken }

func (s *session) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close implements out.Session.
func (s *session) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	notify(s.wake)
	stop := context.AfterFunc(ctx, s.cancel)
	s.wg.Wait()
	stop()
	s.cancel()
	s.client.CloseIdleConnections()
	return s.failure()
}

// run posts portions until the session is closed or fails.
func (s *session) run(ctx context.Context) {
	spare := &portion{}
	for {
		p := s.take(ctx, spare)
		if p == nil {
			return
		}
		refused, err := s.deliver(ctx, p)
		if err != nil {
			s.fail(err)
			return
		}
		s.mu.Lock()
		s.n += uint64(len(p.items))
		s.refused += uint64(refused)
		s.mu.Unlock()
		p.reset()
		spare = p
	}
}

func (s *session) fail(err error) {
	s.mu.Lock()
	s.err = fmt.Errorf("push: %w", err)
	s.mu.Unlock()
	close(s.broken)
}

// take waits for a portion that is due, and puts spare in its place. It
// returns nil once the session is closed and nothing is left.
func (s *session) take(ctx context.Context, spare *portion) *portion {
	for {
		p, wait, done := s.due(spare)
		if p != nil || done {
			return p
		}
		select {
		case <-s.wake:
		case <-wait:
		case <-ctx.Done():
			return nil
		}
	}
}

// due returns the portion if it is, else what to wait for.
func (s *session) due(spare *portion) (p *portion, wait <-chan time.Time, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fill.empty() {
		return nil, nil, s.closing
	}
	left := time.Until(s.fill.begun.Add(s.d.cfg.Batch.Linger))
	if left > 0 && !s.full(s.fill) && !s.closing {
		return nil, time.After(left), false
	}
	p, s.fill = s.fill, spare
	notify(s.room)
	return p, nil, false
}
