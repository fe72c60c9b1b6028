package autoscale

import (
	"testing"
	"testing/synctest"
	"time"
)

// one is a group of one, that keeps its size.
func one(single bool) Config {
	c := web()
	c.Groups[0].Min, c.Groups[0].Max, c.Groups[0].Single = 1, 1, single
	c.Groups[0].Replace = Patience(time.Minute)
	return c
}

// TestOneIsReplaced: the only instance of a group dies. While other hosts are
// silent as well nothing is done; then another takes its place, beside it or,
// where there must never be two at once, after it is over. A restart in between
// changes nothing, nor does a heartbeat that comes and goes.
func TestOneIsReplaced(t *testing.T) {
	t.Parallel()
	for _, single := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1000)
			w.others = Ears{Known: 20, Heard: 20}
			w.setDemand(2)
			l := w.live(one(single))
			time.Sleep(5 * time.Minute)
			if w.count() != 1 {
				t.Fatalf("single %v: %d run, want 1", single, w.count())
			}
			hush := func(since time.Time) string {
				w.mu.Lock()
				defer w.mu.Unlock()
				id := w.alive()[0]
				w.instances[id].silentSince = since
				return id
			}
			for range 10 { // it flaps: silent for 40 s, heard, silent again
				hush(time.Now())
				time.Sleep(40 * time.Second)
				hush(time.Time{})
				time.Sleep(5 * time.Second)
			}
			w.mu.Lock()
			w.others.Heard = 3
			w.mu.Unlock()
			dead := hush(time.Now())
			time.Sleep(30 * time.Minute)
			if w.count() != 1 || w.asked() != 1 {
				t.Errorf("single %v: %d run after %d launches while nobody is heard", single, w.count(), w.asked())
			}
			w.mu.Lock()
			w.others.Heard = 20
			w.instances[dead].deaf = true // it does no work
			w.mu.Unlock()
			began := time.Now()
			time.Sleep(3 * time.Second)
			l.stop()
			l = w.live(one(single))
			for w.atWork() != 1 {
				time.Sleep(time.Second)
				if single && w.count() > 1 {
					t.Fatal("two at once")
				}
				if time.Since(began) > 10*time.Minute {
					v, _ := l.View("web")
					t.Fatalf("single %v: not replaced: %s; %s", single, v.Last.Reason, v.Last.Held)
				}
			}
			time.Sleep(time.Minute)
			w.mu.Lock()
			gone := !w.instances[dead].ended.IsZero()
			w.mu.Unlock()
			if !gone || w.count() != 1 {
				t.Errorf("single %v: the dead one is gone: %v; %d run", single, gone, w.count())
			}
			l.stop()
		})
	}
}

// atWork counts the instances that are heard.
func (w *world) atWork() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.instances {
		if w.running(m) && !m.deaf && m.silentSince.IsZero() {
			n++
		}
	}
	return n
}
