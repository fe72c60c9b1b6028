package autoscale

import (
	"context"
	"time"
)

// A clock is the machine's, of which a group wants intervals that are true.
// Within a process Go's times carry a monotonic reading, which no step of the
// clock moves. But what is in the journal, what instances say and what the cloud
// says are readings of a wall clock, and those go wrong when it is set:
//
//	wall   12:00 ---- 12:05 | 15:06 --- 15:10      set by +3h
//	ran    0s -------- 5m   |  6m  ----- 10m
//	                         ^ all that is remembered moves by 3h as well, nothing
//	                           changes for a moment, and the window begins again
type clock struct {
	now  func() time.Time // nil: the machine's
	wall time.Time        // the newest reading,
	at   time.Time        // and the same moment by the monotonic clock
}

// clockSlack is a step that no interval minds: a clock that is disciplined makes
// smaller ones.
const clockSlack = 10 * time.Second

// read returns the time, and by how much the clock was set since the newest
// reading.
func (c *clock) read() (now time.Time, set time.Duration) {
	at := time.Now()
	now = at
	if c.now != nil {
		now = c.now()
	}
	if !c.at.IsZero() {
		set = now.Round(0).Sub(c.wall.Round(0)) - at.Sub(c.at)
	}
	if set.Abs() < clockSlack {
		set = 0
	}
	c.wall, c.at = now, at
	return now, set
}

// time returns the time, and takes no note of it.
func (c *clock) time() time.Time {
	if c.now != nil {
		return c.now()
	}
	return time.Now()
}

// follow moves a time that was read from the wall clock; one that is monotonic
// needs no help.
func follow(t *time.Time, set time.Duration) {
	if !t.IsZero() && *t == t.Round(0) {
		*t = t.Add(set)
	}
}

// resetClock makes all that the group remembers follow the clock. The journal gets a
// snapshot, so that a restart remembers the same.
func (g *group) resetClock(ctx context.Context, now time.Time, set time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.log.Warn("the machine's clock was set", "by", set)
	g.counts.add("clock_set", 1)
	g.started, g.set.at, g.set.by = now, now, set
	for _, t := range []*time.Time{&g.watched, &g.ticked, &g.listedAt, &g.bill.At, &g.since, &g.launching.until, &g.ending.until, &g.listing.until, &g.caring.until} {
		follow(t, set)
	}
	for id, t := range g.first {
		follow(&t, set)
		g.first[id] = t
	}
	for _, f := range g.feeds {
		f.points = nil // they tell of another time
		f.pulse, f.stuck = pulse{}, stuck{}
	}
	g.memory.each(func(t *time.Time) { follow(t, set) })
	g.note(ctx, Entry{Kind: KindSnapshot, At: now, State: g.memory})
}

// A setting is when the clock was set, and by how much.
type setting struct {
	at time.Time
	by time.Duration
}

// holdClock lets nothing change until instances and samples have been heard by
// the new time.
func (g *group) holdClock(now time.Time) Guard {
	rest := max(g.Silent, g.Stale)
	since := now.Sub(g.set.at)
	if g.set.at.IsZero() || since >= rest {
		return passed("clock", "the clock goes steadily")
	}
	return blocked("clock", "the machine's clock was set by %s %s ago, nothing changes for %s", g.set.by.Round(time.Second), span(since), span(rest))
}

// each visits all times of a memory that intervals are counted from.
func (m *memory) each(visit func(*time.Time)) {
	for _, t := range []*time.Time{&m.Last.At, &m.Released, &m.Doubt, &m.Bill.At, &m.Rest.At} {
		visit(t)
	}
	if m.Open != nil {
		open := *m.Open
		visit(&open.At)
		m.Open = &open
	}
	for i := range m.Bursts {
		visit(&m.Bursts[i].At)
	}
	for _, times := range []map[string]time.Time{m.Launched, m.Gone, m.Heirs} {
		for id, t := range times {
			visit(&t)
			times[id] = t
		}
	}
	for id, l := range m.Leaving {
		visit(&l.Since)
		m.Leaving[id] = l
	}
	for scope, s := range m.Refused {
		visit(&s.At)
		m.Refused[scope] = s
	}
}

// notAfter takes what a clock that was ahead wrote into the journal as of now,
// so that it holds for no longer than it would have.
func (m *memory) notAfter(now time.Time) {
	m.each(func(t *time.Time) {
		if t.After(now) {
			*t = now.Round(0)
		}
	})
}
