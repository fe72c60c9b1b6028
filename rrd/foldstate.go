package rrd

import (
	"encoding/binary"
	"errors"
	"math"
)

// errFold is what is wrong with a Fold's bytes.
var errFold = errors.New("rrd: state of a series is cut short or has impossible values")

// AppendBinary appends the state of the fold to b:
//
//	fold = archives:uvarint ( time:varint  value base origin total  { row } | lost:varint )
//	row  = end:varint count:uvarint points:uvarint  min max  parts:uvarint { part }
//
// Before the first sample there are no archives. Floats are 8 bytes, little
// endian.
func (f *Fold) AppendBinary(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(f.rows)))
	if f.rows == nil {
		return binary.AppendVarint(b, int64(f.lost))
	}
	b = binary.AppendVarint(b, int64(f.last.Time))
	b = appendFloats(b, f.last.Value, f.base, f.origin, f.total)
	for i := range f.rows {
		r := &f.rows[i]
		b = binary.AppendVarint(b, int64(r.end))
		b = binary.AppendUvarint(b, uint64(r.count))
		b = binary.AppendUvarint(b, uint64(r.points))
		b = appendFloats(b, r.min, r.max)
		parts := r.sum.Parts()
		b = binary.AppendUvarint(b, uint64(len(parts)))
		b = appendFloats(b, parts...)
	}
	return b
}

func appendFloats(b []byte, fs ...float64) []byte {
	for _, f := range fs {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
	}
	return b
}

// ReadFold reads what AppendBinary wrote for a series of definition d, and
// returns the bytes behind it.
func ReadFold(d *Definition, b []byte) (f Fold, rest []byte, err error) {
	r := stateReader{b: b}
	n := r.uvarint()
	if n == 0 {
		f.Lose(Time(r.varint()))
		return f, r.b, r.err()
	}
	if n != uint64(len(d.Archives)) {
		return Fold{}, nil, errFold
	}
	f.last.Time = Time(r.varint())
	f.last.Value, f.base, f.origin, f.total = r.float(), r.float(), r.float(), r.float()
	f.rows = make([]openRow, n)
	for i := range f.rows {
		o := &f.rows[i]
		o.end, o.count, o.points = Time(r.varint()), int64(r.uvarint()), int(r.uvarint())
		o.min, o.max = r.float(), r.float()
		o.sum = r.sum()
	}
	return f, r.b, r.err()
}

// stateReader reads until the first mistake, which it remembers.
type stateReader struct {
	b      []byte
	failed bool
}

func (r *stateReader) err() error {
	if r.failed {
		return errFold
	}
	return nil
}

func (r *stateReader) skip(n int) {
	if n <= 0 || n > len(r.b) {
		r.failed, r.b = true, nil
		return
	}
	r.b = r.b[n:]
}

func (r *stateReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	r.skip(n)
	return v
}

func (r *stateReader) varint() int64 {
	v, n := binary.Varint(r.b)
	r.skip(n)
	return v
}

func (r *stateReader) float() float64 {
	if len(r.b) < 8 {
		r.failed, r.b = true, nil
		return 0
	}
	v := math.Float64frombits(binary.LittleEndian.Uint64(r.b))
	r.b = r.b[8:]
	return v
}

func (r *stateReader) sum() Sum {
	n := r.uvarint()
	if n > uint64(len(r.b)/8) {
		r.failed = true
		return Sum{}
	}
	parts := make([]float64, n)
	for i := range parts {
		parts[i] = r.float()
	}
	return SumOf(parts)
}
