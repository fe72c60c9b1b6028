package autoscale

import (
	"math"
	"time"
)

// What a forecast is made of.
const (
	forecastPoints = 120   // the newest moments are looked at, no more
	longestLine    = 60    // moments a line is laid through at most, and
	longestSpan    = 3600  // seconds: over hours a load is no line
	agreement      = 1.8   // standard errors within which lines through more of the past must agree with the shorter ones
	certainSlope   = 2.9   // standard errors from which on a slope is believed
	downward       = 0.7   // of a falling slope only so much is believed: it is cheaper to be late in saving
	leastNoise     = 0.005 // of the load; no measurement is better
	guessedNoise   = 0.05  // while there are too few moments to tell
	wanderShare    = 0.7   // of the wandering is not foreseen by the line
)

// A moment is the work of a group at one time.
type moment struct {
	at   float64 // seconds; only differences count
	work float64 // in servers: 1 is what one instance does when it is fully used
}

// A forecast is what the newest moments say about the near future: a line
// through those that agree with each other, and how far moments lie from it.
//
// How much of the past is taken is found by growing windows (intersection of
// confidence intervals, Goldenshluger and Nemirovski 1997): a line through more
// moments is surer, and is taken as long as the level it gives for now lies
// within what all shorter ones allow. In quiet times that is an hour, in a
// flash crowd its three moments.
type forecast struct {
	level, slope       float64 // work at the newest moment, and its change a second
	levelErr, slopeErr float64 // standard errors of both
	noise              float64 // relative standard deviation of one moment around the line
	wander             float64 // the same over the horizon, where it is more than noise
	season             float64 // share by which work used to rise in a second at this time of day, where that is believed
	moments            int     // through so many the line is laid
	span               time.Duration
}

// forecastOf lays the line. moments are in the order of time; the horizon is
// how far ahead will be asked, in seconds.
func forecastOf(ms []moment, horizon float64) forecast {
	if len(ms) == 0 {
		return forecast{}
	}
	ms = ms[max(0, len(ms)-forecastPoints):]
	noise := max(noiseOf(ms), leastNoise)
	return forecast{noise: noise, wander: wanderOf(ms, horizon, noise)}.before(ms)
}

// before is the forecast that would have been made when the last of ms was the
// newest moment, with the same noise.
func (f forecast) before(ms []moment) forecast {
	newest := ms[len(ms)-1].work
	f = forecast{level: newest, levelErr: f.noise * newest, noise: f.noise, wander: f.wander, moments: 1}
	if len(ms) > 3 {
		f.grow(ms)
	}
	return f
}

// grow takes the longest line that agrees with all shorter ones.
func (f *forecast) grow(ms []moment) {
	newest := ms[len(ms)-1]
	lowest, highest := math.Inf(-1), math.Inf(1)
	next := 3
	var n, t, tt, y, ty float64 // sums of 1, time, time squared, work, time times work
	for i := 1; i <= min(len(ms), longestLine); i++ {
		at, work := ms[len(ms)-i].at-newest.at, ms[len(ms)-i].work
		if at < -longestSpan {
			return
		}
		n, t, tt, y, ty = n+1, t+at, tt+at*at, y+work, ty+at*work
		if i < next {
			continue
		}
		next = i * 4 / 3
		spread := tt - t*t/n
		if spread <= 0 {
			continue
		}
		slope := (ty - t*y/n) / spread
		level := (y - slope*t) / n
		sigma := f.noise * max(level, newest.work/2)
		levelErr := sigma * math.Sqrt(1/n+(t/n)*(t/n)/spread)
		lowest, highest = max(lowest, level-agreement*levelErr), min(highest, level+agreement*levelErr)
		if lowest > highest {
			return
		}
		f.level, f.slope, f.levelErr, f.slopeErr = max(level, 0), slope, levelErr, sigma/math.Sqrt(spread)
		f.moments, f.span = i, seconds(-at)
	}
}

// trend is the part of the slope that is believed, and its error.
func (f forecast) trend() (slope, slopeErr float64) {
	if f.slopeErr == 0 {
		return 0, 0
	}
	believed := 1 / (1 + math.Exp(-3*(math.Abs(f.slope)/f.slopeErr-certainSlope)))
	if f.slope < 0 {
		believed *= downward
	}
	return believed * f.slope, believed * f.slopeErr
}

// at is the work that is expected so many seconds after the newest moment, and
// the standard deviation of what will be found then.
func (f forecast) at(ahead float64) (work, deviation float64) {
	slope, slopeErr := f.trend()
	work = max(f.level+slope*ahead, 0)
	if f.season > 0 {
		work = max(work, f.level*(1+f.season*ahead))
	}
	return work, math.Hypot(math.Hypot(f.levelErr, slopeErr*ahead), max(f.noise, f.wander)*work)
}

// noiseOf is the relative standard deviation of independent noise: the median
// of second differences, which neither a trend nor a jump moves.
func noiseOf(ms []moment) float64 {
	var second [forecastPoints]float64
	ds := second[:0]
	for i := 2; i < len(ms); i++ {
		a, b, c := ms[i-2].work, ms[i-1].work, ms[i].work
		if mean := (a + b + c) / 3; mean > 0 {
			ds = append(ds, math.Abs(a-2*b+c)/mean)
		}
	}
	if len(ds) < 5 {
		return guessedNoise
	}
	return median(ds) / (normalMAD * math.Sqrt(6))
}

// wanderOf is the relative standard deviation of a moment over the horizon
// where work wanders, or 0 where noise explains all changes. What all changes
// have in common is no wandering but the trend, which the line knows.
func wanderOf(ms []moment, horizon, noise float64) float64 {
	var change [forecastPoints]float64
	ds := change[:0]
	before := 0
	for i := range ms {
		for before < i && ms[i].at-ms[before+1].at >= horizon {
			before++
		}
		if sum := ms[i].work + ms[before].work; ms[i].at-ms[before].at >= horizon && sum > 0 {
			ds = append(ds, 2*(ms[i].work-ms[before].work)/sum)
		}
	}
	if len(ds) < 10 {
		return 0
	}
	common := median(ds)
	for i := range ds {
		ds[i] = math.Abs(ds[i] - common)
	}
	spread := median(ds) / normalMAD
	excess := spread*spread - 2*noise*noise // each change has the noise of two moments
	if excess <= 0 {
		return 0
	}
	return math.Sqrt(noise*noise + wanderShare*excess)
}

// normalMAD is the median of |x| of a normal distribution with deviation 1.
const normalMAD = 0.6745

// median puts the upper median into its place (quickselect) and returns it.
func median(x []float64) float64 {
	k, lo, hi := len(x)/2, 0, len(x)-1
	for lo < hi {
		pivot, i, j := x[(lo+hi)/2], lo, hi
		for i <= j {
			for x[i] < pivot {
				i++
			}
			for x[j] > pivot {
				j--
			}
			if i <= j {
				x[i], x[j] = x[j], x[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case k <= j:
			hi = j
		case k >= i:
			lo = i
		default:
			return x[k]
		}
	}
	return x[k]
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
