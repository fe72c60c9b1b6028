package autoscale

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"rondo/rrd"
)

// Limits of one look at the world.
const (
	queryTimeout = 5 * time.Second
	listTimeout  = 15 * time.Second
	maxTrouble   = 300              // bytes of an error's text
	tellable     = 10 * time.Minute // how long a run of points can be told at least
)

// observe reads the metric and the policies' own ones, at once, and keeps what
// durations need.
func (g *group) observe(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for _, f := range g.feeds {
		wg.Go(func() { f.observe(ctx, g.metrics, now, g.Stale) })
	}
	if g.Retire.Sessions != "" {
		wg.Go(func() { g.sessions = g.byHost(ctx, g.Retire.Sessions, now) })
	}
	wg.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, f := range g.feeds {
		f.value = f.points[len(f.points)-1].Value
		if f.trouble != "" && !f.told && !g.asleep {
			g.log.Warn("metric is missing", "policy", f.Key, "err", f.trouble)
		}
		f.told = f.trouble != ""
	}
}

// An Identifier knows which host a series belongs to (alerts/fleet does). Of a
// Fleet that is none, the label host says it.
type Identifier interface {
	HostOf(ls rrd.Labels) string
}

// byHost evaluates an expression that gives a series for each host. A host
// that has several counts with their sum.
func (g *group) byHost(ctx context.Context, expr string, now time.Time) map[string]float64 {
	values, err := g.metrics.Eval(ctx, expr, now)
	if err != nil {
		g.counts.add("query_failed", 1)
		return nil
	}
	out := make(map[string]float64, len(values))
	for _, v := range values {
		if host := g.hostOf(v.Labels); host != "" {
			out[host] += v.Value
		}
	}
	return out
}

func (g *group) hostOf(ls rrd.Labels) string {
	if id, ok := g.fleet.(Identifier); ok {
		return id.HostOf(ls)
	}
	return ls.Get("host")
}

// A pulse is when samples last moved on, by our own clock: the clock of who
// sends them may be wrong. Only of the first look is their own time all that is
// known.
type pulse struct{ newest, moved time.Time }

func (p *pulse) age(newest, now time.Time) time.Duration {
	switch {
	case p.newest.IsZero() && newest.Before(now):
		p.moved = newest
	case newest.After(p.newest):
		p.moved = now
	}
	p.newest = newest
	return now.Sub(p.moved)
}

// list asks the cloud for the instances, not more often than it helps.
func (g *group) list(ctx context.Context, now time.Time, every time.Duration) error {
	g.mu.Lock()
	changed := g.changed
	g.changed = false
	g.mu.Unlock()
	if g.listing.left(now) > 0 {
		return g.listing.err
	}
	if age := now.Sub(g.listedAt); !changed && age < every*3/4 {
		if !g.outdated() {
			return nil
		}
		if wait := every/5 - age; wait > 0 {
			time.AfterFunc(wait, g.poke)
			return nil
		}
	}
	listCtx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	listed, err := g.cloud.Instances(listCtx, g.Name)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		if g.listing.err == nil {
			g.log.Warn("cannot list instances", "err", err)
		}
		g.counts.add("list_failed_"+string(failureOf(err)), 1)
		g.failed(&g.listing, g.clock.time(), err)
		return err
	}
	g.listing = backoff{}
	listed = once(listed)
	g.listed, g.listedAt = listed, now
	for _, i := range listed {
		g.seen[i.ID] = true
	}
	g.forgetSeen(listed)
	return nil
}

// outdated says whether the list has somebody as pending who is heard already.
func (g *group) outdated() bool {
	return slices.ContainsFunc(g.listed, func(i Instance) bool {
		_, last := g.heard(i)
		return i.Phase == Pending && !last.Before(i.Launched)
	})
}

// maxSeen bounds what is remembered about instances that are over.
const maxSeen = 10_000

func (g *group) forgetSeen(listed []Instance) {
	if len(g.seen) <= maxSeen {
		return
	}
	clear(g.seen)
	maps.DeleteFunc(g.first, func(id string, _ time.Time) bool {
		return !slices.ContainsFunc(listed, func(i Instance) bool { return i.ID == id })
	})
	for _, i := range listed {
		g.seen[i.ID] = true
	}
}

// A backoff doubles the wait after each failure in a row. Its end is drawn by
// lot, so that groups that failed together do not come back together.
type backoff struct {
	n     int
	until time.Time
	err   error
	why   string
}

// The bounds of a backoff.
const (
	firstWait = time.Second
	maxWait   = 2 * time.Minute
)

func (b *backoff) fail(now time.Time, err error) {
	wait := min(firstWait<<min(b.n, 10), maxWait)
	wait += rand.N(wait / 2)
	*b = backoff{n: b.n + 1, until: now.Add(wait), err: err, why: fmt.Sprintf("the last call failed: %.*s", maxTrouble, err.Error())}
}

func (b *backoff) left(now time.Time) time.Duration { return max(0, b.until.Sub(now)) }

// counters count by name.
type counters struct {
	mu sync.Mutex
	n  map[string]uint64
}

func (c *counters) add(name string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = make(map[string]uint64)
	}
	c.n[name] += uint64(n)
}

// Stats returns how often what happened: decisions, launches, terminations,
// failed calls by class.
func (c *Controller) Stats() map[string]uint64 {
	c.counts.mu.Lock()
	defer c.counts.mu.Unlock()
	return maps.Clone(c.counts.n)
}

// AppendSamples appends what the groups are like now, as gauges named
// rondo.autoscale.<group>.<what>: capacity, in_service, on_their_way, draining
// and desired; outdated, where it has a [RefreshView]; shadow, the capacity that its shadow policy would have; rate and
// spent where it has a [Budget]. rondo.autoscale.orphans is how many the newest
// sweep has found.
func (c *Controller) AppendSamples(dst []rrd.Sample, now time.Time) []rrd.Sample {
	for _, v := range c.Views() {
		n := Group{}.count(Input{Now: now, Instances: v.Instances})
		for _, s := range []struct {
			what  string
			value int
		}{
			{"capacity", v.Last.From}, {"in_service", n.inService}, {"on_their_way", n.coming()},
			{"draining", n.draining}, {"desired", v.Desired},
		} {
			dst = append(dst, gauge(v.Name+"."+s.what, now, float64(s.value)))
		}
		if r := v.Refresh; r != nil {
			dst = append(dst, gauge(v.Name+".outdated", now, float64(r.Outdated)))
		}
		if v.Shadow != nil {
			dst = append(dst, gauge(v.Name+".shadow", now, float64(v.Shadow.Capacity)))
		}
		if b := v.Spending; b != nil {
			dst = append(dst, gauge(v.Name+".rate", now, b.Rate), gauge(v.Name+".spent", now, b.Spent))
		}
	}
	if c.sweeper != nil {
		dst = append(dst, gauge("orphans", now, float64(len(c.Swept().Orphans()))))
	}
	return dst
}

func gauge(what string, now time.Time, v float64) rrd.Sample {
	return rrd.Sample{Key: rrd.Key("rondo.autoscale." + what), Time: rrd.At(now), Value: v, Type: rrd.Gauge}
}
