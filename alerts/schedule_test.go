package alerts

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rondo/alerts/state"
)

func TestWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.interval = time.Hour
		g.rule.set("a=1")
		g.start()
		g.wait(time.Minute, "")
		g.rule.set("a=11")
		g.wait(time.Minute, "")
		if !g.e.Wake("r") || g.e.Wake("nobody") {
			t.Error("Wake does not know the rules")
		}
		g.wait(time.Millisecond, "ra ok>critical")
		g.rule.set("a=1")
		g.wait(time.Hour, "ra critical>ok") // it has kept its interval
		g.stop()
	})
}

func TestRetryInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.interval, g.policy.Retry, g.policy.MaxAttempts = time.Minute, 10*time.Second, 3
		g.rule.set("a=1")
		g.start()
		g.wait(time.Minute, "")
		g.rule.set("a=11")
		g.wait(20*time.Second, "")
		g.wait(10*time.Second, "ra ok>critical")
		before := g.rule.count()
		g.wait(2*time.Minute, "")
		if n := g.rule.count() - before; n != 2 {
			t.Errorf("%d checks in two minutes of a hard problem, want 2", n)
		}
		g.stop()
	})
}

// TestClocksAreWaitedFor: a rule is checked when a duration is over, not only at
// the next interval.
func TestClocksAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.interval, g.policy.For, g.policy.ClearFor = time.Minute, 70*time.Second, 5*time.Second
		g.rule.set("a=11")
		g.start()
		g.wait(10*time.Second, "") // the first check is within it
		g.wait(60*time.Second, "")
		g.wait(10*time.Second, "ra ok>critical")
		g.rule.set("a=1")
		g.wait(65*time.Second, "ra critical>ok")
		g.stop()
	})
}

// slowRule takes long, and counts how many of its kind do at once.
type slowRule struct {
	id        string
	now, most *atomic.Int32
}

func (s slowRule) ID() string { return s.id }

func (s slowRule) Check(ctx context.Context, _ time.Time) ([]Reading, error) {
	n := s.now.Add(1)
	defer s.now.Add(-1)
	for m := s.most.Load(); n > m && !s.most.CompareAndSwap(m, n); m = s.most.Load() {
	}
	<-ctx.Done() // an evaluator that does not answer
	return nil, ctx.Err()
}

// TestSlowRules has 2,000 quick rules beside 200 that hang until their timeout:
// those pile nothing up, and hold the others up only until they are known to
// be slow.
func TestSlowRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		var rules []Supervised
		for i := range 200 {
			r := slowRule{fmt.Sprintf("slow-%d", i), &now, &most}
			rules = append(rules, Supervised{Rule: r, Timeout: 10 * time.Second, Policy: Policy{Direct: true, Missing: MissingKeep}})
		}
		var quick []*fakeRule
		for i := range 2000 {
			r := &fakeRule{id: fmt.Sprintf("quick-%d", i)}
			quick = append(quick, r)
			rules = append(rules, Supervised{Rule: r, Policy: Policy{Direct: true}})
		}
		e, err := NewEngine(Options{Store: state.NewMemory(), Workers: 8}, rules, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- e.Run(ctx) }()
		time.Sleep(10 * time.Minute) // each of the slow has been checked
		synctest.Wait()
		if n := most.Load(); n > 8 {
			t.Errorf("%d slow checks at once, want 8 at most", n)
		}
		before := make([]int, len(quick))
		for i, r := range quick {
			before[i] = r.count()
		}
		time.Sleep(100 * time.Second)
		synctest.Wait()
		for i, r := range quick {
			if n := r.count() - before[i]; n < 9 || n > 11 {
				t.Fatalf("%s was checked %d times in 100 s, want 10", r.id, n)
			}
		}
		if n := now.Load(); n > 4 {
			t.Errorf("%d slow checks run, want 4 at most", n)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
