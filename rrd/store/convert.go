package store

import (
	"fmt"
	"math"
	"slices"

	"rondo/rrd"
	"rondo/rrd/codec"
)

// A conversion is one series on its way from a definition to another. What it
// knows holds while flushMu is held: rows in memory only become more then, and
// those on disk stay as they are.
type conversion struct {
	s        *series
	from, to *definition
	origins  [][]int    // by new archive: the old ones that its rows come from
	covers   []rrd.Time // by old archive: rows that begin here or later are all there
	memory   []rrd.Time // by old archive: rows that end later are in memory
	// split is, by new archive, up to where all its rows come from disk, and go
	// there. Behind it some come from memory, and all go there: of a series'
	// rows those in memory are the newest. held are those of them that come
	// from disk.
	split []rrd.Time
	held  [][]rrd.Row
	// past has, for each new archive and each of its sources, the rows on disk
	// that lie in the first row that is not on disk as a whole.
	past  [][]rrd.Gathering
	clock rrd.Time
}

// convert prepares the conversion of a series, or returns nil where nothing
// changes.
func (st *Store) convert(s *series, to *definition, clock rrd.Time) *conversion {
	sh := st.shard(s.id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if s.def == to {
		return nil
	}
	c := &conversion{s: s, from: s.def, to: to, clock: clock}
	var x state
	x.unpack(s.def, s.packed)
	begins := st.table.page(s.id).begins[s.id]
	for a, r := range c.from.rings {
		cover, memory := r.edge(clock), rrd.Time(math.MaxInt64)/4
		if a < len(begins) {
			cover = max(cover, begins[a])
		}
		if last, ok := x.frontier(&s.win); ok {
			memory = slotEnd(last, r.row) - r.row
		}
		if first, ok := x.staged[a].first(r.row); ok {
			memory = first - r.row
		}
		c.covers, c.memory = append(c.covers, cover), append(c.memory, memory)
	}
	for b, r := range to.rings {
		c.origins = append(c.origins, c.from.Sources(to.Row(b)))
		split := rrd.Time(math.MaxInt64) / 4
		for _, a := range c.sources(b) {
			split = min(split, c.memory[a]-c.memory[a]%r.row)
		}
		c.split = append(c.split, split)
	}
	return c
}

// frontier is the time of the newest settled sample, or, where the state was
// lost, that up to which samples may be missing.
func (x *state) frontier(w *window) (rrd.Time, bool) {
	if last, ok := x.fold.Last(); ok {
		return last.Time, true
	}
	return w.settled, w.settled != noTime
}

// sources are the old archives that the rows of the new archive b come from.
func (c *conversion) sources(b int) []int { return c.origins[b] }

// kept returns the old archive whose ring the new archive b has too, or -1.
func (c *conversion) kept(b int) int { return slices.Index(c.from.rings, c.to.rings[b]) }

// source is the first archive that has all of a row of the new archive b, or
// -1.
func (c *conversion) source(b int, end rrd.Time) int {
	for _, a := range c.sources(b) {
		if c.covers[a] <= end-c.to.rings[b].row {
			return a
		}
	}
	return -1
}

// begins returns where the new archives' complete rows begin, nil if that is
// where the rings do. Samples up to frontier are settled.
func (c *conversion) begins(frontier rrd.Time) []rrd.Time {
	out, late := make([]rrd.Time, len(c.to.rings)), false
	for b, r := range c.to.rings {
		t := slotEnd(frontier, r.row)
		for _, a := range c.sources(b) {
			t = min(t, slotEnd(c.covers[a], r.row))
		}
		if t > r.edge(c.clock) {
			out[b], late = t, true
		}
	}
	if !late {
		return nil
	}
	return out
}

// A converter moves the history of some pages' series. Its caches are of use
// to neighbouring series.
type converter struct {
	st     *Store
	blocks blockReader
	moved  int64 // bytes written
	made   int64 // rows written
}

func newConverter(st *Store) *converter {
	return &converter{st: st, blocks: newBlockReader(st, cacheBytes/4)}
}

// each calls f with the rows of a series on disk that end after one time and up
// to another, oldest first.
func (cv *converter) each(r *ring, s *series, after, upTo rrd.Time, f func(*rrd.Row)) error {
	return cv.blocks.each(s, r, codec.AllColumns, after, min(upTo, cv.st.nowClock()+r.row), func(p stretch) {
		for i := p.lo; i < p.hi; i++ {
			row := rowAt(p.Rows, i)
			row.End = p.end(i)
			f(&row)
		}
	})
}

// remake returns the rows of the new archive b that end after one time and up
// to another, of what is on disk as a whole.
func (cv *converter) remake(c *conversion, b int, after, upTo rrd.Time) (rows []rrd.Row, err error) {
	row := c.to.rings[b].row
	for _, a := range c.sources(b) {
		from := max(after, slotEnd(c.covers[a], row))
		if from >= upTo {
			continue
		}
		older, err := cv.remakeOf(c, b, a, from, min(upTo, c.memory[a]-c.memory[a]%row))
		if err != nil {
			return nil, err
		}
		rows, upTo = append(older, rows...), from
	}
	return rows, nil
}

// remakeOf is remake of one source.
func (cv *converter) remakeOf(c *conversion, b, a int, after, upTo rrd.Time) (rows []rrd.Row, err error) {
	m := maker{c: c, b: b, a: a, emit: func(r rrd.Row) { rows = append(rows, r) }}
	err = cv.each(c.from.rings[a], c.s, after, upTo, m.add)
	m.close()
	return rows, err
}

// A maker makes rows of a new archive of those of one source.
type maker struct {
	c    *conversion
	b, a int
	end  rrd.Time // of the row in the making
	made rrd.Gathering
	emit func(rrd.Row)
}

func (m *maker) add(r *rrd.Row) {
	if m.c.from.rings[m.a].row == m.c.to.rings[m.b].row {
		m.emit(*r)
		return
	}
	if end := slotEnd(r.End, m.c.to.rings[m.b].row); end != m.end {
		m.close()
		m.end = end
	}
	m.made.Add(r, m.c.from.Row(m.a))
}

func (m *maker) close() {
	if r, ok := m.made.Row(&m.c.to.Definition, m.b, m.end); ok {
		m.emit(r)
	}
	m.made = rrd.Gathering{}
}

// readPast fills c.past and c.held.
func (cv *converter) readPast(c *conversion) (err error) {
	c.past, c.held = make([][]rrd.Gathering, len(c.to.rings)), make([][]rrd.Row, len(c.to.rings))
	for b, r := range c.to.rings {
		if c.kept(b) < 0 {
			if c.held[b], err = cv.remake(c, b, c.split[b], cv.st.nowClock()+r.row); err != nil {
				return err
			}
		}
		for _, a := range c.sources(b) {
			var g rrd.Gathering
			if c.from.rings[a].row != r.row {
				err := cv.each(c.from.rings[a], c.s, c.memory[a]-c.memory[a]%r.row, c.memory[a], func(row *rrd.Row) {
					g.Add(row, c.from.Row(a))
				})
				if err != nil {
					return err
				}
			}
			c.past[b] = append(c.past[b], g)
		}
	}
	return nil
}

// A pageChange is the conversions of one page's series.
type pageChange struct {
	page *page
	all  []*conversion
}

// move writes what the new rings can hold of the history of some pages'
// series. It is all on disk then, beside the old, and nothing has changed yet.
func (cv *converter) move(pages []pageChange, stop func() error) error {
	for _, r := range newRings(pages) {
		last := r.epoch(r.blockAfter(0, cv.st.nowClock()+rrd.Time(r.blockRows)*r.row))
		for epoch := r.epoch(r.blockAfter(0, max(0, r.edge(cv.st.nowClock())))); epoch <= last; epoch++ {
			if err := stop(); err != nil {
				return err
			}
			if err := cv.moveEpoch(r, epoch, pages); err != nil {
				return err
			}
		}
	}
	for _, p := range pages {
		for _, c := range p.all {
			if err := cv.readPast(c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (st *Store) nowClock() rrd.Time { return max(0, rrd.Time(st.clock.Load())) }

// newRings returns the rings that series get which they did not have.
func newRings(pages []pageChange) (rings []*ring) {
	for _, p := range pages {
		for _, c := range p.all {
			for b, r := range c.to.rings {
				if c.kept(b) < 0 && !slices.Contains(rings, r) {
					rings = append(rings, r)
				}
			}
		}
	}
	return rings
}

// moveEpoch writes the blocks of one epoch.
func (cv *converter) moveEpoch(r *ring, epoch uint32, pages []pageChange) error {
	var blocks []blockValue
	bytes := 0
	flush := func() error {
		if len(blocks) == 0 {
			return nil
		}
		err := cv.st.putBlocks(r, epoch, blocks)
		cv.moved += int64(bytes)
		blocks, bytes = nil, 0
		return err
	}
	first := uint32(int64(epoch) * r.epochBlocks)
	for _, p := range pages {
		for block := first; block < first+uint32(r.epochBlocks); block++ {
			value, err := cv.makeBlock(r, block, p)
			if err != nil {
				return err
			}
			if value == nil {
				continue
			}
			blocks = append(blocks, blockValue{p.page.id, block, value})
			if bytes += len(value); bytes > batchBytes {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	return flush()
}

// makeBlock returns a new block of a page: that on disk with the rows of the
// series that get this ring replaced by what comes out of their old ones. So
// nothing remains there of the last time that they had it. It is nil if there
// is nothing to write.
func (cv *converter) makeBlock(r *ring, block uint32, p pageChange) ([]byte, error) {
	var rows [pageSeries]codec.Rows
	changed := false
	old, err := cv.blocks.block(blockID{r, p.page.id, block})
	if err != nil {
		return nil, err
	}
	for i := range rows {
		if err := old.columns(i, codec.AllColumns, &rows[i]); err != nil {
			cv.st.report(fmt.Errorf("block %d of page %d in %s: %w", block, p.page.id, r.dir, err))
			rows[i].Reset()
		}
	}
	end := r.rowEnds(p.page.id, block)
	for _, c := range p.all {
		b := slices.Index(c.to.rings, r)
		if b < 0 || c.kept(b) >= 0 {
			continue
		}
		made, err := cv.remake(c, b, max(end(-1), r.edge(c.clock)), min(end(int(r.blockRows)-1), c.split[b]))
		if err != nil {
			return nil, err
		}
		to := &rows[c.s.id%pageSeries]
		changed = changed || len(made) > 0 || len(to.Index) > 0
		to.Reset()
		for i := range made {
			_, index := r.place(p.page.id, made[i].End)
			appendRow(to, index, &made[i], c.to.gauge)
		}
		cv.made += int64(len(made))
	}
	if !changed {
		return nil, nil
	}
	return codec.AppendBlock(nil, r.checksumPlace(p.page.id, block), int(r.blockRows), rows[:]), nil
}
