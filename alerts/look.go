package alerts

import (
	"time"

	"rondo/rrd"
)

// A Reader is a rule that reads series. It is looked at when they move, not only
// when its time comes.
type Reader interface {
	Rule
	// Reads names the series, and the values at which a reading of the rule may
	// come to mean something else. Without selectors there are no looks.
	Reads() rrd.Watch
}

// listen has the rules that read series woken when these move.
func (s *scheduler) listen(rules []*runner) {
	if s.e.o.Moves == nil {
		return
	}
	var watches []rrd.Watch
	for _, r := range rules {
		if reader, ok := r.Rule.(Reader); ok {
			if w := reader.Reads(); len(w.Selectors) > 0 {
				r.blunt = len(w.Cuts) == 0
				watches, s.readers = append(watches, w), append(s.readers, r)
			}
		}
	}
	if err := s.e.o.Moves.Watch(watches, s.move); err != nil {
		s.e.o.Log.Error("rules are checked at their intervals only", "err", err)
	}
	s.stirred <- struct{}{} // what has moved under the scheduler before stirs no more
}

// move notes that a rule's series have moved. It is called for samples on
// their way into the store, so it does next to nothing.
func (s *scheduler) move(i int, at rrd.Time) {
	r := s.readers[i]
	for {
		old := r.moved.Load()
		if int64(at) <= old {
			return
		}
		if !r.moved.CompareAndSwap(old, int64(at)) {
			continue
		}
		if old == 0 && s.stir.CompareAndSwap(false, true) {
			select {
			case s.stirred <- struct{}{}:
			default:
			}
		}
		return
	}
}

// gather sets looks at all rules that have moved.
func (s *scheduler) gather(now time.Time) {
	s.stir.Store(false)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.readers {
		if r.moved.Load() == 0 {
			continue
		}
		at := rrd.Time(r.moved.Swap(0))
		if ahead := at.Sub(rrd.At(now)); ahead >= 0 && ahead < r.interval() {
			r.ahead = now.Add(ahead + time.Millisecond)
		}
		if r.running {
			r.missed = true
		} else {
			s.lookAt(r, now)
		}
	}
}

// lookAt sets when a rule is looked at. A slow one is not: its turn will do.
// The caller holds s.mu.
func (s *scheduler) lookAt(r *runner, at time.Time) {
	if at.Before(r.lookAfter) {
		at = r.lookAfter
	}
	if r.turned && !r.slow && (r.look.i < 0 || at.Before(r.look.at)) {
		s.looks(r).set(r.look, at)
	}
}

// lookAgain sets the next look at a rule whose check began at a time, where
// something has moved that it could not see. The caller holds s.mu.
func (s *scheduler) lookAgain(r *runner, began, now time.Time) {
	if r.missed {
		s.lookAt(r, now)
	}
	if r.ahead.After(began) {
		s.lookAt(r, r.ahead)
	} else {
		r.ahead = time.Time{}
	}
	r.missed = false
}

// calm says whether a look finds of a state what its newest reading said. That
// is no new reading: attempts, points and flapping are counted at the rule's
// turns, and where something has changed. So it does not matter how often a rule
// is looked at, and a look that would find all states calm can be left out.
func (b *batch) calm(rec record, rd Reading) bool {
	return b.look && !rec.reading.At.IsZero() && !rec.byError && b.policy.missing(rec.reading) == b.policy.missing(rd) &&
		b.policy.judge(rec.reading) == b.policy.judge(rd)
}
