package rrd

import "encoding/binary"

// A store of many sets cannot keep a Set of each in memory: with all that it
// uses while it works that is ten times what it remembers. So it keeps bytes,
// and one Set per definition that resumes from them.

// AppendState appends what s.State().AppendBinary would.
func (s *Set) AppendState(b []byte) []byte {
	if s.family != nil {
		st := s.State()
		return st.AppendBinary(b)
	}
	b = binary.AppendVarint(append(b, setCodec), int64(s.last))
	for i := range s.sources {
		src := &s.sources[i]
		b = append(binary.AppendUvarint(b, uint64(len(src.text))), src.text...)
		b = binary.AppendVarint(appendFloats(b, src.value), src.unknown)
	}
	for _, cells := range s.open {
		for i := range cells {
			b = binary.AppendVarint(appendFloats(b, cells[i].Value), cells[i].Unknown)
		}
	}
	return b
}

// Resume makes s go on from the bytes that AppendState wrote of a Set of the
// same definition. After an error s is of no use until it resumes again.
func (s *Set) Resume(b []byte) error {
	if s.family != nil {
		return s.resumeFamily(b)
	}
	r := stateReader{b: b}
	if r.byte() != setCodec {
		return errSetBytes
	}
	s.last = Time(r.varint())
	for i := range s.sources {
		src := &s.sources[i]
		n := r.count()
		src.text, r.b = append(src.text[:0], r.b[:n]...), r.b[n:]
		src.value, src.unknown = r.float(), r.varint()
	}
	for _, cells := range s.open {
		for i := range cells {
			cells[i] = CellState{r.float(), r.varint()}
		}
	}
	if r.failed || len(r.b) > 0 {
		return errSetBytes
	}
	return nil
}

func (s *Set) resumeFamily(b []byte) error {
	st, rest, err := ReadSetState(&s.def, b)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return errSetBytes
	}
	fresh, err := RestoreSet(s.def, st)
	if err == nil {
		*s = *fresh
	}
	return err
}
