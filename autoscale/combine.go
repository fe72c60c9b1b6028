package autoscale

import (
	"fmt"
	"slices"
)

// A Wish is what one policy wanted, where it is one of several or has a metric
// of its own.
type Wish struct {
	Name   string   `json:"name"`
	Kind   string   `json:"kind"`
	To     int      `json:"to"`
	Code   string   `json:"code"`
	Reason string   `json:"reason"`
	Value  *float64 `json:"value,omitempty"`  // what its metric was; nil while that is missing
	Points []Point  `json:"points,omitempty"` // the newest of its own metric; none where that is the group's

	Hosts []HostValue `json:"hosts,omitempty"` // of a policy that looks at hosts: the most loaded
}

// A HostValue is what was seen of one host.
type HostValue struct {
	Host  string  `json:"host"`
	Value float64 `json:"value"`
}

// A Signal is what one expression beside the group's metric gave.
type Signal struct {
	Points  []Point // NaN where a reading gave nothing
	Trouble string  // why the newest reading gave nothing

	// Hosts are the values of an expression that gives one for each. Points are
	// then what the policy made of them.
	Hosts map[string]float64
}

// of is the input as one policy sees it.
func (in Input) of(g Group, p Policy) Input {
	if p.Metric == g.Metric {
		return in
	}
	return in.signal(p.Name)
}

// signal is the input with a signal's points in place of the metric's.
func (in Input) signal(key string) Input {
	s := in.Signals[key]
	in.Points, in.Trouble, in.Season = s.Points, s.Trouble, Season{}
	return in
}

// ask asks each policy as if it were the only one.
func (g Group) ask(c counts, in Input) []plan {
	all := g.All()
	plans := make([]plan, len(all))
	for i, p := range all {
		plans[i] = g.askOne(p, c, in.of(g, p))
		plans[i].policy, plans[i].follows = p, p.follows()
	}
	return plans
}

// askOne asks p with what it sees.
func (g Group) askOne(p Policy, c counts, in Input) plan {
	switch p.Kind() {
	case BySchedule:
		return p.planSchedule(g, c, in.Now)
	case ByDemand:
		return p.planDemand(g, c, in)
	case ByQueue:
		return p.planQueue(g, c, in)
	case ByFree:
		return p.planFree(g, c, in)
	case ByVotes:
		return p.planVotes(g, c, in)
	}
	one := g.of(p)
	r := read(one, in)
	return r.plan(one.planOne(c, in, r))
}

// safest is the plan that wants the most instances: the group grows if one
// policy wants it, and shrinks only if all do, no further than the most
// cautious. A policy whose data are missing wants what there is.
func safest(plans []plan) plan {
	asked := judges(plans)
	best := asked[0]
	for _, p := range asked[1:] {
		more := p.least() - best.least()
		if more > 0 || more == 0 && p.code == codeMissing && best.code != codeMissing {
			best = p
		}
	}
	if len(plans) == 1 {
		return best
	}
	best.by = best.policy.Name
	best.reason = fmt.Sprintf("%s: %s", best.by, best.reason)
	return best
}

// evidence are the newest points of the group's metric.
func (g Group) evidence(in Input, plans []plan) []Point {
	for _, p := range plans {
		if p.policy.Metric == g.Metric {
			return p.points
		}
	}
	return evidence(upTo(in.Points, in.Now))
}

// judges are the plans that go by what is seen; all, where there is no such.
func judges(plans []plan) []plan {
	seeing := slices.DeleteFunc(slices.Clone(plans), func(p plan) bool { return p.policy.Kind() == BySchedule })
	if len(seeing) == 0 {
		return plans
	}
	return seeing
}

// wishes lists what each of several policies wanted, and of one what it saw
// where that is not the group's metric.
func (g Group) wishes(plans []plan) []Wish {
	if len(plans) == 0 || len(plans) == 1 && plans[0].policy.Metric == g.Metric {
		return nil // the decision itself says it
	}
	out := make([]Wish, len(plans))
	for i, p := range plans {
		out[i] = Wish{Name: p.policy.Name, Kind: p.policy.Kind(), To: p.least(), Code: p.code, Reason: p.reason, Value: known(p.value)}
		if p.policy.Metric != g.Metric {
			out[i].Points, out[i].Hosts = p.points, p.hosts
		}
	}
	return out
}
