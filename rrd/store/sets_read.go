package store

import (
	"context"
	"fmt"
	"math"
	"slices"

	"rondo/rrd"
	"rondo/rrd/codec"
)

// A setCopy is what the memory has of a set at one moment. What is on disk
// may be read later: rows go there before they leave the memory, and of those
// that come later none is asked for.
type setCopy struct {
	set    *set
	last   rrd.Time
	packed [][]byte // by data source
}

// copySet copies the rows in memory of some data sources. The shards are
// held.
func (st *Store) copySet(s *set, sources ...int) *setCopy {
	snap := &setCopy{set: s, last: s.last, packed: make([][]byte, len(s.series))}
	for _, i := range sources {
		st.packRows(s.series[i])
		snap.packed[i] = slices.Clone(s.series[i].packed)
	}
	return snap
}

// hold locks the shards of the set that has a name, or returns rrd.ErrNoSet.
func (st *Store) hold(name string) (*set, error) {
	s := st.table.set(name)
	for s != nil {
		st.lockShards(s.shards)
		if s.there() {
			return s, nil
		}
		st.unlockShards(s.shards)
		next := st.table.set(name)
		if next == s { // it has lost its state
			break
		}
		s = next // it was replaced just now
	}
	return nil, rrd.ErrNoSet
}

// window is what archive a holds: rows that end after from and not after to.
func (snap *setCopy) window(a int) (from, to rrd.Time) {
	width := snap.set.def.row(a)
	to = snap.last - snap.last%width
	return to - rrd.Time(snap.set.def.Archives[a].Rows)*width, to
}

// column reads the rows of archive a that end after from and not after to of a
// data source, into each stride-th place of out; NaN where unknown. Both are
// ends of rows. Only what the ring holds is read.
func (sel *selection) column(snap *setCopy, a, source int, from, to rrd.Time, out []float64, stride int) error {
	for i := 0; i < len(out); i += stride {
		out[i] = math.NaN()
	}
	s := snap.set.series[source]
	ring := snap.set.def.ringOf[a]
	r := snap.set.def.rings[ring]
	lo, hi := snap.window(a)
	lo, hi = max(lo, from, 0), min(hi, to)
	oldest := rrd.Time(math.MaxInt64)
	q := packedQueue(s.def, snap.packed[source], ring)
	if first, ok := q.first(r.row); ok {
		oldest = first
	}
	q.each(lo, r.row, true, func(row *rrd.Row) bool {
		if row.End <= hi {
			out[(int((row.End-from)/r.row)-1)*stride] = row.Last
		}
		return row.End < hi
	})
	return sel.blocks.each(s, r, codec.Last, lo, min(hi, oldest-1), func(p stretch) {
		first := int((p.first-from)/r.row) - 1
		for i := p.lo; i < p.hi; i++ {
			out[(first+p.Index[i])*stride] = p.Last[i]
		}
	})
}

// ExportSet implements rrd.SetStore.
func (st *Store) ExportSet(ctx context.Context, name string) (*rrd.SetImage, error) {
	image, err := st.exportSet(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("store: export set %s: %w", name, err)
	}
	return image, nil
}

func (st *Store) exportSet(ctx context.Context, name string) (*rrd.SetImage, error) {
	s, err := st.hold(name)
	if err != nil {
		return nil, err
	}
	all := make([]int, len(s.series))
	for i := range all {
		all[i] = i
	}
	snap := st.copySet(s, all...)
	x, err := s.take()
	if err != nil {
		st.unlockShards(s.shards)
		return nil, err
	}
	state := x.State()
	st.unlockShards(s.shards)
	image := &rrd.SetImage{Definition: cloneDefinition(s.def.SetDefinition), State: state, Rings: make([][]float64, len(s.def.ringOf))}
	sel := st.newSelection()
	for a, ring := range s.def.ringOf {
		if ring < 0 {
			continue
		}
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		if image.Rings[a], err = sel.ring(snap, a, all); err != nil {
			return nil, err
		}
	}
	return image, nil
}

// ring reads all that archive a holds.
func (sel *selection) ring(snap *setCopy, a int, sources []int) ([]float64, error) {
	from, to := snap.window(a)
	out := make([]float64, snap.set.def.Archives[a].Rows*len(sources))
	for i, source := range sources {
		if err := sel.column(snap, a, source, from, to, out[i:], len(sources)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// FetchSet implements rrd.SetStore.
func (st *Store) FetchSet(_ context.Context, q rrd.SetQuery) (rrd.SetRows, error) {
	rows, err := st.fetchSet(&q)
	if err != nil {
		return rrd.SetRows{}, fmt.Errorf("store: fetch set %s: %w", q.Name, err)
	}
	return rows, nil
}

func (st *Store) fetchSet(q *rrd.SetQuery) (out rrd.SetRows, err error) {
	s, err := st.hold(q.Name)
	if err != nil {
		return out, err
	}
	sources, err := s.plan(q, &out)
	if err != nil || s.def.ringOf[out.Archive] < 0 {
		st.unlockShards(s.shards)
		return out, err
	}
	snap := st.copySet(s, sources...)
	st.unlockShards(s.shards)
	sel := st.newSelection()
	for i, source := range sources {
		if err := sel.column(snap, out.Archive, source, out.Start, out.End, out.Values[i:], len(sources)); err != nil {
			return out, err
		}
	}
	return out, nil
}

// plan chooses the archive and the data sources of an answer and makes room
// for it. It is complete where the archive is a season. The shards are held.
func (s *set) plan(q *rrd.SetQuery, out *rrd.SetRows) (sources []int, err error) {
	for i := range s.def.Sources {
		if name := s.def.Sources[i].Name; len(q.Sources) == 0 || slices.Contains(q.Sources, name) {
			sources, out.Sources = append(sources, i), append(out.Sources, name)
		}
	}
	for _, name := range q.Sources {
		if !slices.Contains(out.Sources, name) {
			return nil, fmt.Errorf("no data source %q", name)
		}
	}
	x, err := s.take()
	if err != nil {
		return nil, err
	}
	if out.SetRange, err = x.Fetch(q.CF, q.Start, q.End, q.Resolution); err != nil {
		return nil, err
	}
	rows := int64(out.End-out.Start) / int64(s.def.row(out.Archive))
	if err := q.Admit(rows, len(sources)); err != nil {
		return nil, err
	}
	out.Values = make([]float64, rows*int64(len(sources)))
	if s.def.ringOf[out.Archive] < 0 {
		s.season(sources, out)
	}
	return sources, nil
}

// season answers for an archive that is part of the state.
func (s *set) season(sources []int, out *rrd.SetRows) {
	n, width := len(sources), s.def.row(out.Archive)
	for k := range len(out.Values) / n {
		row := s.whole.SeasonRow(out.Archive, out.Start+rrd.Time(k+1)*width)
		for i, source := range sources {
			v := math.NaN()
			if row != nil {
				v = row[source]
			}
			out.Values[k*n+i] = v
		}
	}
}
