package chart

import (
	"math"
	"slices"
	"time"

	"rondo/rrd"
)

// joined is the longest distance of two points of l between which a line is
// drawn: beyond it rows are missing, and what is unknown is not drawn.
func joined(l Line) rrd.Time {
	if l.Step > 0 {
		return rrd.Time((l.Step + l.Step/2).Microseconds())
	}
	if len(l.Times) < 2 {
		return math.MaxInt64
	}
	// A sample of the distances is enough for the usual one.
	const most = 64
	d := make([]rrd.Time, 0, most)
	every := max(1, (len(l.Times)-1)/most)
	for i := 1; i < len(l.Times) && len(d) < most; i += every {
		d = append(d, l.Times[i]-l.Times[i-1])
	}
	slices.Sort(d)
	return max(2*d[len(d)/2], rrd.Time(time.Millisecond.Microseconds()))
}

// A plot is where lines are drawn: times across, values up.
type plot struct {
	x, y     scale
	from, to rrd.Time
}

// across is the pixel of an instant.
func (p *plot) across(t rrd.Time) float64 { return p.x.at(float64(t - p.from)) }

// runs calls f for every stretch [i, j) of points of l that are known, in sight and
// joined.
func (p *plot) runs(l Line, f func(i, j int)) {
	limit, start := joined(l), -1
	n := min(len(l.Times), len(l.Values))
	for i := range n {
		if !finite(l.Values[i]) || l.Times[i] < p.from || l.Times[i] > p.to {
			if start >= 0 {
				f(start, i)
			}
			start = -1
			continue
		}
		if start >= 0 && l.Times[i]-l.Times[i-1] > limit {
			f(start, i)
			start = i
		}
		if start < 0 {
			start = i
		}
	}
	if start >= 0 {
		f(start, n)
	}
}

// column is the pixel column of an instant.
func (p *plot) column(t rrd.Time) int { return int(p.across(t)) }

// reduce calls f with the points of [i, j) that a picture of p's width needs: of
// each column of pixels the first, lowest, highest and last, in order of time. The
// drawing is the same as that of all points, for the least of them.
func (p *plot) reduce(times []rrd.Time, values []float64, i, j int, f func(t rrd.Time, v float64)) {
	for i < j {
		end, lo, hi := i+1, i, i
		for c := p.column(times[i]); end < j && p.column(times[end]) == c; end++ {
			if values[end] < values[lo] {
				lo = end
			}
			if values[end] > values[hi] {
				hi = end
			}
		}
		last := -1
		for _, k := range [...]int{i, min(lo, hi), max(lo, hi), end - 1} {
			if k > last {
				f(times[k], values[k])
				last = k
			}
		}
		i = end
	}
}

// envelope calls f with one value per column of pixels: the best of it, as pick
// (min or max) decides. Unknown bounds give way to the line itself.
func (p *plot) envelope(l Line, bound []float64, i, j int, pick func(a, b float64) float64, f func(t rrd.Time, v float64)) {
	at := func(k int) float64 {
		if k < len(bound) && finite(bound[k]) {
			return pick(bound[k], l.Values[k])
		}
		return l.Values[k]
	}
	for i < j {
		end, best := i+1, at(i)
		for c := p.column(l.Times[i]); end < j && p.column(l.Times[end]) == c; end++ {
			best = pick(best, at(end))
		}
		f(l.Times[i], best)
		i = end
	}
}
