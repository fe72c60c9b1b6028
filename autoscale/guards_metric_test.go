package autoscale

import (
	"context"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rondo/rrd"
)

// A faulty metric says what the test wants, in place of the world's.
type faulty struct {
	*world
	fault func(v rrd.Value) []rrd.Value // nil: it works
	older time.Duration                 // the samples are, than they should be
}

func (f *faulty) Eval(ctx context.Context, expr string, at time.Time) ([]rrd.Value, error) {
	out, err := f.world.Eval(ctx, expr, at)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault != nil && len(out) == 1 {
		out = f.fault(out[0])
	}
	return out, err
}

// Newest implements Dater.
func (f *faulty) Newest(context.Context, string, time.Time) (time.Time, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.older > 0 {
		return time.Date(2000, 1, 1, 0, 1, 0, 0, time.UTC), nil // none came in since
	}
	return time.Now(), nil
}

// TestGuardMissing: whatever is wrong with the metric, capacity stays as it was
// when it was known to be good, for as long as it takes; below min it is
// launched all the same; when the metric is back, so is scaling.
func TestGuardMissing(t *testing.T) {
	t.Parallel()
	f := func(what, why string, break_ func(*faulty)) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1000)
			m := &faulty{world: w}
			w.metrics = m
			w.setDemand(24)
			c := web()
			l := w.live(c)
			defer l.stop()
			time.Sleep(time.Minute)
			w.mu.Lock()
			break_(m)
			w.mu.Unlock()
			time.Sleep(10 * time.Second) // stale is 5 s
			w.setDemand(1)
			time.Sleep(15 * time.Minute)
			v, _ := l.View("web")
			if w.count() != 6 || v.Last.Code != codeMissing || !strings.Contains(v.Last.Reason, why) {
				t.Errorf("%s: %d instances, want 6; %s: %s", what, w.count(), v.Last.Code, v.Last.Reason)
			}
			w.mu.Lock()
			for _, id := range w.alive()[1:] {
				w.instances[id].ended = time.Now()
			}
			w.mu.Unlock()
			time.Sleep(time.Minute)
			if w.count() != 2 {
				t.Errorf("%s: %d instances, want the floor of 2", what, w.count())
			}
			w.mu.Lock()
			m.fault, m.older, w.missing, w.demand = nil, 0, false, 24
			w.mu.Unlock()
			time.Sleep(time.Minute)
			if w.count() != 6 {
				t.Errorf("%s: %d instances when the metric is back, want 6", what, w.count())
			}
		})
	}
	f("no series", "the query found no series", func(m *faulty) { m.missing = true })
	f("not a number", "the query gave NaN", func(m *faulty) {
		m.fault = func(v rrd.Value) []rrd.Value { v.Value = math.NaN(); return []rrd.Value{v} }
	})
	f("without end", "the query gave +Inf", func(m *faulty) {
		m.fault = func(v rrd.Value) []rrd.Value { v.Value = math.Inf(1); return []rrd.Value{v} }
	})
	f("late", "the newest sample is ", func(m *faulty) { m.older = time.Hour })
	f("twice", "the query gives 2 series", func(m *faulty) { m.fault = func(v rrd.Value) []rrd.Value { return []rrd.Value{v, v} } })
}

// TestGuardLateAndDuplicate: points that come late, or twice, do not make a
// threshold crossed for longer than it was.
func TestGuardLateAndDuplicate(t *testing.T) {
	t.Parallel()
	g := web().Groups[0].WithDefaults() // out for 2 s, in for 5 s
	at := func(s float64, v float64) Point {
		return Point{Time: scriptNow.Add(time.Duration(s * float64(time.Second))), Value: v}
	}
	f := func(what string, want string, points ...Point) {
		t.Helper()
		d := Want(g, Input{
			Now: scriptNow, Started: scriptNow.Add(-time.Hour), Points: points,
			Instances: []Instance{{Phase: InService}, {Phase: InService}, {Phase: InService}},
		})
		if d.Code != want {
			t.Errorf("%s: %s (%s), want %s", what, d.Code, d.Reason, want)
		}
	}
	f("above for 2 s", codeAbove, at(-2, 5), at(-1, 5), at(0, 5))
	f("the same point three times", codeRising, at(0, 5), at(0, 5), at(0, 5))
	f("a late point says that it was not", codeRising, at(-2, 5), at(0, 5), at(-1, 2))
	f("late points, in no order", codeAbove, at(0, 5), at(-2, 5), at(-1, 5))
	f("below, and twice", codeFalling, at(-1, 0.5), at(-1, 0.5), at(0, 0.5), at(0, 0.5))
	f("points from the future wait", codeRising, at(-1, 5), at(0, 5), at(60, 0.1))
	f("a gap longer than stale", codeFalling, at(-9, 0.5), at(-1, 0.5), at(0, 0.5))
}
