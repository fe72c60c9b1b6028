package autoscale

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rondo/rrd"
)

// A shaky world's metric has noise, until it sticks.
type shaky struct {
	*world
	n     int
	stuck float64 // what it says from then on; 0: it does not stick
	past  []rrd.Value
}

// Line implements Liner.
func (s *shaky) Line(_ context.Context, _ string, from, to time.Time, step time.Duration) (out []rrd.Value, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.past {
		at := v.Time.Std()
		if at.Before(from) || at.After(to) || len(out) > 0 && at.Sub(out[len(out)-1].Time.Std()) < step {
			continue
		}
		out = append(out, v)
	}
	return out, nil
}

func (s *shaky) Eval(ctx context.Context, expr string, at time.Time) ([]rrd.Value, error) {
	out, err := s.world.Eval(ctx, expr, at)
	if err != nil || len(out) == 0 {
		return out, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	out[0].Value *= 1 + float64(s.n%7)/1000
	if s.stuck != 0 {
		out[0].Value = s.stuck
	}
	s.past = append(s.past, out[0])
	return out, nil
}

// TestGuardFrozenMetric: a metric that repeats itself retires nobody, and
// launches nobody; one that moves again does.
func TestGuardFrozenMetric(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		s := &shaky{world: w}
		w.metrics = s
		w.setDemand(32)
		c := web()
		c.Groups[0].In.For, c.Groups[0].Frozen = 10*time.Minute, 5*time.Minute
		l := w.live(c)
		defer l.stop()
		time.Sleep(5 * time.Minute)
		n := w.count()
		stick := func(v float64) {
			w.mu.Lock()
			s.stuck = v
			w.mu.Unlock()
		}
		stick(0.53)
		time.Sleep(40 * time.Minute)
		v, _ := l.View("web")
		if w.count() != n || !strings.Contains(v.Last.Reason, "run queue missing: it is exactly 0.53 for ") || v.Last.Code != codeMissing {
			t.Errorf("%d instances, %d before; %s: %s", w.count(), n, v.Last.Code, v.Last.Reason)
		}
		stick(0)
		w.setDemand(2)
		time.Sleep(15 * time.Minute)
		if w.count() != 2 {
			t.Errorf("%d instances when it moves again, want 2", w.count())
		}
	})
}

func TestStuck(t *testing.T) {
	t.Parallel()
	start := time.Unix(0, 0)
	f := func(what string, before func(n int) float64, value float64, after, want time.Duration) {
		t.Helper()
		var s stuck
		now := start
		for n := range 100 {
			now = now.Add(10 * time.Second)
			s.judge(before(n), true, now, after)
		}
		stopped := now
		for range 1000 {
			now = now.Add(10 * time.Second)
			if s.judge(value, true, now, after) != "" {
				break
			}
		}
		got := now.Sub(stopped)
		if got == 1000*10*time.Second {
			got = 0
		}
		if got != want {
			t.Errorf("%s: not believed after %v, want %v", what, got, want)
		}
	}
	noise := func(n int) float64 { return 3 + float64(n%5)/10 }
	f("it changed with each sample", noise, 7, 5*time.Minute, 5*time.Minute+10*time.Second)
	f("... and few samples are enough for no judgement", noise, 7, time.Minute, 3*time.Minute+30*time.Second)
	f("it has come to rest", noise, 0, 5*time.Minute, 0)
	f("it is full", noise, 1, 5*time.Minute, 0)
	f("it always was as it is", func(int) float64 { return 3 }, 3, 5*time.Minute, 0)
	f("it changes now and then", func(n int) float64 { return float64(n / 9) }, 12, 5*time.Minute, 0)
	var s stuck
	now := start
	for n := range 100 {
		now = now.Add(10 * time.Second)
		s.judge(noise(n), true, now, time.Minute)
	}
	for range 1000 {
		now = now.Add(time.Second)
		if why := s.judge(9, false, now, time.Minute); why != "" {
			t.Fatalf("no sample came in: that is for stale to say, not %q", why)
		}
	}
}

// TestGuardFrozenMetricOverRestart: a metric that was stuck before a start is
// not believed after it.
func TestGuardFrozenMetricOverRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 20_000)
		s := &shaky{world: w}
		w.metrics = s
		w.setDemand(32)
		c := web()
		c.Groups[0].In.For, c.Groups[0].Frozen = 6*time.Minute, 5*time.Minute
		l := w.live(c)
		time.Sleep(20 * time.Minute)
		n := w.count()
		w.mu.Lock()
		s.stuck = 0.53
		w.mu.Unlock()
		time.Sleep(time.Minute)
		for range 3 {
			l.stop()
			l = w.live(c)
			time.Sleep(4 * time.Minute)
		}
		time.Sleep(20 * time.Minute)
		l.stop()
		if v, _ := l.View("web"); w.count() != n || v.Last.Code != codeMissing {
			t.Errorf("%d instances, %d before; %s: %s", w.count(), n, v.Last.Code, v.Last.Reason)
		}
	})
}
