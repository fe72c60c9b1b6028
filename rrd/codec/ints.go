package codec

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// AppendInts appends the column of vals to dst: counts, times, numbers of
// series.
func AppendInts(dst []byte, vals []int64) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(vals)))
	if len(vals) == 0 {
		return dst
	}
	var buf [scratchLen]int64
	ints := append(buf[:0], vals...)
	return appendIntegers(dst, ints)
}

// Ints appends the values of the column at the start of src to dst and
// returns what follows the column.
func Ints(dst []int64, src []byte) (vals []int64, rest []byte, err error) {
	return IntsMax(dst, src, MaxLen)
}

// IntsMax is Ints for columns of at most limit values.
func IntsMax(dst []int64, src []byte, limit int) (vals []int64, rest []byte, err error) {
	n, src, err := count(src, limit)
	if n == 0 || err != nil {
		return dst, src, err
	}
	u, err := newUnpacker(src, n)
	if err != nil {
		return dst, nil, err
	}
	was := len(dst)
	dst = slices.Grow(dst, n)
	var buf [frameLen]int64
	for len(dst) < was+n {
		xs, err := u.next(&buf)
		if err != nil {
			return dst[:was], nil, err
		}
		dst = append(dst, xs...)
	}
	return dst, u.src, nil
}

// appendIntegers writes xs, which it overwrites. All arithmetic is modulo
// 2^64, so that differences may overflow and still come back.
func appendIntegers(dst []byte, xs []int64) []byte {
	base := xs[0]
	divisor := reduce(xs)
	order := bestOrder(xs)
	dst = append(dst, byte(order))
	dst = binary.AppendVarint(dst, base)
	dst = binary.AppendUvarint(dst, divisor)
	if order > 0 {
		xs = differences(xs)
	}
	if order == 2 && len(xs) > 0 {
		dst = binary.AppendVarint(dst, xs[0])
		xs = differences(xs)
	}
	for len(xs) > 0 {
		n := min(frameLen, len(xs))
		dst = appendFrame(dst, xs[:n])
		xs = xs[n:]
	}
	return dst
}

// reduce subtracts the first value from all and divides them by their
// greatest common divisor, which it returns.
func reduce(xs []int64) (divisor uint64) {
	base := xs[0]
	g := uint64(0)
	for i, x := range xs {
		x -= base
		xs[i] = x
		if g != 1 {
			g = gcd(magnitude(x), g)
		}
	}
	if g <= 1 {
		return 1
	}
	// Exact division: shift out the factors of two, multiply by the inverse of
	// the odd rest modulo 2^64. Much faster than dividing.
	shift := bits.TrailingZeros64(g)
	inv := int64(inverse(g >> shift))
	for i, x := range xs {
		xs[i] = (x >> shift) * inv
	}
	return g
}

func magnitude(x int64) uint64 {
	if x < 0 {
		return -uint64(x)
	}
	return uint64(x)
}

// gcd returns the greatest common divisor of x and g; zero divides nothing.
func gcd(x, g uint64) uint64 {
	if g&(g-1) == 0 && x&(g-1) == 0 && g != 0 {
		return g // a power of two that divides: pages, sectors, kilobytes
	}
	for x != 0 {
		g, x = x, g%x
	}
	return g
}

// inverse of odd g modulo 2^64, by Newton: each step doubles the right bits.
func inverse(g uint64) uint64 {
	x := g // right in 3 bits
	for range 5 {
		x *= 2 - g*x
	}
	return x
}

// differences replaces xs by the differences of neighbours, one fewer.
func differences(xs []int64) []int64 {
	for i := 0; i+1 < len(xs); i++ {
		xs[i] = xs[i+1] - xs[i]
	}
	return xs[:len(xs)-1]
}

// bestOrder estimates which differences take the fewest bits. The costs of
// the frames' headers are left out, as they are nearly alike, and so are the
// first two values, which no frame of differences of differences holds.
func bestOrder(xs []int64) int {
	if len(xs) < 3 {
		return 0
	}
	var total [3]int
	last, lastDiff := xs[1], xs[1]-xs[0]
	for rest := xs[2:]; len(rest) > 0; rest = rest[min(frameLen, len(rest)):] {
		frame := rest[:min(frameLen, len(rest))]
		d := frame[0] - last
		dd := d - lastDiff
		lo0, lo1, lo2 := frame[0], d, dd
		hi0, hi1, hi2 := lo0, lo1, lo2
		for _, x := range frame {
			d = x - last
			dd = d - lastDiff
			last, lastDiff = x, d
			lo0, hi0 = min(lo0, x), max(hi0, x)
			lo1, hi1 = min(lo1, d), max(hi1, d)
			lo2, hi2 = min(lo2, dd), max(hi2, dd)
		}
		total[0] += len(frame) * bits.Len64(uint64(hi0-lo0))
		total[1] += len(frame) * bits.Len64(uint64(hi1-lo1))
		total[2] += len(frame) * bits.Len64(uint64(hi2-lo2))
	}
	order := 0
	if total[1] < total[0] {
		order = 1
	}
	if total[2] < total[order] {
		order = 2
	}
	return order
}
