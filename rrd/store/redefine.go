package store

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"rondo/rrd"
)

// redefine gives series other definitions, a few pages at a time: those that
// to names. Their history is moved first, while samples come as ever; then
// each page is switched, for which its samples wait some microseconds; and
// when that is durable, the table is told. The caller holds flushMu.
func (st *Store) redefine(pages []*page, to map[uint32]*definition, cv *converter, stop func() error) (int, error) {
	st.moving.Lock() // late samples wait: they change what is moved
	defer st.moving.Unlock()
	if err := st.flushCorrected(pages); err != nil {
		return 0, err
	}
	var work []pageChange
	for _, pg := range pages {
		p := pageChange{page: pg}
		for i := range pg.all() {
			s := &pg.series[i]
			if def := to[s.id]; def != nil && s.def != nil && s.of == nil { // one that is lost has no id
				if c := st.convert(s, def, st.nowClock()); c != nil {
					p.all = append(p.all, c)
				}
			}
		}
		if len(p.all) > 0 {
			work = append(work, p)
		}
	}
	if err := cv.move(work, stop); err != nil {
		return 0, err
	}
	return st.switchPages(work)
}

func (st *Store) switchPages(work []pageChange) (n int, err error) {
	before := map[uint32]uint64{}
	for _, p := range work {
		for _, c := range p.all {
			before[c.s.id] = uint64(c.from.id)
		}
		if err = st.switchPage(p); err != nil {
			break
		}
		n += len(p.all)
	}
	// Also after an error: what was switched so far is in the log.
	return n, errors.Join(err, st.table.redefine(before, st.definitionOf),
		st.table.settled(context.Background()), st.log.Commit(context.Background(), st.log.End()))
}

// switchPage brings in the new definitions of a page's series.
func (st *Store) switchPage(p pageChange) error {
	for some := range slices.Chunk(p.all, switchSeries) {
		if err := st.switchSome(p.page, some); err != nil {
			return err
		}
	}
	return nil
}

// switchSeries is how many series are switched while a shard is locked, which
// takes a tenth of a millisecond.
const switchSeries = 4

// switchSome brings in new definitions. In the log the new states stand between
// the samples that came before and those that come after, see replayRecord.
func (st *Store) switchSome(pg *page, some []*conversion) error {
	sh := st.shard(pg.id * pageSeries)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	rec, states := []byte{changeRecord}, make([]state, len(some))
	for i, c := range some {
		states[i] = st.next(sh, c)
		rec = states[i].append(appendUvarint(rec, uint64(c.s.id)), &c.s.win)
	}
	if _, err := st.log.Append(rec); err != nil {
		return err
	}
	for i, c := range some {
		st.setState(c.s, &states[i])
	}
	return nil
}

// next makes a series' new state out of the present one.
func (st *Store) next(sh *shard, c *conversion) state {
	s := c.s
	st.settleDue(sh, s)
	var x state
	x.unpack(s.def, s.packed)
	n := state{def: c.to, staged: make([]rowQueue, len(c.to.rings))}
	parts := make([]rrd.Part, len(c.to.rings))
	if last, ok := x.frontier(&s.win); ok {
		n.begins = c.begins(last)
		for b, r := range c.to.rings {
			parts[b].Source = c.source(b, slotEnd(last, r.row))
			c.stage(&x, b, slotEnd(last, r.row), &n.staged[b], &parts[b])
		}
	}
	n.fold = x.fold.Redefine(&c.from.Definition, &c.to.Definition, parts)
	return n
}

// stage fills the new archive b's queue with the rows that the old queues make,
// and the part of its open row that is closed in the source.
func (c *conversion) stage(x *state, b int, open rrd.Time, q *rowQueue, part *rrd.Part) {
	r := c.to.rings[b]
	rows := c.held[b]
	for k, a := range c.sources(b) {
		if kept := c.kept(b); kept >= 0 && kept != a {
			continue
		}
		m := maker{c: c, b: b, a: a, made: c.past[b][k], emit: func(row rrd.Row) {
			if row.End < open && (c.kept(b) == a || c.source(b, row.End) == a) {
				rows = append(rows, row)
			}
		}}
		m.end = slotEnd(c.memory[a]+1, r.row)
		x.staged[a].each(noTime, c.from.rings[a].row, c.from.gauge, func(row *rrd.Row) bool {
			m.add(row)
			return true
		})
		if m.end == open && part.Source == a {
			part.Closed = m.made
		}
		m.close()
	}
	slices.SortFunc(rows, func(x, y rrd.Row) int { return cmp.Compare(x.End, y.End) })
	for i := range rows {
		q.push(r.row, c.to.gauge, &rows[i])
	}
}
