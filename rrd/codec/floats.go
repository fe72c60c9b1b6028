package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// MaxLen is the longest column that Floats and Ints take: 8 MiB of values.
const MaxLen = 1 << 20

// ErrCorrupt is wrapped by every error of a decoder.
var ErrCorrupt = errors.New("codec: corrupt column")

// The kinds of a column of floats; doc.go draws them.
const (
	kindConstant = iota
	kindRaw
	kindXOR
	kindDecimal
	kindExceptions
	kindQuotient
)

// scratchLen is the longest column that is encoded without allocating.
const scratchLen = 512

// AppendFloats appends the column of vals to dst. Every float64 comes back
// bit for bit: NaN payloads, negative zero and infinities included.
func AppendFloats(dst []byte, vals []float64) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(vals)))
	if len(vals) == 0 {
		return dst
	}
	if isConstant(vals) {
		dst = append(dst, kindConstant)
		return binary.AppendUvarint(dst, bits.ReverseBytes64(math.Float64bits(vals[0])))
	}
	start := len(dst)
	var buf [scratchLen]int64
	ints := buf[:]
	if len(vals) > scratchLen {
		ints = make([]int64, len(vals))
	}
	if out, ok := appendDecimals(dst, vals, ints[:len(vals)]); ok {
		dst = out
	} else {
		dst = appendUneven(dst, vals, ints[:len(vals)])
	}
	if len(dst)-start > 8*len(vals) {
		dst = appendRaw(append(dst[:start], kindRaw), vals)
	}
	return dst
}

// appendUneven writes values that are no short decimals. Noise may pass for
// fractions of a large divisor, but does not get smaller by it.
func appendUneven(dst []byte, vals []float64, ints []int64) []byte {
	start := len(dst)
	dst, _ = appendQuotients(dst, vals, ints)
	size := len(dst) - start
	if size > 0 && size < 4*len(vals) {
		return dst
	}
	dst = appendXOR(append(dst, kindXOR), vals)
	if other := len(dst) - start - size; size > 0 && size <= other {
		return dst[:start+size]
	}
	return append(dst[:start], dst[start+size:]...)
}

// Floats appends the values of the column at the start of src to dst and
// returns what follows the column.
func Floats(dst []float64, src []byte) (vals []float64, rest []byte, err error) {
	return FloatsMax(dst, src, MaxLen)
}

// FloatsMax is Floats for columns of at most limit values.
func FloatsMax(dst []float64, src []byte, limit int) (vals []float64, rest []byte, err error) {
	n, src, err := count(src, limit)
	if n == 0 || err != nil {
		return dst, src, err
	}
	if len(src) == 0 {
		return dst, nil, corrupt("no kind")
	}
	kind, src := src[0], src[1:]
	dst = slices.Grow(dst, n)
	out := dst[len(dst) : len(dst)+n]
	switch kind {
	case kindConstant:
		rest, err = readConstant(out, src)
	case kindRaw:
		rest, err = readRaw(out, src)
	case kindXOR:
		rest, err = readXOR(out, src)
	case kindDecimal:
		rest, err = readDecimals(out, src)
	case kindExceptions:
		rest, err = readExceptions(out, src)
	case kindQuotient:
		rest, err = readQuotients(out, src)
	default:
		err = corrupt("unknown kind")
	}
	if err != nil {
		return dst, nil, err
	}
	return dst[:len(dst)+n], rest, nil
}

func corrupt(cause string) error { return fmt.Errorf("%w: %s", ErrCorrupt, cause) }

// count reads how many values a column has.
func count(src []byte, limit int) (n int, rest []byte, err error) {
	u, src, ok := uvarint(src)
	if !ok {
		return 0, nil, corrupt("no length")
	}
	if u > uint64(max(limit, 0)) {
		return 0, nil, fmt.Errorf("%w: %d values, at most %d are taken", ErrCorrupt, u, limit)
	}
	return int(u), src, nil
}

func uvarint(src []byte) (u uint64, rest []byte, ok bool) {
	u, n := binary.Uvarint(src)
	if n <= 0 {
		return 0, nil, false
	}
	return u, src[n:], true
}

func varint(src []byte) (i int64, rest []byte, ok bool) {
	i, n := binary.Varint(src)
	if n <= 0 {
		return 0, nil, false
	}
	return i, src[n:], true
}

func isConstant(vals []float64) bool {
	first := math.Float64bits(vals[0])
	for _, v := range vals[1:] {
		if math.Float64bits(v) != first {
			return false
		}
	}
	return true
}

func readConstant(out []float64, src []byte) (rest []byte, err error) {
	u, rest, ok := uvarint(src)
	if !ok {
		return nil, corrupt("constant cut short")
	}
	v := math.Float64frombits(bits.ReverseBytes64(u))
	for i := range out {
		out[i] = v
	}
	return rest, nil
}

func appendRaw(dst []byte, vals []float64) []byte {
	for _, v := range vals {
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
	}
	return dst
}

func readRaw(out []float64, src []byte) (rest []byte, err error) {
	if len(src) < 8*len(out) {
		return nil, corrupt("raw values cut short")
	}
	for i := range out {
		out[i] = math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:]))
	}
	return src[8*len(out):], nil
}
