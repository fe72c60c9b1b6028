package autoscale

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestGuardClockJumps: a clock that is set back or forth by hours retires
// nobody, launches nobody, and ends no rest before its time.
func TestGuardClockJumps(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{3 * time.Hour, -3 * time.Hour, 40 * 24 * time.Hour, -40 * 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1000)
			w.setDemand(40)
			c := web()
			g := &c.Groups[0]
			g.Cooldown, g.Boot, g.In.For = 10*time.Minute, 10*time.Minute, 5*time.Minute
			g.Budget = &Budget{Month: 20_000, Prices: map[string]float64{"default": 1}}
			l := w.wound(c, 0)
			time.Sleep(12 * time.Minute)
			w.setDemand(56) // 14: a change, and with it cooldown
			time.Sleep(time.Minute)
			n, last := w.count(), time.Now()
			v, _ := l.View("web")
			spent := v.Spending.Spent
			w.setDemand(2)
			l.wind(jump)
			for time.Since(last) < 8*time.Minute {
				time.Sleep(time.Second)
				if w.count() != n || w.made != n {
					t.Fatalf("%v: %d instances, %d launched, before %d; %s after the change", jump, w.count(), w.made, n, time.Since(last))
				}
			}
			v, _ = l.View("web")
			if got := v.Spending.Spent - spent; jump.Abs() < 24*time.Hour && got > 3 {
				t.Errorf("%v: %.2f were spent in 8 minutes, by the meter", jump, got)
			}
			time.Sleep(15 * time.Minute)
			if jump > 0 && w.count() != 2 { // a clock behind the cloud's takes heartbeats for older than the instance
				v, _ := l.View("web")
				t.Errorf("%v: %d instances when all rests are over, want 2; %s: %s", jump, w.count(), v.Last.Code, v.Last.Held)
			}
			if s := l.Stats(); s["clock_set"] != 1 {
				t.Errorf("%v: the clock was set %d times, want once", jump, s["clock_set"])
			}
			l.stop()
		})
	}
}

// TestGuardClockInThePast: a journal that is ahead of the clock holds no longer
// than it would have.
func TestGuardClockInThePast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(24)
		l := w.wound(web(), 100*24*time.Hour) // a hundred days ahead
		time.Sleep(time.Minute)
		l.stop()
		l = w.wound(web(), 0)
		defer l.stop()
		w.setDemand(2)
		time.Sleep(5 * time.Minute)
		if w.count() != 2 {
			v, _ := l.View("web")
			t.Errorf("%d instances, want 2; %s: %s", w.count(), v.Last.Code, v.Last.Held)
		}
	})
}

// wound starts a controller whose clock is off.
func (w *world) wound(c Config, off time.Duration) *life {
	w.t.Helper()
	w.steps, w.off = true, off
	return w.live(c)
}

// wind sets its clock.
func (l *life) wind(by time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.off += by
}

// wallClock is the world's wall clock, as the controllers read it.
func (w *world) wallClock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Round(0).Add(w.off)
}

func TestClockRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		off := time.Duration(0)
		c := clock{now: func() time.Time { return time.Now().Round(0).Add(off) }}
		f := func(ran, set, want time.Duration) {
			t.Helper()
			time.Sleep(ran)
			off += set
			if _, got := c.read(); got != want {
				t.Errorf("ran %v, set by %v: got %v, want %v", ran, set, got, want)
			}
		}
		f(0, 0, 0)
		f(time.Second, 0, 0)
		f(time.Hour, 2*time.Second, 0)
		f(time.Second, time.Hour, time.Hour)
		f(5*time.Hour, -time.Hour, -time.Hour)
		c = clock{}
		f(time.Hour, time.Hour, 0) // the machine's own, which a bubble does not set
		f(time.Hour, time.Hour, 0)
		if strings.Contains(c.wall.String(), "m=") != strings.Contains(time.Now().String(), "m=") {
			t.Error("the monotonic reading is lost")
		}
	})
}
