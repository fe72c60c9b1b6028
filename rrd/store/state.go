package store

import (
	"errors"
	"fmt"

	"rondo/rrd"
	"rondo/rrd/seglog"
)

// A state is what the head keeps of one series besides the samples in its
// window, and the definition that it is kept by.
type state struct {
	def    *definition
	begins []rrd.Time
	fold   rrd.Fold
	staged []rowQueue // one per archive, or nil
}

// append writes the state and a window as a checkpoint keeps them.
func (st *state) append(b []byte, w *window) []byte {
	b = appendUvarint(b, uint64(st.def.id))
	b = appendUvarint(b, uint64(len(st.begins)))
	for _, t := range st.begins {
		b = appendVarint(b, int64(t))
	}
	b = w.appendBinary(b)
	b = st.fold.AppendBinary(b)
	for a := range st.def.rings {
		if st.staged == nil {
			b = appendUvarint(b, 0)
		} else {
			b = st.staged[a].appendBinary(b)
		}
	}
	return b
}

// readState reads what append wrote. A state of version 1 is of definition def.
func (t *table) readState(version uint64, def *definition, r *reader) (state, window, error) {
	s := state{def: def}
	if version > 1 {
		id := r.uvarint()
		if r.failed || id >= uint64(len(t.byID)) || t.byID[id] == nil {
			return s, window{}, fmt.Errorf("its definition %d is lost", id)
		}
		s.def = t.byID[id]
		for n := min(r.uvarint(), maxArchives); n > 0; n-- {
			s.begins = append(s.begins, rrd.Time(r.varint()))
		}
	}
	win := readWindow(r)
	if r.failed {
		return s, win, errRecord
	}
	fold, rest, err := rrd.ReadFold(&s.def.Definition, r.b)
	if err != nil {
		return s, win, err
	}
	r.b, s.fold = rest, fold
	s.staged = make([]rowQueue, len(s.def.rings))
	for a, ring := range s.def.rings {
		s.staged[a] = readRowQueue(r, ring.row, s.def.gauge)
	}
	if r.failed {
		return s, win, errRecord
	}
	return s, win, nil
}

// loadState restores a series at Open. The state knows its definition best:
// should the table not agree, it is told so in the end.
func (st *Store) loadState(version uint64, s *series, r *reader) error {
	next, win, err := st.table.readState(version, s.def, r)
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
	st.staged.Add(stagedBytes(next.staged) - stagedBytes(s.staged))
	if s.def != next.def {
		s.def.used.Add(-1)
		next.def.used.Add(1)
	}
	s.def, s.fold, s.staged = next.def, next.fold, next.staged
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

func stagedBytes(qs []rowQueue) (n int64) {
	for i := range qs {
		n += int64(len(qs[i].buf))
	}
	return n
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

// replayRecord applies a record of the log; f is called with its samples.
func (st *Store) replayRecord(rec *seglog.Record, f func(id uint32, p rrd.Point)) error {
	if len(rec.Data) == 0 || rec.Data[0] != changeRecord {
		return eachSample(rec.Data, f)
	}
	var errs []error
	for r := (reader{b: rec.Data[1:]}); len(r.b) > 0; {
		id := r.uvarint()
		s := st.table.at(uint32(id))
		if r.failed || s == nil {
			return errors.Join(append(errs, fmt.Errorf("change of series %d: %w", id, errRecord))...)
		}
		if rec.Pos < st.table.pages[s.id/pageSeries].from {
			// The checkpoint is younger; only find the next one.
			if _, _, err := st.table.readState(checkpointVersion, s.def, &r); err != nil {
				return errors.Join(append(errs, err)...)
			}
			continue
		}
		if err := st.loadState(checkpointVersion, s, &r); err != nil {
			return errors.Join(append(errs, fmt.Errorf("change of series %d: %w", id, err))...)
		}
	}
	return errors.Join(errs...)
}
