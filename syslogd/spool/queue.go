package spool

import (
	"maps"
	"sync"
	"time"

	"rondo/rrd/seglog"
)

// A Reason says why a message was not delivered.
type Reason string

// The reasons.
const (
	QueueFull Reason = "queue_full" // the queue had no room; see Policy
	LogFull   Reason = "log_full"   // so much of other queues came after it that the log had no room
	TooOld    Reason = "too_old"    // it waited longer than the queue's age
	Refused   Reason = "refused"    // the destination will never take it
	DiskFull  Reason = "disk_full"  // it could not be written
	DiskError Reason = "disk_error" // likewise
	Damaged   Reason = "damaged"    // it could not be read again
	Removed   Reason = "removed"    // its destination left the configuration
)

// A place is one between two messages of a queue.
type place struct {
	pos     seglog.Pos // of the record that has the next message, or of one before
	ordinal uint64     // how many messages of the queue are before
	bytes   uint64     // and how many bytes, or a few less
}

// A span is a row of messages of a queue: those from from to to.
type span struct{ from, to place }

func (s span) count() uint64 { return s.to.ordinal - s.from.ordinal }

// A Queue is what waits for one destination:
//
//	settled |  flight   | dropped |   again   | dropped |  head ...  total
//	        | sent, not           | to be sent          | to be sent
//	        | settled             | once more           |
//
// in the order of its ordinals. What is between the spans has been dropped.
type Queue struct {
	spool *Spool
	id    uint64
	name  string
	more  chan struct{} // something waits

	mu      sync.Mutex
	limits  Limits
	left    time.Time // when its destination left the configuration; zero: it has not
	flight  []span
	again   []span
	head    place
	total   place         // of all that was appended; pos is not used
	version uint64        // changes when others than the deliverer take something away
	room    chan struct{} // closed when something was taken away

	unwritten uint64 // messages that were dropped before they got an ordinal
	delivered uint64
	dropped   map[Reason]uint64

	senders int       // that wait because it is full
	told    time.Time // when that was told last
	state   Delivery  // of its destination
}

// Delivery says how it goes with a destination.
type Delivery struct {
	Connected bool
	Since     time.Time // when Connected became so
	Error     string    // of the last session that failed; "" once one has delivered since
	Failures  uint64    // sessions that failed, or could not be opened
}

// QueueStats say what became of the messages of a queue since it was made:
// Routed = Delivered + all that was dropped + Waiting, at any moment.
type QueueStats struct {
	Name      string
	Routed    uint64
	Delivered uint64
	Dropped   map[Reason]uint64
	Waiting   uint64
	InFlight  uint64 // of Waiting: sent, and not yet settled
	Bytes     uint64 // of Waiting, on disk
	Limits    Limits
	Oldest    time.Time // about when the oldest that waits was queued; zero: none waits
	Senders   int       // that wait for room
	Left      time.Time // when its destination left the configuration; zero: it has not
	Delivery
}

// Name is the queue's name, which is its destination's.
func (q *Queue) Name() string { return q.name }

// Stats returns what is so now.
func (q *Queue) Stats() QueueStats {
	q.spool.mu.Lock()
	defer q.spool.mu.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	s := QueueStats{
		Name: q.name, Routed: q.total.ordinal + q.unwritten, Delivered: q.delivered, Dropped: maps.Clone(q.dropped),
		Limits: q.limits, Senders: q.senders, Left: q.left, Delivery: q.state,
	}
	w := q.waiting()
	s.Waiting, s.Bytes, s.InFlight = w.count, w.bytes, amountOf(q.flight).count
	if s.Waiting > 0 {
		s.Oldest = q.spool.marks.written(q.first().pos)
	}
	return s
}

func amountOf(spans []span) (a amount) {
	for _, s := range spans {
		a = a.plus(amount{s.count(), s.to.bytes - s.from.bytes})
	}
	return a
}

// unsent is what is to be sent.
func (q *Queue) unsent() amount {
	return amountOf(q.again).plus(amount{q.total.ordinal - q.head.ordinal, q.total.bytes - q.head.bytes})
}

func (q *Queue) waiting() amount { return q.unsent().plus(amountOf(q.flight)) }

// first is the place of the oldest message that waits.
func (q *Queue) first() place {
	if len(q.flight) > 0 {
		return q.flight[0].from
	}
	return q.unsentFrom()
}

// unsentFrom is the place of the oldest message that is to be sent.
func (q *Queue) unsentFrom() place {
	if len(q.again) > 0 {
		return q.again[0].from
	}
	return q.head
}

// fits reports whether there is room for more. One that is larger than the
// queue fits if nothing else waits.
func (q *Queue) fits(more amount) bool {
	w := q.waiting()
	return w.count == 0 || w.bytes+more.bytes <= uint64(q.limits.Bytes)
}

// drop counts messages that will not be delivered.
func (q *Queue) drop(why Reason, n uint64) {
	if n > 0 {
		q.dropped[why] += n
	}
}

// lose counts messages that were never written.
func (q *Queue) lose(why Reason, n uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.unwritten += n
	q.drop(why, n)
}

// add queues messages that were written to the record at pos.
func (q *Queue) add(pos seglog.Pos, a amount) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head.ordinal == q.total.ordinal {
		// All others are sent: what lies between is of other queues.
		q.head.pos = pos
	}
	q.total.ordinal += a.count
	q.total.bytes += a.bytes
	poke(q.more)
}

// skip drops all that is not sent before p.
func (q *Queue) skip(p place, why Reason) {
	n := uint64(0)
	for len(q.again) > 0 && q.again[0].from.ordinal < p.ordinal {
		s := &q.again[0]
		if s.to.ordinal > p.ordinal {
			n += p.ordinal - s.from.ordinal
			s.from = p
			break
		}
		n += s.count()
		q.again = q.again[1:]
	}
	if q.head.ordinal < p.ordinal {
		n += p.ordinal - q.head.ordinal
		q.head = p
	}
	if n > 0 {
		q.version++
		q.drop(why, n)
		q.taken()
	}
}

// taken tells the senders that wait that there may be room.
func (q *Queue) taken() {
	if q.senders > 0 {
		close(q.room)
		q.room = make(chan struct{})
	}
}

// shrink drops the oldest until the queue is within its bounds again. It drops
// up to a mark: there the place in the log is known.
func (q *Queue) shrink(all marks, end seglog.Pos) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.limits.WhenFull != DropOldest {
		return
	}
	over := func() bool { return q.waiting().bytes > uint64(q.limits.Bytes) }
	if !over() {
		return
	}
	for _, m := range all.from(q.unsentFrom().pos) {
		if !over() {
			return
		}
		if p, ok := m.of(q.id); ok {
			q.skip(p, QueueFull)
		}
	}
	if over() && q.unsent().bytes > uint64(q.limits.Bytes) {
		q.skip(place{end, q.total.ordinal, q.total.bytes}, QueueFull)
	}
}

// expire drops what was written before a mark.
func (q *Queue) expire(m mark, why Reason) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if p, ok := m.of(q.id); ok {
		q.skip(p, why)
	}
}

// expireAll drops all that is not sent; end is that of the log.
func (q *Queue) expireAll(end seglog.Pos) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.skip(place{end, q.total.ordinal, q.total.bytes}, TooOld)
}

// settle notes that the destination is done with the next n messages, of which
// it refused some.
func (q *Queue) settle(n, refused uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = min(n, amountOf(q.flight).count)
	refused = min(refused, n)
	q.delivered += n - refused
	q.drop(Refused, refused)
	for n > 0 {
		s := &q.flight[0]
		if s.count() > n {
			s.from.ordinal += n
			break
		}
		n -= s.count()
		q.flight = q.flight[1:]
	}
	q.taken()
}

// rewind has all that is not settled sent again.
func (q *Queue) rewind() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.again = append(q.flight, q.again...)
	q.flight = nil
	q.again = joined(q.again)
	if n := len(q.again); n > 0 && q.again[n-1].to.ordinal == q.head.ordinal {
		q.head = q.again[n-1].from
		q.again = q.again[:n-1]
	}
}

// maxSpans is how many spans a queue has at most that follow one another.
const maxSpans = 512

// joined joins the spans that follow one another.
func joined(spans []span) []span {
	var out []span
	for _, s := range spans {
		if n := len(out); n > 0 && out[n-1].to.ordinal == s.from.ordinal {
			out[n-1].to = s.to
			continue
		}
		out = append(out, s)
	}
	return out
}

// poke sends on a channel of capacity 1 unless a token is already there.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
