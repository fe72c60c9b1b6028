package replay

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

var midnight = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// steps makes a load of n steps.
func steps(n int, step time.Duration, load func(i int) float64) []Step {
	out := make([]Step, n)
	for i := range out {
		out[i] = Step{midnight.Add(time.Duration(i) * step), load(i)}
	}
	return out
}

// flashCrowd needs 2 servers, and within three minutes 19; over 90 minutes the
// crowd goes away again, by and by or in a straight line. Six hours at steps of
// 10 s, with 4 % noise.
func flashCrowd(seed uint64, base float64, straight bool) []Step {
	r := rand.New(rand.NewPCG(seed, 1))
	const peak, began, rise, decay = 14.9, 2 * 3600, 180, 90 * 60
	return steps(2160, 10*time.Second, func(i int) float64 {
		t := float64(i)*10 - began
		load := base
		switch {
		case t < 0:
		case t < rise:
			load += (peak - base) * t / rise
		case !straight:
			load += (peak - base) * math.Exp(-(t-rise)/(decay/3))
		case t < rise+decay:
			load += (peak - base) * (1 - (t-rise)/decay)
		}
		return load * (1 + 0.04*r.NormFloat64())
	})
}

// weeks has days and weeks whose hours drift, growth, wandering, noise, and
// every other day a burst of 20 to 80 % for 10 minutes to an hour.
func weeks(seed uint64, mean, noise float64, step time.Duration, days int) []Step {
	r := rand.New(rand.NewPCG(seed, 2))
	sec := step.Seconds()
	var drift, wander, burst, left, height float64
	return steps(int(float64(days)*86400/sec), step, func(i int) float64 {
		day := float64(i) * sec / 86400
		drift += r.NormFloat64() * 0.3 * math.Sqrt(sec/86400) / 24
		x := 2 * math.Pi * (day + drift)
		load := mean * (1 + 0.45*math.Sin(x) + 0.12*math.Sin(2*x+1) + 0.05*math.Sin(3*x)) * (1 + 0.01*day/7)
		if int(day)%7 >= 5 {
			load *= 0.75
		}
		wander = 0.98*wander + 0.2*r.NormFloat64()
		if left <= 0 && r.Float64() < sec/(2*86400) {
			left, height = 600+r.Float64()*3000, 0.2+0.6*r.Float64()
		}
		if left -= sec; left > 0 {
			burst += (height - burst) * min(1, sec/240)
		} else {
			burst -= burst * min(1, sec/600)
		}
		return load * (1 + burst) * (1 + noise*wander/2) * (1 + noise*r.NormFloat64())
	})
}

// matches is like the site of a championship: every other day the load rises
// fivefold within 20 minutes, stays for a match, and goes. Few servers, requests
// that come by chance, and tails.
func matches(seed uint64) []Step {
	r := rand.New(rand.NewPCG(seed, 5))
	var wander float64
	return steps(7*1440, time.Minute, func(i int) float64 {
		load := 4 + 2.5*math.Sin(2*math.Pi*(float64(i%1440)-600)/1440)
		if t := float64(i%1440) - 930; i/1440%2 == 0 {
			switch {
			case t >= -20 && t < 0:
				load *= 1 + 4*(t+20)/20
			case t >= 0 && t < 105:
				load *= 5 - 1.2*math.Sin(math.Pi*t/105)
			case t >= 105:
				load *= 1 + 4*math.Exp(-(t-105)/25)
			}
		}
		wander = 0.9*wander + 0.03*r.NormFloat64()
		if load *= math.Exp(wander); r.Float64() < 0.001 {
			load *= 1.5
		}
		return load * (1 + 0.05*r.NormFloat64()/math.Sqrt(load))
	})
}

// offices is the load of a firm's site: each working day it is four times that
// of the night from nine o'clock on, within ten minutes that drift by some.
func offices(seed uint64, days int) []Step {
	r := rand.New(rand.NewPCG(seed, 3))
	var late float64
	return steps(days*1440, time.Minute, func(i int) float64 {
		day, minute := i/1440, float64(i%1440)
		if minute == 0 {
			late = 2 * r.NormFloat64()
		}
		load := 5.0
		if day%7 < 5 {
			load += 15 * max(0, min(1, (minute-540-late)/10, (1020-minute)/60))
		}
		return load * (1 + 0.02*r.NormFloat64())
	})
}

// requests is the load of a small site as its requests come in a minute: by
// chance, in visits of several, by day and by week, with a minute lost now and
// then.
func requests(seed uint64, days int) []Step {
	r := rand.New(rand.NewPCG(seed, 4))
	load := steps(days*1440, time.Minute, func(i int) float64 {
		t := 2 * math.Pi * float64(i%1440-540) / 1440
		visits := 14 * (1 + 0.6*math.Sin(t))
		if i/1440%7 >= 5 {
			visits *= 0.6
		}
		n := 0.0
		for range int(max(0, visits+math.Sqrt(visits)*r.NormFloat64()+0.5)) {
			n += 1 + 2*r.ExpFloat64()
		}
		return n / 10
	})
	return slices.DeleteFunc(load, func(Step) bool { return r.IntN(500) == 0 })
}

// every averages n steps into one.
func every(n int, load []Step) (out []Step) {
	for part := range slices.Chunk(load, n) {
		sum := 0.0
		for _, s := range part {
			sum += s.Load
		}
		out = append(out, Step{part[0].Time, sum / float64(len(part))})
	}
	return out
}
