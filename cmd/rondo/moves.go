package main

import (
	"rondo/rrd"
	"rondo/rrd/promql"
)

// metricMoves tells autoscaling groups when series of their metrics move.
type metricMoves struct{ series rrd.Watcher }

// Watch implements autoscale.Watcher.
func (m metricMoves) Watch(exprs []string, moved func(int, rrd.Time)) error {
	watches := make([]rrd.Watch, len(exprs))
	for i, expr := range exprs {
		// A group says at each tick that its expression is none.
		if w, err := promql.Reads(expr); err == nil {
			watches[i] = w
		}
	}
	return m.series.Watch(watches, moved)
}
