package rrdcached

import (
	"math"
	"math/bits"
	"strconv"

	"rondo/rrd"
)

// appendTime is C's "%10lu:".
func appendTime(dst []byte, sec rrd.Time) []byte {
	for pad := rrd.Time(1e9); sec < pad && pad > 1; pad /= 10 {
		dst = append(dst, ' ')
	}
	return append(strconv.AppendInt(dst, int64(sec), 10), ':')
}

// appendValue is C's " %0.17e". The NaN of an unknown has its sign bit set.
func appendValue(dst []byte, v float64) []byte {
	switch {
	case v != v:
		return append(dst, " -nan"...)
	case math.IsInf(v, 1):
		return append(dst, " inf"...)
	case math.IsInf(v, -1):
		return append(dst, " -inf"...)
	}
	return appendE17(append(dst, ' '), v)
}

// appendE17 is C's "%0.17e" of a number: strconv's format 'e' with 17 digits,
// in about half of the time where the number is between 1e-10 and 1e17.
// There its 18 digits are the whole part of a product that 128 bits hold:
//
//	v = m * 2^e                       m has 53 bits
//	v * 10^k = m * 5^k * 2^(e+k)      5^k has 63 bits at most, with k up to 27
//
// What lies behind the point says how it is rounded: to the nearest, and half
// way to the even one.
func appendE17(dst []byte, v float64) []byte {
	b := math.Float64bits(v)
	binary := int(b>>52&0x7ff) - 1023
	if binary < -33 || binary > 58 { // 2^-33 > 1e-10, 2^59 < 1e18
		return strconv.AppendFloat(dst, v, 'e', 17, 64)
	}
	if b>>63 != 0 {
		dst = append(dst, '-')
	}
	m := b&(1<<52-1) | 1<<52
	power := binary * 1233 >> 12 // log10(2) is 1233/4096: v's power of ten, or one less
	digits := scaled(m, binary-52, 17-power)
	if digits >= 1e18 {
		power++
		digits = scaled(m, binary-52, 17-power)
	}
	dst = append(dst, "0.00000000000000000e+00"...)
	text := (*[23]byte)(dst[len(dst)-23:])
	putDigits((*[9]byte)(text[1:]), uint32(digits/1e9))
	putDigits((*[9]byte)(text[10:]), uint32(digits%1e9))
	text[0], text[1] = text[1], '.'
	if power < 0 {
		text[20], power = '-', -power
	}
	text[21], text[22] = '0'+byte(power/10), '0'+byte(power%10)
	return dst
}

// scaled returns m * 2^e * 10^k, rounded.
func scaled(m uint64, e, k int) uint64 {
	hi, lo := bits.Mul64(m, fives[k])
	if e+k >= 0 {
		return lo << uint(e+k) // hi is 0: it is less than 1e19
	}
	shift := uint(-e - k) // less than 64
	whole, rest := hi<<(64-shift)|lo>>shift, lo<<(64-shift)
	// It overflows where the rest is more than a half, or just that and odd.
	_, up := bits.Add64(rest, 1<<63-1, whole&1)
	return whole + up
}

// fives are the powers of five that 64 bits hold.
var fives = [28]uint64{
	1, 5, 25, 125,
	625, 3125, 15625, 78125,
	390625, 1953125, 9765625, 48828125,
	244140625, 1220703125, 6103515625, 30517578125,
	152587890625, 762939453125, 3814697265625, 19073486328125,
	95367431640625, 476837158203125, 2384185791015625, 11920928955078125,
	59604644775390625, 298023223876953125, 1490116119384765625, 7450580596923828125,
}

// putDigits writes nine digits.
func putDigits(to *[9]byte, n uint32) {
	for i := 8; i > 0; i -= 2 {
		pair := n % 100 * 2
		n /= 100
		to[i], to[i-1] = pairs[pair+1], pairs[pair]
	}
	to[0] = '0' + byte(n)
}

const pairs = "00010203040506070809" + "10111213141516171819" + "20212223242526272829" + "30313233343536373839" + "40414243444546474849" +
	"50515253545556575859" + "60616263646566676869" + "70717273747576777879" + "80818283848586878889" + "90919293949596979899"
