package haproxy

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rondo/autoscale"
	"rondo/autoscale/redirect"
	"rondo/rrd"
)

// A Weigher knows the weights of a group's servers ([redirect.Redirector] does).
type Weigher interface {
	Weights(group string) (servers []redirect.Weight, ok bool)
}

// A Follower keeps backends equal to their groups.
type Follower struct {
	backends []*backend
	weights  Weigher
	log      *slog.Logger
	counts   counts
}

// counts are what is counted over all backends.
type counts struct{ changes, failures, without atomic.Uint64 }

// A backend is one under observation.
type backend struct {
	Backend
	address redirect.Template

	mu     sync.Mutex
	at     time.Time         // when HAProxy was last seen, and told all that differed
	slots  map[string]Slot   // as it was then, by name
	holds  map[string]string // slots, by instance
	hosts  map[string]string // names, by instance
	states map[string]State  // as each was told, by instance
	err    error
	acts   bool
	failed string // the failure that was logged
}

// New makes a Follower.
func New(c Config, w Weigher, log *slog.Logger) (*Follower, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("autoscale: %w", err)
	}
	f := &Follower{weights: w, log: log}
	for _, b := range c {
		b = b.WithDefaults()
		t, err := redirect.ParseTemplate(b.Address)
		if err != nil {
			return nil, fmt.Errorf("autoscale: haproxy: %w", err)
		}
		f.backends = append(f.backends, &backend{Backend: b, address: t, holds: make(map[string]string)})
	}
	return f, nil
}

// every is how often HAProxy is looked at.
const every = time.Second

// Run follows until ctx ends. Each backend has a goroutine of its own: one that
// does not answer holds up no other.
func (f *Follower) Run(ctx context.Context, groups autoscale.Groups) error {
	var wg sync.WaitGroup
	for _, b := range f.backends {
		wg.Go(func() {
			changed, end := groups.Subscribe()
			defer end()
			ticker := time.NewTicker(every)
			defer ticker.Stop()
			for {
				f.look(ctx, b, groups.Members())
				select {
				case <-ctx.Done():
					return
				case <-changed:
				case <-ticker.C:
				}
			}
		})
	}
	wg.Wait()
	return nil
}

// look compares a backend with its group, and tells HAProxy what differs.
func (f *Follower) look(ctx context.Context, b *backend, members []autoscale.Membership) {
	i := slices.IndexFunc(members, func(m autoscale.Membership) bool { return m.Group == b.Group })
	if i < 0 {
		return // nothing is known of the group
	}
	weights, ok := f.weights.Weights(b.Group)
	if !ok {
		return
	}
	began := time.Now()
	err := f.settle(ctx, b, members[i], weights, began)
	if ctx.Err() != nil {
		return
	}
	b.mu.Lock()
	b.err = err
	b.mu.Unlock()
	f.say(b, err)
}

func (f *Follower) settle(ctx context.Context, b *backend, m autoscale.Membership, weights []redirect.Weight, began time.Time) error {
	slots, err := b.see(ctx)
	if err != nil {
		return err
	}
	targets, hosts := b.targets(m, weights)
	b.mu.Lock()
	before := b.holds
	b.mu.Unlock()
	changes, holds := Plan(b.Backend.Backend, slots, targets, before)
	if m.Act && len(targets) > 0 { // the last stay: where nobody is left, HAProxy's own checks know best
		for _, c := range changes {
			if err := b.tell(ctx, c); err != nil {
				return err
			}
			f.counts.changes.Add(1)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at, b.acts, b.hosts = began, m.Act, hosts
	b.holds = holds
	b.slots, b.states = make(map[string]Slot), make(map[string]State)
	for _, s := range slots {
		b.slots[s.Name] = s
	}
	for _, t := range targets {
		b.states[t.Instance] = t.State
	}
	if n := len(targets) - len(holds); n > 0 {
		f.counts.without.Add(uint64(n))
		return fmt.Errorf("%d servers of group %s have no slot in backend %s, which has %d: make its server-template longer", n, b.Group, b.Backend.Backend, len(slots))
	}
	return nil
}

// targets are the members that a slot should have, and their names.
func (b *backend) targets(m autoscale.Membership, weights []redirect.Weight) (out []Target, hosts map[string]string) {
	hosts = make(map[string]string)
	for _, w := range weights {
		text, err := b.address.Expand(m.Group, w.Member)
		if err != nil {
			continue // its note says so
		}
		a, err := netip.ParseAddrPort(text)
		if err != nil {
			continue
		}
		t := Target{w.Instance, netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), Ready, w.Weight}
		if w.State != redirect.Up {
			t.State = Drain
		}
		out = append(out, t)
		hosts[w.Instance] = w.Server
	}
	return out, hosts
}

// say logs a failure when it changes.
func (f *Follower) say(b *backend, err error) {
	text := ""
	if err != nil {
		text = err.Error()
		f.counts.failures.Add(1)
	}
	if b.failed == text {
		return
	}
	b.failed = text
	log := f.log.With("group", b.Group, "backend", b.Backend.Backend, "socket", b.Socket)
	if err != nil {
		log.Warn("haproxy does not follow the group", "err", err)
		return
	}
	log.Info("haproxy follows the group again")
}

// Waits implements [autoscale.Drainer]: requests that are under way.
func (f *Follower) Waits(group string, i autoscale.Instance, since time.Time) string {
	for _, b := range f.backends {
		if b.Group != group {
			continue
		}
		if w := b.waits(i, since); w != "" {
			return w
		}
	}
	return ""
}

func (b *backend) waits(i autoscale.Instance, since time.Time) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	name, held := b.holds[i.ID]
	s := b.slots[name]
	switch {
	case b.err != nil && !b.at.After(since):
		return fmt.Sprintf("haproxy cannot be asked: %.80v", b.err)
	case !b.at.After(since) || b.states[i.ID] == Ready:
		return "haproxy has not seen the drain yet"
	case !b.acts || !held:
		return "" // it gets nothing from there
	case s.State == Ready:
		return "haproxy was told just now"
	case s.Requests > 0:
		return fmt.Sprintf("%d requests in haproxy", s.Requests)
	case s.Last >= 0 && time.Duration(s.Last)*time.Second < *b.Quiet:
		return fmt.Sprintf("haproxy sent it a request %d s ago", s.Last)
	}
	return ""
}

// Note is the slot that an instance has, and what HAProxy says of it.
func (f *Follower) Note(group, instance string) string {
	for _, b := range f.backends {
		if b.Group != group {
			continue
		}
		if n := b.note(instance); n != "" {
			return n
		}
	}
	return ""
}

func (b *backend) note(instance string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil && len(b.slots) == 0 {
		return fmt.Sprintf("haproxy cannot be asked: %.80v", b.err)
	}
	name, held := b.holds[instance]
	switch {
	case !held && b.hosts[instance] != "":
		return "haproxy has no slot left"
	case !held:
		return ""
	case !b.acts:
		return "haproxy is not touched: the group is a dry run"
	}
	s := b.slots[name]
	return fmt.Sprintf("haproxy %s/%s %s, %d requests", b.Backend.Backend, name, s.Status, s.Requests)
}

// Room is where its counters are: rondo.haproxy.<what>.
func (f *Follower) Room() string { return "haproxy" }

// Stats are its counters.
func (f *Follower) Stats() map[string]uint64 {
	return map[string]uint64{
		"changes": f.counts.changes.Load(), "failures": f.counts.failures.Load(), "without_slot": f.counts.without.Load(),
	}
}

// AppendSamples appends rondo.haproxy.sessions{group,host}: requests under way
// on each server, over all backends.
func (f *Follower) AppendSamples(dst []rrd.Sample, now time.Time) []rrd.Sample {
	sums := make(map[rrd.Key]float64)
	for _, b := range f.backends {
		b.count(sums)
	}
	for _, k := range slices.Sorted(maps.Keys(sums)) {
		dst = append(dst, rrd.Sample{Key: k, Time: rrd.At(now), Value: sums[k], Type: rrd.Gauge})
	}
	return dst
}

func (b *backend) count(sums map[rrd.Key]float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(b.at) > 10*every {
		return // it is not known
	}
	for id, name := range b.holds {
		key, err := rrd.NewKey(redirect.HAProxyFigures+"sessions", rrd.Label{Name: "group", Value: b.Group}, rrd.Label{Name: "host", Value: b.hosts[id]})
		if err == nil { // names of hosts are plain
			sums[key] += float64(b.slots[name].Requests)
		}
	}
}
