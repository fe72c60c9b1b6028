package alerts

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"rondo/alerts/state"
)

var errCrashed = errors.New("crashed")

// crashStore works for so many writes and then no more, as if the process had
// been killed.
type crashStore struct {
	state.Store
	mu   sync.Mutex
	left int
}

func (c *crashStore) Write(ctx context.Context, changes ...state.Change) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left <= 0 {
		return errCrashed
	}
	c.left--
	return c.Store.Write(ctx, changes...)
}

// dedup is a receiver that counts by key, and dies with the store: what it is
// told after the crash has not happened.
type dedup struct {
	store *crashStore
	seen  map[string]int
	order []string
	told  []Transition
}

func (d *dedup) Act(_ context.Context, t Transition) error {
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	if d.store.left <= 0 {
		return errCrashed
	}
	if d.seen[t.ID]++; d.seen[t.ID] == 1 {
		d.told = append(d.told, t)
		d.order = append(d.order, fmt.Sprintf("%s %v>%v", t.Labels.Get("host"), t.From, t.To))
	}
	return nil
}

// TestCrashAnywhere kills the engine after every number of writes there can
// be, starts it again, and lets it run to the end: a receiver that
// deduplicates by ID sees each hard change once.
func TestCrashAnywhere(t *testing.T) {
	const changes = "a ok>critical, b ok>critical, a critical>ok, b critical>ok"
	for n := range 20 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t)
				memory := g.store
				seen := make(map[string]int)
				var order []string
				run := func(writes int, d time.Duration) {
					store := &crashStore{Store: memory, left: writes}
					rcv := &dedup{store: store, seen: seen, order: order}
					e, err := NewEngine(Options{Store: store}, g.rules(), []Target{{"hook", rcv}})
					if err != nil {
						t.Fatal(err)
					}
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					done := make(chan error)
					go func() { done <- e.Run(ctx) }()
					time.Sleep(d)
					cancel()
					<-done
					order = rcv.order
				}
				g.rule.set("a=11", "b=11")
				run(n, 3*time.Second)
				run(1<<30, 3*time.Second)
				g.rule.set("a=1", "b=1")
				run(n, 3*time.Second)
				run(1<<30, 3*time.Second)
				want := strings.Split(changes, ", ")
				slices.Sort(want)
				got := slices.Sorted(slices.Values(order))
				if !slices.Equal(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
				if n := len(slices.Collect(maps.Keys(seen))); n != 4 {
					t.Errorf("%d IDs, want 4: %v", n, seen)
				}
			})
		})
	}
}

// TestCrashHistories plays random histories of readings, silences and crashes
// (after a random number of writes) and holds what the receiver saw, each ID
// once, against the law: every change goes on from where the last one led,
// begins at ok, and ends where the state is.
func TestCrashHistories(t *testing.T) {
	type act struct {
		a, b    int
		writes  int
		seconds int
		silence bool
	}
	rapid.Check(t, func(rt *rapid.T) {
		var acts []act
		for range rapid.IntRange(1, 8).Draw(rt, "acts") {
			acts = append(acts, act{
				a: rapid.IntRange(0, 12).Draw(rt, "a"), b: rapid.IntRange(0, 12).Draw(rt, "b"),
				writes: rapid.IntRange(0, 12).Draw(rt, "writes"), seconds: rapid.IntRange(1, 5).Draw(rt, "seconds"),
				silence: rapid.IntRange(0, 4).Draw(rt, "silence") == 0,
			})
		}
		attempts := rapid.IntRange(1, 3).Draw(rt, "attempts")
		failure := ""
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t)
			g.policy.MaxAttempts, g.policy.Warning = attempts, &Threshold{Raise: 6, Clear: 3}
			h := &crashHistory{rig: g, memory: g.store, seen: make(map[string]int)}
			for _, a := range acts {
				g.rule.set(fmt.Sprintf("a=%d", a.a), fmt.Sprintf("b=%d", a.b))
				h.run(a.writes, time.Duration(a.seconds)*time.Second, a.silence)
			}
			h.run(1<<30, 30*time.Second, false)
			failure = h.verdict()
		})
		if failure != "" {
			rt.Fatal(failure)
		}
	})
}

type crashHistory struct {
	*rig
	memory state.Store
	seen   map[string]int
	told   []Transition
	last   *Engine
}

func (h *crashHistory) run(writes int, d time.Duration, silence bool) {
	store := &crashStore{Store: h.memory, left: writes}
	rcv := &dedup{store: store, seen: h.seen}
	e, err := NewEngine(Options{Store: store}, h.rules(), []Target{{"hook", rcv}})
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(h.t.Context())
	done := make(chan error)
	go func() { done <- e.Run(ctx) }()
	if silence {
		m, _ := ParseMatcher("host=a")
		_, _ = e.Silence(ctx, Silence{Matchers: []Matcher{m}, Until: time.Now().Add(10 * time.Second)}) // the store may have crashed
	}
	time.Sleep(d)
	cancel()
	<-done
	h.told, h.last = append(h.told, rcv.told...), e
}

func (h *crashHistory) verdict() string {
	now := map[string]Status{}
	for _, t := range h.told {
		host := t.Labels.Get("host")
		if t.From != now[host] {
			return fmt.Sprintf("%s: was told %v, now from %v to %v", host, now[host], t.From, t.To)
		}
		now[host] = t.To
	}
	for _, v := range h.last.Views() {
		if host := v.Labels.Get("host"); v.Hard && v.Status != now[host] {
			return fmt.Sprintf("%s is %v, told was %v", host, v.Status, now[host])
		}
	}
	return ""
}

// TestDisk runs the engine on the real store, over a restart.
func TestDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		g := newRig(t)
		for i, want := range []string{"ra ok>critical", "", "ra critical>ok"} {
			d, err := state.Open(dir, state.Options{Reserve: 1})
			if err != nil {
				t.Fatal(err)
			}
			g.store = d
			g.rule.set([]string{"a=11", "a=12", "a=1"}[i])
			g.start()
			g.wait(3*time.Second, want)
			g.stop()
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
