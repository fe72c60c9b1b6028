package autoscale

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rondo/alerts"
)

// story returns the acting decisions, oldest first.
func story(c *Controller) string {
	var b strings.Builder
	ds, _ := c.Decisions("web")
	for _, d := range slices.Backward(ds) {
		if d.Direction != Stay && d.Held == "" {
			fmt.Fprintf(&b, "%s %d->%d %s\n", d.Direction, d.From, d.To, d.Outcome)
		}
	}
	return b.String()
}

func TestFlashCrowd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(1)
		l := w.live(web())
		defer l.stop()
		time.Sleep(20 * time.Second)
		if n := w.count(); n != 2 {
			t.Fatalf("%d instances at first, want min 2", n)
		}
		w.setDemand(274)
		time.Sleep(4 * time.Second)
		if n := w.count(); n != 14 {
			t.Errorf("%d instances 4 s after the crowd came, want 14 at once", n)
		}
		time.Sleep(time.Minute)
		w.setDemand(10)
		time.Sleep(time.Minute)
		if n := w.count(); n != 10 {
			t.Errorf("%d instances after the crowd, want 10", n)
		}
		want := "out 0->2 done\nout 2->14 done\nin 14->10 done\n"
		if got := story(l.Controller); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
		v, _ := l.View("web")
		if v.Last.Code != codeSteady || v.Last.Count < 10 || len(v.Instances) != 10 {
			t.Errorf("last %+v with %d instances; want a long run of steady, and 10", v.Last, len(v.Instances))
		}
	})
}

func TestTransitionOnlyWakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		c := web()
		c.Tick = time.Minute
		c.Groups[0].Out.For = 0
		w.setDemand(1)
		l := w.live(c)
		defer l.stop()
		time.Sleep(5*time.Minute + 30*time.Second)
		w.setDemand(40)
		if err := l.Act(t.Context(), alerts.Transition{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if n := w.count(); n != 10 {
			t.Errorf("%d instances 1 s after the transition, want 10", n)
		}
	})
}

func TestDryRunDoesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		c := web()
		c.Groups[0].Mode = DryRun
		l := w.live(c)
		defer l.stop()
		time.Sleep(time.Minute)
		v, _ := l.View("web")
		if w.made != 0 || v.Last.To != 2 || !v.Last.DryRun || v.Last.Acts() || v.Last.Count < 30 {
			t.Errorf("%d launched; last %+v", w.made, v.Last)
		}
	})
}

func TestStopSwitchSurvivesRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		l := w.live(web())
		if err := l.Stop(t.Context(), "web", "ops\n at 3 a.m."); err != nil {
			t.Fatal(err)
		}
		l.stop()
		before := w.count()
		w.setDemand(100)
		l = w.live(web())
		time.Sleep(time.Minute)
		v, _ := l.View("web")
		if w.count() != before || !v.Stopped || v.StoppedBy != "ops at 3 a.m." {
			t.Errorf("%d instances, before %d; %+v", w.count(), before, v)
		}
		if err := l.Start(t.Context(), "web", ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := w.count(); n != 14 {
			t.Errorf("%d instances after start, want 14", n)
		}
		l.stop()
	})
}

func TestMissingMetricHoldsIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(40)
		l := w.live(web())
		defer l.stop()
		time.Sleep(time.Minute)
		w.mu.Lock()
		w.missing = true
		w.mu.Unlock()
		time.Sleep(time.Hour)
		v, _ := l.View("web")
		if w.count() != 10 || v.Last.Reason != "run queue missing: the query found no series" {
			t.Errorf("%d instances, %q", w.count(), v.Last.Reason)
		}
	})
}

func TestProtectedAndDrained(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		c := web()
		c.Groups[0].Drain = 20 * time.Second
		w.setDemand(24)
		l := w.live(c)
		defer l.stop()
		time.Sleep(time.Minute) // 6 instances
		w.mu.Lock()
		for _, id := range w.alive()[2:] {
			w.instances[id].Tags[TagProtect] = "yes"
		}
		w.mu.Unlock()
		w.setDemand(1)
		time.Sleep(15 * time.Second)
		v, _ := l.View("web")
		if n := web().Groups[0].count(Input{Instances: v.Instances}); n.draining != 2 || w.count() != 6 {
			t.Errorf("%d drain, %d alive; want 2 and 6", n.draining, w.count())
		}
		w.setDemand(28) // the load comes back: what drains is taken back, one more is launched
		time.Sleep(5 * time.Second)
		if v, _ = l.View("web"); v.Last.From != 7 || w.made != 7 {
			t.Errorf("capacity %d, %d were launched in all; want 7 and 7", v.Last.From, w.made)
		}
		w.setDemand(1)
		time.Sleep(2 * time.Minute)
		if n := w.count(); n != 4 {
			t.Errorf("%d alive, want the 4 protected ones", n)
		}
	})
}

// A journal that keeps few entries forgets nothing that matters.
func TestSnapshotOutlivesTrimming(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		c := web()
		c.Keep = 1000
		l := w.live(c)
		time.Sleep(time.Minute)
		if err := l.Stop(t.Context(), "web", "ops"); err != nil {
			t.Fatal(err)
		}
		for i := range 3000 { // each turn is a new run of a non-decision
			w.setDemand(float64(i % 2 * 100))
			time.Sleep(time.Second)
		}
		l.stop()
		if err := l.Start(t.Context(), "db", ""); !errors.Is(err, ErrNoGroup) {
			t.Errorf("Start of a group that there is not: %v", err)
		}
		if err := l.Start(t.Context(), "web", ""); !errors.Is(err, ErrEnded) {
			t.Errorf("Start after the end: %v; it would fork the journal", err)
		}
		l = w.live(c)
		v, _ := l.View("web")
		l.stop()
		if !v.Stopped {
			t.Error("the stop switch was forgotten")
		}
	})
}

func TestBrokenChainStopsAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		l := w.live(web())
		time.Sleep(time.Minute)
		l.stop()
		for r, err := range w.store.After(0) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Seq == 2 {
				forged := []byte(strings.Replace(string(r.Value), `"web"`, `"wob"`, 1))
				if err := w.store.Replace(t.Context(), 2, forged); err != nil {
					t.Fatal(err)
				}
			}
		}
		l = w.live(web())
		defer l.stop()
		v, _ := l.View("web")
		if !v.Stopped || !strings.Contains(v.StoppedBy, "entry 2 does not have the hash it was written with") {
			t.Errorf("stopped by %q", v.StoppedBy)
		}
	})
}

// TestOneNeedOneLaunch: whatever becomes of the calls, a load that needs 10
// instances gets 10, and at no time more.
func TestOneNeedOneLaunch(t *testing.T) {
	t.Parallel()
	f := func(what string, wantLaunches int, prepare func(*world)) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1000)
			w.setDemand(1)
			w.limit = 10
			c := web()
			c.Groups[0].Boot = 45 * time.Second
			l := w.live(c)
			defer l.stop()
			time.Sleep(30 * time.Second)
			w.mu.Lock()
			w.boot = 40 * time.Second // long after cooldown: the need stays and stays
			prepare(w)
			w.demand = 40
			w.mu.Unlock()
			time.Sleep(4 * time.Minute)
			w.mu.Lock()
			w.hide = 0
			launches := len(w.tokens) - 1 // less the first two instances
			w.mu.Unlock()
			w.settled(l, 10, 10)
			if launches != wantLaunches {
				t.Errorf("%s: %d launches, want %d:\n%s", what, launches, wantLaunches, story(l.Controller))
			}
		})
	}
	f("nothing", 1, func(*world) {})
	f("not listed for 30 s", 1, func(w *world) { w.hide = 30 * time.Second })
	f("not listed for 5 minutes", 1, func(w *world) { w.hide = 300 * time.Second })
	f("the metric lags behind the heartbeats", 1, func(w *world) { w.lag = 1500 * time.Millisecond })
	f("the answer is lost", 1, func(w *world) { w.faults = []fault{lostAfter} })
	f("... and the list does not show it", 1, func(w *world) { w.faults, w.hide = []fault{lostAfter}, 30*time.Second })
	f("... and retries are turned away unread", 1, func(w *world) {
		w.faults, w.hide = []fault{lostAfter, throttled, denied, throttled, lostBefore, lostAfter}, 100*time.Second
	})
	f("the request is late, and its retry finds no room", 1, func(w *world) {
		w.faults, w.hide = []fault{late, noRoom, noRoom, noRoom}, 100*time.Second
	})
	f("no room at first", 1, func(w *world) { w.faults = []fault{noRoom, noRoom, throttled, denied} })
}

// An unclear launch is settled without a call when its need has passed.
func TestOldDoubtIsSettledByTags(t *testing.T) {
	t.Parallel()
	f := func(what string, first fault, want string) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1000)
			w.faults = []fault{first}
			l := w.live(web())
			time.Sleep(500 * time.Millisecond) // the first launch is unclear
			l.stop()
			time.Sleep(20 * time.Minute)
			c := web()
			c.Groups[0].Mode = DryRun
			l = w.live(c)
			defer l.stop()
			time.Sleep(10 * time.Second)
			if got := story(l.Controller); !strings.HasPrefix(got, want) {
				t.Errorf("%s: got %q, want %q", what, got, want)
			}
			if v, _ := l.View("web"); strings.Contains(v.Last.Held, "unclear") {
				t.Errorf("%s: still held: %s", what, v.Last.Held)
			}
		})
	}
	f("done", lostAfter, "out 0->2 done\n")
	f("not done", lostBefore, "out 0->2 failed: nothing that carries its tag is to be seen after 20m")
}

var _ alerts.Action = (*Controller)(nil)
