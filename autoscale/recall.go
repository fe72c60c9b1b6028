package autoscale

import (
	"context"
	"fmt"
	"time"

	"rondo/rrd"
)

// A Liner answers an expression of one series at many moments (rrd/promql
// does). From Metrics that are none a group learns no season.
type Liner interface {
	Line(ctx context.Context, expr string, from, to time.Time, step time.Duration) ([]rrd.Value, error)
}

// How the archive is read: a day at each tick until all is known, then what is
// new each ten minutes.
const (
	recallStep    = 2 * time.Minute
	recallAtOnce  = 24 * time.Hour
	recallEvery   = seasonSlot
	recallTimeout = 10 * time.Second
)

// A recollection is what a group knows of its past, and up to when.
type recollection struct {
	History
	upTo time.Time
	next time.Time // the next question's earliest
	told bool      // that the archive does not answer
}

// WorkOf is the expression of a group's work: its metric, times the instances
// over which that is an average.
func WorkOf(group, metric string) string {
	return fmt.Sprintf(`(%s) * scalar({__name__="rondo.autoscale.%s.in_service"})`, metric, group)
}

// recall reads a part of the archive that is not known yet, where the policy
// asks for seasons. An archive that does not answer costs seasons, nothing else.
func (g *group) recall(ctx context.Context, now time.Time) {
	archive, ok := g.metrics.(Liner)
	p := &g.past
	if !ok || !g.BySeasons() || now.Before(p.next) {
		return
	}
	if oldest := now.Add(-time.Duration(historyKept) * seasonSlot); p.upTo.Before(oldest) {
		p.upTo = oldest.Truncate(recallStep)
	}
	to := now.Truncate(recallStep)
	if p.next = now.Add(recallEvery); to.Sub(p.upTo) > recallAtOnce {
		to, p.next = p.upTo.Add(recallAtOnce), now
	}
	if !to.After(p.upTo) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, recallTimeout)
	defer cancel()
	values, err := archive.Line(ctx, WorkOf(g.Name, g.Metric), p.upTo.Add(recallStep), to, recallStep)
	if err != nil {
		if !p.told && ctx.Err() == nil {
			g.log.Warn("no seasons: the archive does not answer", "err", err)
		}
		p.told, p.next = true, now.Add(recallEvery)
		return
	}
	p.told, p.upTo = false, to
	for _, v := range values {
		p.Add(v.Time.Std(), v.Value)
	}
}
