package alerts

import (
	"sync"
	"time"
)

// clockStep is by how much the clock must have been set for it to matter.
const clockStep = 30 * time.Second

// A steadiness tells trouble of our own from trouble of what is watched. Two
// kinds of it are waited for, a bounded time:
//
//   - A check that fails says nothing of what it checks. States stay as they
//     are, with their clocks, until it has failed for Options.Tolerate.
//   - After a start, and after the machine's clock was set, readings may be
//     missing because nobody has sent any yet, or because what was sent bears
//     other times. A label set that has not been seen since is missing only
//     when Options.Settle has passed.
type steadiness struct {
	mu    sync.Mutex
	since time.Time // of the start, or the newest step of the clock
	wall  time.Time // newest time, as the clock showed it
	last  time.Time // the same, steady
}

// look looks at the clock and returns since when it goes steadily.
func (s *steadiness) look(now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at(now, now.Round(0))
}

// at is look at a time that is steady and one that the clock shows. The caller
// holds s.mu.
func (s *steadiness) at(now, wall time.Time) time.Time {
	set := wall.Sub(s.wall) - now.Sub(s.last)
	if s.since.IsZero() || set > clockStep || set < -clockStep {
		s.since = now
	}
	s.wall, s.last = wall, now
	return s.since
}

// tolerated says whether the failure of a check is waited out. The caller
// holds r.mu.
func (e *Engine) tolerated(r *runner, failed error, now time.Time) bool {
	if failed == nil {
		r.failing = time.Time{}
		return false
	}
	if r.failing.IsZero() {
		r.failing = now
	}
	return now.Sub(r.failing) < e.o.Tolerate
}

// settling says whether it is too soon to call a label set missing.
func (b *batch) settling(rec record, rd Reading) bool {
	return rd.Missing && !b.failed && rec.seen.Before(b.since) && b.now.Sub(b.since) < b.e.o.Settle
}
