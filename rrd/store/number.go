package store

import (
	"encoding/binary"
	"math"

	"rondo/rrd"
)

// A number is a value as the head and the log keep it: told from one that it
// may be near to, with some bits of flags before it. Readings are mostly short
// decimals (see rrd.Decimal), so that mostly this is a few bytes:
//
//	number = uvarint( (zigzag(n - n of the near one)<<2 | scale) << bits | flags )
//	       | uvarint( 3 << bits | flags ) bits:8      no decimal, as it is
type number struct {
	value float64
	n     int64
	scale uint
}

func numberOf(v float64) number {
	n, scale := rrd.Decimal(v)
	return number{v, n, scale}
}

func (x number) append(b []byte, near float64, flags uint64, bits uint) []byte {
	if x.scale == rrd.NoDecimal {
		b = appendUvarint(b, rrd.NoDecimal<<bits|flags)
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(x.value))
	}
	d := x.n
	if near != 0 {
		d -= rrd.DecimalAt(near, x.scale)
	}
	return appendUvarint(b, (zigzag(d)<<2|uint64(x.scale))<<bits|flags)
}

func appendVarint(b []byte, v int64) []byte   { return binary.AppendVarint(b, v) }
func appendUvarint(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

// reader takes apart what the head, the log and the checkpoint write. After
// the first mistake it returns zeros and remembers that it failed.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) fail() {
	r.b, r.failed = nil, true
}

func (r *reader) uvarint() uint64 {
	if len(r.b) > 0 && r.b[0] < 0x80 {
		v := r.b[0]
		r.b = r.b[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	return unzigzag(r.uvarint())
}

// number reads a number that is near to another, and the flags before it.
func (r *reader) number(near float64, bits uint) (v float64, flags uint64) {
	u := r.uvarint()
	flags = u & (1<<bits - 1)
	u >>= bits
	scale := uint(u & 3)
	if scale == rrd.NoDecimal {
		return r.float(), flags
	}
	n := unzigzag(u >> 2)
	if near != 0 {
		n += rrd.DecimalAt(near, scale)
	}
	return rrd.FromDecimal(n, scale), flags
}

// skipNumber is number for one that nobody wants.
func (r *reader) skipNumber() {
	if r.uvarint()&3 == rrd.NoDecimal {
		r.bytes(8)
	}
}

// float reads 8 bytes, little endian.
func (r *reader) float() float64 {
	if len(r.b) < 8 {
		r.fail()
		return 0
	}
	v := math.Float64frombits(binary.LittleEndian.Uint64(r.b))
	r.b = r.b[8:]
	return v
}

// bytes returns the next n bytes, which share memory with the source.
func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

// A time difference is mostly whole seconds or milliseconds:
//
//	gap = uvarint( n<<2 | unit )      unit 0: seconds, 1: milliseconds, 2: microseconds
func appendGap(dst []byte, gap int64) []byte {
	switch {
	case gap%1e6 == 0:
		return binary.AppendUvarint(dst, uint64(gap/1e6)<<2)
	case gap%1e3 == 0:
		return binary.AppendUvarint(dst, uint64(gap/1e3)<<2|1)
	}
	return binary.AppendUvarint(dst, uint64(gap)<<2|2)
}

func (r *reader) gap() int64 {
	u := r.uvarint()
	n := int64(u >> 2)
	switch u & 3 {
	case 0:
		return n * 1e6
	case 1:
		return n * 1e3
	case 2:
		return n
	}
	r.fail()
	return 0
}

// zigzag makes small negative numbers small unsigned ones.
func zigzag(i int64) uint64 { return uint64(i<<1) ^ uint64(i>>63) }

func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }
