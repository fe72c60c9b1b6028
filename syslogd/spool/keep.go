package spool

import (
	"log/slog"
	"slices"
	"time"

	"rondo/rrd/seglog"
)

// orphanAge is how long the queue of a destination that has left the
// configuration waits for it to come back.
const orphanAge = 24 * time.Hour

// orphan notes that the queue's destination is not configured any more.
func (q *Queue) orphan(now time.Time, log *slog.Logger) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.left.IsZero() {
		q.left = now
		q.taken() // who waits for room does not wait any longer
	}
	if n := q.waiting().count; n > 0 {
		log.Warn("a destination is not configured any more; what waits for it is dropped unless it comes back",
			"destination", q.name, "messages", n, "until", q.left.Add(orphanAge))
	}
}

// expire drops what is too old, and the orphans that are.
func (s *Spool) expire(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.queues {
		q.mu.Lock()
		age := q.limits.Age
		q.mu.Unlock()
		if age == 0 {
			continue
		}
		if m, ok := s.marks.before(now.Add(-age)); ok {
			q.expire(m, TooOld)
		}
		// A record that is no mark is less than markAge younger than the last one.
		if n := len(s.marks); n > 0 && s.marks[n-1].at.Before(now.Add(-age-markAge)) {
			q.expireAll(s.log.End())
		}
	}
	s.fit()
	s.queues = slices.DeleteFunc(s.queues, func(q *Queue) bool { return q.remove(now, s.o.Log) })
}

// fit keeps the log within what all queues together may have: a queue that
// waits with little while others move much must not hold back all of that,
// unless nothing of it may be dropped.
func (s *Spool) fit() {
	most := s.o.SlackBytes
	for _, q := range s.queues {
		q.mu.Lock()
		most += q.limits.Bytes
		q.mu.Unlock()
	}
	end := s.log.End()
	if int64(end) <= most {
		return
	}
	first := end - seglog.Pos(most)
	if late := s.marks.from(first); len(late) > 0 {
		for _, q := range s.queues {
			if q.holdsBack(first) {
				q.expire(late[0], LogFull)
			}
		}
	}
}

// holdsBack reports whether the queue has something before p that is to be
// sent, and that may be dropped. A queue that has not must not be moved to the
// first mark behind p: its own place may lie before that.
func (q *Queue) holdsBack(p seglog.Pos) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.limits.WhenFull != Block && q.unsentFrom().pos < p
}

// remove drops an orphan whose time has come, and reports whether it is gone.
func (q *Queue) remove(now time.Time, log *slog.Logger) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.left.IsZero() || now.Sub(q.left) < orphanAge {
		return false
	}
	q.skip(place{q.head.pos, q.total.ordinal, q.total.bytes}, Removed)
	log.Warn("the queue of a destination that is not configured any more is removed",
		"destination", q.name, "delivered", q.delivered, "dropped", q.dropped)
	return true
}
