package store

import (
	"encoding/binary"
	"math"
)

// Numbers are kept in the head and in the log in a form that needs no
// neighbours: readings are mostly short decimals, so a number is an integer
// and a power of ten where that gives back the very same float64.
//
//	number = uvarint( zigzag(integer)<<2 | scale )     value = integer / 10^(2*scale), scale 0..2
//	       | uvarint( 3 ) bits:8                       anything else

const (
	rawNumber = 3
	// maxInteger keeps the integer exact as a float64.
	maxInteger = 1 << 53
)

var powersOfTen = [...]float64{1, 1e2, 1e4}

func appendNumber(dst []byte, v float64) []byte {
	for scale, p := range powersOfTen {
		x := math.RoundToEven(v * p)
		if x/p != v {
			continue
		}
		if math.Abs(x) >= maxInteger || x == 0 && math.Signbit(v) {
			break
		}
		i := int64(x)
		return binary.AppendUvarint(dst, zigzag(i)<<2|uint64(scale))
	}
	dst = append(dst, rawNumber)
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
}

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

func (r *reader) number() float64 {
	u := r.uvarint()
	switch u & 3 {
	case 0:
		return float64(unzigzag(u >> 2))
	case 1, 2:
		return float64(unzigzag(u>>2)) / powersOfTen[u&3]
	}
	return r.float()
}

func (r *reader) skipNumber() {
	if r.uvarint()&3 == rawNumber {
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
