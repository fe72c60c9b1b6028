package autoscale

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestGuardOverdue: after three launches that were never heard of there are no
// more. It ends when one is heard of, or by group start.
func TestGuardOverdue(t *testing.T) {
	t.Parallel()
	broken := 3
	f := func(what string, mend func(*world, *life), want int) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1000)
			c := web()
			c.Groups[0].Min, c.Groups[0].Max, c.Groups[0].Replace = broken, 20, Never
			l := w.live(c)
			defer l.stop()
			for range 15 * 60 / 2 { // a broken image: nobody is ever heard of
				time.Sleep(2 * time.Second)
				w.mu.Lock()
				for _, m := range w.instances {
					m.deaf = true
				}
				w.mu.Unlock()
			}
			v, _ := l.View("web")
			if n := w.count(); n != broken || !strings.Contains(v.Last.Code, "overdue") {
				t.Errorf("%s: %d instances of a broken image, want %d; %s", what, n, broken, v.Last.Code)
			}
			mend(w, l)
			time.Sleep(10 * time.Minute)
			if n := w.count(); n != want {
				t.Errorf("%s: %d instances, want %d", what, n, want)
			}
		})
	}
	f("nobody does anything", func(*world, *life) {}, 3)
	f("one of them is heard of after all", func(w *world, _ *life) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.instances[w.alive()[2]].deaf = false
	}, 5)
	start := func(_ *world, l *life) {
		if err := l.Start(t.Context(), "web", "ops"); err != nil {
			t.Error(err)
		}
	}
	f("the image was mended, and the group started", start, 6)
	broken = 8 // enough to look as if it were our own ears
	f("nobody does anything about many", func(*world, *life) {}, 8)
	f("the image of many was mended, and the group started", start, 16)
}

// TestGuardRestart: after a start there is no scale-in before one full window,
// however long the load was low before.
func TestGuardRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(40)
		c := web()
		c.Groups[0].In.For = 2 * time.Minute
		l := w.live(c)
		time.Sleep(5 * time.Minute)
		w.setDemand(2)
		for range 10 { // never watched for as long as it takes
			time.Sleep(110 * time.Second)
			l.stop()
			l = w.live(c)
		}
		if w.count() != 10 {
			t.Errorf("%d instances, want 10: nobody has watched for 2 minutes", w.count())
		}
		time.Sleep(3 * time.Minute)
		l.stop()
		if w.count() != 2 {
			t.Errorf("%d instances, want 2", w.count())
		}
	})
}

// TestGuardDrainNeverBlocks: while instances drain others are launched; and a
// drain ends at its deadline.
func TestGuardDrainNeverBlocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(40)
		c := web()
		c.Groups[0].Drain = 10 * time.Minute
		l := w.live(c)
		defer l.stop()
		time.Sleep(time.Minute)
		w.setDemand(4) // 6 drain
		time.Sleep(30 * time.Second)
		w.setDemand(52) // they are taken back, and 3 more launched, at once
		time.Sleep(30 * time.Second)
		if w.made != 13 {
			t.Errorf("%d were launched in all, want 13", w.made)
		}
		w.setDemand(4)
		time.Sleep(9 * time.Minute)
		if w.count() != 13 {
			t.Errorf("%d alive while the others drain, want 13", w.count())
		}
		time.Sleep(2 * time.Minute)
		if w.count() != 4 {
			t.Errorf("%d alive after the deadline, want 4", w.count())
		}
	})
}

// TestGuardProtection: who may not be terminated is not drained; who is
// protected while it drains is taken back, and not terminated.
func TestGuardProtection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(24)
		c := web()
		c.Groups[0].Drain = time.Minute
		l := w.live(c)
		defer l.stop()
		time.Sleep(time.Minute)
		w.mu.Lock()
		kept := w.alive()[:3]
		for _, id := range kept {
			w.instances[id].Tags[TagProtect] = "yes"
		}
		w.demand = 1
		w.mu.Unlock()
		time.Sleep(30 * time.Second)
		v, _ := l.View("web")
		var late string
		for _, i := range v.Instances {
			if i.Phase == Draining {
				late = i.ID
				if slices.Contains(kept, i.ID) {
					t.Errorf("%s drains, and cannot be terminated", i.ID)
				}
			}
		}
		w.mu.Lock()
		w.instances[late].Tags[TagProtect] = "yes"
		w.mu.Unlock()
		time.Sleep(5 * time.Minute)
		w.mu.Lock()
		defer w.mu.Unlock()
		if alive := w.alive(); len(alive) != 4 || !slices.Contains(alive, late) {
			t.Errorf("%v are alive, want the protected %v and %s", alive, kept, late)
		}
	})
}

// TestGuardEars: when nearly half of the instances fall silent together, nothing
// changes, for as long as it takes.
func TestGuardEars(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(40)
		l := w.live(web())
		defer l.stop()
		time.Sleep(time.Minute)
		w.mu.Lock()
		for _, id := range w.alive()[:6] {
			w.instances[id].deaf = true
		}
		w.mu.Unlock()
		time.Sleep(20 * time.Minute)
		v, _ := l.View("web")
		if w.count() != 10 || !strings.Contains(v.Last.Code, "frozen") {
			t.Errorf("%d instances, want 10; %s", w.count(), v.Last.Code)
		}
	})
}
