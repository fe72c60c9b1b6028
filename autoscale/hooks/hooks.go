package hooks

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rondo/alerts/state"
	"rondo/autoscale"
	"rondo/autoscale/fanout"
	"rondo/autoscale/roster"
)

const (
	prefix   = "hooks/"
	parallel = 16              // instances of one hook at a time
	look     = 5 * time.Second // without being told of a change
)

// Hooks are all hooks of a configuration.
type Hooks struct {
	all    []*hook
	store  state.Store
	log    *slog.Logger
	former []state.Change // forget what was kept for hooks that there are no more
}

// A hook is one of them.
type hook struct {
	Config
	job    fanout.Job
	roster *roster.Roster
	store  state.Store
	log    *slog.Logger
	wake   chan struct{}

	runs, failures, givenUp, writeErrors atomic.Uint64

	mu    sync.Mutex
	marks map[string]mark    // by instance
	busy  map[string]bool    // instances whose event is under way
	told  map[string]telling // by instance: of the event that has failed, for whom it has not
}

// A telling is one event on its way.
type telling struct {
	key  string
	done map[string]bool // by the ID of whom it was done for
}

// New makes the hooks of a valid configuration, out of its commands. It changes
// nothing: the configuration may yet be found to be one that cannot be started.
func New(all []Config, jobs map[string]fanout.Job, r *roster.Roster, store state.Store, log *slog.Logger) (*Hooks, error) {
	h := &Hooks{store: store, log: log}
	byName := make(map[string]*hook)
	for _, c := range all {
		c.Tries = cmp.Or(c.Tries, defaultTries)
		one := &hook{
			Config: c, job: c.job(jobs), roster: r, store: store, log: log.With("hook", c.Name, "group", c.Group), wake: make(chan struct{}, 1),
			marks: map[string]mark{}, busy: map[string]bool{}, told: map[string]telling{},
		}
		byName[c.Name+"/"+c.Group] = one
		h.all = append(h.all, one)
	}
	for e, err := range store.Scan(state.Range{Prefix: prefix}) {
		if err != nil && !errors.Is(err, state.ErrCorrupt) {
			return nil, fmt.Errorf("hooks: %w", err)
		}
		name, id := splitKey(e.Key)
		var k mark
		switch one := byName[name]; {
		case one == nil:
			h.former = append(h.former, state.Delete(e.Key))
		case err != nil || json.Unmarshal(e.Value, &k) != nil:
			log.Warn("what was done for an instance is not known any more: it is done again", "key", e.Key)
		default:
			one.marks[id] = k
		}
	}
	return h, nil
}

// forgetFormer drops what was kept for hooks that there are no more.
func (h *Hooks) forgetFormer(ctx context.Context) {
	for batch := range slices.Chunk(h.former, state.MaxChanges) {
		if err := h.store.Write(ctx, batch...); err != nil {
			h.log.Warn("what was kept for former hooks stays stored", "err", err)
			break
		}
	}
	h.former = nil
}

// splitKey takes hooks/NAME/GROUP/ID apart.
func splitKey(key string) (hook, id string) {
	parts := strings.SplitN(strings.TrimPrefix(key, prefix), "/", 3)
	if len(parts) < 3 {
		return "", ""
	}
	return parts[0] + "/" + parts[1], parts[2]
}

func (h *hook) key(id string) string { return prefix + h.Name + "/" + h.Group + "/" + id }

// Snapshot returns the counters.
func (h *Hooks) Snapshot() map[string]uint64 {
	m := map[string]uint64{"hook_runs": 0, "hook_failures": 0, "hook_given_up": 0, "hook_write_errors": 0}
	for _, one := range h.all {
		m["hook_runs"] += one.runs.Load()
		m["hook_failures"] += one.failures.Load()
		m["hook_given_up"] += one.givenUp.Load()
		m["hook_write_errors"] += one.writeErrors.Load()
	}
	return m
}

// Run runs hooks as they are owed, until ctx ends.
func (h *Hooks) Run(ctx context.Context, groups autoscale.Groups) error {
	h.forgetFormer(ctx)
	var wait sync.WaitGroup
	for _, one := range h.all {
		wait.Go(func() { one.keep(ctx, groups) })
	}
	wait.Wait()
	return nil
}

// Waits implements [autoscale.Drainer]: an instance that was in service is not
// terminated before what its leaving has to bring about is done.
func (h *Hooks) Waits(group string, i autoscale.Instance, _ time.Time) string {
	for _, one := range h.all {
		if one.Group != group || !slices.Contains(one.On, Leaving) {
			continue
		}
		one.mu.Lock()
		k := one.marks[i.ID]
		one.mu.Unlock()
		if k.Stage == joining || k.Stage == joined {
			return "hook " + one.Name + " is not done" + k.trouble()
		}
	}
	return ""
}

// trouble says how a hook fails.
func (k mark) trouble() string {
	if k.Why == "" {
		return ""
	}
	return fmt.Sprintf(": %s failed %d times: %s", k.Event, k.Tries, k.Why)
}

// Note says which hooks fail for an instance.
func (h *Hooks) Note(group, instance string) string {
	for _, one := range h.all {
		if one.Group != group {
			continue
		}
		one.mu.Lock()
		k := one.marks[instance]
		one.mu.Unlock()
		if k.Why != "" {
			return "hook " + one.Name + k.trouble()
		}
	}
	return ""
}

// keep runs one hook.
func (h *hook) keep(ctx context.Context, groups autoscale.Groups) {
	changed, end := h.roster.Subscribe()
	defer end()
	tick := time.NewTicker(look)
	defer tick.Stop()
	var running sync.WaitGroup
	defer running.Wait()
	for {
		next := h.begin(ctx, groups, &running)
		again := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
		case <-again.C:
		case <-tick.C:
		case <-changed:
		case <-h.wake:
		}
		again.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// begin begins what is owed, and returns when there may be more to do.
func (h *hook) begin(ctx context.Context, groups autoscale.Groups, running *sync.WaitGroup) (next time.Time) {
	now := time.Now()
	next = now.Add(time.Hour)
	if !h.acts(groups) || !h.roster.Knows([]string{h.Group}) {
		return next
	}
	view := h.roster.View().Of(h.Group)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range h.due(view) {
		switch {
		case h.busy[d.id]:
		case d.mark.Event == d.event && d.mark.Next.After(now):
			if d.mark.Next.Before(next) {
				next = d.mark.Next
			}
		case len(h.busy) < parallel:
			h.busy[d.id] = true
			running.Go(func() {
				h.event(ctx, d, view)
				h.mu.Lock()
				delete(h.busy, d.id)
				h.mu.Unlock()
				select {
				case h.wake <- struct{}{}:
				default: // it is to look again already
				}
			})
		}
	}
	return next
}

// acts says whether the group's decisions are carried out.
func (h *hook) acts(groups autoscale.Groups) bool {
	return slices.ContainsFunc(groups.Members(), func(m autoscale.Membership) bool { return m.Group == h.Group && m.Act })
}

// A debt is an event that is owed.
type debt struct {
	id, event string
	mark      mark
	member    roster.Member
}

// due are all debts: of members in their order, then of those that are gone.
// Callers hold h.mu.
func (h *hook) due(view roster.View) (all []debt) {
	there := make(map[string]bool)
	for _, m := range view.Members {
		there[m.ID] = true
		k := h.marks[m.ID]
		if event := k.owed(m, true); event != "" {
			all = append(all, debt{m.ID, event, k, m})
		}
	}
	var left []debt
	for id, k := range h.marks {
		if event := k.owed(k.Member, false); !there[id] && event != "" {
			left = append(left, debt{id, event, k, k.Member})
		}
	}
	slices.SortFunc(left, func(a, b debt) int { return strings.Compare(a.id, b.id) })
	return append(all, left...)
}

// event does what is owed to an instance, and notes it.
func (h *hook) event(ctx context.Context, d debt, view roster.View) {
	k := d.mark.begun(d.event, d.member)
	wanted := slices.Contains(h.On, d.event)
	if wanted && !h.note(ctx, d.id, k) {
		return // what is not noted may not be done: it could not be undone
	}
	if wanted {
		err := h.run(ctx, d, k, view)
		if ctx.Err() != nil {
			return // it is owed again after the start, and so no failure
		}
		if err != nil {
			k = k.failed(err.Error(), time.Now())
			h.failures.Add(1)
			if k.Tries < h.Tries {
				h.log.Warn("a hook has failed, and is tried again", "event", d.event, "instance", d.id, "alias", d.member.Alias, "tries", k.Tries, "next", k.Next, "err", err)
				h.note(ctx, d.id, k)
				return
			}
			h.givenUp.Add(1)
			h.log.Error("a hook has failed and is given up", "event", d.event, "instance", d.id, "alias", d.member.Alias, "tries", k.Tries, "err", err)
		}
	}
	if d.event == Left {
		h.forget(ctx, d.id)
		return
	}
	h.note(ctx, d.id, k.done(d.event))
}

// note keeps a mark; without the store it changes nothing.
func (h *hook) note(ctx context.Context, id string, k mark) bool {
	text, err := json.Marshal(k)
	if err == nil {
		err = h.store.Write(context.WithoutCancel(ctx), state.Put(h.key(id), text))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.writeErrors.Add(1)
		h.log.Error("what a hook does cannot be noted", "instance", id, "err", err)
		held := h.marks[id]
		held.Event, held.Next = k.Event, time.Now().Add(look)
		h.marks[id] = held
		return false
	}
	h.marks[id] = k
	if k.Event == "" {
		delete(h.told, id)
	}
	return true
}

func (h *hook) forget(ctx context.Context, id string) {
	err := h.store.Write(context.WithoutCancel(ctx), state.Delete(h.key(id)))
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.writeErrors.Add(1)
		h.log.Error("what a hook has done cannot be noted: it is done again", "instance", id, "err", err)
	}
	delete(h.marks, id) // else it would be done again at once
	delete(h.told, id)
}
