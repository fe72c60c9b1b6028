package dispatch

import (
	"cmp"
	"container/heap"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/alerts/state"
	"rondo/rrd"
)

// A Receiver is somebody who is told.
type Receiver struct {
	Name         string
	Kind         string        // of its sender, for people
	Sender       notify.Sender // nil: nobody is told, which ends a route on purpose
	SendResolved bool          // it is told of ends too
	Rate         Rate          // what is above becomes a digest; zero: no limit
	MaxAlerts    int           // in one notice; the rest is counted [100]
}

// Options of a Dispatcher. Zero values mean what stands in brackets.
type Options struct {
	Log   *slog.Logger // [quiet]
	Store state.Store
	// Mute says what keeps the problem of a rule and label set from being told at
	// this moment. Nothing that is muted is repeated or escalated, and what is
	// muted by other than an acknowledgement is not told anew. [nothing is muted]
	Mute      func(rule string, ls rrd.Labels) alerts.Mute
	MaxAlerts int           // in all groups; more are refused, counted [20,000]
	MaxQueue  int           // notices per receiver; the oldest goes, counted [1000]
	Expire    time.Duration // a notice that could not be sent for so long goes, counted [24 h]
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("component", "dispatch")
	if o.Mute == nil {
		o.Mute = func(string, rrd.Labels) alerts.Mute { return alerts.Mute{} }
	}
	if o.MaxAlerts <= 0 || o.MaxAlerts > maxAlerts {
		o.MaxAlerts = maxAlerts
	}
	if o.MaxQueue <= 0 {
		o.MaxQueue = 1000
	}
	if o.Expire <= 0 {
		o.Expire = 24 * time.Hour
	}
	return o
}

// maxAlerts is how many there may be: their fingerprints must fit into one
// value of the store, should they all be in one group.
const maxAlerts = 20_000

// A Dispatcher takes hard changes from the engine, gathers them in groups and
// tells these to receivers. It implements alerts.BulkAction.
type Dispatcher struct {
	o       Options
	stats   Stats
	changed chan struct{} // Reload to Run: receivers are new
	wake    chan struct{} // there may be something to do earlier than thought

	mu        sync.Mutex // guards what is below
	external  string     // of our web pages, for links
	conf      compiled
	receivers map[string]*receiver
	groups    map[string]*node
	byTime    schedule
	where     map[uint64][]*node  // the groups that hold an alert
	problems  map[string][]uint64 // the alerts of a rule's state that groups hold
	held      int                 // alerts in all groups
	dirty     map[string]func() ([]byte, error)
	inhibits  *inhibitor
	taken     [][sha256.Size]byte // of the newest transitions, oldest first
	storeErr  string
}

// A node is a group with what the dispatcher notes of it.
type node struct {
	*Group
	id      string
	place   int             // in the schedule
	waiting map[string]bool // receivers for whose digest it has something
	ticked  bool            // the newest look was a regular one
}

// captured says whether what the group has for a receiver goes into a digest.
// What a digest told ends by a digest.
func (n *node) captured(receiver string) bool {
	t := n.Told[receiver]
	return n.waiting[receiver] || t.ByDigest && len(t.Firing) > 0
}

// New loads the groups and the outbox, and takes the configuration as Reload
// does. It sends nothing before Run.
func New(o Options, c Config, rs []Receiver, external string) (*Dispatcher, error) {
	d := &Dispatcher{
		o: o.withDefaults(), changed: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		receivers: make(map[string]*receiver), groups: make(map[string]*node), where: make(map[uint64][]*node),
		problems: make(map[string][]uint64), dirty: make(map[string]func() ([]byte, error)),
	}
	if err := d.load(); err != nil {
		return nil, err
	}
	return d, d.Reload(c, rs, external)
}

// Reload replaces routes and receivers. Groups go on by their route's key and
// labels, queues by their receiver's name. An error changes nothing.
func (d *Dispatcher) Reload(c Config, rs []Receiver, external string) error {
	var names []string
	for _, r := range rs {
		if r.Name == "" || strings.Contains(r.Name, "/") || slices.Contains(names, r.Name) {
			return fmt.Errorf("dispatch: receiver %q: want a name of its own, without a slash", r.Name)
		}
		names = append(names, r.Name)
	}
	conf, err := c.compile(names)
	if err != nil {
		return fmt.Errorf("dispatch: %w", err)
	}
	d.mu.Lock()
	d.conf, d.external, d.inhibits = conf, strings.TrimSuffix(external, "/"), newInhibitor(conf.inhibits)
	for _, r := range d.receivers {
		r.set(Receiver{Name: r.Name}, false)
	}
	for _, r := range rs {
		d.receiver(r.Name).set(r, true)
	}
	d.arrange(time.Now())
	d.mu.Unlock()
	signal(d.changed)
	return nil
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// arrange puts groups to the routes that there are now. A group that no route
// makes any more stays until those who know of its problems have heard of
// their ends. The caller holds d.mu.
func (d *Dispatcher) arrange(now time.Time) {
	old := d.groups
	d.groups, d.where, d.problems = make(map[string]*node), make(map[uint64][]*node), make(map[string][]uint64)
	d.byTime, d.held = nil, 0
	routes := make(map[string]*Route)
	if d.conf.root != nil {
		d.conf.root.walk(func(r *Route) { routes[r.ID] = r })
	}
	var firing []*Alert
	for _, n := range old {
		n.Route = cmp.Or(routes[n.Route.ID], n.Route.closing())
		n.Next = sooner(n.Next, now.Add(max(n.Route.Wait, n.Route.Interval)))
		d.forgetReceivers(n)
		d.groups[n.id] = n
		heap.Push(&d.byTime, n)
		for _, a := range n.Alerts {
			d.index(n, a)
			if a.Firing() {
				firing = append(firing, a)
			}
		}
	}
	wanted := make(map[*node]bool)
	for _, a := range firing {
		d.inhibits.note(a)
		for _, n := range d.put(a, now) {
			wanted[n] = true
		}
	}
	for _, n := range old {
		if len(n.Alerts) > 0 && !wanted[n] && slices.ContainsFunc(slices.Collect(maps.Values(n.Alerts)), (*Alert).Firing) {
			n.Route = n.Route.closing()
			heap.Fix(&d.byTime, n.place)
		}
		if n.Route.Receiver == "" && len(n.audience()) == 0 {
			d.dissolve(n)
		}
	}
}

// sooner is the earlier time: what is further off than a route ever waits is
// from before a step of the clock, or of another configuration.
func sooner(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// forgetReceivers forgets what receivers know that are no more. The caller
// holds d.mu.
func (d *Dispatcher) forgetReceivers(n *node) {
	for name, t := range n.Told {
		if d.receiver(name).configured {
			continue
		}
		delete(n.Told, name)
		delete(n.waiting, name)
		d.dirty[toldKey(n.id, name, t.Digest)] = none
	}
}

// dissolve forgets a group and its alerts. The caller holds d.mu.
func (d *Dispatcher) dissolve(n *node) {
	for id := range n.Alerts {
		d.remove(n, id)
	}
	heap.Remove(&d.byTime, n.place)
	d.drop(n)
}

// none has a key deleted.
func none() ([]byte, error) { return nil, nil }

// closing is a route that tells the ends of problems, to who knows of them,
// and nothing else.
func (r *Route) closing() *Route { return &Route{Key: r.Key, ID: r.ID, Interval: defaultInterval} }

// walk calls f with a route and all below it.
func (r *Route) walk(f func(*Route)) {
	f(r)
	for _, child := range r.Routes {
		child.walk(f)
	}
}

// index notes that a group holds an alert. The caller holds d.mu.
func (d *Dispatcher) index(n *node, a *Alert) {
	d.where[a.ID] = append(d.where[a.ID], n)
	problem := problemOf(a.Rule, a.Of)
	if !slices.Contains(d.problems[problem], a.ID) {
		d.problems[problem] = append(d.problems[problem], a.ID)
	}
	d.held++
}

// problemOf names what alerts of different severities are of.
func problemOf(rule string, of rrd.Labels) string { return rule + "\x00" + of.String() }

// Act implements alerts.Action.
func (d *Dispatcher) Act(ctx context.Context, t alerts.Transition) error {
	return d.ActAll(ctx, []alerts.Transition{t})
}

// ActAll takes hard changes, oldest first: when it returns nil they are in
// their groups, on disk. Taking one again changes nothing.
func (d *Dispatcher) ActAll(ctx context.Context, ts []alerts.Transition) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for _, t := range ts {
		d.take(t, now)
	}
	if keep := max(len(ts), minTaken); len(d.taken) > keep {
		d.taken = slices.Clone(d.taken[len(d.taken)-keep:])
	}
	defer signal(d.wake)
	return d.flushDirty(ctx)
}

// minTaken is how many of the newest transitions are known at least. The engine
// hands over again what it had no time to note as done: all of one call.
const minTaken = 64

// take brings the alerts of one problem forward. The caller holds d.mu.
func (d *Dispatcher) take(t alerts.Transition, now time.Time) {
	hash := sha256.Sum256([]byte(t.ID))
	if slices.Contains(d.taken, hash) {
		return
	}
	d.taken = append(d.taken, hash)
	d.stats.Taken.Add(1)
	var next *Alert
	if t.To != alerts.OK {
		next = alertOf(t)
	}
	for _, id := range slices.Clone(d.problems[problemOf(t.Rule, t.Labels)]) {
		if a := d.where[id][0].Alerts[id]; a.Firing() && (next == nil || next.ID != id) {
			d.replace(a.ended(t))
		}
	}
	if next != nil {
		d.inhibits.note(next)
		d.put(next, now)
	}
}

// replace puts an alert's newest form into all groups that hold it. The caller
// holds d.mu.
func (d *Dispatcher) replace(a *Alert) {
	for _, n := range d.where[a.ID] {
		n.Alerts[a.ID] = a
		d.touchAlert(n, a.ID)
	}
	d.inhibits.note(a)
}

// put routes an alert that fires into its groups, and returns those. The
// caller holds d.mu.
func (d *Dispatcher) put(a *Alert, now time.Time) (in []*node) {
	if d.conf.root == nil {
		return nil
	}
	for _, r := range d.conf.root.Match(a.Labels) {
		labels := r.Group(a.Labels)
		id := groupID(r.ID, labels)
		n := d.groups[id]
		if n == nil || n.Alerts[a.ID] == nil {
			if d.held >= d.o.MaxAlerts {
				d.stats.Full.Add(1)
				continue
			}
			if n == nil {
				n = d.newNode(NewGroup(r, labels, now), id)
			}
			d.index(n, a)
		}
		if n.Alerts[a.ID] != a {
			n.Alerts[a.ID] = a
			d.touchAlert(n, a.ID)
		}
		in = append(in, n)
	}
	return in
}

// newNode takes a group into the schedule. The caller holds d.mu.
func (d *Dispatcher) newNode(g *Group, id string) *node {
	n := &node{Group: g, id: id, waiting: make(map[string]bool)}
	d.groups[id] = n
	heap.Push(&d.byTime, n)
	d.dirty[groupPrefix+id] = func() ([]byte, error) { return n.encode() }
	return n
}

// touchAlert has an alert's newest form written, or its key deleted. The
// caller holds d.mu.
func (d *Dispatcher) touchAlert(n *node, id uint64) {
	d.dirty[alertKey(n.id, id)] = func() ([]byte, error) {
		if a := n.Alerts[id]; a != nil {
			return a.encode()
		}
		return nil, nil
	}
}

// flushDirty writes what has changed in memory. What cannot be written stays
// noted, and nothing is told meanwhile. The caller holds d.mu.
func (d *Dispatcher) flushDirty(ctx context.Context) error {
	if len(d.dirty) == 0 {
		return nil
	}
	b := d.batch(ctx)
	for key, encode := range d.dirty {
		value, err := encode()
		if err != nil {
			return fmt.Errorf("dispatch: %s: %w", key, err)
		}
		change := state.Put(key, value)
		if value == nil {
			change = state.Delete(key)
		}
		if err := b.add(func() { delete(d.dirty, key) }, change); err != nil {
			return err
		}
	}
	// Last: a transition counts as taken when all that it changed is stored.
	if err := b.add(nil, state.Put(takenKey, packTaken(d.taken))); err != nil {
		return err
	}
	return b.commit()
}

func (d *Dispatcher) batch(ctx context.Context) *batch {
	return &batch{write: func(cs []state.Change) error {
		if err := d.o.Store.Write(ctx, cs...); err != nil {
			d.stats.StoreErrors.Add(1)
			return fmt.Errorf("dispatch: not stored: %w", err)
		}
		return nil
	}}
}

// remove forgets an alert of a group. The caller holds d.mu.
func (d *Dispatcher) remove(n *node, id uint64) {
	a := n.Alerts[id]
	delete(n.Alerts, id)
	d.touchAlert(n, id)
	d.held--
	d.where[id] = slices.DeleteFunc(d.where[id], func(x *node) bool { return x == n })
	if len(d.where[id]) > 0 {
		return
	}
	delete(d.where, id)
	problem := problemOf(a.Rule, a.Of)
	d.problems[problem] = slices.DeleteFunc(d.problems[problem], func(x uint64) bool { return x == id })
	if len(d.problems[problem]) == 0 {
		delete(d.problems, problem)
	}
}

// drop forgets a group that is empty. The caller holds d.mu.
func (d *Dispatcher) drop(n *node) {
	delete(d.groups, n.id)
	d.dirty[groupPrefix+n.id] = none
	for receiver, t := range n.Told {
		d.dirty[toldKey(n.id, receiver, t.Digest)] = none
	}
}

// Stats returns the live counters.
func (d *Dispatcher) Stats() *Stats { return &d.stats }

// schedule is a heap of groups by when they are due.
type schedule []*node

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].Due().Before(s[j].Due()) }
func (s schedule) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].place, s[j].place = i, j
}

// Push implements heap.Interface.
func (s *schedule) Push(x any) {
	n := x.(*node)
	n.place = len(*s)
	*s = append(*s, n)
}

// Pop implements heap.Interface.
func (s *schedule) Pop() any {
	last := len(*s) - 1
	n := (*s)[last]
	(*s)[last] = nil
	*s = (*s)[:last]
	return n
}
