package alerts

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"rondo/rrd"
)

// readerRule is a fakeRule that says what it reads.
type readerRule struct{ *fakeRule }

func (readerRule) Reads() rrd.Watch {
	return rrd.Watch{Selectors: [][]rrd.Matcher{{{Label: "a", Value: "b"}}}, Cuts: []float64{5, 10}}
}

// A tap is a watcher that the test plays.
type tap struct{ moved func(int, rrd.Time) }

func (w *tap) Watch(_ []rrd.Watch, moved func(int, rrd.Time)) error {
	w.moved = moved
	return nil
}

func newReaderRig(t *testing.T) (*rig, *tap) {
	g, w := newRig(t), &tap{}
	g.opts.Moves = w
	g.interval = time.Minute
	g.rule.set("a=1")
	g.start()
	g.wait(90*time.Second, "")
	return g, w
}

func TestLookWhenSeriesMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, w := newReaderRig(t)
		g.rule.set("a=11")
		for range 1000 {
			w.moved(0, rrd.At(time.Now()))
		}
		g.wait(40*time.Millisecond, "")
		g.wait(20*time.Millisecond, "ra ok>critical")
		if n := g.e.Stats().Looks.Load(); n != 1 {
			t.Errorf("%d looks at what moved at once, want 1", n)
		}
		g.rule.set("a=1")
		w.moved(0, rrd.At(time.Now()))
		g.wait(200*time.Millisecond, "ra critical>ok")
		g.stop()
	})
}

func TestLooksAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, w := newReaderRig(t)
		run := func(cost time.Duration, want uint64) {
			t.Helper()
			g.rule.slow(cost)
			before := g.e.Stats().Looks.Load()
			for range 10_000 {
				w.moved(0, rrd.At(time.Now()))
				time.Sleep(time.Millisecond)
			}
			if n := g.e.Stats().Looks.Load() - before; n > want || n < want/2 {
				t.Errorf("%d looks in 10 s at a rule that takes %v, want %d at most", n, cost, want)
			}
		}
		run(0, 100)
		run(20*time.Millisecond, 30)
		run(200*time.Millisecond, 20)
		g.stop()
	})
}

// TestLooksCountNothing moves a rule's series all the time while its readings
// mean the same: attempts are counted at its turns.
func TestLooksCountNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, w := newReaderRig(t)
		g.stop()
		g.policy.MaxAttempts = 3
		g.start()
		g.wait(90*time.Second, "")
		g.rule.set("a=11")
		for range 100 {
			w.moved(0, rrd.At(time.Now()))
			g.wait(100*time.Millisecond, "")
		}
		if v := g.view("a"); v.Status != Critical || v.Hard || v.Attempts != 1 {
			t.Errorf("after ten seconds of looks: %+v", v)
		}
		g.wait(61*time.Second, "")
		g.wait(61*time.Second, "ra ok>critical")
		g.rule.fail(errors.New("down"))
		w.moved(0, rrd.At(time.Now()))
		g.wait(time.Second, "")
		if v := g.view("a"); v.Status != Critical || v.Missing {
			t.Errorf("a look that failed: %+v", v)
		}
		g.stop()
	})
}

// TestClockAhead has a sample that can be seen only when our clock is as far.
func TestClockAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, w := newReaderRig(t)
		w.moved(0, rrd.At(time.Now().Add(3*time.Second)))
		g.wait(time.Second, "")
		g.rule.set("a=11")
		g.wait(1900*time.Millisecond, "")
		g.wait(200*time.Millisecond, "ra ok>critical")
		g.stop()
	})
}

// TestForIsKeptToTheMoment: a level with a duration becomes hard when that is
// over, not at the rule's next turn.
func TestForIsKeptToTheMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, w := newReaderRig(t)
		g.stop()
		g.policy.For = 5 * time.Second
		g.start()
		g.wait(90*time.Second, "")
		g.rule.set("a=11")
		w.moved(0, rrd.At(time.Now()))
		g.wait(5*time.Second, "")
		g.wait(200*time.Millisecond, "ra ok>critical")
		g.stop()
	})
}
