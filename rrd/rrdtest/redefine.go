package rrdtest

import (
	"slices"

	"rondo/rrd"
)

// Redefine gives a series another definition, in the simplest way: each row
// that the new one can hold is taken, or made, on its own.
func (m *Mem) Redefine(k rrd.Key, to rrd.Definition) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.series[k]
	newest, ok := s.fold.Last()
	if !ok {
		s.def, s.begins = to, nil
		return
	}
	var closed []rrd.ClosedRow
	parts := make([]rrd.Part, len(to.Archives))
	begins := make([]rrd.Time, len(to.Archives))
	for b := range to.Archives {
		row := to.Row(b)
		openEnd := newest.Time.SlotEnd(row)
		begins[b] = openEnd
		for _, a := range s.def.Sources(row) {
			begins[b] = min(begins[b], s.covers(a, m.clock).SlotEnd(row))
		}
		for _, end := range s.ends(&to, b) {
			if r, ok := m.remake(s, &to, b, end); ok && end < openEnd {
				closed = append(closed, rrd.ClosedRow{Archive: b, Row: r})
			}
		}
		parts[b].Source = m.source(s, &to, b, openEnd)
		if a := parts[b].Source; a >= 0 && s.def.Row(a) != row {
			parts[b].Closed = s.gather(&to, b, a, openEnd)
		}
	}
	s.fold = s.fold.Redefine(&s.def, &to, parts)
	s.def, s.closed, s.begins, s.late = to, closed, begins, nil
}

// ends are those of all rows of the new archive b that may have samples.
func (s *memSeries) ends(to *rrd.Definition, b int) []rrd.Time {
	var ends []rrd.Time
	for _, c := range s.closed {
		if slices.Contains(s.def.Sources(to.Row(b)), c.Archive) {
			ends = append(ends, c.Row.End.SlotEnd(to.Row(b)))
		}
	}
	slices.Sort(ends)
	return slices.Compact(ends)
}

// source is the first archive that has all of a row of the new archive b.
func (m *Mem) source(s *memSeries, to *rrd.Definition, b int, end rrd.Time) int {
	for _, a := range s.def.Sources(to.Row(b)) {
		if s.covers(a, m.clock) <= end.Add(-to.Row(b)) {
			return a
		}
	}
	return -1
}

// remake returns a row of the new archive b, if there is one.
func (m *Mem) remake(s *memSeries, to *rrd.Definition, b int, end rrd.Time) (rrd.Row, bool) {
	a := m.source(s, to, b, end)
	if a < 0 {
		return rrd.Row{}, false
	}
	if s.def.Row(a) == to.Row(b) {
		for _, c := range s.closed {
			if c.Archive == a && c.Row.End == end {
				return c.Row, true
			}
		}
		return rrd.Row{}, false
	}
	g := s.gather(to, b, a, end)
	return g.Row(to, b, end)
}

func (s *memSeries) gather(to *rrd.Definition, b, a int, end rrd.Time) (g rrd.Gathering) {
	for _, c := range s.closed {
		if c.Archive == a && c.Row.End.SlotEnd(to.Row(b)) == end {
			g.Add(&c.Row, s.def.Row(a))
		}
	}
	return g
}
