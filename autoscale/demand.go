package autoscale

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// A DemandPolicy divides what is asked for, in units such as requests a second,
// by what one instance can do. The metric is of all instances together, as
// sum(rate(requests[1m])), so that it does not end where instances are full, as
// the use of a CPU does.
type DemandPolicy struct {
	Per         float64       `yaml:"per"`          // what one instance serves
	ShrinkAfter time.Duration `yaml:"shrink_after"` // fewer must have been enough for so long; default 10m
}

// A QueuePolicy keeps a queue short. The metric is how much waits, such as
// sum(queue_length). In its simple form each instance may have so much waiting
// for it:
//
//	needed = backlog / per
//
// Where it is known how fast an instance works, the queue is worked off in a
// given time, beside what comes:
//
//	needed = (arrival + backlog / drain) / rate
type QueuePolicy struct {
	Per         float64       `yaml:"per"`
	Rate        float64       `yaml:"rate"`         // what one instance does a second
	Arrival     string        `yaml:"arrival"`      // PromQL: what comes a second, such as sum(rate(jobs_added[1m]))
	Drain       time.Duration `yaml:"drain"`        // default 5m
	ShrinkAfter time.Duration `yaml:"shrink_after"` // default 10m
}

// The defaults of policies that divide.
const (
	defaultShrinkAfter = 10 * time.Minute
	defaultDrain       = 5 * time.Minute
)

func (d DemandPolicy) withDefaults() *DemandPolicy {
	d.ShrinkAfter = cmp.Or(d.ShrinkAfter, defaultShrinkAfter)
	return &d
}

func (q QueuePolicy) withDefaults() *QueuePolicy {
	q.ShrinkAfter, q.Drain = cmp.Or(q.ShrinkAfter, defaultShrinkAfter), cmp.Or(q.Drain, defaultDrain)
	return &q
}

func (d DemandPolicy) validate(check func(bool, string, ...any)) {
	check(positive(d.Per), "demand.per %v: want more than 0", d.Per)
	checkShrinkAfter("demand", d.ShrinkAfter, check)
}

func (q QueuePolicy) validate(check func(bool, string, ...any)) {
	check(q.Per == 0 || q.Rate == 0, "queue: per and rate exclude each other")
	if q.Rate == 0 {
		check(positive(q.Per), "queue.per %v: want more than 0, or a rate", q.Per)
		check(q.Arrival == "", "queue.arrival: it takes a rate instead of per")
	} else {
		check(positive(q.Rate), "queue.rate %v: want more than 0", q.Rate)
		check(q.Arrival != "", "queue.arrival: a PromQL expression is wanted, what comes a second")
	}
	check(q.Drain >= time.Second && q.Drain <= 24*time.Hour, "queue.drain %v: want 1s to 24h", q.Drain)
	checkShrinkAfter("queue", q.ShrinkAfter, check)
}

func positive(v float64) bool { return v > 0 && !math.IsInf(v, 0) }

func checkShrinkAfter(kind string, d time.Duration, check func(bool, string, ...any)) {
	check(d > 0 && d <= time.Hour, "%s.shrink_after %v: want more than 0, at most 1h", kind, d)
}

// planDemand divides what is asked for.
func (p Policy) planDemand(g Group, c counts, in Input) plan {
	r := g.newest(in)
	if r.missing != "" {
		return r.plan(c.missing(p.Title, r.missing))
	}
	reason := fmt.Sprintf("%s %s, %s for each", p.Title, num(r.value), num(p.per()))
	most, covered := highest(upTo(in.Points, in.Now), p.shrinkAfter(), g.Stale)
	return r.plan(g.planNeed(c, r.value/p.per(), past{most / p.per(), covered, p.shrinkAfter()}, reason))
}

// planQueue works a queue off beside what comes.
func (p Policy) planQueue(g Group, c counts, in Input) plan {
	q, r := p.Queue, g.newest(in)
	if q.Rate == 0 {
		return p.planDemand(g, c, in)
	}
	other := in.signal(p.Name + keyArrival)
	arrival := g.newest(other)
	for _, missing := range []string{r.missing, arrival.missing} {
		if missing != "" {
			return r.plan(c.missing(p.Title, missing))
		}
	}
	need := func(backlog, arrival float64) float64 { return (arrival + backlog/q.Drain.Seconds()) / q.Rate }
	reason := fmt.Sprintf("%s %s in %s beside %s a second, each does %s", p.Title, num(r.value), span(q.Drain), num(arrival.value), num(q.Rate))
	backlog, covered := highest(upTo(in.Points, in.Now), q.ShrinkAfter, g.Stale)
	coming, also := highest(upTo(other.Points, in.Now), q.ShrinkAfter, g.Stale)
	return r.plan(g.planNeed(c, need(r.value, arrival.value), past{need(backlog, coming), min(covered, also), q.ShrinkAfter}, reason))
}

// per is what one instance serves, or has waiting for it.
func (p Policy) per() float64 {
	if p.Demand != nil {
		return p.Demand.Per
	}
	return p.Queue.Per
}

// most is the metric that so many instances can take.
func (p Policy) most(capacity int) float64 {
	if p.Queue != nil && p.Queue.Rate > 0 {
		return float64(capacity) * p.Queue.Rate * p.Queue.Drain.Seconds() // even if nothing came
	}
	return float64(capacity) * p.per()
}

// A past is how many instances were needed at most before, over a time in which
// that is known, and how long that time must be.
type past struct {
	need         float64
	over, window time.Duration
}

// highest is the highest of the newest points, back to a window, and for how
// long there are such points without a gap.
func highest(points []Point, window, gap time.Duration) (most float64, covered time.Duration) {
	if len(points) == 0 {
		return 0, 0
	}
	newest := points[len(points)-1].Time
	before := newest
	for _, p := range slices.Backward(points) {
		if !finite(p.Value) || before.Sub(p.Time) > gap {
			break
		}
		most, before = max(most, p.Value), p.Time
		if covered = newest.Sub(before); covered >= window {
			break
		}
	}
	return most, covered
}

// planNeed goes to what is needed now at once, and to what was needed at most
// in the past where that is fewer.
func (g Group) planNeed(c counts, now float64, before past, reason string) plan {
	need, most := pieces(now), pieces(max(now, before.need))
	reason = fmt.Sprintf("%s: %d wanted", reason, need)
	switch {
	case need > c.capacity && c.capacity >= g.Max:
		return c.stay(codeAtMax, "%s, capacity is at max %d", reason, g.Max)
	case need > c.capacity:
		return plan{to: need, code: codeAbove, reason: reason}
	case need > c.inService:
		return c.stay(codeCovered, "%s, capacity %d with %d on their way", reason, c.capacity, c.coming())
	case c.capacity <= g.Min:
		return c.stay(codeAtMin, "%s, capacity is at min %d", reason, g.Min)
	case need == c.capacity:
		return c.stay(codeSteady, "%s", reason)
	case before.over < before.window:
		return c.stay(codeFalling, "%s, known for %s of %s", reason, span(before.over), span(before.window))
	case most >= c.capacity:
		return c.stay(codeFalling, "%s, %d within the last %s", reason, most, span(before.window))
	}
	return plan{to: most, code: codeBelow, reason: fmt.Sprintf("%s, %d at most within the last %s", reason, most, span(before.window))}
}

// pieces rounds up to whole instances, and bounds what a wild metric can ask
// for. Where nothing is asked for, none is needed.
func pieces(x float64) int {
	if x <= 1e-9 {
		return 0
	}
	return wholes(x)
}
