package store

import (
	"cmp"
	"errors"
	"math"
	"math/bits"
	"slices"

	"rondo/rrd"
	"rondo/rrd/codec"
)

// corrected is what late samples and overwrites made of a series' closed rows,
// until it is in the blocks. Readers lay it over all else. A page has it for
// few of its series.
type corrected struct {
	// rows are by archive, sorted; one of count 0 is unknown.
	rows [][]rrd.Row
	// late are the samples that are known by themselves, sorted by time: to a
	// slot that has no others more can be added, and a repeated one is seen.
	late []rrd.Point
}

const (
	// correctedBytes is what a corrected row takes in memory.
	correctedBytes = 64
	// maxLate is how many late samples the store knows by themselves. When
	// there are more, maintenance forgets all; at twice as many, none are added.
	maxLate = 1 << 19
)

func compareEnd(r rrd.Row, end rrd.Time) int     { return cmp.Compare(r.End, end) }
func compareTime(p rrd.Point, t rrd.Time) int    { return cmp.Compare(p.Time, t) }
func pointBefore(p rrd.Point, t rrd.Time) int    { return cmp.Compare(p.Time, t+1) }
func rowEnds(rows []rrd.Row, after rrd.Time) int { return search(rows, after+1) }

// search returns the index of the first row that does not end before a time.
func search(rows []rrd.Row, end rrd.Time) int {
	i, _ := slices.BinarySearchFunc(rows, end, compareEnd)
	return i
}

// between returns the rows with after < end <= upTo of sorted ones.
func between(rows []rrd.Row, after, upTo rrd.Time) []rrd.Row {
	lo := rowEnds(rows, after)
	return rows[lo:max(lo, rowEnds(rows, upTo))]
}

// pointsBetween returns the points with after < time <= upTo of sorted ones.
func pointsBetween(ps []rrd.Point, after, upTo rrd.Time) []rrd.Point {
	lo, _ := slices.BinarySearchFunc(ps, after, pointBefore)
	hi, _ := slices.BinarySearchFunc(ps, upTo, pointBefore)
	return ps[lo:max(lo, hi)]
}

// laidOver returns old rows and fresh ones, which win where both have one, in
// the old ones' memory if that is large enough. Those behind all fresh ones
// stay where they are.
func laidOver(old, fresh []rrd.Row) []rrd.Row { return overlaid(old, fresh, rowEnd) }

func rowEnd(r *rrd.Row) rrd.Time      { return r.End }
func pointTime(p *rrd.Point) rrd.Time { return p.Time }

// overlaid is laidOver for all that is sorted by time.
func overlaid[T any](old, fresh []T, at func(*T) rrd.Time) []T {
	if n := len(old); n == 0 || len(fresh) == 0 || at(&old[n-1]) < at(&fresh[0]) {
		return append(old, fresh...)
	}
	more := len(fresh)
	for i, j := len(old)-1, len(fresh)-1; i >= 0 && j >= 0; {
		t, u := at(&old[i]), at(&fresh[j])
		if t == u {
			more--
		}
		if t >= u {
			i--
		}
		if t <= u {
			j--
		}
	}
	i, j := len(old)-1, len(fresh)-1
	old = slices.Grow(old, more)[:len(old)+more]
	for to := len(old) - 1; j >= 0; to-- {
		if i >= 0 && at(&old[i]) > at(&fresh[j]) {
			old[to] = old[i]
			i--
			continue
		}
		if i >= 0 && at(&old[i]) == at(&fresh[j]) {
			i--
		}
		old[to] = fresh[j]
		j--
	}
	return old
}

// known returns the rows without the unknown ones, in place.
func known(rows []rrd.Row) []rrd.Row {
	return slices.DeleteFunc(rows, func(r rrd.Row) bool { return r.Count == 0 })
}

// sameRow says whether two rows are equal, bit for bit.
func sameRow(a, b *rrd.Row) bool {
	same := func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) }
	return a.End == b.End && a.Count == b.Count && same(a.Sum, b.Sum) && same(a.Min, b.Min) && same(a.Max, b.Max) &&
		same(a.Last, b.Last) && same(a.Total, b.Total)
}

// correctedOf returns what is corrected of a series, or nil. The caller holds
// its shard, as for all that follows.
func (st *Store) correctedOf(s *series) *corrected {
	return st.table.page(s.id).corrected[s.id]
}

// addCorrected lays a correction over a series' rows, and remembers its samples.
func (st *Store) addCorrected(s *series, c *correction) {
	pg := st.table.page(s.id)
	x := pg.corrected[s.id]
	if x == nil {
		x = &corrected{rows: make([][]rrd.Row, len(s.def.rings))}
		if pg.corrected == nil {
			pg.corrected = map[uint32]*corrected{}
		}
		pg.corrected[s.id] = x
	}
	for a := range c.rows {
		before := len(x.rows[a])
		x.rows[a] = laidOver(x.rows[a], c.rows[a])
		st.staged.Add(correctedBytes * int64(len(x.rows[a])-before))
	}
	st.remember(x, s.def.rings[0].row, c)
}

// remember makes the samples of the corrected slots those of the correction.
func (st *Store) remember(x *corrected, step rrd.Time, c *correction) {
	before := len(x.late)
	if len(c.rows) > 0 {
		x.forgetSlots(c.rows[0], step)
	}
	if st.lateKnown.Load() < 2*maxLate {
		x.late = overlaid(x.late, c.points, pointTime)
	}
	st.lateKnown.Add(int64(len(x.late) - before))
}

// forgetSlots forgets the samples in some slots, given as primary rows.
func (x *corrected) forgetSlots(slots []rrd.Row, step rrd.Time) {
	if len(slots) == 0 {
		return
	}
	some := pointsBetween(x.late, slots[0].End-step, slots[len(slots)-1].End)
	if len(some) == 0 {
		return
	}
	i := 0
	x.late = slices.DeleteFunc(x.late, func(p rrd.Point) bool {
		for i < len(slots) && slots[i].End < p.Time {
			i++
		}
		return i < len(slots) && p.Time > slots[i].End-step
	})
}

// forgetLate forgets the late samples where there are too many. Their rows
// stay; only that more can be added to their slots is over.
func (st *Store) forgetLate() {
	if st.lateKnown.Load() <= maxLate {
		return
	}
	for _, pg := range st.table.pageList() {
		sh := st.shard(pg.id * pageSeries)
		sh.mu.Lock()
		for _, x := range pg.corrected {
			st.lateKnown.Add(-int64(len(x.late)))
			x.late = nil
		}
		pg.tidy()
		sh.mu.Unlock()
	}
}

// tidy forgets the series of which nothing is corrected any more.
func (p *page) tidy() {
	for id, x := range p.corrected {
		if len(x.late) == 0 && !slices.ContainsFunc(x.rows, func(rows []rrd.Row) bool { return len(rows) > 0 }) {
			delete(p.corrected, id)
		}
	}
	if len(p.corrected) == 0 {
		p.corrected = nil
	}
}

// A correctedRow is one that is on its way to a block.
type correctedRow struct {
	series int // in its page
	row    rrd.Row
}

// collectCorrected adds the corrected rows of a series of the blocks before
// one: over those that were staged, which they replace.
func (b *ringBatch) collectCorrected(to *flushedPage, blocks map[uint32]*pageBlock, i int, before uint32) {
	s, r := &to.page.series[i], b.ring
	x := to.page.corrected[s.id]
	a := slices.Index(s.def.rings, r)
	if x == nil || a < 0 {
		return
	}
	for n := 0; n < len(x.rows[a]); {
		block, _ := r.place(to.page.id, x.rows[a][n].End)
		if block >= before {
			return
		}
		var rows codec.Rows
		for ; n < len(x.rows[a]); n++ {
			row := &x.rows[a][n]
			at, index := r.place(to.page.id, row.End)
			if at != block {
				break
			}
			appendRow(&rows, index, row, s.def.gauge)
			to.corrected = append(to.corrected, correctedRow{i, *row})
		}
		blk := b.block(blocks, block)
		blk.rows[i], blk.corrected[i] = mergeRows(&blk.rows[i], &rows), true
	}
}

// dropUnknown removes the rows of count 0, which have done their work when a
// block is merged.
func dropUnknown(rows *codec.Rows) {
	if !slices.Contains(rows.Count, 0) {
		return
	}
	var out codec.Rows
	for i, n := range rows.Count {
		if n > 0 {
			copyRow(&out, rows, i, len(rows.Total) == 0)
		}
	}
	*rows = out
}

// dropCorrected lets go of the rows that are in blocks now, but for those that
// were corrected anew meanwhile.
func (st *Store) dropCorrected(r *ring, p *flushedPage) {
	for i := range p.corrected {
		c := &p.corrected[i]
		s := &p.page.series[c.series]
		x, a := p.page.corrected[s.id], slices.Index(s.def.rings, r)
		if x == nil || a < 0 {
			continue
		}
		n, found := slices.BinarySearchFunc(x.rows[a], c.row.End, compareEnd)
		if !found || !sameRow(&x.rows[a][n], &c.row) {
			continue
		}
		if n == 0 {
			x.rows[a] = x.rows[a][1:] // mostly they go in order
		} else {
			x.rows[a] = slices.Delete(x.rows[a], n, n+1)
		}
		if len(x.rows[a]) == 0 {
			x.rows[a] = nil
		}
		st.staged.Add(-correctedBytes)
	}
	p.page.tidy()
}

// flushCorrected writes the corrected rows of some pages to their blocks, with
// all that is staged there. The caller holds flushMu.
func (st *Store) flushCorrected(pages []*page) error {
	for _, pg := range pages {
		if !st.hasCorrected(pg) {
			continue
		}
		for _, r := range st.ringList() {
			batch := &ringBatch{st: st, ring: r, clock: st.nowClock(), byEpoch: map[uint32][]blockValue{}}
			if err := errors.Join(batch.add(pg, 0, true), batch.write()); err != nil {
				return err
			}
		}
	}
	return nil
}

// hasCorrected says whether anything of a page waits to be merged.
func (st *Store) hasCorrected(pg *page) bool {
	sh := st.shard(pg.id * pageSeries)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return pg.corrected != nil
}

// Rows are written as
//
//	rows  = count:uvarint { row }
//	row   = end - end of the row before:uvarint  count:uvarint
//	        [ last ]  [ sum min max ]  [ total ]     count 0: none; 1: no sum, min, max
//	float = uvarint of the byte-reversed IEEE bits; total is absent for gauges
func appendRows(b []byte, gauge bool, rows []rrd.Row) []byte {
	b = appendUvarint(b, uint64(len(rows)))
	end := rrd.Time(0)
	for i := range rows {
		r := &rows[i]
		b = appendUvarint(b, uint64(r.End-end))
		b = appendUvarint(b, uint64(r.Count))
		end = r.End
		if r.Count == 0 {
			continue
		}
		b = appendReversed(b, r.Last)
		if r.Count > 1 {
			b = appendReversed(appendReversed(appendReversed(b, r.Sum), r.Min), r.Max)
		}
		if !gauge {
			b = appendReversed(b, r.Total)
		}
	}
	return b
}

func appendReversed(b []byte, f float64) []byte {
	return appendUvarint(b, bits.ReverseBytes64(math.Float64bits(f)))
}

func (r *reader) reversed() float64 { return math.Float64frombits(bits.ReverseBytes64(r.uvarint())) }

func (r *reader) rows(gauge bool) (rows []rrd.Row) {
	end := rrd.Time(0)
	for n := r.uvarint(); n > 0 && !r.failed; n-- {
		gap := rrd.Time(r.uvarint())
		if gap <= 0 || end+gap < end {
			r.fail()
			break
		}
		end += gap
		row := rrd.Row{End: end, Count: int64(r.uvarint())}
		if row.Count > 0 {
			row.Last = r.reversed()
			row.Sum, row.Min, row.Max = row.Last, row.Last, row.Last
			if row.Count > 1 {
				row.Sum, row.Min, row.Max = r.reversed(), r.reversed(), r.reversed()
			}
			if !gauge {
				row.Total = r.reversed()
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func appendPoints(b []byte, ps []rrd.Point) []byte {
	b = appendUvarint(b, uint64(len(ps)))
	t := rrd.Time(0)
	for _, p := range ps {
		b = appendReversed(appendUvarint(b, uint64(p.Time-t)), p.Value)
		t = p.Time
	}
	return b
}

func (r *reader) points() (ps []rrd.Point) {
	t := rrd.Time(0)
	for n := r.uvarint(); n > 0 && !r.failed; n-- {
		gap := rrd.Time(r.uvarint())
		if gap <= 0 || t+gap < t {
			r.fail()
			break
		}
		t += gap
		ps = append(ps, rrd.Point{Time: t, Value: r.reversed()})
	}
	return ps
}

// appendCorrected writes what is corrected of a page's series, behind all else
// that a checkpoint has of it:
//
//	corrected = { index+1:uvarint points { rows } } 0:uvarint     rows of each archive
func (p *page) appendCorrected(b []byte) []byte {
	for id, x := range p.corrected {
		b = appendPoints(appendUvarint(b, uint64(id%pageSeries)+1), x.late)
		for _, rows := range x.rows {
			b = appendRows(b, p.series[id%pageSeries].def.gauge, rows)
		}
	}
	return appendUvarint(b, 0)
}

// loadCorrected reads what appendCorrected wrote; older checkpoints have none.
func (st *Store) loadCorrected(pg *page, r *reader) error {
	for id := range pg.corrected { // of a page that was damaged further on
		st.forgetCorrected(pg, id)
	}
	if len(r.b) == 0 {
		return nil
	}
	for i := r.uvarint(); i > 0; i = r.uvarint() {
		if i > pageSeries || pg.series[i-1].def == nil {
			return errRecord
		}
		s := &pg.series[i-1]
		c := correction{points: r.points()}
		for range s.def.rings {
			c.rows = append(c.rows, r.rows(s.def.gauge))
		}
		if r.failed {
			return errRecord
		}
		st.addCorrected(s, &c)
	}
	if r.failed {
		return errRecord
	}
	return nil
}

// forgetCorrected takes back what is corrected of a series.
func (st *Store) forgetCorrected(pg *page, id uint32) {
	if x := pg.corrected[id]; x != nil {
		for a := range x.rows {
			st.staged.Add(-correctedBytes * int64(len(x.rows[a])))
		}
		st.lateKnown.Add(-int64(len(x.late)))
		delete(pg.corrected, id)
	}
}
