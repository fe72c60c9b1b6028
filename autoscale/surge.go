package autoscale

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
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

	peekTimeout = time.Second // the tick tells what takes longer
)

// watch has each group stirred by the samples of its metrics.
func (c *Controller) watch() {
	if c.moves == nil {
		return
	}
	var exprs []string
	var stirs []*group // by expression
	for _, g := range c.groups {
		for _, f := range g.feeds {
			exprs, stirs = append(exprs, f.Expr), append(stirs, g)
		}
	}
	if err := c.moves.Watch(exprs, func(i int, _ rrd.Time) { stirs[i].stir() }); err != nil {
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

// stir notes that samples of a metric have come. It is called for samples on
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
	if slices.ContainsFunc(g.feeds, func(f *feed) bool { return f.value > g.upper(f.Expr, g.capacity) }) {
		return g.peekAfter(now, every)
	}
	return max(g.peekAt().Sub(now), g.ticked.Add(minPause).Sub(now), 0)
}

// peekAfter returns when to peek where no sample calls for it.
func (g *group) peekAfter(now time.Time, every time.Duration) time.Duration {
	return max(g.peekAt().Sub(now), g.peeked.Add(every/peeks).Sub(now), g.ticked.Add(minPause).Sub(now))
}

// peekAt is when the first of the metrics that have an upper threshold may be
// peeked at again.
func (g *group) peekAt() (first time.Time) {
	for _, f := range g.feeds {
		if !math.IsNaN(g.upper(f.Expr, g.capacity)) && (first.IsZero() || f.peekAt.Before(first)) {
			first = f.peekAt
		}
	}
	return first
}

// surge says whether a metric is above its upper threshold: then the group
// looks at once, not at the next tick.
func (g *group) surge(ctx context.Context) bool {
	g.peeked = time.Now()
	ctx, cancel := context.WithTimeout(ctx, peekTimeout)
	defer cancel()
	var above atomic.Bool
	var wg sync.WaitGroup
	for _, f := range g.feeds {
		if upper := g.upper(f.Expr, g.capacity); !math.IsNaN(upper) {
			wg.Go(func() {
				if f.peek(ctx, g.metrics, upper) {
					above.Store(true)
				}
			})
		}
	}
	wg.Wait()
	return above.Load()
}
