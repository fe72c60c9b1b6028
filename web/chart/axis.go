package chart

import (
	"math"
	"strconv"
	"time"
)

// A scale maps values to pixels. What lies outside is held at the edge: nothing
// is ever drawn out of the box.
type scale struct {
	lo, hi float64
	a, b   float64 // pixels of lo and hi
}

func (s scale) at(v float64) float64 {
	v = min(max(v, s.lo), s.hi)
	// Halves, because hi-lo may overflow.
	return s.a + (s.b-s.a)*((v/2-s.lo/2)/(s.hi/2-s.lo/2))
}

// An axis is a scale and where its labels stand.
type axis struct {
	scale
	step float64
	unit Unit
}

// newAxis chooses limits around an extent, at multiples of a step, with about
// n steps between them. Zero is kept in sight unless the values move far
// from it.
func newAxis(e limits, n int, u Unit) axis {
	lo, hi := e.lo, e.hi
	if !finite(lo) || !finite(hi) || lo > hi {
		lo, hi = 0, 1
	}
	if lo > 0 && lo < 0.75*hi {
		lo = 0
	}
	if hi < 0 && hi > 0.75*lo {
		hi = 0
	}
	if hi/2-lo/2 <= math.Abs(hi)*1e-9 { // one value: show it above, or below, zero
		lo, hi = min(lo, 0), max(hi, 0)
		if lo == hi {
			hi = 1
		}
	}
	step := niceStep(hi/float64(n)-lo/float64(n), u)
	a := axis{scale{lo: math.Floor(lo/step) * step, hi: math.Ceil(hi/step) * step}, step, u}
	if !finite(a.lo) || !finite(a.hi) || a.lo >= a.hi {
		a.lo, a.hi, a.step = lo, hi, hi/2-lo/2 // at the ends of what a float64 can tell
	}
	return a
}

// niceStep is the smallest of 1, 2, 5 times a power of ten, or for bytes of the
// powers of two, that is not below raw.
func niceStep(raw float64, u Unit) float64 {
	if raw <= 0 || !finite(raw) {
		return 1
	}
	if u == Bytes || u == BytesPerSec {
		return math.Exp2(max(0, math.Ceil(math.Log2(raw))))
	}
	p := math.Pow(10, math.Floor(math.Log10(raw)))
	if p == 0 { // below the smallest normal number
		return raw
	}
	for _, m := range [...]float64{1, 2, 5} {
		if raw <= m*p*(1+1e-9) {
			return m * p
		}
	}
	return 10 * p
}

// maxTicks bounds the labels of an axis.
const maxTicks = 40

// ticks calls f for each label, from the lowest.
func (a axis) ticks(f func(v float64, label string)) {
	p := a.unit.prefixFor(max(math.Abs(a.lo), math.Abs(a.hi)))
	decimals := 0
	for d := a.step / p.factor; decimals < 7 && d > 0 && math.Abs(d-math.Round(d)) > 1e-6*d; decimals++ {
		d *= 10
	}
	n := math.Round(a.hi/a.step - a.lo/a.step)
	if !(n >= 1 && n <= maxTicks) {
		f(a.lo, Format(a.lo, a.unit))
		f(a.hi, Format(a.hi, a.unit))
		return
	}
	for i := 0.0; i <= n; i++ {
		v := 2 * (a.lo/2 + i*(a.step/2)) // halves: the product may overflow
		if math.Abs(v) < a.step*1e-6 {
			f(0, "0")
			continue
		}
		if abs := math.Abs(v / p.factor); abs >= 1e6 || abs != 0 && decimals == 7 {
			f(v, Format(v, a.unit))
			continue
		}
		f(v, strconv.FormatFloat(v/p.factor, 'f', decimals, 64)+p.text)
	}
}

// timeSteps are the distances between time labels; beyond them months and years.
func timeSteps() []time.Duration {
	const day = 24 * time.Hour
	return []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
		day, 2 * day, 7 * day, 14 * day,
	}
}

// timeTicks calls f for each label between from and to, about n of them: on
// the clock's round times in zone, with the date at midnight.
func timeTicks(from, to micros, n int, zone *time.Location, f func(t micros, label string)) {
	span := time.Duration(to-from) * time.Microsecond
	if span <= 0 {
		return
	}
	for _, step := range timeSteps() {
		if span/step <= time.Duration(n) {
			clockTicks(from, to, step, zone, f)
			return
		}
	}
	monthTicks(from, to, n, zone, f)
}

func clockTicks(from, to micros, step time.Duration, zone *time.Location, f func(micros, string)) {
	start := from.time().In(zone)
	t := time.Date(start.Year(), start.Month(), start.Day(), 0, 0, 0, 0, zone)
	if step < 24*time.Hour {
		t = t.Add(start.Sub(t).Truncate(step))
	}
	for range maxTicks * 2 {
		at := micros(t.UnixMicro())
		if at > to {
			return
		}
		if at >= from {
			f(at, clockLabel(t, step))
		}
		if step >= 24*time.Hour {
			t = t.AddDate(0, 0, int(step/(24*time.Hour))) // days differ in length
		} else {
			t = t.Add(step)
		}
	}
}

func clockLabel(t time.Time, step time.Duration) string {
	h, m, s := t.Clock()
	switch {
	case h+m+s == 0:
		return t.Format("Jan 2")
	case step < time.Minute:
		return t.Format("15:04:05")
	}
	return t.Format("15:04")
}

func monthTicks(from, to micros, n int, zone *time.Location, f func(micros, string)) {
	start, end := from.time().In(zone), to.time().In(zone)
	months := (end.Year()-start.Year())*12 + int(end.Month()) - int(start.Month())
	every := 1
	for _, m := range [...]int{1, 2, 3, 6, 12, 24, 60, 120, 1200, 12000, 120000} {
		if every = m; months/m <= n {
			break
		}
	}
	first := start.Year()*12 + int(start.Month()) - 1
	for i := first - first%every; i <= first+months; i += every {
		t := time.Date(i/12, time.Month(i%12+1), 1, 0, 0, 0, 0, zone)
		if at := micros(t.UnixMicro()); at >= from && at <= to {
			label := t.Format("Jan")
			if i%12 == 0 {
				label = t.Format("2006")
			}
			f(at, label)
		}
	}
}
