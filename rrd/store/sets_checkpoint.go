package store

import (
	"rondo/rrd"
)

// In a checkpoint a series of a set has, instead of what others have,
//
//	series = [ flags:1 [ state ] ]  bytes:uvarint packed
//
// where the part in brackets is there in the first series of a set, flags say
// whether there is a state (1) and whether readings are lost before the next
// one (2), and state is a rrd.SetState's bytes.
const (
	flagState = 1
	flagLost  = 2
)

// stale says whether a checkpoint need not have a series.
func (s *series) stale() bool {
	if s.of == nil {
		return s.win.newest == noTime && s.win.settled == noTime
	}
	first := s.id == s.of.id && s.of.there()
	return s.of.life.Load() == gone || !first && len(s.packed)+len(s.win.buf) == 0
}

func (st *Store) appendOfSet(b []byte, s *series) []byte {
	if s.id == s.of.id {
		b = s.of.appendState(b)
	}
	st.packRows(s)
	return append(appendUvarint(b, uint64(len(s.packed))), s.packed...)
}

func (s *set) appendState(b []byte) []byte {
	var flags byte
	if s.lost {
		flags |= flagLost
	}
	switch {
	case !s.there():
		return append(b, flags)
	case s.whole != nil:
		return s.whole.AppendState(append(b, flags|flagState))
	}
	return append(append(b, flags|flagState), s.packed...)
}

// loadOfSet restores a series of a set, unless the set has no name any more.
func (st *Store) loadOfSet(s *series, r *reader) error {
	if s.id == s.of.id {
		if err := s.of.loadState(r); err != nil {
			return err
		}
	}
	var next state
	packed := r.bytes(r.uvarint())
	if r.failed || !next.unpack(s.def, packed) || !next.valid() {
		return errRecord
	}
	if s.of.life.Load() == live {
		st.setState(s, &next)
	}
	return nil
}

func (s *set) loadState(r *reader) error {
	flags := r.bytes(1)
	if flags == nil {
		return errRecord
	}
	var state *rrd.Set
	if flags[0]&flagState != 0 {
		image, rest, err := rrd.ReadSetState(&s.def.SetDefinition, r.b)
		if err != nil {
			return err
		}
		r.b = rest
		if state, err = rrd.RestoreSet(s.def.SetDefinition, image); err != nil {
			return err
		}
	}
	if s.life.Load() != live {
		return nil
	}
	if s.forget(); state != nil {
		s.put(state)
	}
	s.lost = flags[0]&flagLost != 0
	return nil
}

// loseOfSet begins a series of a set anew that no checkpoint has.
func (st *Store) loseOfSet(s *series) {
	st.dropRows(s)
	if s.of.there() && s.id == s.of.id {
		s.of.lost = true
	}
}
