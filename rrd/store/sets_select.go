package store

import (
	"math"
	"time"

	"rondo/rrd"
)

// To a query a data source of a set is a series like others: its archives are
// those of different steps, and of each of them the columns come from the
// rings of their functions. A row is one sample, the value that RRDtool made.
// Rows are complete ones; there is no open row.

// exact answers for a data source of a set, and says whether it belongs to the
// answer.
func (sel *selection) exact(s *series) (out rrd.Series, ok bool, err error) {
	if len(s.of.def.views) == 0 {
		return out, false, nil // nothing but forecasts
	}
	snap, view, ok := sel.hold(s)
	if !ok {
		return out, false, nil
	}
	out, err = sel.viewed(snap, s, view, sel.q.Start, sel.q.End)
	row := snap.row(view)
	if err != nil || len(out.Times) > 0 || sel.q.End-sel.q.Start >= 2*row {
		return out, len(out.Times) > 0, err
	}
	before, err := sel.viewed(snap, s, view, sel.q.Start-2*row, sel.q.Start)
	out.Times, out.Values = nil, [rrd.NumColumns][]float64{}
	return out, len(before.Times) > 0, err
}

// hold takes a copy and chooses the view that answers; it is not ok if the
// set has been dropped.
func (sel *selection) hold(s *series) (snap *setCopy, view int, ok bool) {
	set := s.of
	sel.st.lockShards(set.shards)
	defer sel.st.unlockShards(set.shards)
	if !set.there() {
		return nil, 0, false
	}
	return sel.st.copySet(set, int(s.id-set.id)), set.view(sel.q), true
}

// view chooses as rrd.Query says.
func (s *set) view(q *rrd.Query) int {
	best, reach := 0, rrd.Time(math.MaxInt64)
	for i := range s.def.views {
		v := &s.def.views[i]
		row := s.def.Step * time.Duration(v.steps)
		if q.Row > 0 {
			if row <= q.Row {
				best = i
			}
			continue
		}
		edge := s.last - s.last%rrd.Time(row/time.Microsecond) - rrd.Time(v.rows)*rrd.Time(row/time.Microsecond)
		if edge <= q.Start {
			return i
		}
		if edge < reach {
			best, reach = i, edge
		}
	}
	return best
}

// row is how long a row of a view lasts.
func (snap *setCopy) row(view int) rrd.Time {
	def := snap.set.def
	return rrd.Time(def.Step/time.Microsecond) * rrd.Time(def.views[view].steps)
}

// viewed returns what a view has in a range.
func (sel *selection) viewed(snap *setCopy, s *series, view int, start, end rrd.Time) (rrd.Series, error) {
	v, row := &snap.set.def.views[view], snap.row(view)
	out := rrd.Series{Definition: s.def.Definition, Archive: view}
	// Whole rows, and no more than there can be.
	newest := snap.last - snap.last%row
	from := max(slotEnd(start+1, row)-row, newest-rrd.Time(v.rows)*row, 0)
	to := min(end-end%row, newest)
	if to <= from {
		return out, nil
	}
	known := make([]bool, (to-from)/row)
	values := map[int][]float64{} // by archive
	for _, c := range append([]rrd.Column{rrd.ColAverage}, sel.q.Columns...) {
		a := v.archive(c)
		if values[a] != nil {
			continue
		}
		values[a] = make([]float64, len(known))
		if err := sel.column(snap, a, int(s.id-snap.set.id), from, to, values[a], 1); err != nil {
			return out, err
		}
		for k, value := range values[a] {
			known[k] = known[k] || !math.IsNaN(value)
		}
	}
	for k, yes := range known {
		if yes {
			out.Times = append(out.Times, from+rrd.Time(k+1)*row)
		}
	}
	for _, c := range sel.q.Columns {
		if c < rrd.NumColumns {
			out.Values[c] = pick(values[v.archive(c)], known, len(out.Times), c)
		}
	}
	return out, nil
}

// pick returns a column of the known rows.
func pick(values []float64, known []bool, n int, c rrd.Column) []float64 {
	out := make([]float64, 0, n)
	for k, v := range values {
		switch {
		case !known[k]:
		case c == rrd.ColCount:
			out = append(out, 1)
		case c == rrd.ColTotal:
			out = append(out, 0) // as of a gauge
		default:
			out = append(out, v)
		}
	}
	return out
}

// archive is the one that answers for a column: that of its function, or else
// the average, or else any.
func (v *setView) archive(c rrd.Column) int {
	cf := rrd.Average
	switch c {
	case rrd.ColMin:
		cf = rrd.Min
	case rrd.ColMax:
		cf = rrd.Max
	case rrd.ColLast:
		cf = rrd.Last
	}
	for _, f := range []rrd.CF{cf, rrd.Average, rrd.Last, rrd.Max, rrd.Min} {
		if a := v.archives[f]; a >= 0 {
			return a
		}
	}
	return -1 // a view has an archive
}
