package store

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"rondo/rrd"
)

// What a correction reads and makes at once, under its shard's lock, is
// bounded: so many samples, and primary rows of such a span, but for one
// sample of which more are needed.
const (
	maxLateBatch = 2048
	maxLateSpan  = 1 << 14
	maxLateRows  = 1 << 18
)

// A lateSample is one that came too late for its window.
type lateSample struct {
	index  int // in its batch
	series *series
	point  rrd.Point
}

// takeLate takes the late samples of a batch: series by series, and of each in
// order of time.
func (st *Store) takeLate(b *batchState) error {
	if len(b.late) == 0 {
		return nil
	}
	slices.SortStableFunc(b.late, func(x, y lateSample) int {
		return cmp.Or(cmp.Compare(x.series.id, y.series.id), cmp.Compare(x.point.Time, y.point.Time))
	})
	st.moving.RLock()
	defer st.moving.RUnlock()
	for rest := b.late; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].series == rest[0].series {
			n++
		}
		if err := st.takeLateOf(rest[0].series, rest[:n], b); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// takeLateOf takes the late samples of one series: those older than what is
// settled correct its rows, and the others are settled behind it.
func (st *Store) takeLateOf(s *series, late []lateSample, b *batchState) error {
	for len(late) > 0 {
		n, err := st.takeSome(s, late, b)
		if err != nil {
			return err
		}
		late = late[n:]
	}
	return nil
}

// takeSome takes some of them, and returns how many. The shard is held while
// blocks are read, so that nothing moves meanwhile.
func (st *Store) takeSome(s *series, late []lateSample, b *batchState) (int, error) {
	sh := st.shard(s.id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	st.settleDue(sh, s)
	if late[0].point.Time > s.win.settled {
		return len(late), st.takeBehind(sh, s, late, b)
	}
	return st.editor(s).run(late, func(l *lateSample, reason rrd.Refusal, detail string) { b.refuse(l.index, reason, detail) })
}

// takeBehind settles samples that are older than the window and newer than all
// that is settled: these come just in time. They are in order.
func (st *Store) takeBehind(sh *shard, s *series, late []lateSample, b *batchState) error {
	var ps []rrd.Point
	for i := range late {
		l := &late[i]
		if n := len(ps); n > 0 && l.point.Time == ps[n-1].Time {
			if ps[n-1] == l.point {
				st.stats.Repeated.Add(1)
			} else {
				b.refuse(l.index, rrd.RefusedInexact, "another value of this time is settled")
			}
			continue
		}
		ps = append(ps, l.point)
	}
	for some := range slices.Chunk(ps, maxLateBatch) {
		if err := st.logBehind(sh, s, some); err != nil {
			return err
		}
		st.settleLate(sh, s, some)
	}
	return nil
}

// logBehind logs late samples before they are settled: once they are, they
// would be taken for repeated ones when they come again after an error.
func (st *Store) logBehind(sh *shard, s *series, ps []rrd.Point) error {
	rec := &sh.record
	rec.reset()
	for _, p := range ps {
		rec.add(s.id, p.Time, numberOf(p.Value))
	}
	if _, err := st.log.Append(rec.buf); err != nil {
		return err
	}
	st.stats.Samples.Add(int64(len(ps)))
	return nil
}

func (st *Store) settleLate(sh *shard, s *series, ps []rrd.Point) {
	st.change(sh, s, func(x *state) {
		for _, p := range ps {
			x.add(sh, p)
		}
	})
	s.win.settled = ps[len(ps)-1].Time
	st.addCorrected(s, &correction{points: ps})
}

// An editor finds out what late samples make of a series' rows.
type editor struct {
	closedReader
	s     *series
	fold  rrd.Fold
	clock rrd.Time

	closed  [][]rrd.Row // closed rows as they are, by archive
	open    rrd.Row     // the open primary row
	fell    rrd.Time    // end of the newest primary row with a value below zero
	checked []longRow   // by archive: the last row that was looked at
	slots   []slot      // that are corrected, in order of time
}

// editor returns the editor of a series' shard, whose memory is used again.
func (st *Store) editor(s *series) *editor {
	e := &st.shard(s.id).editor
	e.st, e.s = st, s
	packedFold(s.def, s.packed, &e.fold)
	if len(e.closed) > 0 && cap(e.closed[0]) > 2*maxLateSpan {
		e.closed = nil // more than is mostly needed
	}
	for len(e.closed) < len(s.def.rings) {
		e.closed = append(e.closed, nil)
	}
	e.checked = slices.Grow(e.checked[:0], len(e.closed))[:len(e.closed)]
	e.slots = e.slots[:0]
	return e
}

// A slot is a primary row with the samples that are known by themselves.
type slot struct {
	row    rrd.Row
	points []rrd.Point
}

type longRow struct {
	end rrd.Time
	ok  bool
}

// A verdict is what becomes of a late sample.
type verdict struct {
	reason rrd.Refusal // "": taken
	detail string
	offer  rrd.Offer
}

// run takes as many of the samples, which are in order of time and not newer
// than what is settled, as one correction may have, and returns how many.
func (e *editor) run(late []lateSample, refuse func(*lateSample, rrd.Refusal, string)) (n int, err error) {
	e.clock = rrd.Time(e.st.clock.Load()) // no ring drops what it holds by now, see moving
	verdicts, err := e.judge(late)
	if err == nil {
		err = e.commit()
	}
	if err != nil {
		return 0, err
	}
	sh := e.st.shard(e.s.id)
	for i, v := range verdicts {
		switch {
		case v.reason != "":
			refuse(&late[i], v.reason, v.detail)
		case v.offer == rrd.Repeated && sh.unlogged():
			if err := e.st.logBehind(sh, e.s, []rrd.Point{late[i].point}); err != nil {
				return 0, err
			}
		case v.offer == rrd.Repeated:
			e.st.stats.Repeated.Add(1)
		default:
			e.st.stats.Samples.Add(1)
			e.st.stats.Corrected.Add(1)
		}
	}
	return len(verdicts), nil
}

// judge finds out what becomes of each sample, and fills e.slots.
func (e *editor) judge(late []lateSample) ([]verdict, error) {
	n, after, upTo := e.extent(late)
	verdicts := make([]verdict, n)
	err := e.load(after, upTo)
	if err != nil && !errors.Is(err, errUnreadable) {
		return nil, err
	}
	for i := range verdicts {
		if err != nil {
			verdicts[i] = verdict{reason: rrd.RefusedInexact, detail: err.Error()}
		} else {
			verdicts[i] = e.place(late[i].point)
		}
	}
	return verdicts, nil
}

// extent returns how many of the samples can be looked at together, and the
// time that the rows take that hold those which are not too old.
func (e *editor) extent(late []lateSample) (n int, after, upTo rrd.Time) {
	row := e.s.def.rings[0].row
	after, upTo = math.MaxInt64, 0
	for n < min(len(late), maxLateBatch) && late[n].point.Time <= e.s.win.settled {
		a, u, ok := e.span(late[n].point.Time)
		if ok && upTo > 0 && max(u, upTo)-min(a, after) > maxLateSpan*row {
			break
		}
		if ok {
			after, upTo = min(a, after), max(u, upTo)
		}
		n++
	}
	return n, after, upTo
}

// span returns the time that the rows take that hold t, and says whether all
// primary rows of that time are in their ring. For a counter it is all from
// the sample before on.
func (e *editor) span(t rrd.Time) (after, upTo rrd.Time, ok bool) {
	d := e.s.def
	after, upTo = math.MaxInt64, 0
	for a, r := range d.rings {
		end := slotEnd(t, r.row)
		if a > 0 && end <= r.edge(e.clock) {
			continue // that ring has turned past it
		}
		after, upTo = min(after, end-r.row), max(upTo, end)
	}
	whole := d.rings[0].edge(e.clock)
	if begins := e.st.table.page(e.s.id).begins[e.s.id]; len(begins) > 0 {
		whole = max(whole, begins[0])
	}
	ok = after >= whole && upTo-after <= maxLateRows*d.rings[0].row
	if !d.gauge && ok {
		open, _ := e.fold.OpenEnd(0)
		after, upTo = max(whole, min(after, slotEnd(t, d.rings[0].row).Add(-d.Heartbeat-2*d.Step))), max(upTo, open)
		ok = upTo-after <= maxLateRows*d.rings[0].row
	}
	return after, upTo, ok
}

// load reads the rows of a time.
func (e *editor) load(after, upTo rrd.Time) (err error) {
	for a := range e.closed {
		e.closed[a] = e.closed[a][:0]
	}
	clear(e.checked)
	if upTo == 0 {
		return nil // all are too old
	}
	for a, r := range e.s.def.rings {
		open, ok := e.fold.OpenEnd(a)
		if !ok {
			return nil
		}
		if e.closed[a], err = e.rows(e.closed[a], e.s, a, after, min(upTo, open-r.row)); err != nil {
			return err
		}
	}
	e.open, _, _ = e.fold.Open(&e.s.def.Definition, 0)
	e.fell = noTime
	for i := range e.closed[0] {
		if r := &e.closed[0][i]; r.Min < 0 {
			e.fell = r.End
		}
	}
	if e.open.Min < 0 {
		e.fell = e.open.End
	}
	return nil
}

// place gives a sample its place, or says why there is none.
func (e *editor) place(p rrd.Point) verdict {
	row := e.s.def.rings[0].row
	end := slotEnd(p.Time, row)
	open, begun := e.fold.OpenEnd(0)
	s := e.slot(end)
	i, found := slices.BinarySearchFunc(s.points, p.Time, compareTime)
	last, _ := e.fold.Last()
	if found && s.points[i].Value == p.Value || last == p {
		return verdict{offer: rrd.Repeated}
	}
	_, _, whole := e.span(p.Time)
	switch {
	case last.Time == p.Time:
		return verdict{reason: rrd.RefusedInexact, detail: "another value of this time is settled"}
	case !begun || !whole:
		return verdict{reason: rrd.RefusedLate, detail: "the primary rows of the rows that it belongs to are gone: " + lateDetail(e.s.win.newest, p.Time)}
	case end >= open || int(s.row.Count) != len(s.points):
		return verdict{reason: rrd.RefusedInexact, detail: "its slot of " + time.Duration(row*1000).String() + " holds samples already, and can only be overwritten (rondo series correct): " + lateDetail(e.s.win.newest, p.Time)}
	}
	offer, points := rrd.Taken, slices.Clone(s.points)
	if found {
		offer, points[i].Value = rrd.Replaced, p.Value
	} else {
		points = slices.Insert(points, i, p)
	}
	made, ok := e.fold.Slot(&e.s.def.Definition, end, points, e.neighbours(end))
	switch {
	case !ok:
		return verdict{reason: rrd.RefusedInexact, detail: fmt.Sprintf("the totals of a %s after it would change: %s", e.s.def.Type, lateDetail(e.s.win.newest, p.Time))}
	case !e.consistent(end):
		return verdict{reason: rrd.RefusedInexact, detail: "not all primary rows of the rows that it belongs to are known: " + lateDetail(e.s.win.newest, p.Time)}
	}
	e.put(slot{made, points})
	return verdict{offer: offer}
}

// slot returns a slot as it is by now.
func (e *editor) slot(end rrd.Time) slot {
	if n := len(e.slots); n > 0 && e.slots[n-1].row.End == end {
		return e.slots[n-1]
	}
	s := slot{row: rrd.Row{End: end}}
	if i, found := slices.BinarySearchFunc(e.closed[0], end, compareEnd); found {
		s.row = e.closed[0][i]
	}
	if x := e.st.correctedOf(e.s); x != nil {
		s.points = pointsBetween(x.late, end-e.s.def.rings[0].row, end)
	}
	return s
}

func (e *editor) put(s slot) {
	if n := len(e.slots); n > 0 && e.slots[n-1].row.End == s.row.End {
		e.slots[n-1] = s
		return
	}
	e.slots = append(e.slots, s)
}

// neighbours returns what [rrd.Fold.Slot] wants to know; gauges need nothing.
func (e *editor) neighbours(end rrd.Time) rrd.Neighbours {
	if e.s.def.gauge {
		return rrd.Neighbours{}
	}
	n := rrd.Neighbours{After: e.open}
	old := e.closed[0]
	if i := rowEnds(old, end); i < len(old) {
		n.After = old[i]
	}
	if i := search(old, end); i > 0 {
		n.Before = old[i-1]
	}
	for i := len(e.slots) - 1; i >= 0; i-- {
		if r := e.slots[i].row; r.End < end {
			if r.End >= n.Before.End {
				n.Before = r
			}
			break
		}
	}
	n.BelowZero = e.fell >= n.Before.End
	return n
}

// consistent says whether each longer row that holds a slot is, as it is, what
// its primary rows make; else they are not all there, and it must stay.
func (e *editor) consistent(end rrd.Time) bool {
	for a := 1; a < len(e.s.def.rings); a++ {
		if c := &e.checked[a]; c.end != slotEnd(end, e.s.def.rings[a].row) {
			c.end = slotEnd(end, e.s.def.rings[a].row)
			c.ok = e.isConsistent(a, c.end)
		}
		if !e.checked[a].ok {
			return false
		}
	}
	return true
}

func (e *editor) isConsistent(a int, end rrd.Time) bool {
	r := e.s.def.rings[a]
	if end <= r.edge(e.clock) {
		return true
	}
	primary := between(e.closed[0], end-r.row, end)
	if open, _ := e.fold.OpenEnd(a); end >= open {
		return end == open && e.fold.Holds(a, primary)
	}
	want, ok := e.s.def.Consolidate(a, end, primary)
	i, found := slices.BinarySearchFunc(e.closed[a], end, compareEnd)
	return ok == found && (!ok || sameRow(&want, &e.closed[a][i]))
}

// commit makes the corrected slots, and all that they are part of, the series'.
func (e *editor) commit() error {
	if len(e.slots) == 0 {
		return nil
	}
	c := correction{settled: e.s.win.settled, rows: make([][]rrd.Row, len(e.s.def.rings))}
	for i := range e.slots {
		c.rows[0] = append(c.rows[0], e.slots[i].row)
		c.points = append(c.points, e.slots[i].points...)
	}
	e.closed[0] = laidOver(e.closed[0], c.rows[0])
	primary := known(e.closed[0])
	for a := 1; a < len(c.rows); a++ {
		r := e.s.def.rings[a]
		open, _ := e.fold.OpenEnd(a)
		for i, done := range c.rows[0] {
			end := slotEnd(done.End, r.row)
			if end >= open || end <= r.edge(e.clock) || i > 0 && end == slotEnd(c.rows[0][i-1].End, r.row) {
				continue
			}
			row, ok := e.s.def.Consolidate(a, end, between(primary, end-r.row, end))
			if !ok {
				row = rrd.Row{End: end}
			}
			c.rows[a] = append(c.rows[a], row)
		}
	}
	return e.st.logCorrection(e.s, &c)
}
