package autoscale

import (
	"fmt"
	"strings"
	"time"
)

// A held reason: a stable code and a sentence.
type held struct{ code, text string }

// hold notes what keeps a decision from being carried out.
func hold(d *Decision, hs []held) {
	if len(hs) == 0 {
		return
	}
	texts, codes := make([]string, 0, len(hs)+1), make([]string, 0, len(hs)+1)
	if d.Held != "" {
		texts = append(texts, d.Held)
	}
	codes = append(codes, d.Code)
	for _, h := range hs {
		texts, codes = append(texts, h.text), append(codes, h.code)
		d.Guards = append(d.Guards, Guard{Name: h.code, Text: h.text, Blocks: true})
	}
	d.Held, d.Code = strings.Join(texts, "; "), strings.Join(codes, "+")
}

// Guard rails against acting on our own blindness or on broken images.
const (
	frozenShare = 0.45 // this share of the instances silent at once, and
	frozenMore  = 3    // more than this many: it is us who do not hear
	maxOverdue  = 3    // this many never heard of: launching more helps nobody
)

// holdOut lists what forbids any scale-out now. The rests after a change come
// on top, but not for the floor: that is not the load's wish.
func (g Group) holdOut(in Input, c counts) []held {
	hs := g.holdBoth(in, c)
	if c.overdue >= maxOverdue {
		hs = append(hs, held{"overdue", fmt.Sprintf("%d instances were launched and never heard of: see their user data", c.overdue)})
	}
	return hs
}

// holdIn lists what forbids a scale-in now.
func (g Group) holdIn(in Input, c counts) []held {
	hs := g.holdBoth(in, c)
	if window := g.window(); in.Now.Sub(in.Started) < window {
		hs = append(hs, held{"started", fmt.Sprintf("watching for %s only, scale-in wants %s", span(in.Now.Sub(in.Started)), span(window))})
	}
	if n := c.coming(); n > 0 {
		hs = append(hs, held{"booting", fmt.Sprintf("%d on their way", n)})
	}
	return append(hs, g.holdTime(in, In)...)
}

// window is how long a group must be watched before it may shrink.
func (g Group) window() time.Duration { return max(g.In.For, g.Cooldown, g.Stale) }

// holdBoth lists what forbids any change.
func (g Group) holdBoth(in Input, c counts) (hs []held) {
	if in.Stopped != "" {
		hs = append(hs, held{"stopped", "stopped by " + in.Stopped})
	}
	all := c.capacity + c.silent
	if c.silent > frozenMore && float64(c.silent) > frozenShare*float64(all) {
		hs = append(hs, held{"frozen", fmt.Sprintf("%d of %d instances fell silent: more likely our own ears, nothing changes until they are heard", c.silent, all)})
	}
	return hs
}

// holdTime lists what the newest change forbids.
func (g Group) holdTime(in Input, dir Direction) (hs []held) {
	if in.Last.At.IsZero() {
		return nil
	}
	if g.Track != nil && dir == Out {
		return nil // it knows what is on its way, and an instance that is missing is worse than one that was let go too early
	}
	since := in.Now.Sub(in.Last.At)
	if left := g.Cooldown - since; g.Track == nil && left > 0 {
		hs = append(hs, held{"cooldown", fmt.Sprintf("cooldown for %s more", span(left))})
	}
	if left := g.Boot - since; in.Last.Direction != dir && left > 0 {
		hs = append(hs, held{"reversal", fmt.Sprintf("scaled %s %s ago, no reversal within boot time for %s more", in.Last.Direction, span(since), span(left))})
	}
	return hs
}
