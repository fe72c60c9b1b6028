package autoscale

import (
	"cmp"
	"context"
	"hash/maphash"
	"math"
	"slices"
	"strings"
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

// A House is what follows the groups' members, as far as a group asks it.
type House interface {
	// Remarks is what is to be said of a group with each decision, in sentences
	// that do not change with the time alone.
	Remarks(group string) []string
	// Needs is what the followers of a group need to be allowed: see [Preflighter].
	Needs(ctx context.Context, group string) []Requirement
	// Ailing are the instances that are to be replaced for what a follower finds of
	// them, by ID.
	Ailing(group string) map[string]Ailment
}

// An Ailment is what makes an instance good for nothing though it is heard.
type Ailment struct {
	Check string // that it fails, as in: it fails its status check
	Since time.Time
}

// noHouse is the [House] of a controller that has none.
type noHouse struct{}

func (noHouse) Remarks(string) []string                     { return nil }
func (noHouse) Needs(context.Context, string) []Requirement { return nil }
func (noHouse) Ailing(string) map[string]Ailment            { return nil }

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

// Ranked are instances in the order in which they come to an address or a name
// that one server has: by rank, from 1 on, those without one (0) last, then by
// launch. All who give such a thing away go by it, so that all of them choose the
// same.
func Ranked(instances []Instance, rank func(id string) int) []Instance {
	ranks := make(map[string]int, len(instances))
	for _, i := range instances {
		if ranks[i.ID] = rank(i.ID); ranks[i.ID] == 0 {
			ranks[i.ID] = math.MaxInt
		}
	}
	return slices.SortedFunc(slices.Values(instances), func(a, b Instance) int {
		return cmp.Or(cmp.Compare(ranks[a.ID], ranks[b.ID]), a.Launched.Compare(b.Launched), strings.Compare(a.ID, b.ID))
	})
}
