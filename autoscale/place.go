package autoscale

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Market is how an instance is paid for.
type Market string

// The markets. What says neither is on demand.
const (
	OnDemand Market = "on-demand"
	Spot     Market = "spot" // cheaper, and taken away with two minutes' notice
)

// A SpotPolicy says how many instances of a group are Spot instances. What
// Spot does not give is launched on demand: too dear is better than too few.
type SpotPolicy struct {
	Share    float64 `yaml:"share" json:"share,omitempty"`                   // of the instances beyond the base: 0 to 1
	Base     int     `yaml:"on_demand_base" json:"on_demand_base,omitempty"` // so many are on demand before any is Spot
	MaxPrice float64 `yaml:"max_price" json:"max_price,omitempty"`           // dollars an hour; 0: up to the price on demand
}

// A Pool is what capacity comes from, and may be exhausted: a type in a zone or
// subnet, on demand or Spot. What is empty is left to the launch template, or
// to the cloud.
type Pool struct {
	Type   string `json:"type,omitempty"`
	Zone   string `json:"zone,omitempty"`
	Subnet string `json:"subnet,omitempty"`
	Market Market `json:"market,omitempty"`
}

// String says it as a reason does: c7g.large in us-east-1a, Spot.
func (p Pool) String() string {
	s := cmp.Or(p.Type, "the template's type")
	if p.place() != "" {
		s += " in " + p.place()
	}
	if p.Market == Spot {
		s += ", Spot"
	}
	return s
}

// place is where in the cloud the pool is.
func (p Pool) place() string { return cmp.Or(p.Subnet, p.Zone) }

// pools lists all that the template allows, the preferred type first.
func (t Template) pools() (out []Pool) {
	markets := []Market{OnDemand}
	if t.Spot.Share > 0 {
		markets = append(markets, Spot)
	}
	for _, typ := range t.types() {
		for _, at := range t.places() {
			for _, m := range markets {
				out = append(out, Pool{typ, at.Zone, at.Subnet, m})
			}
		}
	}
	return out
}

func (t Template) types() []string {
	if len(t.Types) > 0 {
		return t.Types
	}
	return []string{t.Type}
}

func (t Template) places() (out []Pool) {
	for _, s := range t.Subnets {
		out = append(out, Pool{Subnet: s})
	}
	for _, z := range t.Zones {
		out = append(out, Pool{Zone: z})
	}
	if len(out) == 0 {
		out = []Pool{{Zone: t.Zone, Subnet: t.Subnet}}
	}
	return out
}

// Market is that of all pools of the launch.
func (l Launch) Market() Market {
	if len(l.Pools) > 0 && l.Pools[0].Market == Spot {
		return Spot
	}
	return OnDemand
}

// A placement is the choice of a launch's pools.
type placement struct {
	pools []Pool // in order of preference, more than one where the cloud can take them at once; none where there is no choice
	count int    // of the instances that are wanted; the next launch gets the rest elsewhere
	full  bool   // all pools were refused lately: the one that is likeliest to have room again was taken
	why   string // "" where there was no choice
}

// A placer chooses pools for one launch.
type placer struct {
	t       Template
	now     time.Time
	refused scarcity
	load    map[string]int // capacity by place
	all     int            // capacity
	spot    int            // of it
}

// place chooses where n more instances of the group are launched next. It is
// pure; what it knows of capacity that was not to be had comes from the
// journal.
//
//	market   whichever lacks more of its share of the capacity
//	place    of those with room the one with the fewest instances, and no more
//	         in one launch than keeps the places even
//	type     the first in the configuration that has room there
//
// A pool has no room while a refusal weighs on it. Where the market has no room
// anywhere the other one is asked.
func place(g Group, instances []Instance, refused scarcity, now time.Time, n int) placement {
	p := placer{t: g.Launch, now: now, refused: refused, load: make(map[string]int)}
	for _, i := range instances {
		switch i.Phase {
		case Pending, Booting, InService:
			p.load[p.placeOf(i)]++
			p.all++
			if i.Market == Spot {
				p.spot++
			}
		case Silent, Draining, Replaced, Terminating, Stopped, Terminated:
		}
	}
	if len(p.t.pools()) == 1 {
		return p.only(n)
	}
	market, share := p.market(n)
	if out := p.in(market, share, n); out.count > 0 {
		return out
	}
	if p.t.Spot.Share > 0 {
		other := map[Market]Market{OnDemand: Spot, Spot: OnDemand}[market]
		if out := p.in(other, n, n); out.count > 0 {
			out.why += fmt.Sprintf("; no room %s", p.whyFull(Pool{Market: market}))
			return out
		}
	}
	return p.least(n)
}

// placeOf is which of the template's places an instance counts for.
func (p *placer) placeOf(i Instance) string {
	if len(p.t.Subnets) > 0 {
		return i.Subnet
	}
	return i.Zone
}

// only is the answer where there is but one pool.
func (p *placer) only(n int) placement {
	pools := p.t.pools()
	why := p.refused.why(pools[0], p.now)
	if !p.t.Fleet && len(p.t.Types)+len(p.t.Zones)+len(p.t.Subnets) == 0 {
		pools = nil
	}
	return placement{pools: pools, count: n, full: why != "", why: why}
}

// market says of which market there is less than there should be, and how many
// of n that is.
func (p *placer) market(n int) (Market, int) {
	s := p.t.Spot
	if s.Share <= 0 {
		return OnDemand, n
	}
	spot := int(math.Round(s.Share * float64(max(0, p.all+n-s.Base))))
	lack := min(max(spot-p.spot, 0), n)
	if lack > n-lack {
		return Spot, lack
	}
	return OnDemand, n - lack
}

// in places up to share of n instances in one market; none where it has no
// room.
func (p *placer) in(market Market, share, n int) placement {
	var free []Pool // the best of each place with room
	for _, at := range p.t.places() {
		if pools := p.free(at, market); len(pools) > 0 {
			free = append(free, pools[0])
		}
	}
	if len(free) == 0 {
		return placement{}
	}
	slices.SortStableFunc(free, func(a, b Pool) int { return p.load[a.place()] - p.load[b.place()] })
	best := free[0]
	out := placement{pools: []Pool{best}, count: min(share, p.even(free, n))}
	if p.t.Fleet {
		out.pools = p.fallbacks(free, market)
	}
	out.why = fmt.Sprintf("%d as %s", out.count, best)
	if best.place() != "" && len(p.t.places()) > 1 {
		out.why += fmt.Sprintf(", which has %d", p.load[best.place()])
	}
	for _, t := range p.t.types() {
		if t == best.Type {
			break
		}
		out.why += "; " + p.refused.why(Pool{t, best.Zone, best.Subnet, market}, p.now)
	}
	return out
}

// free lists the pools of a place that have room, the preferred type first.
func (p *placer) free(at Pool, market Market) (out []Pool) {
	for _, t := range p.t.types() {
		pool := Pool{t, at.Zone, at.Subnet, market}
		if p.refused.weight(pool, p.now) <= hasRoom {
			out = append(out, pool)
		}
	}
	return out
}

// even is how many of n the first of the places gets, if all of them are
// filled to the same level: at least one.
func (p *placer) even(places []Pool, n int) int {
	first := 0
	for level := 0; n > 0; level++ {
		for i, at := range places {
			if p.load[at.place()] > level || n == 0 {
				continue
			}
			n--
			if i == 0 {
				first++
			}
		}
	}
	return max(first, 1)
}

// maxOverrides bounds how many pools one fleet request names.
const maxOverrides = 50

// fallbacks lists all pools with room: those of the best place first.
func (p *placer) fallbacks(free []Pool, market Market) (out []Pool) {
	for _, at := range free {
		out = append(out, p.free(at, market)...)
	}
	return out[:min(len(out), maxOverrides)]
}

// least takes the pool that is likeliest to have room again.
func (p *placer) least(n int) placement {
	best := slices.MinFunc(p.t.pools(), func(a, b Pool) int {
		return cmp.Or(
			cmp.Compare(p.refused.weight(a, p.now), p.refused.weight(b, p.now)),
			cmp.Compare(p.load[a.place()], p.load[b.place()]),
		)
	})
	at := slices.DeleteFunc(p.t.places(), func(at Pool) bool { return at.place() == best.place() })
	n = p.even(append([]Pool{best}, at...), n)
	why := fmt.Sprintf("all %d pools were refused lately; %d as %s, whose refusal weighs least: %s", len(p.t.pools()), n, best, p.refused.why(best, p.now))
	return placement{pools: []Pool{best}, count: n, full: true, why: why}
}

// whyFull says why a whole market has no room: the newest refusal in it.
func (p *placer) whyFull(m Pool) string {
	pools := slices.DeleteFunc(p.t.pools(), func(pool Pool) bool { return pool.Market != m.Market })
	newest := slices.MaxFunc(pools, func(a, b Pool) int {
		return p.refused.newest(a).At.Compare(p.refused.newest(b).At)
	})
	return fmt.Sprintf("%s: %s", m.Market.words(), p.refused.why(newest, p.now))
}

// words is the market in a sentence.
func (m Market) words() string {
	if m == Spot {
		return "on Spot"
	}
	return "on demand"
}

// validate checks the template's choices of type, place and market.
func (t Template) validate(check func(bool, string, ...any)) {
	t.Images.validate(t, check)
	check(t.Type == "" || len(t.Types) == 0, "launch: type and types exclude each other")
	places := 0
	for _, given := range []bool{t.Zone != "" || t.Subnet != "", len(t.Zones) > 0, len(t.Subnets) > 0} {
		if given {
			places++
		}
	}
	check(places <= 1, "launch: zone or subnet, zones and subnets exclude each other")
	for _, list := range []struct {
		name   string
		values []string
	}{{"types", t.Types}, {"zones", t.Zones}, {"subnets", t.Subnets}} {
		sorted := slices.Compact(slices.Sorted(slices.Values(list.values)))
		check(len(sorted) == len(list.values) && !slices.Contains(sorted, ""), "launch.%s: each once, and none empty", list.name)
		check(len(list.values) <= maxChoices, "launch.%s: %d of them, at most %d", list.name, len(list.values), maxChoices)
	}
	check(t.Spot.Share >= 0 && t.Spot.Share <= 1, "launch.spot.share %v: want 0 to 1", t.Spot.Share)
	check(t.Spot.Base >= 0, "launch.spot.on_demand_base %d: want 0 or more", t.Spot.Base)
	check(t.Spot.MaxPrice >= 0 && finite(t.Spot.MaxPrice), "launch.spot.max_price %v: want dollars an hour", t.Spot.MaxPrice)
	check(t.Spot.Share > 0 || t.Spot == SpotPolicy{}, "launch.spot: share is wanted")
	check(t.Version == "" || t.LaunchTemplate != "", "launch.version needs launch.launch_template")
	check(!t.Fleet || t.LaunchTemplate != "", "launch.fleet needs launch.launch_template")
}

// maxChoices bounds types and places.
const maxChoices = 16

// A rest is what a decision wanted and its launches did not get yet.
type rest struct {
	Count int       `json:"count"`
	At    time.Time `json:"at"`
}

// restLasts is how long the rest of a decision may follow its first launch
// without the rests after a change.
const restLasts = time.Minute

// left is how many may follow now.
func (r rest) left(now time.Time) int {
	if now.Sub(r.At) > restLasts {
		return 0
	}
	return r.Count
}
