package store

import (
	"slices"

	"rondo/rrd"
)

// newest adds the open row of the finest archive, where that is the newest in
// the range and the window has all of its samples. It is what alerts ask for,
// of many series each second, and a small part of the work of reading them.
func (sel *selection) newest(s *series, def *definition, start rrd.Time, out *rrd.Series) bool {
	if slices.Contains(sel.q.Columns, rrd.ColTotal) {
		return false // needs the samples before
	}
	sh := sel.st.shard(s.id)
	sh.mu.Lock()
	w := &s.win
	begins := slotEnd(w.newest, def.rings[0].row) - def.rings[0].row
	if s.def != def || w.n == 0 || w.newest <= start || w.newest > sel.q.End || w.settled > begins {
		sh.mu.Unlock()
		return false
	}
	if sel.points = sel.points[:0]; w.n == 1 || w.newest-w.gap <= begins {
		sel.points = append(sel.points, rrd.Point{Time: w.newest, Value: w.value})
	} else {
		sel.points = w.points(sel.points)
	}
	sh.mu.Unlock()
	first := len(sel.points) - 1
	for first > 0 && sel.points[first-1].Time > begins {
		first--
	}
	var fold rrd.Fold
	for _, p := range sel.points[first:] {
		sel.closed = fold.Add(&def.Definition, p, sel.closed[:0])
	}
	open, stamp, ok := fold.Open(&def.Definition, 0)
	if ok {
		add(out, sel.q.Columns, stamp, &open)
		out.Open = true
	}
	return ok
}
