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
}

func (d *dedup) Act(_ context.Context, t Transition) error {
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	if d.store.left <= 0 {
		return errCrashed
	}
	if d.seen[t.ID]++; d.seen[t.ID] == 1 {
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
