package check

import (
	"math"
	"slices"
)

// A forecast is what a series is expected to do.
type forecast struct {
	now   float64                     // where it stands, without its noise
	at    func(ahead float64) float64 // where it will stand, seconds from now
	sure  func(ahead float64) float64 // how far off that may be
	trust float64                     // share of its variation that is explained, 0 to 1
}

// crossing is in how many seconds, of those until horizon, a forecast will be
// beyond a limit even if it is off by as much as it may be. It is +Inf where that
// does not happen. sign is 1 for a limit above, -1 for one below.
func (f forecast) crossing(limit, sign, horizon, step float64) float64 {
	if sign*(f.now-limit) > 0 {
		return 0
	}
	for t := step; t <= horizon; t += step {
		if sign*(f.at(t)-limit)-f.sure(t) > 0 {
			return t
		}
	}
	return math.Inf(1)
}

// A series is points in order of time, in seconds before now (so none is
// positive).
type series struct{ times, values []float64 }

// thinned is at most n points of s, each the mean of neighbours.
func (s series) thinned(n int) series {
	every := (len(s.times) + n - 1) / n
	if every <= 1 {
		return s
	}
	var out series
	for i := 0; i < len(s.times); i += every {
		j := min(i+every, len(s.times))
		out.times = append(out.times, mean(s.times[i:j]))
		out.values = append(out.values, mean(s.values[i:j]))
	}
	return out
}

func mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}

// median sorts xs.
func median(xs []float64) float64 {
	slices.Sort(xs)
	if n := len(xs); n%2 == 0 {
		return (xs[n/2-1] + xs[n/2]) / 2
	}
	return xs[len(xs)/2]
}

// trendPoints is how many points a line is laid through: the work grows with
// their square.
const trendPoints = 120

// trend lays a straight line through a series: Theil and Sen's, whose slope is
// the median of the slopes between all pairs of points, so that a few wild ones
// do not turn it. Its trust is R squared without the tenth of the points that
// lies farthest off; what may be off grows with the distance as the slope's own
// uncertainty does.
func trend(s series) forecast {
	s = s.thinned(trendPoints)
	var slopes []float64
	for i := range s.times {
		for j := range i {
			slopes = append(slopes, (s.values[i]-s.values[j])/(s.times[i]-s.times[j]))
		}
	}
	if len(slopes) == 0 {
		return forecast{now: math.NaN()}
	}
	slope := median(slopes)
	levels := make([]float64, len(s.times))
	for i, t := range s.times {
		levels[i] = s.values[i] - slope*t
	}
	level := median(levels)
	trust, deviation := fit(s, func(t float64) float64 { return level + slope*t })
	spread := 0.0
	middle := mean(s.times)
	for _, t := range s.times {
		spread += (t - middle) * (t - middle)
	}
	unsure := 2 * deviation / math.Sqrt(spread) // of the slope
	return forecast{
		now: level, trust: trust,
		at:   func(ahead float64) float64 { return level + slope*ahead },
		sure: func(ahead float64) float64 { return unsure * (ahead - middle) },
	}
}

// fit is how well a line explains a series, and the mean deviation (root of the
// mean of squares) from it, both without the tenth farthest off.
func fit(s series, line func(t float64) float64) (trust, deviation float64) {
	order := make([]int, len(s.times))
	off := make([]float64, len(s.times))
	for i, t := range s.times {
		order[i], off[i] = i, s.values[i]-line(t)
	}
	slices.SortFunc(order, func(a, b int) int {
		return int(math.Copysign(1, math.Abs(off[a])-math.Abs(off[b])))
	})
	order = order[:len(order)-len(order)/10]
	var kept []float64
	rest := 0.0
	for _, i := range order {
		kept = append(kept, s.values[i])
		rest += off[i] * off[i]
	}
	middle, all := mean(kept), 0.0
	for _, v := range kept {
		all += (v - middle) * (v - middle)
	}
	deviation = math.Sqrt(rest / float64(len(kept)))
	if all == 0 {
		return 0, deviation // it does not move: there is nothing to explain
	}
	return max(0, 1-rest/all), deviation
}

// How fast a season's model follows, as Brutlag's aberrant behaviour detection
// has it (rrdcreate(1)): quicker than there, since it is made anew of a few
// periods at each check.
const (
	alpha = 0.3  // level
	beta  = 0.05 // slope
	gamma = 0.3  // season and deviation
)

// seasonal is Holt and Winters' forecast with an additive season of a period
// of so many points, which are evenly spaced; NaN is unknown. It wants two
// periods. Trust is what the model, one step ahead, explained of the last one.
func seasonal(values []float64, period int, step float64) forecast {
	level, slope, season := begin(values, period)
	deviation := make([]float64, period)
	var seen, off []float64
	since := 1.0 // steps since the last known point
	for i := period; i < len(values); i++ {
		k := i % period
		predicted, y := level+slope*since+season[k], values[i]
		if math.IsNaN(y) {
			since++
			continue
		}
		next := alpha*(y-season[k]) + (1-alpha)*(level+slope*since)
		slope = beta*(next-level)/since + (1-beta)*slope
		level, since = next, 1
		season[k] = gamma*(y-level) + (1-gamma)*season[k]
		if i < 2*period {
			deviation[k] = math.Abs(predicted - y)
		} else {
			deviation[k] = gamma*math.Abs(predicted-y) + (1-gamma)*deviation[k]
		}
		if i >= len(values)-period {
			seen, off = append(seen, y), append(off, predicted-y)
		}
	}
	last := len(values) - 1
	steps := func(ahead float64) int { return int(math.Round(ahead / step)) }
	return forecast{
		now: level + season[last%period], trust: explained(seen, off),
		at: func(ahead float64) float64 {
			n := steps(ahead)
			return level + slope*(float64(n)+since-1) + season[(last+n)%period]
		},
		sure: func(ahead float64) float64 { return 2 * deviation[(last+steps(ahead))%period] },
	}
}

// begin takes level, slope and season from the first two periods.
func begin(values []float64, period int) (level, slope float64, season []float64) {
	first, second := known(values[:period]), known(values[period:2*period])
	level, slope = mean(first), (mean(second)-mean(first))/float64(period)
	season = make([]float64, period)
	for k := range season {
		if off := values[k] - level - slope*(float64(k)-float64(period-1)/2); !math.IsNaN(off) {
			season[k] = off
		}
	}
	return level + slope*float64(period-1)/2, slope, season
}

func known(values []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(values), math.IsNaN)
}

// explained is the share of the variation of values that is not left in what a
// model was off by.
func explained(values, off []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	middle, all, rest := mean(values), 0.0, 0.0
	for i, v := range values {
		all += (v - middle) * (v - middle)
		rest += off[i] * off[i]
	}
	if all == 0 {
		return 0
	}
	return max(0, 1-rest/all)
}
