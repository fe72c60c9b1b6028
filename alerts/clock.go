package alerts

import "time"

// Next is how long after a reading taken at now, which led to s, the next one
// is wanted: the interval, or [Policy.Retry] while a problem is soft, and sooner
// where a clock of the state runs out before. It is never zero or negative
// where interval is positive.
func (p Policy) Next(s State, now time.Time, interval time.Duration) time.Duration {
	wait := interval
	if p.Retry > 0 && s.Soft() {
		wait = p.Retry
	}
	for l := Warning; l <= Unknown; l++ {
		switch m := s.level(l); {
		case m.Active && !m.Cleared.IsZero():
			wait = sooner(wait, p.times(l, s).ClearFor-now.Sub(m.Cleared))
		case !m.Active && !m.Raised.IsZero() && s.Attempts >= p.attempts():
			wait = sooner(wait, p.times(l, s).For-now.Sub(m.Raised))
		}
	}
	return wait
}

// sooner is the shorter wait, if left is one.
func sooner(wait, left time.Duration) time.Duration {
	if left <= 0 {
		return wait
	}
	return min(wait, left)
}

// Resume is the state after a time that nobody watched: the clocks start
// again.
func (s State) Resume() State {
	for i := range s.Levels {
		s.Levels[i].Raised, s.Levels[i].Cleared = time.Time{}, time.Time{}
	}
	return s
}

// watch notes that a reading is taken at now. Between two readings a clock
// gains no less than nothing, should the machine's clock step back, and nothing
// if they are further apart than [Policy.Gap]: from a step forward, or while
// nobody watched.
func (s State) watch(p Policy, now time.Time) State {
	passed := now.Sub(s.Seen)
	switch {
	case s.Seen.IsZero():
	case passed < 0:
		s.shift(passed)
	case p.Gap > 0 && passed > p.Gap:
		s = s.Resume()
	}
	s.Seen = now
	return s
}

// shift moves all clocks that run.
func (s *State) shift(d time.Duration) {
	clocks := []*time.Time{&s.Counted, &s.Point, &s.Flapping.Noted}
	for i := range s.Levels {
		clocks = append(clocks, &s.Levels[i].Raised, &s.Levels[i].Cleared)
	}
	for _, c := range clocks {
		if !c.IsZero() {
			*c = c.Add(d)
		}
	}
}

// point is the time that one state in the flapping ring stands for.
func (p Policy) point() time.Duration {
	if p.Retry > 0 {
		return min(p.Interval, p.Retry)
	}
	return p.Interval
}

// due says whether it is time since the newest of a kind, and if so makes now
// the newest. A tenth of the time is forgiven, since timers and checks are not
// exact. What is newer than now, after a restart with the clock set back, counts
// from now.
func due(newest *time.Time, now time.Time, every time.Duration) bool {
	if passed := now.Sub(*newest); newest.IsZero() || passed >= every-every/10 && passed >= 0 {
		*newest = now
		return true
	}
	*newest = earlier(*newest, now)
	return false
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
