package store

import (
	"fmt"

	"rondo/rrd"
)

// A state is what the head keeps of one series besides the samples in its
// window, and the definition that it is kept by.
//
// Nothing of Fold and closed rows is needed while samples only come in. So in
// the head they are packed, about a sixth as large, and taken out when
// half a window is settled, many samples at a time:
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

// pack returns the Fold and the rows, in scratch.
func (x *state) pack(scratch *[]byte) []byte {
	fold := x.fold.AppendBinary((*scratch)[:0])
	n := len(fold)
	b := append(appendUvarint(fold, uint64(n)), fold...)
	for a := range x.staged {
		b = x.staged[a].appendBinary(b, x.def.rings[a].row, x.def.gauge)
	}
	*scratch = b
	return b[n:]
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
	restoreFold(def, r.fold(), f)
}

// restoreFold makes f what its bytes tell, in its own memory.
func restoreFold(def *definition, b []byte, f *rrd.Fold) {
	if _, err := f.Restore(&def.Definition, b); err != nil {
		*f = rrd.Fold{} // cannot be: it was checked when it was read from disk
	}
}

// change lets f change Fold and rows of a series. The caller holds its shard.
func (st *Store) change(sh *shard, s *series, f func(*state)) {
	x := &sh.state
	x.unpack(s.def, s.packed)
	f(x)
	st.staged.Add(x.stagedBytes() - x.rows)
	s.packed = sh.stateOf(s).join(s.packed, x.pack(&sh.packed), nil, pieceRoom)
}

// append writes the state and a window as checkpoint and log keep them:
//
//	state = definition:uvarint begins:uvarint { varint } window bytes:uvarint packed
//
// It says by which definition it is to be read, since that of the series may
// have changed.
func (x *state) append(b []byte, w *window) []byte {
	return appendState(b, x.def, x.begins, w, x.pack(new([]byte)))
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

// readState reads what append wrote, and returns the window and what is packed,
// which share memory with r.
func (t *table) readState(r *reader, x *state) (win window, packed []byte, err error) {
	id := r.uvarint()
	if r.failed || id >= uint64(len(t.byID)) || t.byID[id] == nil {
		return win, nil, fmt.Errorf("its definition %d is lost", id)
	}
	x.begins = nil
	for n := min(r.uvarint(), maxArchives); n > 0; n-- {
		x.begins = append(x.begins, rrd.Time(r.varint()))
	}
	win = readWindow(r)
	packed = r.bytes(r.uvarint())
	if r.failed || !x.unpack(t.byID[id], packed) || !x.valid() {
		return win, nil, errRecord
	}
	return win, packed, nil
}

// loadState restores a series at Open. The state knows its definition best:
// should the table not agree, it is told so in the end. The caller holds the
// series' shard.
func (st *Store) loadState(s *series, r *reader) error {
	sh := st.shard(s.id)
	win, packed, err := st.table.readState(r, &sh.loading)
	if err != nil {
		return err
	}
	if sh.loading.def != s.def {
		st.noteBehind(s)
	}
	st.put(sh, s, &sh.loading, packed)
	win.buf = sh.windowOf(s).join(s.win.buf, win.buf, nil, pieceRoom)
	s.win = win
	return nil
}

// noteBehind notes, once, which definition the table has of a series.
func (st *Store) noteBehind(s *series) {
	st.ringsMu.Lock()
	defer st.ringsMu.Unlock()
	if _, known := st.behind[s.id]; !known {
		st.behind[s.id] = uint64(s.def.id)
	}
}

// setState gives a series another state. The caller holds its shard.
func (st *Store) setState(s *series, next *state) {
	sh := st.shard(s.id)
	st.put(sh, s, next, next.pack(&sh.packed))
}

// put gives a series another state, which is packed already, elsewhere.
func (st *Store) put(sh *shard, s *series, next *state, packed []byte) {
	st.staged.Add(next.stagedBytes())
	if len(s.packed) > 0 {
		sh.state.unpack(s.def, s.packed)
		st.staged.Add(-sh.state.rows)
	}
	if s.def != next.def {
		st.forgetCorrected(st.table.page(s.id), s.id) // it is in the blocks, see redefine
		sh.unsettle(s)
		s.def.used.Add(-1)
		next.def.used.Add(1)
	}
	s.def, s.packed = next.def, sh.stateOf(s).join(s.packed, packed, nil, pieceRoom)
	pg := st.table.page(s.id)
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
	return s.def, st.table.page(s.id).begins[s.id]
}

func (st *Store) definitionOf(id uint32) *definition {
	return st.table.page(id).series[id%pageSeries].def
}
