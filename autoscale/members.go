package autoscale

import (
	"hash/maphash"
	"slices"
	"sync"
	"time"
)

// A Membership is who is in a group, for all that follows it: balancers, names,
// files, pages.
type Membership struct {
	Group     string     `json:"group"`
	Act       bool       `json:"act"`       // the group's decisions are carried out: whoever changes something outside for it may do so
	Instances []Instance `json:"instances"` // in all their phases, in the order of their launches
	At        time.Time  `json:"at"`        // of the list: it grows old while the cloud cannot be asked
}

// Groups are what followers of groups know of them; a [Controller] is that.
type Groups interface {
	Members() []Membership
	Subscribe() (changed <-chan struct{}, end func())
}

// Members returns who is in each group whose cloud has answered since the
// start. Nothing must be concluded of a group that is not among them.
func (c *Controller) Members() []Membership {
	var out []Membership
	for _, g := range c.groups {
		if m, ok := g.members(); ok {
			out = append(out, m)
		}
	}
	return out
}

func (g *group) members() (Membership, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Membership{Group: g.Name, Act: g.Mode == Act, Instances: slices.Clone(g.instances), At: g.membersAt}, !g.membersAt.IsZero()
}

// Subscribe returns a channel that is given a value soon after the members of
// any group changed: came, went, or are in another phase. A subscriber that is
// slow misses values, and finds all changes in [Controller.Members]. It calls
// end when it wants no more.
func (c *Controller) Subscribe() (changed <-chan struct{}, end func()) { return c.bell.subscribe() }

// A bell wakes those who follow the groups' members.
type bell struct {
	mu   sync.Mutex
	ears map[chan struct{}]bool
}

func (b *bell) subscribe() (<-chan struct{}, func()) {
	ear := make(chan struct{}, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ears == nil {
		b.ears = make(map[chan struct{}]bool)
	}
	b.ears[ear] = true
	return ear, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.ears, ear)
	}
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ear := range b.ears {
		select {
		case ear <- struct{}{}:
		default: // it has not looked since the last ring
		}
	}
}

// tellMembers notes when the list is from, and rings where it is another one.
// Callers hold g.mu.
func (g *group) tellMembers() {
	g.membersAt = g.listedAt
	g.awaits.Store(slices.ContainsFunc(g.instances, func(i Instance) bool {
		return i.Phase == Pending || i.Phase == Booting || i.Phase == Silent
	}))
	var h maphash.Hash
	h.SetSeed(g.seed)
	for _, i := range g.instances {
		for _, s := range []string{i.ID, string(i.Phase), i.Host, i.PrivateIP, i.PrivateDNS, i.PublicIP, i.PublicDNS} {
			_, _ = h.WriteString(s)
			_ = h.WriteByte(0)
		}
	}
	if sum := h.Sum64(); sum != g.told {
		g.told = sum
		g.ring()
	}
}

// Names are the names under which an instance may report, likeliest first.
func (i Instance) Names() []string { return hostNames(i) }
