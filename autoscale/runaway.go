package autoscale

import (
	"fmt"
	"slices"
	"time"
)

// launchWindow is how far back [Group].MaxLaunches looks.
const launchWindow = 10 * time.Minute

// defaultLaunches is max_launches where the group says nothing: as many as it
// may have, so that a group can be replaced once in the window.
func (g Group) defaultLaunches() int { return max(20, g.Max) }

// A burst is one launch and how many instances it asked for, or got.
type burst struct {
	At      time.Time `json:"at"`
	Attempt string    `json:"attempt"`
	Count   int       `json:"count"`
}

// burstOf notes a launch that is about to be made.
func (m *memory) burstOf(e Entry) {
	m.Bursts = append(m.Bursts, burst{e.At, e.Attempt, e.Launch.Count})
}

// burstWas corrects a burst by what became of it.
func (m *memory) burstWas(attempt string, count int) {
	for i := range m.Bursts {
		if m.Bursts[i].Attempt == attempt {
			m.Bursts[i].Count = count
		}
	}
}

// forgetBursts drops what is out of the window.
func (m *memory) forgetBursts(now time.Time) {
	m.Bursts = slices.DeleteFunc(m.Bursts, func(b burst) bool { return now.Sub(b.At) > launchWindow })
}

// launched is how many instances were asked for in the window.
func (m *memory) launched(now time.Time) (n int) {
	for _, b := range m.Bursts {
		if now.Sub(b.At) <= launchWindow {
			n += b.Count
		}
	}
	return n
}

// holdLaunches keeps a scale-out from launching more than the window has room
// for. What drains and is taken back is no launch.
func (g Group) holdLaunches(d *Decision, in Input, c counts) []Guard {
	if g.MaxLaunches == 0 {
		return nil // a group without its defaults, as a replay asks
	}
	room := max(0, g.MaxLaunches-in.Launched)
	back := min(c.draining, d.To-d.From)
	n := d.To - d.From - back
	figures := fmt.Sprintf("%d launched within %s, max_launches is %d", in.Launched, span(launchWindow), g.MaxLaunches)
	switch {
	case n > room && room+back == 0:
		return []Guard{blocked("max-launches", "%s", figures)}
	case n > room:
		d.cut(d.From+back+room, figures)
		return []Guard{passed("max-launches", "%s: %d instead of %d", figures, room, n)}
	}
	return []Guard{passed("max-launches", "%s: %d more", figures, n)}
}

// newestHeard is when the newest of those in service was launched. What was
// launched before, and never heard of, says nothing about the next launch.
func newestHeard(instances []Instance) (at time.Time) {
	for _, i := range instances {
		if i.Phase == InService && i.Launched.After(at) {
			at = i.Launched
		}
	}
	return at
}

// cut lowers what a scale-out wants, and says why.
func (d *Decision) cut(to int, why string) {
	d.Reason += fmt.Sprintf("; %d only: %s", to, why)
	d.To = to
}
