package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"rondo/rrd"
	"rondo/rrd/codec"
)

// An import is in four steps, so that a crash leaves the whole set or none:
//
//	series/  'C' the set, pending: its ids are taken for ever
//	log/     'I' its rows ... 'S' its state
//	series/  'L' it has its name; what had it before is dropped
//
// each durable before the next. A pending set is none after a restart. Its
// rows are staged as they are logged, and go to blocks as all others; those of
// an import that was never finished turn out of the rings. A set that is changed
// is imported so too, see ChangeSet.
//
//	record = 'I' set:uvarint { ring:uvarint source:uvarint end:varint floats }
//	       | 'S' set:uvarint state
//
// where end is that of the first row, floats are a column as in rrd/codec, and
// state is a rrd.SetState's bytes.
const (
	rowsRecord  = 'I'
	stateRecord = 'S'
)

// importColumn is how many rows of one data source are in a column.
const importColumn = 4096

// ImportSet implements rrd.SetStore.
func (st *Store) ImportSet(ctx context.Context, name string, image *rrd.SetImage, replace bool) error {
	if err := st.takeOver(ctx, name, image, replace, nil); err != nil {
		return fmt.Errorf("store: import set %s: %w", name, err)
	}
	return nil
}

// takeOver imports a set. If it is a changed one, changes is what it was.
func (st *Store) takeOver(ctx context.Context, name string, image *rrd.SetImage, replace bool, changes *set) error {
	b := &setBirth{name: name, def: cloneDefinition(image.Definition), start: image.State.Last, replace: replace, changes: changes}
	if err := checkImage(image); err != nil {
		return err
	}
	state, err := rrd.RestoreSet(b.def, image.State)
	if err != nil {
		return err
	}
	b.shared = canShare(image)
	s, _, err := st.table.addSet(b)
	if err != nil {
		return err
	}
	if err := st.importData(ctx, s, image, state); err != nil {
		st.bury(s)
		return err
	}
	old, err := st.table.reveal(s, b)
	if err != nil {
		st.bury(s)
		return err
	}
	st.bury(old)
	if b.start > st.latest() {
		st.o.Log.Warn("set is taken over whose newest reading is in the future: all until then will be refused",
			"set", name, "newest", b.start.Std())
	}
	st.advance(min(b.start, st.future()))
	return st.table.settled(ctx)
}

// checkImage refuses images whose rings are not as their definition says.
func checkImage(image *rrd.SetImage) error {
	d := &image.Definition
	if err := checkSet(d); err != nil {
		return err
	}
	if image.State.Last < 0 || image.State.Last > maxSetTime {
		return errSetTime
	}
	if len(image.Rings) != len(d.Archives) {
		return fmt.Errorf("%d rings for %d archives", len(image.Rings), len(d.Archives))
	}
	for a, ring := range image.Rings {
		want := d.Archives[a].Rows * len(d.Sources)
		if isSeason(&d.Archives[a]) {
			want = 0
		}
		if len(ring) != want {
			return fmt.Errorf("ring %d has %d values, want %d", a, len(ring), want)
		}
	}
	return nil
}

// canShare says whether archives of one step have equal rows, as they do
// unless someone has edited the file.
func canShare(image *rrd.SetImage) bool {
	same := func(x, y float64) bool {
		return math.Float64bits(x) == math.Float64bits(y) || math.IsNaN(x) && math.IsNaN(y)
	}
	first := map[int][]float64{} // by rows
	for a := range image.Definition.Archives {
		archive := &image.Definition.Archives[a]
		if archive.Steps != 1 || archive.CF > rrd.Last {
			continue
		}
		ring, ok := first[archive.Rows]
		if !ok {
			first[archive.Rows] = image.Rings[a]
		} else if !slices.EqualFunc(ring, image.Rings[a], same) {
			return false
		}
	}
	return true
}

// importData logs and stages the rows of a pending set, and its state.
func (st *Store) importData(ctx context.Context, s *set, image *rrd.SetImage, state *rrd.Set) error {
	if err := st.table.settled(ctx); err != nil {
		return err
	}
	rec := setRecord(rowsRecord, s)
	for ring, a := range s.def.owner {
		for i := range s.series {
			for from := 0; from < s.def.Archives[a].Rows; from += importColumn {
				rec = s.appendColumn(rec, image, ring, i, from)
				if len(rec) < recordBytes {
					continue
				}
				if err := st.importRecord(ctx, s, rec); err != nil {
					return err
				}
				rec = setRecord(rowsRecord, s)
			}
		}
	}
	if err := st.importRecord(ctx, s, rec); err != nil {
		return err
	}
	if err := st.importState(s, image, state); err != nil {
		return err
	}
	return st.log.Commit(ctx, st.log.End())
}

func setRecord(kind byte, s *set) []byte { return appendUvarint([]byte{kind}, uint64(s.id)) }

// appendColumn appends some rows of a ring, from one on, without those at
// either end that are unknown.
func (s *set) appendColumn(rec []byte, image *rrd.SetImage, ring, source, from int) []byte {
	a := s.def.owner[ring]
	rows, n := s.def.Archives[a].Rows, len(s.series)
	var column []float64
	first, known := 0, 0
	for k := from; k < min(rows, from+importColumn); k++ {
		v := image.Rings[a][k*n+source]
		switch {
		case !math.IsNaN(v):
			if len(column) == 0 {
				first = k
			}
			column = append(column, v)
			known = len(column)
		case len(column) > 0:
			column = append(column, math.NaN())
		}
	}
	if known == 0 {
		return rec
	}
	width := s.def.row(a)
	last := image.State.Last - image.State.Last%width
	rec = appendUvarint(appendUvarint(rec, uint64(ring)), uint64(source))
	rec = appendVarint(rec, int64(last-rrd.Time(rows-1-first)*width))
	return codec.AppendFloats(rec, column[:known])
}

// importRecord logs some rows and stages them.
func (st *Store) importRecord(ctx context.Context, s *set, rec []byte) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := st.relieve(); err != nil {
		return err
	}
	st.lockShards(s.shards)
	defer st.unlockShards(s.shards)
	if _, err := st.log.Append(rec); err != nil {
		return err
	}
	r := reader{b: rec[1:]}
	r.uvarint()
	return st.stageColumns(s, &r)
}

var errBefore1970 = errors.New("there are rows before 1970")

// stageColumns stages the columns of a record.
func (st *Store) stageColumns(s *set, r *reader) error {
	for len(r.b) > 0 {
		ring, source, end := r.uvarint(), r.uvarint(), rrd.Time(r.varint())
		if r.failed || ring >= uint64(len(s.def.rings)) || source >= uint64(len(s.series)) {
			return errRecord
		}
		column, rest, err := codec.FloatsMax(nil, r.b, importColumn)
		if err != nil {
			return err
		}
		if end <= 0 {
			return errBefore1970
		}
		r.b = rest
		width := s.def.rings[ring].row
		for k, v := range column {
			st.stageValue(s.series[source], int(ring), end+rrd.Time(k)*width, v)
		}
	}
	return nil
}

// importState logs the state of a set that has all its rows.
func (st *Store) importState(s *set, image *rrd.SetImage, state *rrd.Set) error {
	rec := image.State.AppendBinary(setRecord(stateRecord, s))
	st.lockShards(s.shards)
	defer st.unlockShards(s.shards)
	if _, err := st.log.Append(rec); err != nil {
		return err
	}
	s.put(state)
	return nil
}

// replayImport applies a record of an import. A set that has its state had all
// of its import when the checkpoint was made.
func (st *Store) replayImport(b []byte, unknown func(id uint32)) error {
	r := reader{b: b[1:]}
	id := r.uvarint()
	if r.failed || id >= 1<<32-1 {
		return errRecord
	}
	ser := st.table.at(uint32(id))
	if ser == nil || ser.of == nil {
		unknown(uint32(id))
		return nil
	}
	s := ser.of
	if s.life.Load() != live || s.there() {
		return nil
	}
	if b[0] == rowsRecord {
		return st.stageColumns(s, &r)
	}
	image, _, err := rrd.ReadSetState(&s.def.SetDefinition, r.b)
	if err != nil {
		return err
	}
	x, err := rrd.RestoreSet(s.def.SetDefinition, image)
	if err != nil {
		return err
	}
	s.put(x)
	st.advance(min(image.Last, st.future()))
	return nil
}
