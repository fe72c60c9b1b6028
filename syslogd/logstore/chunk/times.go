package chunk

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// timeBlock is how many differences share one width.
const timeBlock = 128

// appendTimes writes times as zigzag differences in the largest decimal unit
// that divides all of them, in blocks with their own width.
func appendTimes(dst []byte, times []int64) []byte {
	if len(times) == 0 {
		return dst
	}
	unit, power := unitOf(times)
	last := times[0] / unit
	dst = binary.AppendUvarint(append(dst, byte(power)), zigzag(last))
	diffs := make([]uint64, len(times)-1)
	for i, t := range times[1:] {
		diffs[i] = zigzag(t/unit - last)
		last = t / unit
	}
	return appendBlocks(dst, diffs)
}

// unitOf is the largest decimal unit that divides all times, a second at most.
func unitOf(times []int64) (unit int64, power int) {
	unit, power = 1e9, 9
	for _, t := range times {
		for t%unit != 0 {
			unit /= 10
			power--
		}
	}
	return unit, power
}

// readTimes is the reverse of appendTimes. The times are signed.
func (m *memory) readTimes(dst []uint64, src []byte) error {
	if len(dst) == 0 {
		return nil
	}
	r := reader{b: src}
	unit := r.unit()
	last := r.varint()
	dst[0] = uint64(last * unit)
	defer m.scratch()()
	diffs := m.words(len(dst) - 1)
	r.blocks(diffs)
	for i, d := range diffs {
		last += unzigzag(d)
		dst[i+1] = uint64(last * unit)
	}
	return r.err
}

func (r *reader) unit() int64 {
	power := int(r.byte())
	if power > 9 {
		r.fail("impossible time unit")
		return 1
	}
	return int64(powers[power])
}

// appendBlocks packs values in blocks with their own minimum and width.
func appendBlocks(dst []byte, v []uint64) []byte {
	for len(v) > 0 {
		block := v[:min(timeBlock, len(v))]
		lo := slices.Min(block)
		width := bits.Len64(slices.Max(block) - lo)
		dst = append(binary.AppendUvarint(dst, lo), byte(width))
		dst = appendPacked(dst, block, lo, width)
		v = v[len(block):]
	}
	return dst
}

// blocks is the reverse of appendBlocks.
func (r *reader) blocks(dst []uint64) {
	for len(dst) > 0 && r.err == nil {
		block := dst[:min(timeBlock, len(dst))]
		lo := r.uvarint()
		r.unpack(block, lo)
		dst = dst[len(block):]
	}
}

// How the messages' own times are written; the first byte of their column.
const (
	whenAlone  = iota // appendTimes
	whenPacked        // appendWhen
)

// whole marks the types all of whose times are whole seconds: those of RFC 3164
// mostly.
func (s *sealing) whole() []bool {
	whole := make([]bool, len(s.b.types))
	for i := range whole {
		whole[i] = true
	}
	for i := range s.rows {
		if s.rows[i].when%1e9 != 0 {
			whole[s.rows[i].typ] = false
		}
	}
	return whole
}

// appendWhen writes the messages' own times as differences to their reception,
// for a message is received soon after it was written: those of types with
// whole seconds in seconds, the others in their unit.
//
//	types with whole seconds: 1 bit each, by the order of the catalogue
//	unit of the others | blocks of the others | blocks of whole seconds
func (s *sealing) appendWhen(dst []byte) []byte {
	whole := s.whole()
	flags := make([]uint64, len(s.order))
	for i, t := range s.order {
		if whole[t] {
			flags[i] = 1
		}
	}
	var fine []int64
	for i := range s.rows {
		if !whole[s.rows[i].typ] {
			fine = append(fine, s.rows[i].when)
		}
	}
	unit, power := unitOf(fine)
	var seconds, others []uint64
	for i := range s.rows {
		r := &s.rows[i]
		if whole[r.typ] {
			seconds = append(seconds, zigzag(r.when/1e9-FloorDiv(r.received, 1e9)))
		} else {
			others = append(others, zigzag(r.when/unit-FloorDiv(r.received, unit)))
		}
	}
	dst = append(appendPacked(dst, flags, 0, 1), byte(power))
	return appendBlocks(appendBlocks(dst, others), seconds)
}

// readWhen is the reverse of appendWhen. The rows have their types and times
// of reception.
func (m *memory) readWhen(rows []row, counts []uint32, src []byte) error {
	r := reader{b: src}
	defer m.scratch()()
	flags := m.words(len(counts))
	packed := r.take(packedLen(len(flags), 1))
	if r.err != nil {
		return r.err
	}
	unpack(flags, packed, 0, 1)
	unit, seconds := r.unit(), 0
	for t, n := range counts {
		if flags[t] == 1 {
			seconds += int(n)
		}
	}
	values := m.words(len(rows))
	r.blocks(values[:len(rows)-seconds])
	r.blocks(values[len(rows)-seconds:])
	if r.err != nil {
		return r.err
	}
	other, second := 0, len(rows)-seconds
	for i := range rows {
		if flags[rows[i].typ] == 1 { // apart, for a division by a constant is no division
			rows[i].when = (FloorDiv(rows[i].received, 1e9) + unzigzag(values[second])) * 1e9
			second++
		} else {
			rows[i].when = (FloorDiv(rows[i].received, unit) + unzigzag(values[other])) * unit
			other++
		}
	}
	return nil
}
