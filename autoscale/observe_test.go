package autoscale

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSpan(t *testing.T) {
	t.Parallel()
	f := func(d time.Duration, want string) {
		t.Helper()
		if got := span(d); got != want {
			t.Errorf("%d ns: got %s, want %s", d, got, want)
		}
	}
	f(0, "0s")
	f(1, "0.1s")
	f(9820194, "0.1s")
	f(730964264, "0.7s")
	f(1349999999, "1.3s")
	f(9*time.Second+700*time.Millisecond, "9.7s")
	f(9960*time.Millisecond, "10s")
	f(59700*time.Millisecond, "1m0s")
	f(90*time.Second+300*time.Millisecond, "1m30s")
}

func TestPulse(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var p pulse
	f := func(newest, now, want time.Duration) {
		t.Helper()
		if got := p.age(start.Add(newest), start.Add(now)); got != want {
			t.Errorf("newest %v at %v: age %v, want %v", newest, now, got, want)
		}
	}
	f(-time.Hour, 0, time.Hour) // stored before our time
	f(-time.Hour+time.Second, time.Second, 0)
	f(-time.Hour+time.Second, 11*time.Second, 10*time.Second) // a clock an hour behind that stopped
	f(-2*time.Hour, 12*time.Second, 11*time.Second)           // its series is out of sight, an older one is left
	f(-2*time.Hour+1, 13*time.Second, 0)                      // which lives
	p = pulse{}
	f(time.Hour, 0, 0)
	f(time.Hour, 5*time.Second, 5*time.Second) // a clock ahead that stopped
}

// A dated world says when its newest sample was taken.
type dated struct {
	*world
	newest time.Time
}

func (d *dated) Newest(context.Context, string, time.Time) (time.Time, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.newest, nil
}

// TestStale: a value that no newer sample stands behind is no value, though
// the query goes on giving it.
func TestStale(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(8)
		d := &dated{world: w, newest: time.Now()}
		w.metrics = d
		l := w.live(web())
		for range 30 {
			time.Sleep(time.Second)
			w.mu.Lock()
			d.newest = time.Now().Add(-time.Hour) // its clock is slow
			w.mu.Unlock()
		}
		if v, _ := l.View("web"); v.Last.Code != codeSteady || w.count() != 2 {
			t.Errorf("%d instances; last %+v", w.count(), v.Last)
		}
		time.Sleep(4 * time.Second)
		w.setDemand(1) // that is made of old samples
		time.Sleep(time.Minute)
		v, _ := l.View("web")
		if v.Last.Code != codeMissing || !strings.Contains(v.Last.Reason, "sample is 1m") || w.count() != 2 {
			t.Errorf("%d instances; last %+v", w.count(), v.Last)
		}
		l.stop()
	})
}
