package codec

import (
	"encoding/binary"
	"math"
)

// powers of ten, all exact as float64. Measured readings have few decimals;
// trying more makes telling noise from numbers slower.
var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}

// magic added to a float64 of magnitude below 2^51 leaves its nearest integer
// in the low bits of the mantissa: rounding and conversion in one addition.
const (
	magic     = 3 << 51
	magicBits = 0x4338000000000000
	limit51   = 1 << 51
)

// scaled returns v*p as an integer, and whether dividing by p gives v back,
// bit for bit.
func scaled(v, p float64) (int64, bool) {
	s := float64(v * p)
	if !(math.Abs(s) < limit51) {
		return 0, false
	}
	i := int64(math.Float64bits(s+magic) - magicBits)
	return i, math.Float64bits(float64(i)/p) == math.Float64bits(v)
}

// whole is scaled by 1, for all integers that an int64 holds.
func whole(v float64) (int64, bool) {
	i := int64(v)
	return i, math.Float64bits(float64(i)) == math.Float64bits(v)
}

// mostExceptions is how many runs of exceptions are worth it in n values.
func mostExceptions(n int) int { return 2 + n/16 }

// appendDecimals writes vals as scaled integers. It gives up where too many
// are no short decimals. ints is scratch of the same length.
func appendDecimals(dst []byte, vals []float64, ints []int64) ([]byte, bool) {
	scale, exceptions, ok := toIntegers(ints, vals)
	if !ok {
		return dst, false
	}
	if exceptions == 0 {
		return appendIntegers(append(dst, kindDecimal, byte(scale)), ints), true
	}
	dst = append(dst, kindExceptions, byte(scale))
	dst = appendExceptions(dst, vals, func(i int) float64 { return restore(ints[i], scale) })
	return appendIntegers(dst, ints), true
}

// toIntegers fills ints with vals times 10^scale for the smallest scale that
// fits all values but the exceptions, for which ints repeats a neighbour.
func toIntegers(ints []int64, vals []float64) (scale, exceptions int, ok bool) {
	most := mostExceptions(len(vals))
	for i := 0; i < len(vals); i++ {
		x, fits := convert(vals[i], scale)
		if fits {
			ints[i] = x
			continue
		}
		if i > 0 && math.Float64bits(vals[i]) == math.Float64bits(vals[i-1]) {
			ints[i] = ints[i-1]
			continue // prolongs the run
		}
		if s, found := scaleOf(vals[i], scale+1); found {
			scale, exceptions, i = s, 0, -1 // again from the start
			continue
		}
		if exceptions++; exceptions > most {
			return 0, 0, false
		}
		if i > 0 {
			ints[i] = ints[i-1]
		} else {
			ints[i] = firstInteger(vals, scale)
		}
	}
	return scale, exceptions, true
}

func convert(v float64, scale int) (int64, bool) {
	if scale == 0 {
		return whole(v)
	}
	return scaled(v, powers[scale])
}

// scaleOf returns the smallest scale from least that v fits.
func scaleOf(v float64, least int) (scale int, ok bool) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, false
	}
	for s := least; s < len(powers); s++ {
		if _, ok := scaled(v, powers[s]); ok {
			return s, true
		}
	}
	return 0, false
}

// firstInteger stands for exceptions at the start of a column.
func firstInteger(vals []float64, scale int) int64 {
	for _, v := range vals {
		if x, ok := convert(v, scale); ok {
			return x
		}
	}
	return 0
}

// appendExceptions writes the runs of equal values that the integers, from
// which held makes a value, do not hold.
func appendExceptions(dst []byte, vals []float64, held func(i int) float64) []byte {
	runs := uint64(0)
	var body []byte
	end := 0 // of the last run
	for i := 0; i < len(vals); {
		want := math.Float64bits(vals[i])
		if math.Float64bits(held(i)) == want {
			i++
			continue
		}
		start := i
		for i < len(vals) && math.Float64bits(vals[i]) == want {
			i++
		}
		body = binary.AppendUvarint(body, uint64(start-end))
		body = binary.AppendUvarint(body, uint64(i-start-1))
		body = binary.LittleEndian.AppendUint64(body, want)
		runs, end = runs+1, i
	}
	return append(binary.AppendUvarint(dst, runs), body...)
}

func restore(x int64, scale int) float64 {
	if scale == 0 {
		return float64(x)
	}
	return float64(x) / powers[scale]
}

func readDecimals(out []float64, src []byte) (rest []byte, err error) {
	scale, src, err := readScale(src)
	if err != nil {
		return nil, err
	}
	return readScaled(out, src, scale)
}

func readScale(src []byte) (scale int, rest []byte, err error) {
	if len(src) == 0 || int(src[0]) >= len(powers) {
		return 0, nil, corrupt("bad scale")
	}
	return int(src[0]), src[1:], nil
}

func readScaled(out []float64, src []byte, scale int) (rest []byte, err error) {
	u, err := newUnpacker(src, len(out))
	if err != nil {
		return nil, err
	}
	var buf [frameLen]int64
	for len(out) > 0 {
		xs, err := u.next(&buf)
		if err != nil {
			return nil, err
		}
		toFloats(out[:len(xs)], xs, scale)
		out = out[len(xs):]
	}
	return u.src, nil
}

func toFloats(out []float64, xs []int64, scale int) {
	_ = xs[:len(out)]
	if scale == 0 {
		for i := range out {
			out[i] = float64(xs[i])
		}
		return
	}
	p := powers[scale]
	for i := range out {
		out[i] = float64(xs[i]) / p
	}
}

// readExceptions reads the exceptions in front of the integers twice: once to
// find where the integers start, once to lay them over the values.
func readExceptions(out []float64, src []byte) (rest []byte, err error) {
	scale, src, err := readScale(src)
	if err != nil {
		return nil, err
	}
	runs, src, ok := uvarint(src)
	if !ok || runs > uint64(len(out)) {
		return nil, corrupt("bad number of exceptions")
	}
	body, err := overlay(nil, len(out), runs, src)
	if err != nil {
		return nil, err
	}
	rest, err = readScaled(out, body, scale)
	if err != nil {
		return nil, err
	}
	_, err = overlay(out, len(out), runs, src)
	return rest, err
}

// overlay walks the runs of exceptions in a column of n values, writes them
// into out unless it is nil, and returns what follows them.
func overlay(out []float64, n int, runs uint64, src []byte) (rest []byte, err error) {
	at := 0
	for range runs {
		gap, s, ok := uvarint(src)
		more, s, ok2 := uvarint(s)
		if !ok || !ok2 || len(s) < 8 {
			return nil, corrupt("exceptions cut short")
		}
		if gap > uint64(n-at) || more >= uint64(n-at)-gap {
			return nil, corrupt("exception outside the column")
		}
		v := math.Float64frombits(binary.LittleEndian.Uint64(s))
		start, end := at+int(gap), at+int(gap)+int(more)+1
		for i := start; out != nil && i < end; i++ {
			out[i] = v
		}
		at, src = end, s[8:]
	}
	return src, nil
}
