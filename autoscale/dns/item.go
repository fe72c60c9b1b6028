package dns

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"rondo/autoscale"
)

// The pace of an item.
const (
	lookEvery   = time.Minute // the zone, for what others changed
	watchEvery  = time.Second // receipts and traffic, while an address is leaving
	firstPause  = time.Second // after a failure, then twice as long each time
	longPause   = time.Minute
	callTimeout = 30 * time.Second // of all calls of one step
	maxAgain    = 3                // at once, where somebody else changes the zone too
)

// An item is one name at work.
type item struct {
	Item
	provider Provider
	o        Options
	counts   *counts
	log      *slog.Logger

	// Of the goroutine that runs.
	zone    Zone // as it was last seen
	lookAt  time.Time
	pause   time.Duration
	retryAt time.Time
	pending []pending
	saved   string
	told    string // what is wrong, as it was logged last

	mu      sync.Mutex
	kept    kept
	last    map[string]sight // at the last look, by instance
	dry     bool             // we change nothing for this group
	trouble string           // why the name is not as it should be
	reason  Reason           // of trouble that a provider had
	looked  bool             // and without any once
	held    []Hold           // what else is not done
}

// A sight is how an instance was seen at a look.
type sight struct {
	phase autoscale.Phase
	in    bool   // its address is in the name
	host  string // that it is in the fleet
}

// A pending update is on its way to all servers of the zone.
type pending struct {
	receipt string
	gone    []string // instances
	since   time.Time
}

func (it *item) run(ctx context.Context, groups autoscale.Groups) {
	changed, end := groups.Subscribe()
	defer end()
	it.load()
	for {
		var wait time.Duration
		if m, ok := membership(groups, it.Group); ok {
			wait = it.step(ctx, m, time.Now())
		} else {
			wait = lookEvery // nothing is known of the group: nothing is concluded
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

func membership(groups autoscale.Groups, name string) (autoscale.Membership, bool) {
	all := groups.Members()
	i := slices.IndexFunc(all, func(m autoscale.Membership) bool { return m.Group == name })
	if i < 0 {
		return autoscale.Membership{}, false
	}
	return all[i], true
}

// step does what is left to do, and says when to look again.
func (it *item) step(ctx context.Context, m autoscale.Membership, now time.Time) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	it.mu.Lock()
	it.dry = !m.Act
	it.mu.Unlock()
	if it.Records == First && it.o.Rank != nil { // who has an address that follows the group should have its name
		m.Instances = autoscale.Ranked(m.Instances, func(id string) int { return it.o.Rank(m.Group, id) })
	}
	it.learn(m, now)
	if !now.Before(it.retryAt) {
		it.settle(ctx, it.keep(ctx, m, now))
	}
	it.watch(ctx, now)
	it.save(ctx)
	return it.next(now)
}

// next is when there is something to do.
func (it *item) next(now time.Time) time.Duration {
	it.mu.Lock()
	defer it.mu.Unlock()
	wait := it.lookAt.Sub(now)
	if it.pause > 0 {
		wait = it.retryAt.Sub(now)
	}
	for id, d := range it.kept.Gone {
		if s := it.last[id]; leaving(s.phase) && (d.At.IsZero() || it.watches(d, now)) {
			wait = min(wait, watchEvery)
		}
	}
	if len(it.pending) > 0 {
		wait = min(wait, watchEvery)
	}
	return max(wait, watchEvery/10)
}

// keep makes the names what they are to be. What the zone was when it was last
// seen tells whether there may be something to do; what is done goes by what it
// is now.
func (it *item) keep(ctx context.Context, m autoscale.Membership, now time.Time) error {
	for again := 0; ; again++ {
		plan := Want(it.Item, m.Instances, it.zone)
		if !now.Before(it.lookAt) || plan.Changes() {
			if err := it.look(ctx, m, now); err != nil {
				return err
			}
			plan = Want(it.Item, m.Instances, it.zone)
		}
		if !plan.Changes() || !m.Act {
			it.saw(m, plan, time.Now())
			return nil
		}
		err := it.apply(ctx, m, plan)
		if err == nil {
			continue // the zone is as planned: the next turn notes that
		}
		if reasonOf(err) != Changed || again == maxAgain {
			return err
		}
		it.counts.add("failed_"+string(Changed), 1)
	}
}

// look reads the zone.
func (it *item) look(ctx context.Context, m autoscale.Membership, now time.Time) error {
	it.lookAt = now // what is known is of no use if this fails
	texts, err := it.provider.Texts(ctx, it.ledger())
	if err != nil {
		return err
	}
	sets, err := it.provider.Addresses(ctx, []string{it.Name})
	if err != nil {
		return err
	}
	z := Zone{Sets: sets, Ledger: texts}
	if more := it.Look(m.Instances, z); len(more) > 0 {
		others, err := it.provider.Addresses(ctx, more)
		if err != nil {
			return err
		}
		maps.Copy(z.Sets, others)
	}
	it.zone = z
	it.lookAt = now.Add(lookEvery)
	return nil
}

// apply makes an update. Who is put into the name counts as in it before, and
// who is taken out as gone after: neither may end in between.
func (it *item) apply(ctx context.Context, m autoscale.Membership, plan Plan) error {
	was, is := it.zone.Sets[it.Name], changedSet(plan.Update, it.Name, it.zone.Sets[it.Name])
	it.mu.Lock()
	for _, i := range m.Instances {
		if a, ok := it.address(i); ok && slices.Contains(is.Addrs, a) {
			delete(it.kept.Gone, i.ID)
			it.last[i.ID] = sight{i.Phase, true, i.Host}
		}
	}
	it.mu.Unlock()
	receipt, err := it.provider.Update(ctx, plan.Update)
	if err != nil {
		it.lookAt = time.Time{} // it may have been done all the same
		return err
	}
	now := time.Now()
	gone := pending{receipt: receipt, since: now}
	it.mu.Lock()
	for _, i := range m.Instances {
		a, ok := it.address(i)
		if !ok || !slices.Contains(was.Addrs, a) || slices.Contains(is.Addrs, a) {
			continue
		}
		d := departure{TTL: max(was.TTL, is.TTL), teaches: i.Phase == autoscale.Draining, busy: now}
		if receipt == "" {
			d.At = now
		}
		it.kept.Gone[i.ID] = d
		gone.gone = append(gone.gone, i.ID)
	}
	it.mu.Unlock()
	if receipt != "" {
		it.pending = append(it.pending, gone)
	}
	it.took(plan, was, is)
	return nil
}

// changedSet is what a name has after an update.
func changedSet(u Update, name string, have Set) Set {
	for _, c := range u.Sets {
		if c.Name == name {
			return c.Is
		}
	}
	return have
}

// took notes an update that was made.
func (it *item) took(plan Plan, was, is Set) {
	sets := maps.Clone(it.zone.Sets)
	for _, c := range plan.Update.Sets {
		sets[c.Name] = c.Is
		it.counts.add("added", len(without(c.Is.Addrs, c.Was.Addrs)))
		it.counts.add("removed", len(without(c.Was.Addrs, c.Is.Addrs)))
	}
	it.zone = Zone{Sets: sets, Ledger: plan.Update.Ledger.Is}
	it.counts.add("changes", 1)
	it.log.Info("name is changed", "added", without(is.Addrs, was.Addrs), "removed", without(was.Addrs, is.Addrs), "addresses", len(is.Addrs), "names", len(plan.Update.Sets))
}

// saw notes how the instances stand after a look that left nothing to do, or
// nothing that we may.
func (it *item) saw(m autoscale.Membership, plan Plan, now time.Time) {
	set := it.zone.Sets[it.Name]
	it.mu.Lock()
	defer it.mu.Unlock()
	last := make(map[string]sight, len(m.Instances))
	for _, i := range m.Instances {
		a, ok := it.address(i)
		in := ok && slices.Contains(set.Addrs, a)
		last[i.ID] = sight{i.Phase, in, i.Host}
		d, known := it.kept.Gone[i.ID]
		switch {
		case in || !exists(i.Phase):
			delete(it.kept.Gone, i.ID)
			continue
		case !known:
			// Gone before we looked: nobody knows when, so now.
			d = departure{At: now.Add(it.provider.Lag()), TTL: max(set.TTL, it.TTL), busy: now}
		case d.At.IsZero() && !it.isPending(i.ID):
			d.At = now.Add(it.provider.Lag()) // its receipt is lost
		}
		it.kept.Gone[i.ID] = d
	}
	it.last = last
	it.trouble, it.reason, it.held, it.looked = "", "", plan.Held, true
	if plan.Blocked() {
		it.trouble = plan.Held[len(plan.Held)-1].Text
	}
	it.tell(plan.Held)
}

func (it *item) isPending(id string) bool {
	return slices.ContainsFunc(it.pending, func(p pending) bool { return slices.Contains(p.gone, id) })
}

// tell says what is held, once each time that it changes. Callers hold it.mu.
func (it *item) tell(held []Hold) {
	var words []string
	for _, h := range held {
		words = append(words, h.Text)
	}
	text := strings.Join(words, "; ")
	if text == it.told {
		return
	}
	it.told = text
	for _, h := range held {
		it.counts.add("held_"+string(h.Code), 1)
	}
	if text != "" {
		it.log.Warn("name is not as its group is", "why", text)
	}
}

// settle notes how a step went.
func (it *item) settle(ctx context.Context, err error) {
	if err == nil {
		it.pause, it.retryAt = 0, time.Time{}
		return
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return // the end of the program is no failure
	}
	it.counts.add("failed_"+string(reasonOf(err)), 1)
	it.pause = min(max(2*it.pause, firstPause), longPause)
	it.retryAt = time.Now().Add(it.pause/2 + rand.N(it.pause/2))
	it.mu.Lock()
	defer it.mu.Unlock()
	it.trouble, it.reason = err.Error(), reasonOf(err)
	if it.told != it.trouble {
		it.told = it.trouble
		it.log.Warn("name cannot be kept", "reason", reasonOf(err), "err", err)
	}
}
