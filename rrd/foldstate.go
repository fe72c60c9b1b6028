package rrd

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
)

// errFold is what is wrong with a Fold's bytes.
var errFold = errors.New("rrd: state of a series is cut short or has impossible values")

// AppendBinary appends the state of the fold to b:
//
//	fold = archives:uvarint ( time:varint value base origin total { row } | lost:varint )
//	row  = count:uvarint points:uvarint [ min max  others:uvarint sum { part } ]
//	number = uvarint( zigzag(n - n of what it is near to)<<2 | scale )  a Decimal
//	       | uvarint( 3 ) bits:8                                        anything else
//
// Before the first sample there are no archives. A row without samples ends
// after count and points; others is how many parts the sum has below its
// largest. Rows end where the slot of the last sample ends.
func (f *Fold) AppendBinary(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(f.rows)))
	if len(f.rows) == 0 {
		return binary.AppendVarint(b, int64(f.lost))
	}
	b = binary.AppendVarint(b, int64(f.last.Time))
	b = appendNumber(b, f.last.Value, 0)
	b = appendNumber(b, f.base, 0)
	b = appendNumber(b, f.origin, 0)
	b = appendNumber(b, f.total, f.base+(f.last.Value-f.origin))
	for i := range f.rows {
		b = f.rows[i].appendBinary(b, f.last.Value)
	}
	return b
}

func (r *openRow) appendBinary(b []byte, last float64) []byte {
	b = binary.AppendUvarint(b, uint64(r.count))
	b = binary.AppendUvarint(b, uint64(r.points))
	if r.count == 0 {
		return b
	}
	b = appendNumber(b, r.min, last)
	b = appendNumber(b, r.max, last)
	others := []float64{r.sum.lo}
	switch {
	case r.sum.rest != nil:
		others = append(slices.Clone(*r.sum.rest), r.sum.lo)
	case r.sum.lo == 0:
		others = nil
	}
	b = binary.AppendUvarint(b, uint64(len(others)))
	b = appendNumber(b, r.sum.hi, float64(r.count)*last)
	for _, p := range others {
		b = appendNumber(b, p, 0)
	}
	return b
}

func appendFloats(b []byte, fs ...float64) []byte {
	for _, f := range fs {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
	}
	return b
}

func appendNumber(b []byte, v, near float64) []byte {
	n, scale := Decimal(v)
	if scale == NoDecimal {
		return binary.LittleEndian.AppendUint64(append(b, NoDecimal), math.Float64bits(v))
	}
	d := n - DecimalAt(near, scale)
	return binary.AppendUvarint(b, (uint64(d)<<1^uint64(d>>63))<<2|uint64(scale))
}

// Restore makes f what AppendBinary wrote for a series of definition d, and
// returns the bytes behind it. It uses f's memory.
func (f *Fold) Restore(d *Definition, b []byte) (rest []byte, err error) {
	r := stateReader{b: b}
	n := r.uvarint()
	rows := f.rows[:0]
	*f = Fold{rows: rows}
	if n == 0 {
		f.lost = Time(r.varint())
		return r.b, r.err()
	}
	if n != uint64(len(d.Archives)) {
		return nil, errFold
	}
	f.last.Time = Time(r.varint())
	f.last.Value, f.base, f.origin = r.number(0), r.number(0), r.number(0)
	f.total = r.number(f.base + (f.last.Value - f.origin))
	for a := range d.Archives {
		row := r.row(f.last.Value)
		row.end = f.last.Time.SlotEnd(d.Row(a))
		rows = append(rows, row)
	}
	f.rows = rows
	return r.b, r.err()
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

func (r *stateReader) number(near float64) float64 {
	u := r.uvarint()
	if scale := uint(u & 3); scale != NoDecimal {
		return FromDecimal(int64(u>>3)^-int64(u>>2&1)+DecimalAt(near, scale), scale)
	}
	return r.float()
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

func (r *stateReader) row(last float64) (o openRow) {
	o.count, o.points = int64(r.uvarint()), int(r.uvarint())
	if o.count == 0 {
		return o
	}
	o.min, o.max = r.number(last), r.number(last)
	n := r.uvarint()
	hi := r.number(float64(o.count) * last)
	switch {
	case n > uint64(len(r.b)):
		r.failed = true
	case n == 0:
		o.sum.hi = hi
	case n == 1:
		o.sum.hi, o.sum.lo = twoSum(hi, r.number(0))
	default:
		parts := make([]float64, n, n+1)
		for i := range parts {
			parts[i] = r.number(0)
		}
		o.sum = SumOf(append(parts, hi))
	}
	return o
}
