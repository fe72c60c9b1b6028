package syslogd

import (
	"context"
	"iter"
	"net/netip"
	"sync"
	"time"
)

const (
	// What may wait between the readers and the store, by its cost. While a
	// batch is being stored the next one grows, so batches are as large as
	// the load.
	maxWaiting = 64 << 20
	packetCost = 64 // of a datagram, besides its bytes
	// A sender may hold so many times of what is still free.
	fairShare = 4
)

// packets is a bounded queue of datagrams between a listener's readers and
// its writer. It has two buffers: one grows while the other is stored.
//
// When it gets crowded, senders share what is left: a datagram is dropped if
// its sender already holds fairShare times of what is free. So one that
// floods the queue fills four fifths of it and no more, two of them four
// ninths each, and there is always room for those that send little.
type packets struct {
	mu      sync.Mutex
	turned  sync.Cond // something was added, taken or closed
	patient bool      // senders wait for room instead
	filled  packetBatch
	held    map[netip.Addr]int // cost by sender, once filled is crowded
	woken   bool               // a batch is wanted, even an empty one
	closed  bool
}

// packetBatch is many datagrams in one buffer.
type packetBatch struct {
	bytes   []byte
	waiting []waiting
}

// waiting is a datagram in the queue.
type waiting struct {
	end  int   // offset in the buffer
	at   int64 // Unix time in nanoseconds
	cut  bool
	from netip.Addr
	cred credentials
}

func (b *packetBatch) cost() int { return len(b.bytes) + packetCost*len(b.waiting) }

// What is decoded at once, so that the messages of a burst need not be in
// memory beside its bytes.
const (
	portionBytes   = 4 << 20
	portionPackets = 8 << 10
)

// portions are the parts of a batch, in order; of an empty one it is itself.
// The batch is used up.
func (b packetBatch) portions() iter.Seq[packetBatch] {
	return func(yield func(packetBatch) bool) {
		for from := 0; ; {
			n := b.portion(from)
			part := packetBatch{waiting: b.waiting[:n]}
			if n > 0 {
				end := part.waiting[n-1].end
				part.bytes = b.bytes[from:end]
				for i := range part.waiting {
					part.waiting[i].end -= from
				}
				from, b.waiting = end, b.waiting[n:]
			}
			if !yield(part) || len(b.waiting) == 0 {
				return
			}
		}
	}
}

// portion is how many datagrams the next portion has, which begins at from.
func (b packetBatch) portion(from int) int {
	n := min(len(b.waiting), portionPackets)
	for n > 1 && b.waiting[n-1].end-from > portionBytes {
		n /= 2
	}
	return n
}

func newPackets(patient bool) *packets {
	q := &packets{patient: patient}
	q.turned.L = &q.mu
	return q
}

// add copies a datagram into the queue, whose lock the caller holds. It
// reports whether there was room.
func (q *packets) add(p packet, at time.Time) bool {
	cost := len(p.data) + packetCost
	for q.patient && q.filled.cost()+cost > maxWaiting {
		q.turned.Wait()
	}
	if !q.patient && !q.fair(p.from, cost) {
		return false
	}
	b := &q.filled
	if len(b.waiting) == 0 {
		q.turned.Signal()
	}
	b.bytes = append(b.bytes, p.data...)
	b.waiting = append(b.waiting, waiting{len(b.bytes), at.UnixNano(), p.cut, p.from, p.cred})
	return true
}

// fair reports whether a sender may have cost more, and notes it. As long as
// all together hold no more than fairShare times of what is free, nobody can
// hold too much, and nothing needs to be counted.
func (q *packets) fair(from netip.Addr, cost int) bool {
	used := q.filled.cost()
	allowed := fairShare * (maxWaiting - used - cost)
	if used+cost <= allowed {
		return true
	}
	if q.held == nil {
		q.held = q.filled.bySender()
	}
	from = senderOf(from)
	if q.held[from]+cost > allowed {
		return false
	}
	q.held[from] += cost
	return true
}

func (b *packetBatch) bySender() map[netip.Addr]int {
	held, start := map[netip.Addr]int{}, 0
	for _, w := range b.waiting {
		held[senderOf(w.from)] += w.end - start + packetCost
		start = w.end
	}
	return held
}

// close lets batches end once the queue is empty.
func (q *packets) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.turned.Signal()
}

// wakeEvery has batches yield now and then even where nothing comes, until ctx
// ends.
func (q *packets) wakeEvery(ctx context.Context, period time.Duration) error {
	for sleep(ctx, period) {
		q.mu.Lock()
		q.woken = true
		q.turned.Signal()
		q.mu.Unlock()
	}
	return nil
}

// batches yields all that waits, again and again, until the queue is closed
// and empty. A batch is valid until the next one.
func (q *packets) batches() iter.Seq[packetBatch] {
	return func(yield func(packetBatch) bool) {
		var spare packetBatch
		for {
			b, ok := q.take(spare)
			if !ok || !yield(b) {
				return
			}
			spare = packetBatch{b.bytes[:0], b.waiting[:0]}
			if cap(spare.bytes) > 1<<20 && len(b.bytes) < 64<<10 {
				spare = packetBatch{} // the burst is over
			}
		}
	}
}

// take waits for datagrams and leaves the spare buffer in their place.
func (q *packets) take(spare packetBatch) (packetBatch, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.filled.waiting) == 0 && !q.closed && !q.woken {
		q.turned.Wait()
	}
	b := q.filled
	more := len(b.waiting) > 0 || !q.closed
	q.filled, q.held, q.woken = spare, nil, false
	q.turned.Signal()
	return b, more
}
