package store

import (
	"math"
	"slices"
	"time"

	"rondo/rrd"
)

// To a query a data source of a set is a series like others: its archives are
// those of different steps, and of each of them the columns come from the
// rings of their functions, see rrd.Querier. A row is one sample, the value
// that RRDtool made.
// Rows are complete ones; there is no open row.

// exact answers for a data source of a set, and says whether it belongs to the
// answer.
func (sel *selection) exact(s *series) (out rrd.Series, ok bool, err error) {
	main, ok := s.of.def.answers(sel.q.Main)
	if !ok {
		return out, false, nil
	}
	snap, view, ok := sel.hold(s, main)
	if !ok {
		return out, false, nil
	}
	out, err = sel.viewed(snap, s, view, main, sel.q.Start, sel.q.End)
	row := snap.row(view)
	if err != nil || len(out.Times) > 0 || sel.q.End-sel.q.Start >= 2*row {
		return out, len(out.Times) > 0, err
	}
	before, err := sel.viewed(snap, s, view, main, sel.q.Start-2*row, sel.q.Start)
	out.Times, out.Values = nil, [rrd.NumColumns][]float64{}
	return out, len(before.Times) > 0, err
}

// hold takes a copy and chooses the view that answers; it is not ok if the
// set has been dropped.
func (sel *selection) hold(s *series, main rrd.Column) (snap *setCopy, view int, ok bool) {
	set := s.of
	sel.st.lockShards(set.shards)
	defer sel.st.unlockShards(set.shards)
	if !set.there() {
		return nil, 0, false
	}
	return sel.st.copySet(set, int(s.id-set.id)), set.view(sel.q, main), true
}

// answers returns the column that answers for one: itself if an archive has
// it, else perhaps the average.
func (def *setDefinition) answers(c rrd.Column) (rrd.Column, bool) {
	has := func(c rrd.Column) bool {
		return slices.ContainsFunc(def.views, func(v setView) bool { return v.archive(c) >= 0 })
	}
	if !has(c) {
		c = rrd.ColAverage
	}
	return c, has(c)
}

// view chooses as rrd.Query says, among those that have the main column, of
// which there is one.
func (s *set) view(q *rrd.Query, main rrd.Column) int {
	best, reach := -1, rrd.Time(math.MaxInt64)
	for i := range s.def.views {
		v := &s.def.views[i]
		a := v.archive(main)
		if a < 0 {
			continue
		}
		row := s.def.row(a)
		if q.Row > 0 {
			if best < 0 || row <= rrd.Time(q.Row/time.Microsecond) {
				best = i
			}
			continue
		}
		edge := s.last - s.last%row - rrd.Time(s.def.Archives[a].Rows)*row
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

// viewed returns the rows that a view has in a range, of those whose main
// column is known.
func (sel *selection) viewed(snap *setCopy, s *series, view int, main rrd.Column, start, end rrd.Time) (rrd.Series, error) {
	v, row := &snap.set.def.views[view], snap.row(view)
	out := rrd.Series{Definition: s.def.Definition, Archive: view}
	// Whole rows, and no more than there can be.
	oldest, newest := snap.window(v.archive(main))
	from := max(slotEnd(start+1, row)-row, oldest, 0)
	to := min(end-end%row, newest)
	if to <= from {
		return out, nil
	}
	n := int((to - from) / row)
	values := map[int][]float64{-1: slices.Repeat([]float64{math.NaN()}, n)} // by archive
	for _, c := range append([]rrd.Column{main}, sel.q.Columns...) {
		a := v.archive(c)
		if values[a] != nil {
			continue
		}
		values[a] = make([]float64, n)
		if err := sel.column(snap, a, int(s.id-snap.set.id), from, to, values[a], 1); err != nil {
			return out, err
		}
	}
	known := values[v.archive(main)]
	for k, value := range known {
		if !math.IsNaN(value) {
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

// pick returns a column of the n rows that are known.
func pick(values, known []float64, n int, c rrd.Column) []float64 {
	out := make([]float64, 0, n)
	for k, v := range values {
		switch {
		case math.IsNaN(known[k]):
		case c == rrd.ColTotal:
			out = append(out, 0) // as of a gauge
		case c == rrd.ColCount && !math.IsNaN(v):
			out = append(out, 1)
		default:
			out = append(out, v)
		}
	}
	return out
}

// archive is the one that has a column, or -1.
func (v *setView) archive(c rrd.Column) int {
	if v.points >= 0 {
		return v.points
	}
	switch c {
	case rrd.ColMin:
		return v.archives[rrd.Min]
	case rrd.ColMax:
		return v.archives[rrd.Max]
	case rrd.ColLast:
		return v.archives[rrd.Last]
	}
	return v.archives[rrd.Average]
}
