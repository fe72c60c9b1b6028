package autoscale

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
)

// maxPolicies bounds what a group asks, and so the queries of a tick.
const maxPolicies = 8

// A Policy is one way to find out how many instances a group should have: out
// with in, or one of the others. A group may have several; see the package's
// comment for how they combine, and when to take which.
type Policy struct {
	Name   string        `yaml:"name"`   // what decisions call it; default its kind
	Metric string        `yaml:"metric"` // what it goes by; default the group's
	Title  string        `yaml:"title"`  // what the metric is called in reasons; default the name, or the group's title where it has the group's metric
	Out    OutPolicy     `yaml:"out"`
	In     InPolicy      `yaml:"in"`
	Track  *TrackPolicy  `yaml:"track"`
	Demand *DemandPolicy `yaml:"demand"`
	Queue  *QueuePolicy  `yaml:"queue"`
	Free   *FreePolicy   `yaml:"free"`
	Votes  *VotesPolicy  `yaml:"votes"`

	Schedule []Slot `yaml:"schedule"` // goes by the clock, and needs no metric
}

// The kinds of policies.
const (
	ByStep     = "step" // out and in
	ByTrack    = "track"
	ByDemand   = "demand"
	ByQueue    = "queue"
	ByFree     = "free"
	ByVotes    = "votes"
	BySchedule = "schedule"
)

// Kind is the kind of policy that it is.
func (p Policy) Kind() string {
	return append(p.kinds(), ByStep)[0]
}

// kinds are those of which something is said.
func (p Policy) kinds() (kinds []string) {
	for _, k := range []struct {
		name string
		said bool
	}{
		{ByTrack, p.Track != nil}, {ByDemand, p.Demand != nil}, {ByQueue, p.Queue != nil}, {ByFree, p.Free != nil}, {ByVotes, p.Votes != nil}, {BySchedule, len(p.Schedule) > 0},
		{ByStep, p.In != InPolicy{} || p.Out.Above != 0 || p.Out.For != 0 || p.Out.Add != 0 || len(p.Out.Steps) > 0},
	} {
		if k.said {
			kinds = append(kinds, k.name)
		}
	}
	return kinds
}

// All returns the policies of a group, completed: first that of its own out and
// in, or track.
func (g Group) All() []Policy {
	own := Policy{Metric: g.Metric, Title: g.Title, Out: g.Out, In: g.In, Track: g.Track}
	if len(own.kinds()) == 0 && len(g.Policies) > 0 {
		return g.Policies
	}
	own.Name = own.Kind()
	return append([]Policy{own}, g.Policies...)
}

// withDefaults completes a policy of g.
func (p Policy) withDefaults(g Group) Policy {
	if p.Name == "" {
		p.Name = p.Kind()
	}
	if p.Kind() == BySchedule {
		return p
	}
	if p.Title == "" && (p.Metric == "" || p.Metric == g.Metric) {
		p.Title = g.Title
	}
	if p.Metric == "" {
		p.Metric = g.Metric
	}
	if p.Title == "" {
		p.Title = p.Name
	}
	if p.Track != nil {
		track := p.Track.withDefaults()
		p.Track = &track
	}
	if p.Demand != nil {
		p.Demand = p.Demand.withDefaults()
	}
	if p.Queue != nil {
		p.Queue = p.Queue.withDefaults()
	}
	if p.Free != nil {
		p.Free = p.Free.withDefaults()
	}
	if p.Votes != nil {
		p.Votes = p.Votes.withDefaults()
	}
	return p
}

// of is the group with p as its only policy.
func (g Group) of(p Policy) Group {
	g.Metric, g.Title, g.Out, g.In, g.Track = p.Metric, p.Title, p.Out, p.In, p.Track
	g.Policies = nil
	if kind := p.Kind(); kind != ByStep && kind != ByTrack {
		g.Policies = []Policy{p}
	}
	return g
}

// follows says whether the policy asks for as many as the load needs, whatever
// there is: it knows what is on its way, and needs no rest to see what its
// newest change has done.
func (p Policy) follows() bool { return p.Track != nil || p.Demand != nil || p.Queue != nil }

// reach is how far back the policy looks at points.
func (p Policy) reach() time.Duration { return max(p.growAfter(), p.shrinkAfter(), p.Track.reach()) }

// shrinkAfter is for how long fewer must have been enough.
func (p Policy) shrinkAfter() time.Duration {
	switch {
	case p.Demand != nil:
		return p.Demand.ShrinkAfter
	case p.Queue != nil:
		return p.Queue.ShrinkAfter
	case p.Free != nil:
		return p.Free.ShrinkAfter
	case p.Votes != nil:
		return p.Votes.ShrinkAfter
	}
	return p.In.For
}

// growAfter is for how long more must have been wanted.
func (p Policy) growAfter() time.Duration {
	switch {
	case p.Free != nil:
		return p.Free.For
	case p.Votes != nil:
		return p.Votes.For
	}
	return p.Out.For
}

// byHost says whether the policy looks at each host.
func (p Policy) byHost() bool { return p.Free != nil || p.Votes != nil }

// upper is what the metric should not be above with so many instances; NaN
// where there is no such level.
func (p Policy) upper(capacity int) float64 {
	switch p.Kind() {
	case ByDemand, ByQueue:
		return p.most(capacity)
	case ByStep:
		return p.Out.Above
	case ByTrack:
		return p.Track.Use
	}
	return math.NaN()
}

// upper is the lowest level that a metric should not be above; NaN where there
// is none.
func (g Group) upper(metric string, capacity int) float64 {
	lowest := math.NaN()
	for _, p := range g.All() {
		if upper := p.upper(capacity); p.Metric == metric && !(lowest < upper) && !math.IsNaN(upper) {
			lowest = upper
		}
	}
	return lowest
}

// reach is how far back points are looked at.
func (g Group) reach() time.Duration {
	reach := tellable
	for _, p := range g.All() {
		reach = max(reach, p.reach())
	}
	return reach + g.Stale
}

// policyName is what a reason can begin with, and has no dot.
var policyName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 _-]{0,62}$`)

// validatePolicies checks the policies, each in the words of its own fields.
func (g Group) validatePolicies(check func(bool, string, ...any)) {
	all := g.All()
	check(len(all) <= maxPolicies, "%d policies: want %d at most", len(all), maxPolicies)
	if len(all) > len(g.Policies) {
		g.validatePolicy(check)
	}
	for i, p := range g.Policies {
		in := func(ok bool, format string, args ...any) {
			check(ok, "policy %q: "+format, append([]any{p.Name}, args...)...)
		}
		in(policyName.MatchString(p.Name), "name: want 1 to 63 letters, digits, blanks, - or _")
		earlier := all[:len(all)-len(g.Policies)+i]
		in(!slices.ContainsFunc(earlier, func(q Policy) bool { return q.Name == p.Name }), "name: another policy has it, give each its own")
		if kinds := p.kinds(); len(kinds) > 1 {
			in(false, "%s exclude each other: give each a policy of its own", strings.Join(kinds, " and "))
			continue
		}
		p.validate(g, in)
	}
}

// lower is what the metric should not be below; NaN where there is no such
// level.
func (p Policy) lower() float64 {
	if p.Kind() == ByStep {
		return p.In.Below
	}
	return math.NaN()
}

// validate checks a policy of one kind.
func (p Policy) validate(g Group, check func(bool, string, ...any)) {
	if p.Kind() == BySchedule {
		check(p.Metric == "", "metric: a schedule goes by the clock, take it away")
		check(len(p.Schedule) <= maxSlots, "schedule: %d slots, want %d at most", len(p.Schedule), maxSlots)
		for _, s := range p.Schedule {
			s.validate(g, check)
		}
		return
	}
	check(p.Metric != "", "metric: a PromQL expression is wanted, here or of the group")
	check(!p.byHost() || p.Metric != g.Metric, "metric: one of its own is wanted, a PromQL expression that gives a series for each host")
	switch p.Kind() {
	case ByFree:
		p.Free.validate(check)
	case ByVotes:
		p.Votes.validate(check)
	case ByDemand:
		p.Demand.validate(check)
	case ByQueue:
		p.Queue.validate(check)
	default:
		g.of(p).validatePolicy(check)
	}
}

// maxSlots bounds what is reckoned in each tick.
const maxSlots = 50
