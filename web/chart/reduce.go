package chart

import (
	"math"
	"slices"
	"time"
)

// micros is an instant in microseconds since the epoch: it is cheaper to compare
// by the million than a time.Time.
type micros int64

const second micros = 1e6

func (t micros) time() time.Time { return time.UnixMicro(int64(t)).UTC() }

// A track is a line on its way to the canvas.
type track struct {
	Line
	at []micros // of Times
}

func newTrack(l Line) track {
	t := track{l, make([]micros, len(l.Times))}
	for i, at := range l.Times {
		t.at[i] = micros(at.UnixMicro())
	}
	return t
}

// joined is the longest distance of two points of l between which a line is
// drawn: beyond it rows are missing, and what is unknown is not drawn.
func joined(l track) micros {
	if l.Step > 0 {
		return micros((l.Step + l.Step/2).Microseconds())
	}
	if len(l.at) < 2 {
		return math.MaxInt64
	}
	// A sample of the distances is enough for the usual one.
	const most = 64
	d := make([]micros, 0, most)
	every := max(1, (len(l.at)-1)/most)
	for i := 1; i < len(l.at) && len(d) < most; i += every {
		d = append(d, l.at[i]-l.at[i-1])
	}
	slices.Sort(d)
	return max(2*d[len(d)/2], micros(time.Millisecond.Microseconds()))
}

// A plot is where lines are drawn: times across, values up.
type plot struct {
	x, y     scale
	from, to micros
}

// across is the pixel of an instant.
func (p *plot) across(t micros) float64 { return p.x.at(float64(t - p.from)) }

// runs calls f for every stretch [i, j) of points of l that are known, in sight and
// joined.
func (p *plot) runs(l track, f func(i, j int)) {
	limit, start := joined(l), -1
	n := min(len(l.at), len(l.Values))
	for i := range n {
		if !finite(l.Values[i]) || l.at[i] < p.from || l.at[i] > p.to {
			if start >= 0 {
				f(start, i)
			}
			start = -1
			continue
		}
		if start >= 0 && l.at[i]-l.at[i-1] > limit {
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
func (p *plot) column(t micros) int { return int(p.across(t)) }

// reduce calls f with the points of [i, j) that a picture of p's width needs: of
// each column of pixels the first, lowest, highest and last, in order of time. The
// drawing is the same as that of all points, for the least of them.
func (p *plot) reduce(l track, i, j int, f func(t micros, v float64)) {
	for i < j {
		end, lo, hi := i+1, i, i
		for c := p.column(l.at[i]); end < j && p.column(l.at[end]) == c; end++ {
			if l.Values[end] < l.Values[lo] {
				lo = end
			}
			if l.Values[end] > l.Values[hi] {
				hi = end
			}
		}
		last := -1
		for _, k := range [...]int{i, min(lo, hi), max(lo, hi), end - 1} {
			if k > last {
				f(l.at[k], l.Values[k])
				last = k
			}
		}
		i = end
	}
}

// envelope calls f with one value per column of pixels: the best of it, as pick
// (min or max) decides. Unknown bounds give way to the line itself.
func (p *plot) envelope(l track, bound []float64, i, j int, pick func(a, b float64) float64, f func(t micros, v float64)) {
	at := func(k int) float64 {
		if k < len(bound) && finite(bound[k]) {
			return pick(bound[k], l.Values[k])
		}
		return l.Values[k]
	}
	for i < j {
		end, best := i+1, at(i)
		for c := p.column(l.at[i]); end < j && p.column(l.at[end]) == c; end++ {
			best = pick(best, at(end))
		}
		f(l.at[i], best)
		i = end
	}
}
