package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"

	"rondo/rrd"
	"rondo/rrd/codec"
)

// Select implements rrd.Querier.
func (st *Store) Select(ctx context.Context, q rrd.Query) iter.Seq2[rrd.Series, error] {
	return func(yield func(rrd.Series, error) bool) {
		// The limit is of those that answer: many more may match and be silent.
		found, err := st.table.find(q.Matchers, 0)
		if err != nil {
			yield(rrd.Series{}, err)
			return
		}
		sel := st.newSelection()
		sel.q, sel.clock = &q, rrd.Time(st.clock.Load())
		answered := 0
		for _, s := range found {
			if err := ctx.Err(); err != nil {
				yield(rrd.Series{}, context.Cause(ctx))
				return
			}
			out, ok, err := sel.series(s)
			if err != nil {
				yield(rrd.Series{}, fmt.Errorf("store: select %s: %w", s.key, err))
				return
			}
			if !ok {
				continue
			}
			if answered++; !yield(out, nil) || answered == q.Limit {
				return
			}
		}
	}
}

// A selection answers one query.
type selection struct {
	st     *Store
	q      *rrd.Query
	clock  rrd.Time
	blocks blockReader
	head   []rrd.Row // scratch
	fixed  []rrd.Row // corrected rows
	oldest rrd.Time  // what is in memory begins here
	points []rrd.Point
	closed []rrd.ClosedRow
	fold   rrd.Fold // scratch
}

// cacheBytes bounds the blocks that a query keeps.
const cacheBytes = 64 << 20

func (st *Store) newSelection() *selection {
	return &selection{st: st, blocks: newBlockReader(st, cacheBytes)}
}

// archive chooses the archive that answers for a series, whose archives'
// complete rows begin as given.
func (sel *selection) archive(d *definition, begins []rrd.Time) int {
	if sel.q.Row > 0 {
		for a := len(d.rings) - 1; a > 0; a-- {
			if d.Row(a) <= sel.q.Row {
				return a
			}
		}
		return 0
	}
	best, reach := 0, rrd.Time(math.MaxInt64)
	for a, r := range d.rings {
		edge := r.edge(sel.clock)
		if a < len(begins) {
			edge = max(edge, begins[a])
		}
		if edge <= sel.q.Start {
			return a
		}
		if edge < reach {
			best, reach = a, edge
		}
	}
	return best
}

// series answers for one series, and says whether it belongs to the answer.
// Should it be redefined meanwhile, it is asked again.
func (sel *selection) series(m match) (out rrd.Series, ok bool, err error) {
	if m.of != nil {
		out, ok, err = sel.exact(m.series)
		out.Key = m.key
		return out, ok, err
	}
	for {
		out, ok, err = sel.defined(m.series)
		if !errors.Is(err, errRedefined) {
			out.Key = m.key
			return out, ok, err
		}
	}
}

var errRedefined = errors.New("series is redefined")

func (sel *selection) defined(s *series) (out rrd.Series, ok bool, err error) {
	def, begins := sel.st.definition(s)
	a := sel.archive(def, begins)
	out, err = sel.archived(s, def, a, sel.q)
	row := def.rings[a].row
	if err != nil || len(out.Times) > 0 || sel.q.End-sel.q.Start >= 2*row {
		return out, len(out.Times) > 0, err
	}
	before, err := sel.archived(s, def, a, &rrd.Query{Start: sel.q.Start - 2*row, End: sel.q.Start})
	return out, len(before.Times) > 0, err
}

// archived returns what an archive has in the range: blocks first, then what
// is in memory.
func (sel *selection) archived(s *series, def *definition, a int, q *rrd.Query) (rrd.Series, error) {
	r := def.rings[a]
	start := max(q.Start, r.edge(sel.clock))
	out := rrd.Series{Definition: def.Definition, Archive: a}
	if q.Newest && a == 0 && sel.newest(s, def, start, &out) {
		return out, nil
	}
	open, stamp, hasOpen, same := sel.readHead(s, def, a, start)
	if !same {
		return out, errRedefined
	}
	if err := sel.readBlocks(s, r, q, start, &out); err != nil {
		return out, err
	}
	for i := range sel.head {
		if row := &sel.head[i]; row.End > start && row.End <= q.End {
			add(&out, q.Columns, row.End, row)
		}
	}
	overlay(&out, q.Columns, between(sel.fixed, start, q.End))
	if hasOpen && open.End > r.edge(sel.clock) && stamp > q.Start && stamp <= q.End {
		add(&out, q.Columns, stamp, &open)
		out.Open = true
	}
	return out, nil
}

// readHead fills sel.head with the closed rows in memory, oldest first, and
// returns the open row. Staged rows that end by start may be left out. It is
// not the same if the series has another definition by now.
func (sel *selection) readHead(s *series, def *definition, a int, start rrd.Time) (open rrd.Row, stamp rrd.Time, ok, same bool) {
	sh := sel.st.shard(s.id)
	sh.mu.Lock()
	if s.def != def {
		sh.mu.Unlock()
		return open, 0, false, false
	}
	sel.head = sel.head[:0]
	row := def.rings[a].row
	queue := packedQueue(def, s.packed, a)
	oldest, staged := queue.first(row)
	queue.each(start, row, def.gauge, func(row *rrd.Row) bool {
		sel.head = append(sel.head, *row)
		return true
	})
	packedFold(def, s.packed, &sel.fold)
	sel.fixed = sel.fixed[:0]
	if x := sel.st.correctedOf(s); x != nil && a < len(x.rows) {
		sel.fixed = append(sel.fixed, x.rows[a]...)
	}
	sel.points = s.win.points(sel.points[:0])
	sh.mu.Unlock()
	d := &def.Definition
	for _, p := range sel.points {
		sel.closed = sel.fold.Add(d, p, sel.closed[:0])
		for i := range sel.closed {
			if sel.closed[i].Archive == a {
				sel.head = append(sel.head, sel.closed[i].Row)
			}
		}
	}
	switch {
	case staged:
		sel.oldest = oldest
	case len(sel.head) > 0:
		sel.oldest = sel.head[0].End
	default:
		sel.oldest = math.MaxInt64
	}
	open, stamp, ok = sel.fold.Open(d, a)
	return open, stamp, ok, true
}

// readBlocks adds the rows on disk that lie in the query's range and before
// what is in memory.
func (sel *selection) readBlocks(s *series, r *ring, q *rrd.Query, start rrd.Time, out *rrd.Series) error {
	end := min(q.End, sel.clock+r.row, sel.oldest-1)
	if end <= start {
		return nil
	}
	reserve(out, q.Columns, int((end-start)/r.row)+len(sel.head)+2)
	return sel.blocks.each(s, r, stored(q.Columns), start, end, func(p stretch) { addStretch(out, q.Columns, p) })
}

// stored returns the columns of a block that make up a query's.
func stored(columns []rrd.Column) (set codec.Columns) {
	for _, c := range columns {
		switch c {
		case rrd.ColMin:
			set |= codec.Min
		case rrd.ColMax:
			set |= codec.Max
		case rrd.ColLast:
			set |= codec.Last
		case rrd.ColSum:
			set |= codec.Sum
		case rrd.ColCount:
			set |= codec.Count
		case rrd.ColTotal:
			set |= codec.Total
		case rrd.ColAverage:
			set |= codec.Sum | codec.Count
		}
	}
	return set
}

// addStretch appends the rows of a block, column by column.
func addStretch(out *rrd.Series, columns []rrd.Column, p stretch) {
	for i := p.lo; i < p.hi; i++ {
		out.Times = append(out.Times, p.end(i))
	}
	for _, c := range columns {
		if c < rrd.NumColumns {
			out.Values[c] = appendColumn(out.Values[c], p.Rows, c, p.lo, p.hi)
		}
	}
}

// appendColumn appends one column of the rows from lo to hi.
func appendColumn(dst []float64, rows *codec.Rows, c rrd.Column, lo, hi int) []float64 {
	switch c {
	case rrd.ColMin:
		return append(dst, rows.Min[lo:hi]...)
	case rrd.ColMax:
		return append(dst, rows.Max[lo:hi]...)
	case rrd.ColLast:
		return append(dst, rows.Last[lo:hi]...)
	case rrd.ColSum:
		return append(dst, rows.Sum[lo:hi]...)
	case rrd.ColTotal:
		if len(rows.Total) == 0 { // gauges have none
			return append(dst, make([]float64, hi-lo)...)
		}
		return append(dst, rows.Total[lo:hi]...)
	case rrd.ColCount:
		for _, n := range rows.Count[lo:hi] {
			dst = append(dst, float64(n))
		}
	case rrd.ColAverage:
		for i, sum := range rows.Sum[lo:hi] {
			dst = append(dst, sum/float64(rows.Count[lo+i]))
		}
	}
	return dst
}

// reserve makes room for n rows.
func reserve(out *rrd.Series, columns []rrd.Column, n int) {
	n = min(n, 1<<14) // the range may be far longer than what there is
	out.Times = make([]rrd.Time, 0, n)
	for _, c := range columns {
		if c < rrd.NumColumns {
			out.Values[c] = make([]float64, 0, n)
		}
	}
}

// add appends a row's columns.
func add(out *rrd.Series, columns []rrd.Column, t rrd.Time, row *rrd.Row) {
	out.Times = append(out.Times, t)
	for _, c := range columns {
		if c < rrd.NumColumns {
			out.Values[c] = append(out.Values[c], row.Column(c))
		}
	}
}

// overlay puts corrected rows in the place of those that were read.
func overlay(out *rrd.Series, columns []rrd.Column, rows []rrd.Row) {
	if len(rows) == 0 {
		return
	}
	read := *out
	reserve(out, columns, len(read.Times)+len(rows))
	for i, t := range append(read.Times, math.MaxInt64) {
		for len(rows) > 0 && rows[0].End < t {
			if rows[0].Count > 0 {
				add(out, columns, rows[0].End, &rows[0])
			}
			rows = rows[1:]
		}
		switch {
		case t == math.MaxInt64:
		case len(rows) > 0 && rows[0].End == t && rows[0].Count == 0:
			rows = rows[1:]
		case len(rows) > 0 && rows[0].End == t:
			add(out, columns, t, &rows[0])
			rows = rows[1:]
		default:
			out.Times = append(out.Times, t)
			for _, c := range columns {
				if c < rrd.NumColumns {
					out.Values[c] = append(out.Values[c], read.Values[c][i])
				}
			}
		}
	}
}

// Find implements rrd.Index.
func (st *Store) Find(_ context.Context, ms []rrd.Matcher, limit int) ([]rrd.Key, error) {
	found, err := st.table.find(ms, limit)
	keys := make([]rrd.Key, len(found))
	for i, s := range found {
		keys[i] = s.key
	}
	return keys, err
}

// LabelNames implements rrd.Index.
func (st *Store) LabelNames(_ context.Context, ms []rrd.Matcher) ([]string, error) {
	if len(ms) == 0 {
		st.table.mu.RLock()
		defer st.table.mu.RUnlock()
		return slices.Sorted(maps.Keys(st.table.index.labels)), nil
	}
	found, err := st.table.find(ms, 0)
	names := map[string]bool{}
	for _, s := range found {
		for _, l := range s.key.Labels() {
			names[l.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names)), err
}

// LabelValues implements rrd.Index.
func (st *Store) LabelValues(_ context.Context, name string, ms []rrd.Matcher) ([]string, error) {
	if len(ms) == 0 {
		st.table.mu.RLock()
		defer st.table.mu.RUnlock()
		return slices.Clone(st.table.index.labels[name].all()), nil
	}
	found, err := st.table.find(ms, 0)
	values := map[string]bool{}
	for _, s := range found {
		if v := s.key.Get(name); v != "" {
			values[v] = true
		}
	}
	return slices.Sorted(maps.Keys(values)), err
}

// Heads implements rrd.Index.
func (st *Store) Heads(since rrd.Time) iter.Seq2[rrd.Key, rrd.Time] {
	return func(yield func(rrd.Key, rrd.Time) bool) {
		type head struct {
			key  rrd.Key
			time rrd.Time
		}
		var heads []head
		for _, pg := range st.table.pageList() {
			heads = heads[:0]
			sh := st.shard(pg.id * pageSeries)
			sh.mu.Lock()
			all := pg.all()
			for i := range all {
				if s := &all[i]; s.def != nil && s.visible() && s.newest() > since {
					heads = append(heads, head{s.key, s.newest()})
				}
			}
			sh.mu.Unlock()
			for _, h := range heads {
				if !yield(h.key, h.time) {
					return
				}
			}
		}
	}
}
