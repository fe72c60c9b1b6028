package autoscale

import (
	"context"
	"fmt"
	"math"
	"time"

	"rondo/rrd"
)

// A Source is an expression that a group looks at in each tick.
type Source struct {
	Key    string // of [Input.Signals]: the policy's name, with what follows of its other expressions; "" for the group's metric
	Expr   string // PromQL
	ByHost bool   // it gives a series for each host
}

// Sources lists what the group looks at: its metric, and what policies have
// beside it.
func (g Group) Sources() []Source {
	out := []Source{{Expr: g.Metric}}
	for _, p := range g.All() {
		if p.Metric != "" && p.Metric != g.Metric {
			out = append(out, Source{p.Name, p.Metric, p.byHost()})
		}
		if p.Queue != nil && p.Queue.Arrival != "" {
			out = append(out, Source{p.Name + keyArrival, p.Queue.Arrival, false})
		}
		if p.Free != nil && p.Free.RunQueue != "" {
			out = append(out, Source{p.Name + keyRunQueue, p.Free.RunQueue, true})
		}
	}
	return out
}

// What is put behind a policy's name for its other expressions.
const (
	keyArrival  = ".arrival"
	keyRunQueue = ".run_queue"
)

// A feed is a source under observation.
type feed struct {
	Source
	reach   time.Duration // how long points are kept
	points  []Point
	hosts   map[string]float64 // the newest, of a source by host
	hostOf  func(rrd.Labels) string
	trouble string // why the newest reading gave nothing
	told    bool   // of this trouble
	pulse   pulse
	stuck   stuck
	frozen  time.Duration // see Group
	peekAt  time.Time     // the next peek's earliest
	value   float64       // the newest; pages read it too, under the group's lock
}

// feed begins to observe all sources of a group, its metric first.
func (g *group) feed() {
	for _, s := range g.Sources() {
		g.feeds = append(g.feeds, &feed{Source: s, reach: g.reach(), frozen: g.Frozen, value: math.NaN(), hostOf: g.hostOf})
	}
}

// observe adds one reading.
func (f *feed) observe(ctx context.Context, metrics rrd.Evaluator, now time.Time, stale time.Duration) {
	p := Point{Time: now, Value: math.NaN()}
	switch {
	case f.ByHost: // the group makes a value of it, for its instances
		f.hosts, f.trouble = f.readHosts(ctx, metrics, now, stale)
	case f.Expr != "": // else all policies have metrics of their own
		p, f.trouble = f.read(ctx, metrics, now, stale)
	}
	f.points = append(f.points, p)
	since, old := now.Add(-f.reach), 0
	for old < len(f.points)-1 && f.points[old].Time.Before(since) {
		old++
	}
	f.points = f.points[old:] // not moved: why reads them beside us
}

// read evaluates the expression. A point without a value says since when.
func (f *feed) read(ctx context.Context, metrics rrd.Evaluator, now time.Time, stale time.Duration) (p Point, trouble string) {
	values, err := metrics.Eval(ctx, f.Expr, now)
	switch {
	case err != nil:
		return Point{Time: now, Value: math.NaN()}, fmt.Sprintf("the query failed: %.*s", maxTrouble, err.Error())
	case len(values) == 0:
		return Point{Time: now, Value: math.NaN()}, "the query found no series"
	case len(values) > 1:
		return Point{Time: now, Value: math.NaN()}, fmt.Sprintf("the query gives %d series, one is wanted: take avg()", len(values))
	case !finite(values[0].Value):
		return Point{Time: now, Value: math.NaN()}, fmt.Sprintf("the query gave %v", values[0].Value)
	}
	if trouble := f.old(ctx, metrics, now, stale); trouble != "" {
		return Point{Time: now, Value: math.NaN()}, trouble
	}
	if f.stuck.since.IsZero() {
		f.stuck.recall(ctx, metrics, f.Expr, now, f.frozen)
	}
	if why := f.repeats(metrics, values[0].Value, now); why != "" {
		return Point{Time: now, Value: math.NaN()}, why
	}
	return Point{Time: values[0].Time.Std(), Value: values[0].Value}, ""
}

// old says whether the samples behind the expression are, or "". The time of a
// value cannot tell: it is when the expression was evaluated.
func (f *feed) old(ctx context.Context, metrics rrd.Evaluator, now time.Time, stale time.Duration) string {
	dater, ok := metrics.(Dater)
	if !ok {
		return ""
	}
	newest, err := dater.Newest(ctx, f.Expr, now)
	if err != nil {
		return fmt.Sprintf("the query failed: %.*s", maxTrouble, err.Error())
	}
	if age := f.pulse.age(newest, now); age > stale {
		return fmt.Sprintf("the newest sample is %s old, the limit is %s", span(age), span(stale))
	}
	return ""
}

// repeats says why a value that stays the same is not to be believed, or "".
func (f *feed) repeats(metrics rrd.Evaluator, v float64, now time.Time) string {
	_, dated := metrics.(Dater)
	return f.stuck.judge(v, !dated || f.pulse.moved.Equal(now), now, f.frozen)
}

// peek says whether the expression gives more than upper. What the question
// costs keeps it from being asked too often.
func (f *feed) peek(ctx context.Context, metrics rrd.Evaluator, upper float64) bool {
	began := time.Now()
	if began.Before(f.peekAt) {
		return false
	}
	values, err := metrics.Eval(ctx, f.Expr, began)
	ended := time.Now()
	f.peekAt = ended.Add(peekRest * ended.Sub(began))
	// An error is for the tick to tell.
	return err == nil && len(values) == 1 && values[0].Value > upper
}
