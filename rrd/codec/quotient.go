package codec

import "math"

// denominators are what averages are fractions of, besides powers of ten:
// counts of points in a row, seconds in a step. A multiple of a denominator
// does as well, as the numerators' common divisor is taken out again.
var denominators = [...]float64{3, 7, 9, 60, 720, 2520, 7200, 86400}

const (
	maxQuotientScale = 4       // powers of ten tried beside each denominator
	maxNumerator     = 1 << 44 // beyond that, noise would often look like a fraction
	maxULPs          = 31
	probes           = 8
)

// A quotient says what the values of a column are fractions of.
type quotient struct{ denominator, scale int }

func (q quotient) divisor() float64 { return denominators[q.denominator] * powers[q.scale] }

// fraction returns v as numerator/d + ulps: sums of rounded numbers, divided
// and rounded again, lie a few units in the last place beside the fraction
// that they stand for.
func fraction(v, d float64) (numerator, ulps int64, ok bool) {
	s := float64(v * d)
	if !(math.Abs(s) < maxNumerator) {
		return 0, 0, false
	}
	numerator = int64(math.Float64bits(s+magic) - magicBits)
	ulps = int64(math.Float64bits(v) - math.Float64bits(float64(numerator)/d))
	return numerator, ulps, -maxULPs <= ulps && ulps <= maxULPs
}

// guess finds the first quotient that fits some values out of the column.
func guess(vals []float64) (q quotient, ok bool) {
	var probe [probes]float64
	n := 0
	for i := 0; i < len(vals) && n < probes; i += max(1, len(vals)/(2*probes)) {
		if v := vals[i]; v != 0 && !math.IsNaN(v) && !math.IsInf(v, 0) {
			probe[n] = v
			n++
		}
	}
	for i := range denominators {
		for scale := 0; scale <= maxQuotientScale && n > 0; scale++ {
			q = quotient{i, scale}
			if fits(probe[:n], q.divisor()) {
				return q, true
			}
		}
	}
	return q, false
}

func fits(vals []float64, d float64) bool {
	for _, v := range vals {
		if _, _, ok := fraction(v, d); !ok {
			return false
		}
	}
	return true
}

// appendQuotients writes vals as fractions of one divisor. ints is scratch of
// the same length.
func appendQuotients(dst []byte, vals []float64, ints []int64) ([]byte, bool) {
	q, ok := guess(vals)
	if !ok {
		return dst, false
	}
	var buf [scratchLen]int64
	ulps := buf[:]
	if len(vals) > scratchLen {
		ulps = make([]int64, len(vals))
	}
	ulps = ulps[:len(vals)]
	if !toFractions(ints, ulps, vals, q.divisor()) {
		return dst, false
	}
	d := q.divisor()
	dst = append(dst, kindQuotient, byte(q.denominator), byte(q.scale))
	dst = appendExceptions(dst, vals, func(i int) float64 { return unfraction(ints[i], ulps[i], d) })
	return appendIntegers(appendIntegers(dst, ints), ulps), true
}

// toFractions fills ints and ulps. What is no fraction repeats its
// predecessor's; too much of that is not worth it.
func toFractions(ints, ulps []int64, vals []float64, d float64) bool {
	most := mostExceptions(len(vals))
	for i, v := range vals {
		x, u, ok := fraction(v, d)
		if !ok {
			if x, u = 0, 0; i > 0 {
				x = ints[i-1]
			}
			if i == 0 || math.Float64bits(v) != math.Float64bits(vals[i-1]) {
				most-- // begins a run
			}
		}
		if most < 0 {
			return false
		}
		ints[i], ulps[i] = x, u
	}
	return true
}

func unfraction(numerator, ulps int64, d float64) float64 {
	return math.Float64frombits(math.Float64bits(float64(numerator)/d) + uint64(ulps))
}

func readQuotients(out []float64, src []byte) (rest []byte, err error) {
	if len(src) < 2 || int(src[0]) >= len(denominators) || src[1] > maxQuotientScale {
		return nil, corrupt("bad divisor")
	}
	d := quotient{int(src[0]), int(src[1])}.divisor()
	runs, exceptions, ok := uvarint(src[2:])
	if !ok || runs > uint64(len(out)) {
		return nil, corrupt("bad number of exceptions")
	}
	src, err = overlay(nil, len(out), runs, exceptions)
	if err != nil {
		return nil, err
	}
	if src, err = readNumerators(out, src, d); err != nil {
		return nil, err
	}
	if rest, err = readULPs(out, src); err != nil {
		return nil, err
	}
	_, err = overlay(out, len(out), runs, exceptions)
	return rest, err
}

func readNumerators(out []float64, src []byte, d float64) (rest []byte, err error) {
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
		for i, x := range xs {
			out[i] = float64(x) / d
		}
		out = out[len(xs):]
	}
	return u.src, nil
}

// readULPs moves each value up by so many units in the last place.
func readULPs(out []float64, src []byte) (rest []byte, err error) {
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
		for i, x := range xs {
			out[i] = math.Float64frombits(math.Float64bits(out[i]) + uint64(x))
		}
		out = out[len(xs):]
	}
	return u.src, nil
}
