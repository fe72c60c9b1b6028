package codec

import (
	"encoding/binary"
	"math/bits"
)

// frameLen is how many values share a minimum and a width. 64 values of w
// bits are w whole words, so full frames end on a word.
const frameLen = 64

// appendFrame writes up to frameLen values.
func appendFrame(dst []byte, xs []int64) []byte {
	lo, hi := xs[0], xs[0]
	for _, x := range xs[1:] {
		lo, hi = min(lo, x), max(hi, x)
	}
	width := uint(bits.Len64(uint64(hi - lo)))
	dst = append(dst, byte(width))
	dst = binary.AppendVarint(dst, lo)
	if width == 0 {
		return dst
	}
	var acc uint64
	var n uint // bits in acc
	for _, x := range xs {
		v := uint64(x - lo)
		acc |= v << n
		if n += width; n >= 64 {
			dst = binary.LittleEndian.AppendUint64(dst, acc)
			n -= 64
			acc = v >> (width - n) // 0 where v ended on the word
		}
	}
	for ; n > 0; n -= min(n, 8) {
		dst = append(dst, byte(acc))
		acc >>= 8
	}
	return dst
}

// An unpacker decodes integers frame by frame.
type unpacker struct {
	src     []byte
	left    int // values not yet returned
	order   byte
	base    int64
	divisor int64
	head    int   // values that stand before the first frame
	y, dy   int64 // last value and last difference, reduced
}

// newUnpacker reads the head of n integers, n > 0.
func newUnpacker(src []byte, n int) (unpacker, error) {
	if len(src) == 0 || src[0] > 2 {
		return unpacker{}, corrupt("bad order")
	}
	u := unpacker{left: n, order: src[0], head: min(int(src[0]), n)}
	base, src, ok := varint(src[1:])
	if !ok {
		return unpacker{}, corrupt("no base")
	}
	divisor, src, ok := uvarint(src)
	if !ok {
		return unpacker{}, corrupt("no divisor")
	}
	if u.order == 2 && n > 1 {
		if u.dy, src, ok = varint(src); !ok {
			return unpacker{}, corrupt("no slope")
		}
	}
	u.src, u.base, u.divisor = src, base, int64(divisor)
	return u, nil
}

// next decodes the next values into buf. It must not be called when none is
// left.
func (u *unpacker) next(buf *[frameLen]int64) ([]int64, error) {
	if u.head > 0 {
		xs := buf[:u.head]
		u.left, u.head = u.left-len(xs), 0
		xs[0] = u.base
		if len(xs) == 2 {
			u.y = u.dy
			xs[1] = u.base + u.dy*u.divisor
		}
		return xs, nil
	}
	xs := buf[:min(frameLen, u.left)]
	if err := u.frame(xs); err != nil {
		return nil, err
	}
	u.left -= len(xs)
	u.integrate(xs)
	return xs, nil
}

// integrate undoes the differences and the reduction.
func (u *unpacker) integrate(xs []int64) {
	y, dy, g, base := u.y, u.dy, u.divisor, u.base
	switch u.order {
	case 0:
		for i, x := range xs {
			xs[i] = base + x*g
		}
	case 1:
		for i, d := range xs {
			y += d
			xs[i] = base + y*g
		}
	case 2:
		for i, dd := range xs {
			dy += dd
			y += dy
			xs[i] = base + y*g
		}
	}
	u.y, u.dy = y, dy
}

// frame unpacks len(xs) values.
func (u *unpacker) frame(xs []int64) error {
	if len(u.src) == 0 || u.src[0] > 64 {
		return corrupt("bad width")
	}
	width := uint(u.src[0])
	lo, src, ok := varint(u.src[1:])
	size := (int(width)*len(xs) + 7) / 8
	if !ok || len(src) < size {
		return corrupt("frame cut short")
	}
	u.src = src[size:]
	switch {
	case width == 0:
		for i := range xs {
			xs[i] = lo
		}
	case len(src) >= size+8:
		unpack(xs, src, width, lo)
	default: // unpack reads whole words: give it room after the last one
		var room [8*frameLen + 8]byte
		copy(room[:], src[:size])
		unpack(xs, room[:], width, lo)
	}
	return nil
}

// unpack reads len(xs) values of width bits; src has 8 bytes more than that.
func unpack(xs []int64, src []byte, width uint, lo int64) {
	mask := ^uint64(0) >> (64 - width)
	if width > 56 { // a value may lie in nine bytes
		for i := range xs {
			at := uint(i) * width
			v := binary.LittleEndian.Uint64(src[at>>3:]) >> (at & 7)
			v |= uint64(src[at>>3+8]) << 1 << (63 - at&7)
			xs[i] = int64(v&mask) + lo
		}
		return
	}
	at := uint(0)
	for i := range xs {
		v := binary.LittleEndian.Uint64(src[at>>3:]) >> (at & 7)
		xs[i] = int64(v&mask) + lo
		at += width
	}
}
