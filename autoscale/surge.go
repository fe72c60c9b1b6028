package autoscale

import (
	"context"
	"time"

	"rondo/rrd"
)

// A Watcher tells when the outcome of an expression may have changed by a
// sample: a store does, with rrd/promql, which knows what series it reads.
type Watcher interface {
	// Watch takes the place of all before. moved is called with the index of an
	// expression, from many goroutines at once, and must return at once. An
	// expression that cannot be watched is left out.
	Watch(exprs []string, moved func(expr int, at rrd.Time)) error
}

// Limits of peeks at the metric between two ticks.
const (
	peeks    = 4  // per tick at least
	peekRest = 20 // times what a peek took, until the next
)

// watch has each group stirred by the samples of its metric.
func (c *Controller) watch() {
	if c.moves == nil {
		return
	}
	exprs := make([]string, len(c.groups))
	for i, g := range c.groups {
		exprs[i] = g.Metric
	}
	if err := c.moves.Watch(exprs, func(i int, _ rrd.Time) { c.groups[i].stir() }); err != nil {
		c.log.Error("groups look at their metrics at their ticks only", "err", err)
	}
}

func (c *Controller) unwatch() {
	if c.moves == nil {
		return
	}
	if err := c.moves.Watch(nil, nil); err != nil {
		c.log.Error("groups are told of samples after their end", "err", err)
	}
}

// stir notes that samples of the metric have come. It is called for samples on
// their way into the store, so it does next to nothing.
func (g *group) stir() {
	select {
	case g.stirred <- struct{}{}:
	default: // it is about to peek anyway
	}
}

// peekIn returns when to peek after samples have come: at once, but for what
// peeks may cost. A group that has seen its surge already has looked at it, and
// looks again at its ordinary pace.
func (g *group) peekIn(now time.Time, every time.Duration) time.Duration {
	if g.value > g.upper() {
		return g.peekAfter(now, every)
	}
	return max(g.peekAt.Sub(now), g.ticked.Add(minPause).Sub(now), 0)
}

// peekAfter returns when to peek where no sample calls for it.
func (g *group) peekAfter(now time.Time, every time.Duration) time.Duration {
	return max(g.peekAt.Sub(now), g.peeked.Add(every/peeks).Sub(now), g.ticked.Add(minPause).Sub(now))
}

// surge says whether the metric is above its upper threshold: then the group
// looks at once, not at the next tick. What the question costs keeps it from
// being asked too often.
func (g *group) surge(ctx context.Context) bool {
	g.peeked = time.Now()
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	values, err := g.metrics.Eval(ctx, g.Metric, g.peeked)
	ended := time.Now()
	g.peekAt = ended.Add(peekRest * ended.Sub(g.peeked))
	// An error is for the tick to tell.
	return err == nil && len(values) == 1 && values[0].Value > g.upper()
}
