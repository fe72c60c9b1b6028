package autoscale

import (
	"context"
	"fmt"
	"time"

	"rondo/rrd"
)

// A stuck detector knows a metric that has stopped to change while its samples
// go on: an exporter that repeats itself, a recording that nobody feeds. Only
// who has known the metric to change with most samples can say so.
//
//	value  .  . .                 . '
//	      . '.   .'. ________________     the same to the last bit, for Group.Frozen
//	                 |              |     and stuckSamples: it is missing from here on
type stuck struct {
	value   float64
	since   time.Time // the value is what it is
	samples int       // that repeated it
	lively  float64   // share of the newest samples that changed it
	before  float64   // the same, when it last changed
}

const (
	stuckSamples = 20
	livelyEnough = 0.5 // below that the metric is one that rests
	livelySpan   = 16  // samples, by which older ones count for a third
)

// atRest says whether a value is one at which a working metric stays: none, all,
// or all in percent.
func atRest(v float64) bool { return v == 0 || v == 1 || v == 100 }

// What of the archive a group looks at when it starts.
const (
	stuckLearning = 10 * time.Minute // before what would be stuck
	stuckStep     = 10 * time.Second // at least
)

// recall learns from the archive what was seen before a start: a metric that was
// stuck then must not be believed now. An archive that does not answer teaches
// nothing.
func (s *stuck) recall(ctx context.Context, metrics rrd.Evaluator, expr string, now time.Time, after time.Duration) {
	archive, ok := metrics.(Liner)
	if !ok {
		return
	}
	step := max(stuckStep, (after / stuckSamples).Truncate(time.Second))
	values, err := archive.Line(ctx, expr, now.Add(-after-stuckLearning), now, step)
	if err != nil {
		return
	}
	for _, v := range values {
		if finite(v.Value) {
			s.judge(v.Value, true, v.Time.Std(), after)
		}
	}
}

// judge takes a reading; moved says whether samples came in since the one
// before. It returns why the value is not to be believed, or "".
func (s *stuck) judge(v float64, moved bool, now time.Time, after time.Duration) string {
	switch {
	case s.since.IsZero():
		s.value, s.since = v, now
	case v != s.value:
		s.lively += (1 - s.lively) / livelySpan
		s.value, s.since, s.samples, s.before = v, now, 0, s.lively
	case moved:
		s.lively -= s.lively / livelySpan
		s.samples++
	}
	same := now.Sub(s.since)
	if s.before < livelyEnough || s.samples < stuckSamples || same < after || atRest(v) {
		return ""
	}
	return fmt.Sprintf("it is exactly %v for %s and %d samples, and changed with %.0f %% of those before", v, span(same), s.samples, 100*s.before)
}
