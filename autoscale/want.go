package autoscale

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// An Input is all that a decision may look at.
type Input struct {
	Now       time.Time
	Points    []Point           // of the metric; NaN where a reading gave nothing
	Trouble   string            // why the newest reading gave nothing
	Signals   map[string]Signal // of policies that have a metric of their own, by [Source.Key]
	Instances []Instance        // with their phases
	Unsettled int               // asked for by a launch whose outcome is unclear, and not among Instances
	Last      Change            // the newest change of capacity
	Launched  int               // asked for within the window of max_launches
	Rest      int               // wanted by the newest scale-out, and not launched yet
	Spent     float64           // this month; see Budget
	Started   time.Time         // since when the group is watched without a break
	Stopped   string            // who pulled the stop switch and why; "" while it is off

	Refresh *Refresh // the newest; nil: none yet
	Alarm   string   // what fires and did not when it began
	Deaf    string   // most hosts fell silent at once: why they are not believed

	Released   time.Time            // when a stop switch was released the last time
	Ears       Ears                 // of a small group: who else is heard
	Order      Order                // of somebody, to be down or up
	Heirs      map[string]time.Time // what stands in for an instance that was lost, by ID
	Season     Season               // of the group's metric
	BootsKnown int                  // from how many instances the group's Boot was learnt; 0: it is as configured
}

// A Change of capacity that was made.
type Change struct {
	Direction Direction `json:"direction,omitempty"`
	At        time.Time `json:"at,omitzero"`
}

// Want says how many instances the group should have, why, and what keeps the
// group from going there. It is pure: the controller and a replay over stored
// history ask the same function.
//
// The order is: the policies say where to go (plan), of several the safest
// (see safest), the limits
// say how far (min, max, max_step, and no scale-in that would itself cross
// out.above), the holds say whether now (stop switch, cooldown, boot time and
// so on). A group that is shut down asks none of them. Only the floor, fewer instances than min, goes past cooldown and
// reversal, for it is not the load that asks. Where all that leads nowhere, an
// instance that is lost is replaced, or a step of a [Refresh] is taken.
func Want(g Group, in Input) Decision {
	c := g.count(in)
	g, by := g.scheduled(in.Now)
	d := Decision{Group: g.Name, At: in.Now, From: c.capacity, Saw: g.saw(c, in), DryRun: g.Mode != Act}
	if d, down := g.shutDown(d, in, c); down {
		return d
	}
	p, all := g.plan(c, in, by)
	d.Points = g.evidence(in, all)
	p = g.planBudget(g.limit(p, c, by), in, c)
	d.Forecast = p.foretold
	d.To, d.Code, d.Reason, d.By, d.Policies = p.to, p.code, p.reason, p.by, g.wishes(all)
	switch {
	case p.to > c.capacity:
		d.Direction = Out
		g.decideOut(&d, in, c, p)
	case p.to < c.capacity:
		d.Direction = In
		hold(&d, g.holdIn(in, c, p))
	default:
		d.Direction, d.DryRun = Stay, false
	}
	return g.refreshed(g.replace(d, in), in, c)
}

// decideOut holds a scale-out, or lets it take back what still drains: that
// launches nothing and undoes a scale-in before it is made, so that the rests
// after a change do not hold it.
func (g Group) decideOut(d *Decision, in Input, c counts, p plan) {
	met := g.holdOut(in, c)
	c.draining = len(in.Refresh.backable(in.Instances))
	if d.Code != codeFloor && d.Code != codeReplace && d.Code != codeRefresh {
		rest := g.holdTime(in, Out, p)
		if blocking(rest) && in.Rest > 0 {
			d.Reason += fmt.Sprintf("; %d were decided on before and are still to come", in.Rest)
			d.To, d.Code, rest = min(d.To, d.From+in.Rest), d.Code+"+rest", nil
		}
		if back := min(c.draining, d.To-d.From); blocking(rest) && back > 0 {
			d.Reason += fmt.Sprintf("; %d that drain are taken back", back)
			d.To, d.Code, rest = d.From+back, d.Code+"+taken-back", nil
		}
		met = append(met, rest...)
	}
	met = append(met, g.holdLaunches(d, in, c)...)
	hold(d, append(met, g.holdBudget(d, in, c)...))
}

// The codes of a plan.
const (
	codeFloor   = "below-min"
	codeCeiling = "above-max"
	codeMissing = "missing"
	codeAbove   = "above"
	codeRising  = "rising" // above, but not for long enough
	codeCovered = "covered"
	codeAtMax   = "at-max"
	codeBelow   = "below"
	codeFalling = "falling"
	codeAtMin   = "at-min"
	codeTight   = "tight" // one less would be too few
	codeSteady  = "steady"

	codeCalm      = "calm" // the votes rest after a change
	codeIdle      = "idle" // no slot of the schedule is on
	codeScheduled = "scheduled"
)

// A plan is where the policies want to go, before holds.
type plan struct {
	to           int
	code, reason string
	need         int    // a scale-in stops there
	keep         string // what that keeps
	follows      bool   // see Policy.follows
	by           string // the policy that decided, of several

	// What it was made of.
	foretold *Forecast // where it follows the load
	policy   Policy
	value    float64
	points   []Point
	hosts    []HostValue
}

// least is what it wants after its own caution.
func (p plan) least() int { return max(p.to, p.need) }

// plan asks the floor, the policies and the ceiling.
func (g Group) plan(c counts, in Input, b bounds) (p plan, all []plan) {
	if c.capacity < g.Min {
		return plan{to: g.Min, code: codeFloor, by: b.floor.by, reason: fmt.Sprintf("capacity %d is below min %d%s", c.capacity, g.Min, b.floor.of())}, nil
	}
	all = g.ask(c, in)
	p = safest(all)
	// Who is blind does not retire anyone.
	if c.capacity > g.Max && !slices.ContainsFunc(all, func(p plan) bool { return p.code == codeMissing }) {
		p = plan{to: g.Max, code: codeCeiling, by: b.ceiling.by, reason: fmt.Sprintf("capacity %d is above max %d%s", c.capacity, g.Max, b.ceiling.of())}
	}
	if p.to < c.capacity {
		p.follows = !slices.ContainsFunc(judges(all), func(p plan) bool { return !p.follows })
	}
	return p, all
}

// planOne asks the only policy of g.
func (g Group) planOne(c counts, in Input, r reading) plan {
	switch {
	case r.missing != "":
		return c.missing(g.Title, r.missing)
	case g.Track != nil:
		return g.planTrack(c, in, r)
	case r.above >= 0 && r.above < g.Out.For:
		return c.stay(codeRising, "%s %s above %s for %s of %s", g.Title, num(r.value), num(g.Out.Above), span(r.above), span(g.Out.For))
	case r.above >= 0:
		return g.planOut(c, r)
	case r.below >= 0 && r.below < g.In.For:
		return c.stay(codeFalling, "%s %s below %s for %s of %s", g.Title, num(r.value), num(g.In.Below), span(r.below), span(g.In.For))
	case r.below >= 0:
		return g.planIn(c, r)
	}
	return c.stay(codeSteady, "%s %s between %s and %s", g.Title, num(r.value), num(g.In.Below), num(g.Out.Above))
}

// planOut adds to what is in service, not to what is on its way: instances
// that boot count against the need that launched them.
func (g Group) planOut(c counts, r reading) plan {
	reason := fmt.Sprintf("%s %s above %s%s", g.Title, num(r.value), num(g.Out.Above), lasting(r.above))
	need := wholes(r.value * float64(max(c.serving(), 1)) / g.Out.Above)
	if add := g.Out.amount(r.value); add != Enough {
		need = c.inService + int(add)
	}
	return g.grow(c, need, reason)
}

// grow goes to need, unless what is on its way covers it.
func (g Group) grow(c counts, need int, reason string) plan {
	switch {
	case c.capacity >= g.Max:
		return c.stay(codeAtMax, "%s: %d wanted, capacity is at max %d", reason, need, g.Max)
	case need <= c.capacity:
		return c.stay(codeCovered, "%s: %d wanted, capacity %d with %d on their way", reason, need, c.capacity, c.coming())
	}
	return plan{to: need, code: codeAbove, reason: reason}
}

// amount returns what the policy adds at value.
func (o OutPolicy) amount(value float64) Amount {
	add := o.Add
	for _, s := range o.Steps {
		if value > s.Above {
			add = s.Add
		}
	}
	return add
}

// planIn never goes so far that the rest would be asked to grow again.
func (g Group) planIn(c counts, r reading) plan {
	reason := fmt.Sprintf("%s %s below %s%s", g.Title, num(r.value), num(g.In.Below), lasting(r.below))
	work := r.value * float64(c.serving())
	to := max(c.capacity-int(g.In.Remove), 0)
	if g.In.Remove == Enough {
		to = wholes(work / g.In.Below)
		if g.In.Below <= 0 {
			to = 0
		}
	}
	need := wholes(work / g.Out.Above)
	switch {
	case c.capacity <= g.Min:
		return plan{to: c.capacity, code: codeAtMin, reason: fmt.Sprintf("%s: capacity is at min %d", reason, g.Min)}
	case need >= c.capacity || to >= c.capacity:
		return plan{to: c.capacity, code: codeTight, reason: fmt.Sprintf("%s: one less would put %s on each", reason, num(work/float64(max(c.capacity-1, 1))))}
	}
	return plan{to: to, code: codeBelow, reason: reason, need: need, keep: fmt.Sprintf("keep %s at or below %s", g.Title, num(g.Out.Above))}
}

// limit cuts a plan to min, max and max_step, and says so.
func (g Group) limit(p plan, c counts, b bounds) plan {
	wanted, notes := p.to, []string(nil)
	cut := func(to int, format string, args ...any) {
		if to != p.to {
			p.to = to
			notes = append(notes, fmt.Sprintf(format, args...))
		}
	}
	switch {
	case p.to > c.capacity:
		// Silent instances cost money as well: they leave less room below max.
		room := max(c.capacity, g.Max-c.silent)
		if c.silent > 0 {
			cut(min(p.to, room), "max %d%s with %d silent", g.Max, b.ceiling.of(), c.silent)
		}
		cut(min(p.to, room), "max %d%s", g.Max, b.ceiling.of())
		cut(min(p.to, c.capacity+g.MaxStep), "max_step %d", g.MaxStep)
	case p.to < c.capacity:
		cut(max(p.to, g.Min), "min %d%s", g.Min, b.floor.of())
		cut(max(p.to, p.need), "%s", p.keep)
		cut(max(p.to, c.capacity-g.MaxStep), "max_step %d", g.MaxStep)
	default:
		return p
	}
	p.reason += fmt.Sprintf(": %d -> %d", c.capacity, p.to)
	if len(notes) > 0 {
		p.reason += fmt.Sprintf(", limited to %s (%d wanted)", strings.Join(notes, " and "), wanted)
	}
	return p
}

// counts is how many instances are where.
type counts struct {
	capacity  int // in service, and on their way
	inService int // and warm: what the metric is an average of
	silent    int
	overdue   int // silent ones that were never heard of
	forgiven  int // and those from before a human started the group: they tell nothing of our ears
	draining  int
}

// stay is the plan to change nothing.
func (c counts) stay(code, format string, args ...any) plan {
	return plan{to: c.capacity, code: code, reason: fmt.Sprintf(format, args...)}
}

// missing is the plan of who sees nothing.
func (c counts) missing(title, why string) plan {
	p := c.stay(codeMissing, "%s missing: %s", title, why)
	p.value = math.NaN()
	return p
}

func (c counts) coming() int { return c.capacity - c.inService }

// serving is over how many the metric is an average: what drains still works.
func (c counts) serving() int { return c.inService + c.draining }

// saw is the record of what was counted.
func (g Group) saw(c counts, in Input) Saw {
	return Saw{
		InService: c.inService, Coming: c.coming(), Draining: c.draining, Silent: c.silent, Overdue: c.overdue, Forgiven: c.forgiven,
		Last: in.Last, Watched: in.Started, Stopped: in.Stopped, Launched: in.Launched, Spent: in.Spent,
		Boot: g.Boot.Seconds(), Boots: in.BootsKnown,
	}
}

func (g Group) count(in Input) counts {
	c := counts{capacity: in.Unsettled}
	works := newestHeard(in.Instances)
	for _, i := range in.Instances {
		switch i.Phase {
		case Pending, Booting:
			c.capacity++
		case InService:
			c.capacity++
			// The metric lags behind heartbeats. Who counts an instance that it does
			// not cover yet takes the load for larger than it is.
			if i.FirstSeen.IsZero() || in.Now.Sub(i.FirstSeen) >= g.Warm {
				c.inService++
			}
		case Silent:
			c.silent++
			switch {
			case !i.LastSeen.IsZero():
			case i.Launched.Before(in.Released):
				c.forgiven++
			case !i.Launched.Before(works):
				c.overdue++
			}
		case Draining:
			c.draining++
		case Replaced, Terminating, Stopped, Terminated:
		}
	}
	return c
}

// wholes rounds up to whole instances, at least one, and bounds what a wild
// metric can ask for.
func wholes(x float64) int {
	const most = 1 << 20
	if !(x < most) {
		return most
	}
	// An x of 3.0000000001 comes from rounding, not from load.
	return max(int(math.Ceil(x-1e-9)), 1)
}
