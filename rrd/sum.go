package rrd

import "math"

// A Sum adds float64s without any rounding: it keeps the true sum as a few
// floats that do not overlap (Shewchuk, "Adaptive Precision Floating-Point
// Arithmetic", 1997), and rounds once, in Value. So neither the order nor the
// grouping of what is added can change the result.
//
// Two floats are enough unless the magnitudes added span more than about 106
// bits; rest holds what does not fit. A sum beyond the range of float64 is
// infinite from then on.
type Sum struct {
	hi, lo float64    // hi is the float nearest to hi+lo
	rest   *[]float64 // further parts, by growing magnitude, all below lo
}

// twoSum returns the rounded sum and what the rounding took away (Knuth).
func twoSum(a, b float64) (sum, lost float64) {
	sum = a + b
	t := sum - a
	return sum, (a - (sum - t)) + (b - t)
}

// Add adds x, which must be finite.
func (s *Sum) Add(x float64) {
	hi, e := twoSum(s.hi, x)
	if math.IsInf(hi, 0) || math.IsNaN(hi) {
		*s = Sum{hi: hi}
		return
	}
	lo, e := twoSum(s.lo, e)
	if e != 0 || s.rest != nil {
		s.addWide(x)
		return
	}
	s.hi, s.lo = twoSum(hi, lo)
}

// addWide adds x to all parts: Shewchuk's grow-expansion without zeros.
func (s *Sum) addWide(x float64) {
	parts := s.Parts()
	out := make([]float64, 0, len(parts)+1)
	for _, p := range parts {
		var lost float64
		if x, lost = twoSum(x, p); lost != 0 {
			out = append(out, lost)
		}
	}
	*s = SumOf(append(out, x))
}

// Parts returns the floats whose true sum this is, by growing magnitude.
func (s *Sum) Parts() []float64 {
	var parts []float64
	if s.rest != nil {
		parts = append(parts, *s.rest...)
	}
	return append(parts, s.lo, s.hi)
}

// SumOf restores a sum from its Parts.
func SumOf(parts []float64) Sum {
	var s Sum
	switch n := len(parts); n {
	case 0:
	case 1:
		s.hi = parts[0]
	case 2:
		s.hi, s.lo = twoSum(parts[1], parts[0])
	default:
		rest := append([]float64(nil), parts[:n-2]...)
		s.hi, s.lo, s.rest = parts[n-1], parts[n-2], &rest
	}
	return s
}

// Value returns the float64 nearest to the true sum, ties to even.
func (s *Sum) Value() float64 {
	if s.rest == nil {
		return s.hi
	}
	parts := s.Parts()
	n := len(parts) - 1
	hi, lo := parts[n], 0.0
	for n > 0 && lo == 0 {
		n--
		hi, lo = twoSum(hi, parts[n])
	}
	// Half an ulp was lost: the parts further down decide the way.
	if n > 0 && (lo < 0 && parts[n-1] < 0 || lo > 0 && parts[n-1] > 0) {
		y := lo * 2
		if x := hi + y; y == x-hi {
			hi = x
		}
	}
	return hi
}
