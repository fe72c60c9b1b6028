package autoscale

import (
	"testing"
	"testing/synctest"
	"time"

	"rondo/rrd"
)

// stirring tells of samples as the store would.
type stirring struct {
	moved func(int, rrd.Time)
	exprs []string
}

func (s *stirring) Watch(exprs []string, moved func(int, rrd.Time)) error {
	s.exprs, s.moved = exprs, moved
	return nil
}

// TestSurge: load that comes just after a tick does not wait for the next.
func TestSurge(t *testing.T) {
	t.Parallel()
	f := func(what string, moves *stirring, within time.Duration) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1000)
			c := web()
			c.Tick, c.Groups[0].Out.For = 4*time.Second, 0
			w.setDemand(1)
			if moves != nil {
				w.moves = moves
			}
			l := w.live(c)
			time.Sleep(time.Minute + 200*time.Millisecond)
			w.setDemand(40)
			if moves != nil {
				moves.moved(0, rrd.At(time.Now()))
			}
			time.Sleep(within)
			if n := w.count(); n != 10 {
				t.Errorf("%s: %d instances %v after the surge, want 10", what, n, within)
			}
			l.stop()
			if moves != nil && len(moves.exprs) > 0 {
				t.Errorf("%s: still watching %q after the end", what, moves.exprs)
			}
		})
	}
	f("peeks", nil, time.Second)
	f("told", &stirring{}, time.Millisecond)
}

// TestSurgeIsNoStorm: a group that is told of a thousand samples a second while
// its load stays too high looks at its ordinary pace.
func TestSurgeIsNoStorm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, moves := newWorld(t, 1000), &stirring{}
		w.moves = moves
		w.setDemand(1000)
		c := web()
		c.Tick = 4 * time.Second
		l := w.live(c)
		time.Sleep(time.Minute)
		before := l.Stats()["decisions"]
		for range 60_000 {
			moves.moved(0, rrd.At(time.Now()))
			time.Sleep(time.Millisecond)
		}
		if n := l.Stats()["decisions"] - before; n > 60*peeks/4+20 {
			t.Errorf("%d looks in a minute", n)
		}
		l.stop()
	})
}
