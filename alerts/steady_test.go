package alerts

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"rondo/alerts/state"
)

func TestSteadinessSeesClockSteps(t *testing.T) {
	var s steadiness
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f := func(passed, shown time.Duration, want bool) {
		t.Helper()
		before := s.since
		now = now.Add(passed)
		if got := s.at(now, s.wall.Add(shown)) != before; got != want {
			t.Errorf("%v passed and the clock shows %v more: step %v, want %v", passed, shown, got, want)
		}
	}
	s.at(now, now)
	f(time.Second, time.Second, false)
	f(time.Hour, time.Hour, false) // nobody looked for long
	f(time.Second, time.Hour, true)
	f(time.Second, time.Second, false)
	f(time.Second, -time.Hour, true)
	f(10*time.Second, 12*time.Second, false) // slewed
}

// TestToleratedFailure: a check that fails for a short time changes nothing,
// and stops no clock; one that goes on failing is told.
func TestToleratedFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.opts.Tolerate = time.Minute
		g.policy.For = 40 * time.Second
		g.rule.set("a=11")
		g.start()
		g.wait(10*time.Second, "")
		g.rule.fail(errors.New("store is busy"))
		g.wait(25*time.Second, "")
		g.rule.set("a=11")
		g.wait(10*time.Second, "ra ok>critical") // 40 s after the first
		g.rule.fail(errors.New("store is busy"))
		g.wait(59*time.Second, "")
		g.wait(5*time.Second, "ra critical>unknown")
		g.stop()
	})
}

// TestSettle: after a start nothing is missing at once that nobody has sent
// yet, and what is seen again is missing at once when it goes.
func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.opts.Settle = 2 * time.Minute
		g.rule.set("a=1", "b=11")
		g.start()
		g.wait(5*time.Second, "rb ok>critical")
		g.stop()
		g.rule.set()
		g.start()
		g.wait(time.Minute, "")
		g.rule.set("a=1")
		g.wait(10*time.Second, "")
		g.rule.set()
		g.wait(10*time.Second, "ra ok>unknown")
		g.wait(time.Minute, "rb critical>unknown")
		g.stop()
	})
}

// A disturbance is trouble of our own, which must be told to nobody.
type disturbance int

const (
	calm disturbance = iota
	restart
	restartUnheard // and nobody sends anything for a minute
	reload
	failing
	hanging
	unstored
	anHourMissing
	disturbances
)

// TestSteady plays random histories of values with restarts, reloads, checks
// that fail or hang, a store that takes nothing, an hour without data. What is
// told is the history of values, each change once: no false page, none missed.
func TestSteady(t *testing.T) {
	values := []string{"1", "7", "11"}
	rapid.Check(t, func(rt *rapid.T) {
		type act struct {
			a, b  int
			after disturbance
		}
		var acts []act
		for range rapid.IntRange(1, 6).Draw(rt, "acts") {
			acts = append(acts, act{
				rapid.IntRange(0, 2).Draw(rt, "a"), rapid.IntRange(0, 2).Draw(rt, "b"),
				disturbance(rapid.IntRange(0, int(disturbances)-1).Draw(rt, "disturbance")),
			})
		}
		attempts := rapid.IntRange(1, 4).Draw(rt, "attempts")
		var got, want map[string][]Status
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t)
			store := &crashStore{Store: g.store, left: 1 << 30}
			g.store, g.interval = store, 5*time.Second
			g.opts.Tolerate, g.opts.Settle = time.Minute, 2*time.Minute
			g.policy = Policy{
				Warning: &Threshold{Raise: 6, Clear: 5}, Critical: &Threshold{Raise: 10, Clear: 8},
				MaxAttempts: attempts, Missing: MissingKeep,
			}
			g.start()
			want = map[string][]Status{}
			for _, x := range acts {
				g.rule.set("a="+values[x.a], "b="+values[x.b])
				time.Sleep(time.Minute)
				for host, v := range map[string]int{"a": x.a, "b": x.b} {
					if known := want[host]; v != 0 && len(known) == 0 || len(known) > 0 && known[len(known)-1] != Status(v) {
						want[host] = append(known, Status(v))
					}
				}
				g.disturb(x.after, store)
			}
			time.Sleep(time.Minute)
			g.stop()
			got = map[string][]Status{}
			for _, tr := range g.rcv.got {
				host := tr.Labels.Get("host")
				got[host] = append(got[host], tr.To)
			}
		})
		if !maps.EqualFunc(got, want, slices.Equal) {
			rt.Fatalf("told %v, want %v", got, want)
		}
	})
}

func (g *rig) disturb(d disturbance, store *crashStore) {
	readings := slices.Clone(g.rule.readings)
	switch d {
	case restart:
		g.stop()
		g.start()
	case restartUnheard:
		g.stop()
		g.rule.set()
		g.start()
		time.Sleep(time.Minute)
	case reload:
		if err := g.e.Reload(g.rules(), []Target{{"hook", g.rcv}}); err != nil {
			g.t.Fatal(err)
		}
	case failing:
		g.rule.fail(errors.New("store is busy"))
		time.Sleep(50 * time.Second)
	case hanging:
		g.rule.mu.Lock()
		g.rule.hang = true
		g.rule.mu.Unlock()
		time.Sleep(50 * time.Second)
	case unstored:
		store.take(0)
		time.Sleep(2 * time.Minute)
		store.take(1 << 30)
	case anHourMissing:
		g.rule.set()
		time.Sleep(time.Hour)
	case calm, disturbances:
	}
	g.rule.mu.Lock()
	defer g.rule.mu.Unlock()
	g.rule.readings, g.rule.err, g.rule.hang = readings, nil, false
}

// take sets how many writes are taken from now on.
func (c *crashStore) take(writes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = writes
}

// TestTenThousandChanges stops the engine, without a flush, at some write of
// each of 500 rounds in which 20 states change: each of the 10,000 changes is
// told, once by its key, in order.
func TestTenThousandChanges(t *testing.T) {
	const rounds, hosts = 500, 20
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		memory, seen := state.Store(state.NewMemory()), make(map[string]int)
		now := make(map[string]Status)
		random := rand.New(rand.NewPCG(1, 2))
		run := func(writes int) {
			store := &crashStore{Store: memory, left: writes}
			rcv := &dedup{store: store, seen: seen}
			e, err := NewEngine(Options{Store: store, History: 50}, g.rules(), []Target{{"hook", rcv}})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- e.Run(ctx) }()
			time.Sleep(2500 * time.Millisecond)
			cancel()
			<-done
			for _, tr := range rcv.told {
				host := tr.Labels.Get("host")
				if tr.From != now[host] {
					t.Fatalf("%s: was told %v, now from %v to %v", host, now[host], tr.From, tr.To)
				}
				now[host] = tr.To
			}
		}
		for round := range rounds {
			var pairs []string
			for h := range hosts {
				pairs = append(pairs, fmt.Sprintf("h%d=%d", h, []int{11, 1}[round%2]))
			}
			g.rule.set(pairs...)
			run(random.IntN(hosts + 2))
			run(1 << 30)
		}
		if len(seen) != rounds*hosts {
			t.Errorf("%d changes told, want %d", len(seen), rounds*hosts)
		}
	})
}
