package store

import (
	"errors"
	"fmt"
	"slices"

	"rondo/rrd"
	"rondo/rrd/seglog"
)

// A state is what the head keeps of one series besides the samples in its
// window, and the definition that it is kept by.
//
// Nothing of Fold and closed rows is needed while samples only come in. So in
// the head they are packed, about a sixth as large, and taken out when a
// quarter of a window is settled, many samples at a time:
//
//	packed = bytes:uvarint fold { queue }      one queue per archive
type state struct {
	def    *definition
	begins []rrd.Time
	fold   rrd.Fold
	staged []rowQueue // one per archive
	rows   int64      // bytes of rows in staged when they were unpacked
}

// unpack takes out what a series of a definition has packed, and says whether
// that could be read; no bytes are those of a new series. It uses x's memory.
func (x *state) unpack(def *definition, packed []byte) bool {
	x.def = def
	for len(x.staged) < len(def.rings) {
		x.staged = append(x.staged, rowQueue{})
	}
	x.staged = x.staged[:len(def.rings)]
	r := reader{b: packed}
	fold := r.fold()
	rest, err := x.fold.Restore(&def.Definition, fold)
	for a, ring := range def.rings {
		q := &x.staged[a]
		buf := q.buf[:0]
		*q = readRowQueue(&r, ring.row, def.gauge)
		q.buf = append(buf, q.buf...)
	}
	x.rows = x.stagedBytes()
	return err == nil && len(rest) == 0 && (len(packed) == 0 || !r.failed) && len(r.b) == 0
}

// newFold is the bytes of a Fold before its first sample.
const newFold = "\x00\x00"

// fold takes the Fold's bytes off packed ones.
func (r *reader) fold() []byte {
	if len(r.b) == 0 {
		return []byte(newFold)
	}
	return r.bytes(r.uvarint())
}

// pack returns the Fold and the rows in packed, if they fit well there, else
// in memory of their own.
func (x *state) pack(packed []byte, scratch *[]byte) []byte {
	fold := x.fold.AppendBinary((*scratch)[:0])
	n := len(fold)
	b := append(appendUvarint(fold, uint64(n)), fold...)
	for a := range x.staged {
		b = x.staged[a].appendBinary(b, x.def.rings[a].row, x.def.gauge)
	}
	*scratch = b
	b = b[n:]
	if cap(packed) < len(b) || cap(packed) > len(b)+len(b)/4+32 {
		return slices.Clone(b)
	}
	return append(packed[:0], b...)
}

func (x *state) stagedBytes() (n int64) {
	for a := range x.staged {
		n += int64(len(x.staged[a].buf))
	}
	return n
}

// valid says whether the queues hold rows in ascending order.
func (x *state) valid() bool {
	for a := range x.staged {
		if !x.staged[a].valid(x.def.rings[a].row, x.def.gauge) {
			return false
		}
	}
	return true
}

// packedQueue returns an archive's queue where it lies among what is packed,
// to be read only.
func packedQueue(def *definition, packed []byte, archive int) (q rowQueue) {
	r := reader{b: packed}
	r.fold()
	for _, ring := range def.rings[:archive+1] {
		q = readRowQueue(&r, ring.row, def.gauge)
	}
	return q
}

// packedFold makes f the packed one, in its own memory.
func packedFold(def *definition, packed []byte, f *rrd.Fold) {
	r := reader{b: packed}
	if _, err := f.Restore(&def.Definition, r.fold()); err != nil {
		*f = rrd.Fold{} // cannot be: it was checked when it was read from disk
	}
}

// change lets f change Fold and rows of a series. The caller holds its shard.
func (st *Store) change(sh *shard, s *series, f func(*state)) {
	x := &sh.state
	x.unpack(s.def, s.packed)
	f(x)
	st.staged.Add(x.stagedBytes() - x.rows)
	s.packed = x.pack(s.packed, &sh.packed)
}

// append writes the state and a window as checkpoint and log keep them:
//
//	state = definition:uvarint begins:uvarint { varint } window bytes:uvarint packed
//
// It says by which definition it is to be read, since that of the series may
// have changed.
func (x *state) append(b []byte, w *window) []byte {
	return appendState(b, x.def, x.begins, w, x.pack(nil, new([]byte)))
}

func appendState(b []byte, def *definition, begins []rrd.Time, w *window, packed []byte) []byte {
	b = appendUvarint(b, uint64(def.id))
	b = appendUvarint(b, uint64(len(begins)))
	for _, t := range begins {
		b = appendVarint(b, int64(t))
	}
	b = w.appendBinary(b)
	return append(appendUvarint(b, uint64(len(packed))), packed...)
}

// readState reads what append wrote.
func (t *table) readState(r *reader, x *state) (window, error) {
	id := r.uvarint()
	if r.failed || id >= uint64(len(t.byID)) || t.byID[id] == nil {
		return window{}, fmt.Errorf("its definition %d is lost", id)
	}
	x.begins = nil
	for n := min(r.uvarint(), maxArchives); n > 0; n-- {
		x.begins = append(x.begins, rrd.Time(r.varint()))
	}
	win := readWindow(r)
	packed := r.bytes(r.uvarint())
	if r.failed || !x.unpack(t.byID[id], packed) || !x.valid() {
		return win, errRecord
	}
	return win, nil
}

// loadState restores a series at Open. The state knows its definition best:
// should the table not agree, it is told so in the end.
func (st *Store) loadState(s *series, r *reader) error {
	var next state
	win, err := st.table.readState(r, &next)
	if err != nil {
		return err
	}
	if next.def != s.def {
		if _, known := st.behind[s.id]; !known {
			st.behind[s.id] = uint64(s.def.id)
		}
	}
	st.setState(s, &next)
	s.win = win
	return nil
}

// setState gives a series another state. The caller holds its shard.
func (st *Store) setState(s *series, next *state) {
	sh := st.shard(s.id)
	sh.state.unpack(s.def, s.packed)
	st.staged.Add(next.stagedBytes() - sh.state.rows)
	if s.def != next.def {
		s.def.used.Add(-1)
		next.def.used.Add(1)
	}
	s.def, s.packed = next.def, next.pack(nil, &sh.packed)
	pg := st.table.pages[s.id/pageSeries]
	switch {
	case len(next.begins) == 0:
		delete(pg.begins, s.id)
	case pg.begins == nil:
		pg.begins = map[uint32][]rrd.Time{s.id: next.begins}
	default:
		pg.begins[s.id] = next.begins
	}
}

// definition returns a series' definition, and where its archives' complete
// rows begin.
func (st *Store) definition(s *series) (*definition, []rrd.Time) {
	sh := st.shard(s.id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return s.def, st.table.pages[s.id/pageSeries].begins[s.id]
}

func (st *Store) definitionOf(id uint32) *definition { return st.table.at(id).def }

// The log has, between the samples, the state that a change of definition has
// made of a series:
//
//	record = 'C' { id:uvarint state }
//
// so that a replay gives the same rows as the first time: what came before was
// folded by the old definition, and what comes behind by the new one.
const changeRecord = 'C'

// replayRecord applies a record of the log; f is called with its samples, and
// unknown with the ids of sets that the table does not have.
func (st *Store) replayRecord(rec *seglog.Record, unknown func(id uint32), f func(id uint32, p rrd.Point)) error {
	if len(rec.Data) == 0 {
		return errRecord
	}
	switch rec.Data[0] {
	case updateRecordKind:
		return st.replayUpdates(rec.Data, unknown)
	case rowsRecord, stateRecord:
		return st.replayImport(rec.Data, unknown)
	case changeRecord:
		return st.replayChange(rec)
	}
	return eachSample(rec.Data, f)
}

func (st *Store) replayChange(rec *seglog.Record) error {
	var errs []error
	for r := (reader{b: rec.Data[1:]}); len(r.b) > 0; {
		id := r.uvarint()
		s := st.table.at(uint32(id))
		if r.failed || s == nil {
			return errors.Join(append(errs, fmt.Errorf("change of series %d: %w", id, errRecord))...)
		}
		if rec.Pos < st.table.pages[s.id/pageSeries].from {
			// The checkpoint is younger; only find the next one.
			if _, err := st.table.readState(&r, new(state)); err != nil {
				return errors.Join(append(errs, err)...)
			}
			continue
		}
		if err := st.loadState(s, &r); err != nil {
			return errors.Join(append(errs, fmt.Errorf("change of series %d: %w", id, err))...)
		}
	}
	return errors.Join(errs...)
}
