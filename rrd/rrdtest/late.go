package rrdtest

import (
	"cmp"
	"math"
	"slices"

	"rondo/rrd"
)

// A lateSample is one of a batch that came too late for its window.
type lateSample struct {
	index int
	key   rrd.Key
	point rrd.Point
}

// takeLate takes what came too late in a batch, when all else is taken: of
// each series in order of time.
func (m *Mem) takeLate(late []lateSample) (refused []rrd.Refused) {
	slices.SortStableFunc(late, func(a, b lateSample) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.point.Time, b.point.Time))
	})
	for _, l := range late {
		if reason := m.series[l.key].correct(l.point, m.clock); reason != "" {
			refused = append(refused, rrd.Refused{Index: l.index, Series: l.key, Reason: reason})
		}
	}
	return refused
}

// correct gives a late sample its place in all rows, or says why it has none.
func (s *memSeries) correct(p rrd.Point, clock rrd.Time) rrd.Refusal {
	last, begun := s.fold.Last()
	end := p.Time.SlotEnd(s.def.Step)
	known := s.known(end)
	i, found := slices.BinarySearchFunc(known, p.Time, func(q rrd.Point, t rrd.Time) int { return cmp.Compare(q.Time, t) })
	switch {
	case p.Time > s.window.settled:
		s.closed = s.fold.Add(&s.def, p, s.closed)
		s.window.settled = p.Time
		s.remember(end, append(known, p))
		return ""
	case found && known[i] == p || last == p:
		return ""
	case last.Time == p.Time:
		return rrd.RefusedInexact
	case !begun || !s.whole(p.Time, clock):
		return rrd.RefusedLate
	}
	row := s.row(0, end)
	if open, _ := s.fold.OpenEnd(0); end >= open || int(row.Count) != len(known) {
		return rrd.RefusedInexact
	}
	if found {
		known[i] = p
	} else {
		known = slices.Insert(known, i, p)
	}
	fixed, ok := s.fold.Slot(&s.def, end, known, s.neighbours(end, clock))
	if !ok || !s.consistent(end, clock) {
		return rrd.RefusedInexact
	}
	s.remember(end, known)
	s.fix(fixed)
	return ""
}

// known returns the slot's samples that are known by themselves.
func (s *memSeries) known(end rrd.Time) (ps []rrd.Point) {
	for _, p := range s.late {
		if p.Time.SlotEnd(s.def.Step) == end {
			ps = append(ps, p)
		}
	}
	return ps
}

// remember makes ps the slot's samples that are known by themselves.
func (s *memSeries) remember(end rrd.Time, ps []rrd.Point) {
	s.late = slices.DeleteFunc(s.late, func(p rrd.Point) bool { return p.Time.SlotEnd(s.def.Step) == end })
	s.late = append(s.late, ps...)
	slices.SortFunc(s.late, func(a, b rrd.Point) int { return cmp.Compare(a.Time, b.Time) })
}

// whole says whether all primary rows are in their ring of each row that holds
// t and is in its own.
func (s *memSeries) whole(t, clock rrd.Time) bool {
	for a := range s.def.Archives {
		end := t.SlotEnd(s.def.Row(a))
		if (a == 0 || end > edge(&s.def, a, clock)) && end.Add(-s.def.Row(a)) < s.covers(0, clock) {
			return false
		}
	}
	return true
}

// consistent says whether the rows that hold a slot are what their primary
// rows make. After a change of definition they need not be.
func (s *memSeries) consistent(slot, clock rrd.Time) bool {
	for a := 1; a < len(s.def.Archives); a++ {
		end := slot.SlotEnd(s.def.Row(a))
		if end <= edge(&s.def, a, clock) {
			continue
		}
		primary := s.primary(end.Add(-s.def.Row(a)), end)
		if open, _ := s.fold.OpenEnd(a); end == open {
			if !s.fold.Holds(a, primary) {
				return false
			}
			continue
		}
		want, ok := s.def.Consolidate(a, end, primary)
		if got := s.row(a, end); ok != (got.Count > 0) || ok && got != want {
			return false
		}
	}
	return true
}

// row returns a closed row, which is empty if there is none.
func (s *memSeries) row(a int, end rrd.Time) rrd.Row {
	for _, c := range s.closed {
		if c.Archive == a && c.Row.End == end {
			return c.Row
		}
	}
	return rrd.Row{End: end}
}

// neighbours returns the primary rows about a slot.
func (s *memSeries) neighbours(end, clock rrd.Time) (n rrd.Neighbours) {
	open, _, _ := s.fold.Open(&s.def, 0)
	for _, r := range append(s.primary(s.covers(0, clock), math.MaxInt64), open) {
		if r.End < end {
			n.Before, n.BelowZero = r, false
		} else if r.End > end && n.After.Count == 0 {
			n.After = r
		}
		n.BelowZero = n.BelowZero || r.Min < 0
	}
	return n
}

// primary returns the closed primary rows with after < end <= upTo.
func (s *memSeries) primary(after, upTo rrd.Time) (rows []rrd.Row) {
	for _, c := range s.closed {
		if c.Archive == 0 && c.Row.End > after && c.Row.End <= upTo {
			rows = append(rows, c.Row)
		}
	}
	slices.SortFunc(rows, func(a, b rrd.Row) int { return cmp.Compare(a.End, b.End) })
	return rows
}

// fix puts a primary row in its place, and makes all that it is part of anew.
func (s *memSeries) fix(r rrd.Row) {
	s.set(0, r, r.Count > 0)
	for a := 1; a < len(s.def.Archives); a++ {
		end := r.End.SlotEnd(s.def.Row(a))
		primary := s.primary(end.Add(-s.def.Row(a)), end)
		if open, _ := s.fold.OpenEnd(a); end == open {
			s.fold.Redo(a, primary)
		} else {
			row, ok := s.def.Consolidate(a, end, primary)
			s.set(a, row, ok)
		}
	}
}

// set replaces a closed row, keeping those of each archive in order of time.
func (s *memSeries) set(a int, r rrd.Row, known bool) {
	s.closed = slices.DeleteFunc(slices.Clone(s.closed), func(c rrd.ClosedRow) bool { return c.Archive == a && c.Row.End == r.End })
	if known {
		i := slices.IndexFunc(s.closed, func(c rrd.ClosedRow) bool { return c.Archive == a && c.Row.End > r.End })
		if i < 0 {
			i = len(s.closed)
		}
		s.closed = slices.Insert(s.closed, i, rrd.ClosedRow{Archive: a, Row: r})
	}
}
