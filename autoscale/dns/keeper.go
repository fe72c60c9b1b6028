package dns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"rondo/alerts/state"
	"rondo/autoscale"
	"rondo/rrd"
)

// Options are what a Keeper works with.
type Options struct {
	Config    Config
	Providers map[string]Provider              // by the items' names
	Metrics   rrd.Evaluator                    // of Item.Traffic; nil: nobody knows of traffic
	HostOf    func(rrd.Labels) string          // which host a series belongs to
	Rank      func(group, instance string) int // from 1; 0 where it is not known; nil: nobody knows ranks
	State     state.Store                      // what was learnt, and what left when
	Log       *slog.Logger
}

// A Keeper keeps names as the groups are. It is an [autoscale.Drainer].
type Keeper struct {
	items  []*item
	counts counts
}

// New makes a keeper of a valid configuration. It asks no server.
func New(o Options) (*Keeper, error) {
	k := &Keeper{counts: counts{n: make(map[string]uint64)}}
	for _, it := range o.Config.Completed() {
		p := o.Providers[it.Name]
		if p == nil {
			return nil, fmt.Errorf("dns: %s: nobody keeps zone %q", it.Name, it.Zone)
		}
		one := &item{Item: it, provider: p, o: o, counts: &k.counts, log: o.Log.With("name", it.Name, "group", it.Group)}
		one.kept, one.last = kept{Gone: make(map[string]departure)}, make(map[string]sight)
		k.items = append(k.items, one)
	}
	return k, nil
}

// Run keeps the names until ctx ends. Each has a goroutine of its own: a server
// that is slow holds no other name.
func (k *Keeper) Run(ctx context.Context, groups autoscale.Groups) error {
	var wg sync.WaitGroup
	for _, it := range k.items {
		wg.Go(func() { it.run(ctx, groups) })
	}
	wg.Wait()
	return nil
}

// Waits implements [autoscale.Drainer]: an instance has done its part when its
// address left all names, and their clients forgot it.
func (k *Keeper) Waits(group string, i autoscale.Instance, _ time.Time) string {
	now := time.Now()
	var out []string
	for _, it := range k.items {
		if it.Group == group {
			if w := it.waits(i, now); w != "" {
				out = append(out, w)
			}
		}
	}
	return strings.Join(out, "; ")
}

// Note says in which names an instance is.
func (k *Keeper) Note(group, instance string) string {
	now := time.Now()
	var out []string
	for _, it := range k.items {
		if it.Group == group {
			if n := it.note(instance, now); n != "" {
				out = append(out, n)
			}
		}
	}
	return strings.Join(out, "; ")
}

// Remarks say which names of a group are not as the group is, and why.
func (k *Keeper) Remarks(group string) (out []string) {
	for _, it := range k.items {
		if it.Group == group {
			out = append(out, it.remarks()...)
		}
	}
	return out
}

// Needs is what the names of a group need to be allowed, as the newest calls
// found it: Route 53 has no dry run, and DNS neither.
func (k *Keeper) Needs(_ context.Context, group string) (out []autoscale.Requirement) {
	for _, it := range k.items {
		if it.Group == group {
			out = append(out, it.needs()...)
		}
	}
	return out
}

// Room is that of the counters.
func (k *Keeper) Room() string { return "dns" }

// Stats are the counters: updates, addresses added and removed, and what was
// not done, by reason.
func (k *Keeper) Stats() map[string]uint64 { return k.counts.snapshot() }

type counts struct {
	mu sync.Mutex
	n  map[string]uint64
}

func (c *counts) add(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[what] += uint64(n)
}

func (c *counts) snapshot() map[string]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.n)
}

// stateKey is where an item's departures and tails are kept.
func (it *item) stateKey() string { return "dns/" + it.Name }

// load reads what is kept. Departures that are lost count from when their
// address is first seen to be gone: that is later, and so never too short.
func (it *item) load() {
	b, err := it.o.State.Get(it.stateKey())
	if errors.Is(err, state.ErrNotFound) {
		b, err = []byte("{}"), nil
	}
	it.mu.Lock()
	defer it.mu.Unlock()
	if err == nil {
		it.kept, err = decodeKept(b)
	}
	if err != nil {
		it.log.Warn("what was learnt of the name's clients cannot be read: it begins anew", "err", err)
	}
}

// save writes it, where it changed.
func (it *item) save(ctx context.Context) {
	it.mu.Lock()
	b, err := it.kept.encode()
	it.mu.Unlock()
	if err != nil || string(b) == it.saved {
		return
	}
	if err = it.o.State.Write(context.WithoutCancel(ctx), state.Put(it.stateKey(), b)); err != nil {
		it.counts.add("state_failed", 1)
		it.log.Warn("what was learnt of the name's clients cannot be kept", "err", err)
		return
	}
	it.saved = string(b)
}
