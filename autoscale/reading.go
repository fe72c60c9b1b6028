package autoscale

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// maxPoints is how many points a decision shows.
const maxPoints = 12

// A reading is what the points say about the thresholds.
type reading struct {
	value        float64
	at           time.Time     // of the value
	missing      string        // why there is no value
	above, below time.Duration // for how long without a break; -1: not now
	points       []Point       // the newest, as evidence
	hosts        []HostValue   // the same, of hosts
	known        []Point       // all up to now, in order
}

// read looks at the points up to now, and for how long they have been beyond
// the thresholds.
func read(g Group, in Input) reading {
	r := g.newest(in)
	if r.missing == "" && g.Track == nil {
		points := upTo(in.Points, in.Now)
		r.above = run(points, g.Stale, func(v float64) bool { return v > g.Out.Above })
		r.below = run(points, g.Stale, func(v float64) bool { return v < g.In.Below })
	}
	return r
}

// newest looks at the newest of the points up to now. A point that is NaN,
// infinite or stale is none; one from the future waits until its time has come.
func (g Group) newest(in Input) reading {
	points := upTo(in.Points, in.Now)
	r := reading{value: math.NaN(), above: -1, below: -1, points: evidence(points), known: points}
	if len(points) == 0 {
		r.missing = cmp.Or(in.Trouble, "no point yet")
		return r
	}
	last := points[len(points)-1]
	age := in.Now.Sub(last.Time)
	switch {
	case !finite(last.Value):
		r.missing = cmp.Or(in.Trouble, "the newest reading gave no number")
	case age > g.Stale:
		r.missing = fmt.Sprintf("the newest point is %s old, the limit is %s", span(age), span(g.Stale))
	default:
		r.value, r.at = last.Value, last.Time
	}
	return r
}

// plan notes what a plan was made of.
func (r reading) plan(p plan) plan {
	p.value, p.points, p.hosts = r.value, r.points, r.hosts
	return p
}

// run returns how far back from the newest point all points satisfy is, none
// of them missing and no gap longer than gap; -1 where the newest does not.
func run(points []Point, gap time.Duration, is func(float64) bool) time.Duration {
	last := points[len(points)-1]
	since := last.Time
	for _, p := range slices.Backward(points) {
		if !finite(p.Value) || !is(p.Value) {
			break
		}
		if since.Sub(p.Time) > gap {
			break
		}
		since = p.Time
	}
	if !is(last.Value) {
		return -1
	}
	return last.Time.Sub(since)
}

// upTo returns the points up to now in the order of their times. They mostly
// come so; only where they do not is a copy made.
func upTo(points []Point, now time.Time) []Point {
	older := func(a, b Point) int { return a.Time.Compare(b.Time) }
	if !slices.IsSortedFunc(points, older) {
		points = slices.Clone(points)
		slices.SortStableFunc(points, older)
	}
	n := len(points)
	for n > 0 && points[n-1].Time.After(now) {
		n--
	}
	return points[:n]
}

// evidence returns the newest points that are numbers.
func evidence(points []Point) (out []Point) {
	for _, p := range slices.Backward(points) {
		if len(out) == maxPoints {
			break
		}
		if finite(p.Value) {
			out = append(out, p)
		}
	}
	slices.Reverse(out)
	return out
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// num writes a number as people say it: at most two decimals.
func num(v float64) string {
	return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
}

// span writes a duration as people say it: 0.7s, 3s, 1m30s. Time that is not
// over is never 0s.
func span(d time.Duration) string {
	const tenth = time.Second / 10
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d > 0:
		d = max(d, tenth)
	}
	return strconv.FormatFloat(float64(d.Round(tenth)/tenth)/10, 'f', -1, 64) + "s"
}

// lasting says for how long, where it is for more than the newest point.
func lasting(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return " for " + span(d)
}
