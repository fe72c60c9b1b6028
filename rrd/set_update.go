package rrd

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A LateError refuses a reading that is not newer than the last one, in
// RRDtool's own words.
type LateError struct{ Time, Last Time }

func (e *LateError) Error() string {
	return fmt.Sprintf("illegal attempt to update using time %d when last update time is %d (minimum one second step)",
		e.Time/Second, e.Last/Second)
}

// Update takes the readings at time t, one text for each data source that is
// no Compute, and returns the rows that they finish: archive by archive,
// oldest first. The rows are valid until the next Update. A text that begins
// with U is unknown; counters and derives want whole numbers, of any length.
//
// An error refuses the whole update, which then has no effect.
func (s *Set) Update(t Time, texts ...string) ([]SetRow, error) {
	if t <= s.last {
		return nil, &LateError{t, s.last}
	}
	if err := s.checkTexts(t, texts); err != nil {
		return nil, err
	}
	// Seconds and microseconds are subtracted by themselves: the rounding of
	// this sum is part of the arithmetic.
	interval := float64(t/Second-s.last/Second) + float64(t%Second-s.last%Second)/1e6
	for i, source := range s.inputs {
		var err error
		if s.fresh[source], err = s.read(source, texts[i], interval); err != nil {
			return nil, err
		}
	}
	for i, source := range s.inputs {
		src, text := &s.sources[source], texts[i]
		src.text = append(src.text[:0], text[:min(len(text), lastLen)]...)
	}
	s.rows, s.values = s.rows[:0], s.values[:0]
	s.advance(t, interval)
	s.last = t
	s.smooth()
	return s.rows, nil
}

// checkTexts wants a text for each input.
func (s *Set) checkTexts(t Time, texts []string) error {
	switch n := len(s.inputs); {
	case len(texts) > n:
		return fmt.Errorf("found extra data on update argument: %s", strings.Join(texts[n:], ":"))
	case len(texts) < n:
		return fmt.Errorf("expected %d data source readings (got %d) from %s", n, len(texts), t.text())
	}
	return nil
}

// text is the time as an update gives it.
func (t Time) text() string {
	text := strconv.FormatInt(int64(t/Second), 10)
	if us := t % Second; us != 0 {
		text += strings.TrimRight(fmt.Sprintf(".%06d", us), "0")
	}
	return text
}

// read turns a reading into rate*seconds, NaN where it is unknown or outside
// the limits.
func (s *Set) read(i int, text string, interval float64) (float64, error) {
	d := &s.def.Sources[i]
	if text != "" && text[0] == 'U' || interval > d.Heartbeat.Seconds() {
		return math.NaN(), nil
	}
	var fresh, rate float64
	switch d.Type {
	case Counter, Derive:
		diff, err := difference(text, s.sources[i].text, d.Type, s.def.Mended)
		if err != nil {
			return 0, err
		}
		fresh, rate = diff, diff/interval
	case DCounter, DDerive:
		diff, err := realDifference(text, s.sources[i].text, d.Type)
		if err != nil {
			return 0, err
		}
		fresh, rate = diff, diff/interval
	case Absolute:
		v, err := parseNumber(text, "Function update_pdp_prep, case DST_ABSOLUTE")
		if err != nil {
			return 0, err
		}
		fresh, rate = v, v/interval
	default:
		v, err := parseNumber(text, "Function update_pdp_prep, case DST_GAUGE")
		if err != nil {
			return 0, err
		}
		fresh, rate = v*interval, v
	}
	if rate > d.Max || rate < d.Min { // NaN is neither
		return math.NaN(), nil
	}
	return fresh, nil
}

// advance brings time forward to t with the readings in fresh.
func (s *Set) advance(t Time, interval float64) {
	lastSec, sec := int64(s.last/Second), int64(t/Second)
	slot := lastSec / s.step // that the last reading fell into
	elapsed := sec/s.step - slot
	if elapsed == 0 {
		s.collect(interval, sec-lastSec)
		return
	}
	// The interval up to the last boundary, and the rest.
	pre := float64(sec-sec%s.step-lastSec) - float64(s.last%Second)/1e6
	post := float64(sec%s.step) + float64(t%Second)/1e6
	if open := int64(pre) % s.step; elapsed > 1 && open > 0 {
		s.splitLeft(float64(open), interval)
		s.finish(t, slot, 1, float64(open), float64(open), 0, s.left)
		interval -= float64(open)
		pre -= float64(open)
		elapsed--
		slot++
	}
	s.finish(t, slot, elapsed, interval, pre, post, s.fresh)
}

// collect takes a reading that closes no step. seconds is how many began in
// the interval.
func (s *Set) collect(interval float64, seconds int64) {
	unknown := int64(math.Floor(interval)) // fractions are lost, as in RRDtool
	if s.def.Mended {
		unknown = seconds
	}
	for i := range s.sources {
		src, fresh := &s.sources[i], s.fresh[i]
		switch {
		case math.IsNaN(fresh):
			src.unknown += unknown
		case math.IsNaN(src.value):
			src.value = fresh
		default:
			src.value += fresh
		}
	}
}

// splitLeft moves the part of fresh that belongs to the step found open, of
// which open seconds were left, into left.
func (s *Set) splitLeft(open, interval float64) {
	for i, fresh := range s.fresh {
		if math.IsNaN(fresh) {
			s.left[i] = math.NaN()
			continue
		}
		s.left[i] = fresh * open / interval
		s.fresh[i] = fresh - s.left[i]
	}
}

// finish closes elapsed steps from slot on, with one value for all of them,
// and begins the next one with the last post seconds of the interval.
func (s *Set) finish(t Time, slot, elapsed int64, interval, pre, post float64, fresh []float64) {
	for _, i := range s.inputs {
		s.points[i] = s.sources[i].point(fresh[i], interval, pre, s.def.Sources[i].Heartbeat.Seconds(), elapsed*s.step, s.step)
	}
	for i := range s.sources {
		s.sources[i].restart(fresh[i], interval, post)
	}
	for i := range s.computes {
		c := &s.computes[i]
		for j, source := range c.from {
			c.values[j] = s.points[source]
		}
		s.points[c.source] = s.rpn.Eval(c.program, c.values, float64(t/Second))
	}
	s.forecast(elapsed)
	for a := range s.open {
		if s.def.Archives[a].HoltWinters != nil {
			s.putForecast(a, slot, elapsed)
		} else {
			s.consolidate(a, slot, elapsed)
		}
	}
}

// point is the primary point of span seconds that end pre seconds into the
// interval. Conversions to float64 keep a compiler from fusing a product with
// its sum, which would round once less than RRDtool does.
func (src *source) point(fresh, interval, pre, heartbeat float64, span, step int64) float64 {
	preUnknown := 0.0
	if math.IsNaN(fresh) {
		preUnknown = pre
	} else {
		if math.IsNaN(src.value) {
			src.value = 0
		}
		src.value += float64(fresh / interval * pre)
	}
	if interval > heartbeat || float64(step)/2 < float64(src.unknown) {
		return math.NaN()
	}
	return src.value / (float64(span-src.unknown) - preUnknown)
}

// restart begins a step with the last post seconds of the interval.
func (src *source) restart(fresh, interval, post float64) {
	if math.IsNaN(fresh) {
		src.unknown, src.value = int64(math.Floor(post)), math.NaN()
		return
	}
	src.unknown, src.value = 0, fresh/interval*post
}
