package spool

import (
	"errors"

	"rondo/rrd/seglog"
	"rondo/syslogd/out"
	"rondo/syslogd/syslog"
)

const (
	batchMessages = 1000
	batchBytes    = 256 << 10
)

// A reading is the next batch of a queue, on its way from the log to a session.
// Its memory is used again.
type reading struct {
	log      *seglog.Reader
	batch    out.Batch
	from, to place  // what it is of the queue; from is behind what was lost
	lost     uint64 // in front of it
	size     uint64
	tail     tail
	body     bodyReader
}

// fetch reads the next batch and notes it as sent. It reports false if nothing
// is to be sent. It holds no lock while it reads.
func (q *Queue) fetch(r *reading) (bool, error) {
	for {
		next, version, ok := q.next()
		if !ok {
			return false, nil
		}
		if err := q.read(r, next); err != nil {
			return false, err
		}
		if q.take(r, version) && len(r.batch.Messages) > 0 {
			return true, nil
		}
	}
}

// next is the span to be sent next.
func (q *Queue) next() (s span, version uint64, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.again) > 0 {
		return q.again[0], q.version, true
	}
	return span{q.head, q.total}, q.version, q.head.ordinal < q.total.ordinal
}

// read reads a batch from the beginning of a span. Its messages follow one
// another; those that the log does not have any more are lost.
func (q *Queue) read(r *reading, s span) error {
	if r.log == nil {
		r.log = q.spool.log.NewReader()
	}
	r.reset(q.spool.id, s.from)
	for rec, err := range r.log.Records(s.from.pos) {
		if _, damaged := errors.AsType[*seglog.DamageError](err); damaged {
			q.spool.o.Log.Warn("part of the queues is damaged", "destination", q.name, "err", err)
			continue // what is behind it says how much that was
		}
		if err != nil {
			return err
		}
		if r.record(q.id, rec, s.to) {
			return nil
		}
	}
	r.miss(place{q.spool.log.End(), s.to.ordinal, s.to.bytes})
	return nil
}

// miss notes that the log has nothing in front of p any more, if nothing has
// been read so far: a batch has no gaps.
func (r *reading) miss(p place) {
	if len(r.batch.Messages) == 0 && r.to.ordinal < p.ordinal {
		r.lost += p.ordinal - r.to.ordinal
		r.from, r.to = p, p
	}
}

// close gives the log back.
func (r *reading) close() {
	if r.log != nil {
		r.log.Close()
	}
}

func (r *reading) reset(log string, from place) {
	clear(r.batch.Messages) // their strings are not needed any more
	r.body.forget()
	r.batch = out.Batch{Log: log, Numbers: r.batch.Numbers[:0], Messages: r.batch.Messages[:0]}
	r.from, r.to, r.lost, r.size = from, from, 0, 0
}

// record takes what a record has for the queue, and reports whether the batch
// is done.
func (r *reading) record(id uint64, rec seglog.Record, until place) (done bool) {
	body, err := readTail(rec.Data, rec.Pos, &r.tail)
	if err != nil {
		return false // counted by what is behind it
	}
	e, bit, ok := r.tail.of(id)
	if !ok || e.count == 0 || e.end().ordinal <= r.to.ordinal {
		r.to.pos = rec.End
		return false
	}
	if e.place.ordinal > r.to.ordinal {
		r.miss(earlier(e.place, place{rec.Pos, until.ordinal, until.bytes}))
		if e.place.ordinal > r.to.ordinal {
			return true
		}
	}
	r.messages(e, bit, body)
	r.to.pos = rec.End
	return r.to.ordinal >= until.ordinal || len(r.batch.Messages) >= batchMessages || r.size >= batchBytes
}

func earlier(a, b place) place {
	if a.ordinal <= b.ordinal {
		return a
	}
	return b
}

// messages appends the queue's messages of a record. Where one of them is not
// what was written, the rest is found to be missing later.
func (r *reading) messages(e entry, bit int, body []byte) {
	r.body.reset(body, bit)
	ordinal, bytes := e.place.ordinal, e.place.bytes
	for {
		var m syslog.Message
		index, size, ok, err := r.body.next(&m)
		if !ok || err != nil {
			break
		}
		bytes += uint64(size)
		if ordinal++; ordinal <= r.to.ordinal {
			continue // settled already
		}
		r.to.ordinal, r.to.bytes = ordinal, bytes
		r.batch.Numbers = append(r.batch.Numbers, r.tail.number+index)
		r.batch.Messages = append(r.batch.Messages, m)
		r.size += uint64(size)
	}
}

// take notes that a batch is on its way, unless what it was read from has been
// dropped meanwhile.
func (q *Queue) take(r *reading, version uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.version != version {
		return false
	}
	if len(q.again) > 0 {
		if q.again[0].from = r.to; q.again[0].count() == 0 {
			q.again = q.again[1:]
		}
	} else {
		q.head = r.to
	}
	q.drop(Damaged, r.lost)
	if len(r.batch.Messages) == 0 {
		q.taken()
		return true
	}
	if n := len(q.flight); n >= maxSpans {
		q.flight = joined(q.flight)
	}
	q.flight = append(q.flight, span{r.from, r.to})
	return true
}
