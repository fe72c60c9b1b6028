package autoscale

import (
	"time"
)

// Guard rails against acting on our own blindness or on broken images.
const (
	frozenShare = 0.45 // this share of the instances silent at once, and
	frozenMore  = 3    // more than this many: it is us who do not hear
	maxOverdue  = 3    // this many never heard of: launching more helps nobody
)

// holdOut lists what any scale-out must pass. The rests after a change come on
// top, but not for the floor: that is not the load's wish.
func (g Group) holdOut(in Input, c counts) []Guard {
	met := append(g.holdBoth(in, c), g.holdSingle(in)...)
	if c.overdue >= maxOverdue {
		return append(met, blocked("overdue", "%d instances were launched and never heard of: see their user data", c.overdue))
	}
	return append(met, passed("overdue", "%d launched and never heard of, the limit is %d", c.overdue, maxOverdue))
}

// holdIn lists what a scale-in must pass. One for want of money waits for the
// stop switch alone.
func (g Group) holdIn(in Input, c counts, p plan) []Guard {
	met := g.holdBoth(in, c)
	if p.code == codeBudget {
		return met[:1]
	}
	watched, window := in.Now.Sub(in.Started), g.window()
	if watched < window {
		met = append(met, blocked("started", "watching for %s only, scale-in wants %s", span(watched), span(window)))
	} else {
		met = append(met, passed("started", "watching for %s, scale-in wants %s", span(watched), span(window)))
	}
	if n := c.coming(); n > 0 {
		met = append(met, blocked("booting", "%d on their way", n))
	} else {
		met = append(met, passed("booting", "none on its way"))
	}
	return append(met, g.holdTime(in, In, p)...)
}

// window is how long a group must be watched before it may shrink.
func (g Group) window() time.Duration {
	window := max(g.Cooldown, g.Stale)
	for _, p := range g.All() {
		window = max(window, p.shrinkAfter())
	}
	return window
}

// holdBoth lists what any change must pass.
func (g Group) holdBoth(in Input, c counts) (met []Guard) {
	if in.Stopped != "" {
		met = append(met, blocked("stopped", "stopped by %s", in.Stopped))
	} else {
		met = append(met, passed("stopped", "no stop switch is pulled"))
	}
	fell, all := c.silent-c.forgiven, c.capacity+c.silent-c.forgiven
	if fell > frozenMore && float64(fell) > frozenShare*float64(all) {
		return append(met, blocked("frozen", "%d of %d instances fell silent: more likely our own ears, nothing changes until they are heard", fell, all))
	}
	if others := g.holdEars(in, fell); others != nil {
		return append(met, others...)
	}
	if c.forgiven > 0 {
		return append(met, passed("frozen", "%d of %d instances are silent, beside %d that were never heard of before the group was started by hand", fell, all, c.forgiven))
	}
	return append(met, passed("frozen", "%d of %d instances are silent", fell, all))
}

// holdTime lists what the newest change has to say.
func (g Group) holdTime(in Input, dir Direction, p plan) (met []Guard) {
	if in.Last.At.IsZero() {
		return nil
	}
	if p.follows && dir == Out {
		return nil // it knows what is on its way, and an instance that is missing is worse than one that was let go too early
	}
	since := in.Now.Sub(in.Last.At)
	switch left := g.Cooldown - since; {
	case p.follows:
	case left > 0:
		met = append(met, blocked("cooldown", "cooldown for %s more", span(left)))
	default:
		met = append(met, passed("cooldown", "scaled %s ago, cooldown is %s", span(since), span(g.Cooldown)))
	}
	switch left := g.Boot - since; {
	case in.Last.Direction == dir:
	case left > 0:
		met = append(met, blocked("reversal", "scaled %s %s ago, no reversal within boot time for %s more%s", in.Last.Direction, span(since), span(left), g.learntBoot(in)))
	default:
		met = append(met, passed("reversal", "scaled %s %s ago, boot time is %s%s", in.Last.Direction, span(since), span(g.Boot), g.learntBoot(in)))
	}
	return met
}

// blocking says whether one of them blocks.
func blocking(met []Guard) bool {
	for _, g := range met {
		if g.Blocks {
			return true
		}
	}
	return false
}
