package dispatch

import (
	"container/heap"
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"rondo/alerts"
	"rondo/alerts/state"
)

// storeRetry is how long to wait when something could not be stored.
const storeRetry = 5 * time.Second

// Run looks at groups when they are due and sends notices until ctx ends. It
// returns nil when all that it started has ended. It must be called once.
func (d *Dispatcher) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		d.generation(ctx)
	}
	return nil
}

// generation runs with the present receivers until they are replaced or ctx
// ends.
func (d *Dispatcher) generation(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	d.mu.Lock()
	for _, r := range d.receivers {
		if sender := r.Sender; sender != nil {
			wg.Go(func() { d.deliver(ctx, r, sender) })
		}
	}
	d.mu.Unlock()
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.changed:
			return
		case now := <-minute.C:
			d.sweep(ctx, now)
		case <-timer.C:
		case <-d.wake:
		}
		timer.Reset(d.look(ctx))
	}
}

// look looks at all groups that are due, and returns how long to wait for the
// next.
func (d *Dispatcher) look(ctx context.Context) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	err := d.flushDirty(ctx)
	if err == nil {
		err = d.step(ctx, now)
	}
	if err == nil {
		err = d.digests(ctx, now)
	}
	if err == nil {
		err = d.flushDirty(ctx)
	}
	d.noteStore(err)
	if err != nil {
		return storeRetry
	}
	return max(d.nextDue(now).Sub(now), 0)
}

// noteStore logs when the store begins to fail, and when it works again.
func (d *Dispatcher) noteStore(err error) {
	switch text := fmt.Sprint(err); {
	case err != nil && d.storeErr == "":
		d.storeErr = text
		d.o.Log.Error("nothing new is told: it cannot be stored", "err", err)
	case err == nil && d.storeErr != "":
		d.storeErr = ""
		d.o.Log.Info("what is to be told can be stored again")
	}
}

// nextDue is when the next group or digest is due; an hour from now where
// there is none. The caller holds d.mu.
func (d *Dispatcher) nextDue(now time.Time) time.Time {
	next := now.Add(time.Hour)
	if len(d.byTime) > 0 && d.byTime[0].Due().Before(next) {
		next = d.byTime[0].Due()
	}
	for _, r := range d.receivers {
		if due := r.gate.Due(); !due.IsZero() && due.Before(next) {
			next = due
		}
	}
	return next
}

// world is what groups ask of others. The caller holds d.mu.
func (d *Dispatcher) world() World {
	return World{
		Suppressed: func(a *Alert) bool {
			return d.inhibits.source(a) != nil || d.o.Mute(a.Rule, a.Of).Quiet()
		},
		Acknowledged: func(a *Alert) bool { return d.o.Mute(a.Rule, a.Of).Reason == alerts.Acknowledged },
		SendResolved: func(name string) bool { return d.receivers[name].SendResolved },
	}
}

// An opening is a notice that may wake somebody, and counts against the rate.
type opening struct {
	n *node
	s Send
}

// step lets the groups that are due have their say. The caller holds d.mu.
func (d *Dispatcher) step(ctx context.Context, now time.Time) error {
	w, b := d.world(), d.batch(ctx)
	openings := make(map[*receiver][]opening)
	var due []*node
	for len(d.byTime) > 0 && !d.byTime[0].Due().After(now) {
		n := d.byTime[0]
		due = append(due, n)
		before := n.Next
		sends := n.Step(now, w)
		heap.Fix(&d.byTime, n.place)
		n.ticked = !before.Equal(n.Next)
		for _, s := range sends {
			r := d.receivers[s.Receiver]
			switch {
			case n.captured(s.Receiver):
				n.waiting[s.Receiver] = true
				r.gate.Gather(now)
			case s.Quiet, s.Reason == ReasonResolved:
				if err := d.end(b, r, n, s, now); err != nil {
					return d.later(due, now, err)
				}
			default:
				openings[r] = append(openings[r], opening{n, s})
			}
		}
	}
	for r, all := range openings {
		if err := d.admit(b, r, all, now); err != nil {
			return d.later(due, now, err)
		}
	}
	if err := b.commit(); err != nil {
		return d.later(due, now, err)
	}
	d.tidy(due)
	return nil
}

// end tells the end of what was told alone: alone too, whatever the rate is. Who
// has opened an incident by the group's key closes it by it. The caller holds
// d.mu.
func (d *Dispatcher) end(b *batch, r *receiver, n *node, s Send, now time.Time) error {
	if !s.Quiet {
		r.gate.Count(now)
	}
	return d.accept(b, r, n, s, now)
}

// later has groups looked at again soon. The caller holds d.mu.
func (d *Dispatcher) later(due []*node, now time.Time, err error) error {
	for _, n := range due {
		n.Next = now.Add(storeRetry)
		heap.Fix(&d.byTime, n.place)
	}
	return err
}

// admit tells what the receiver's rate allows; in a storm it gathers it, and
// what waits for its group_wait with it. The caller holds d.mu.
func (d *Dispatcher) admit(b *batch, r *receiver, all []opening, now time.Time) error {
	fresh := d.fresh(r, now, d.world())
	if r.gate.Admit(now, len(all), len(fresh), r.room(d.o.MaxQueue)) {
		for _, o := range all {
			if err := d.accept(b, r, o.n, o.s, now); err != nil {
				return err
			}
		}
		return nil
	}
	for _, o := range all {
		o.n.waiting[r.Name] = true
		r.gate.Gather(now)
	}
	for _, n := range fresh {
		n.Next = now
		heap.Fix(&d.byTime, n.place)
	}
	return nil
}

// fresh are the groups that have told nobody yet and will tell a receiver
// while its rate remembers this moment. The caller holds d.mu.
func (d *Dispatcher) fresh(r *receiver, now time.Time, w World) (all []*node) {
	if r.Rate.N == 0 {
		return nil
	}
	for _, n := range d.groups {
		if n.looked.IsZero() && n.Route.Receiver == r.Name && n.Next.Sub(now) < r.Rate.Per && n.waits(w) {
			all = append(all, n)
		}
	}
	return all
}

// accept stores a notice together with what its receiver knows then, and
// queues it. The caller holds d.mu.
func (d *Dispatcher) accept(b *batch, r *receiver, n *node, s Send, now time.Time) error {
	s.Told.Digest = n.Told[r.Name].Digest // under the same key
	told, err := s.Told.encode()
	if err != nil {
		return err
	}
	changes := []state.Change{state.Put(toldKey(n.id, r.Name, s.Told.Digest), told)}
	var it *item
	if !s.Quiet && r.Sender != nil {
		notice := d.noticeOf(n.Key(), n.Labels, r, s, now)
		if n.Route.Owner != "" && notice.CommonAnnotations["owner"] == "" {
			notice.CommonAnnotations["owner"] = n.Route.Owner
		}
		var change state.Change
		if it, change, err = r.stage(notice); err != nil {
			return err
		}
		changes = append(changes, change)
	}
	return b.add(func() { d.accepted(n, s); d.queue(r, it) }, changes...)
}

// accepted notes what a receiver knows. The next rung of the ladder may be due
// before anything else of the group was. The caller holds d.mu.
func (d *Dispatcher) accepted(n *node, s Send) {
	n.Accept(s)
	heap.Fix(&d.byTime, n.place)
}

// queue hands a stored item to its receiver. The caller holds d.mu.
func (d *Dispatcher) queue(r *receiver, it *item) {
	if it == nil {
		return
	}
	if old := r.push(it, d.o.MaxQueue); old != nil {
		d.dirty[old.key] = none
		d.o.Log.Error("notice is not told: the queue is full", "receiver", r.Name, "group", old.group, "reason", string(old.reason))
	}
}

// tidy forgets what groups need not keep, and groups that are empty. The
// caller holds d.mu.
func (d *Dispatcher) tidy(nodes []*node) {
	for _, n := range nodes {
		if !n.ticked {
			continue
		}
		if len(n.Alerts) == 0 {
			if d.groups[n.id] == n {
				heap.Remove(&d.byTime, n.place)
				d.drop(n)
			}
			continue
		}
		for _, id := range n.Spent() {
			d.remove(n, id)
		}
	}
}

// digests sends those that are due. The caller holds d.mu.
func (d *Dispatcher) digests(ctx context.Context, now time.Time) error {
	for _, r := range d.receivers {
		if due := r.gate.Due(); due.IsZero() || due.After(now) {
			continue
		}
		if err := d.tellDigest(ctx, r, now); err != nil {
			return err
		}
	}
	return nil
}

// tellDigest tells one receiver what was gathered for it. There may be more
// groups than one write can hold, so that what each receiver knows is written
// first, under the number of this digest; it counts once the notice is stored
// together with that number. The caller holds d.mu.
func (d *Dispatcher) tellDigest(ctx context.Context, r *receiver, now time.Time) error {
	w, b, number := d.world(), d.batch(ctx), r.digest+1
	var told []opening
	var waiting []*node
	for _, n := range d.groups {
		if !n.waiting[r.Name] {
			continue
		}
		if _, muted := n.Route.Muted(now); muted {
			continue
		}
		waiting = append(waiting, n)
		s, ok := n.Decide(r.Name, now, w)
		if !ok {
			continue
		}
		s.Told.Digest, s.Told.ByDigest = number, true
		value, err := s.Told.encode()
		if err == nil {
			err = b.add(nil, state.Put(toldKey(n.id, r.Name, number), value))
		}
		if err != nil {
			return err
		}
		told = append(told, opening{n, s})
	}
	if err := b.commit(); err != nil {
		return err
	}
	changes := []state.Change{state.Put(digestPrefix+r.Name, []byte(strconv.FormatUint(number, 10)))}
	var it *item
	if s := d.digestOf(r, told); len(s.Alerts) > 0 && r.Sender != nil {
		key := fmt.Sprintf("{}:{digest=%q}", r.Name)
		notice := d.noticeOf(key, nil, r, s.Send, now)
		notice.RootCause = s.cause
		notice.CommonAnnotations["root_cause"] = s.cause // Alertmanager's message has no other place for it
		var err error
		var change state.Change
		if it, change, err = r.stage(notice); err != nil {
			return err
		}
		changes = append(changes, change)
	}
	err := b.add(func() { d.digestDone(r, number, it, told, waiting, now) }, changes...)
	if err != nil {
		return err
	}
	return b.commit()
}

// digestDone notes that a digest is stored. The caller holds d.mu.
func (d *Dispatcher) digestDone(r *receiver, number uint64, it *item, told []opening, waiting []*node, now time.Time) {
	r.digest = number
	for _, o := range told {
		if before, ok := o.n.Told[r.Name]; ok {
			d.dirty[toldKey(o.n.id, r.Name, before.Digest)] = none
		}
		d.accepted(o.n, o.s)
	}
	for _, n := range waiting {
		delete(n.waiting, r.Name)
		n.ticked = true
	}
	if it == nil {
		r.gate.Dropped()
	} else {
		r.gate.Sent(now)
		r.stats.Digests.Add(1)
	}
	d.queue(r, it)
	d.tidy(slices.DeleteFunc(waiting, func(n *node) bool { return len(n.Alerts) == 0 }))
}

// A digest is what is sent for many groups, and why they fire.
type digest struct {
	Send
	cause string
}

// digestOf gathers what is told, and what was told by digests before and still
// fires. The caller holds d.mu.
func (d *Dispatcher) digestOf(r *receiver, told []opening) digest {
	var firing, resolved []*Alert
	var fresh int
	seen := make(map[*node]bool, len(told))
	for _, o := range told {
		if seen[o.n] = true; o.s.Quiet {
			continue
		}
		before := o.n.Told[r.Name].Firing
		for _, a := range o.s.Alerts {
			switch {
			case !a.Firing():
				resolved = append(resolved, a)
				continue
			case !before[a.ID]:
				fresh++
			}
			firing = append(firing, a)
		}
	}
	if len(firing)+len(resolved) == 0 {
		return digest{}
	}
	for _, n := range d.groups {
		if seen[n] || !n.captured(r.Name) {
			continue
		}
		for id := range n.Told[r.Name].Firing {
			if a := n.Alerts[id]; a != nil && a.Firing() {
				firing = append(firing, a)
			}
		}
	}
	slices.SortFunc(firing, graver)
	slices.SortFunc(resolved, graver)
	out := digest{Send: Send{Receiver: r.Name, Reason: ReasonDigest, Alerts: slices.Concat(firing, resolved)}}
	out.cause = fmt.Sprintf("%s new, %s over, %s firing in %s groups", thousands(fresh), thousands(len(resolved)), thousands(len(firing)), thousands(len(told)))
	if cause := RootCause(firing, d.causes()); cause != "" {
		out.cause = cause + "; " + out.cause
	}
	return out
}

// causes are what is known of why problems are not told. The caller holds d.mu.
func (d *Dispatcher) causes() Causes {
	c := Causes{Known: make(map[string]int), Mutes: make(map[uint64]int)}
	for _, n := range d.groups {
		for _, a := range n.Alerts {
			if !a.Firing() {
				continue
			}
			if s := d.inhibits.source(a); s != nil {
				c.Mutes[s.ID]++
			} else if m := d.o.Mute(a.Rule, a.Of); m.Reason == alerts.Unreachable {
				c.Known[m.Cause]++
			}
		}
	}
	return c
}

var _ alerts.BulkAction = (*Dispatcher)(nil)
