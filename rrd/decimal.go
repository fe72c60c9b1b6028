package rrd

import "math"

// Readings are mostly short decimals. A float64 is one if dividing a whole
// number by 1, 100 or 10,000 (scale 0, 1, 2) gives back the very same float64;
// the whole number then takes few bytes, and fewer still as a difference to
// its neighbour's at the same scale.

// NoDecimal is the scale of what is no short decimal.
const NoDecimal = 3

// decimalLimit keeps the whole number exact as a float64.
const decimalLimit = 1 << 53

var decimalPowers = [...]float64{1, 1e2, 1e4}

// Decimal returns the whole number and the scale of v, or NoDecimal.
func Decimal(v float64) (n int64, scale uint) {
	for scale, p := range decimalPowers {
		x := math.RoundToEven(v * p)
		if x/p != v {
			continue
		}
		if math.Abs(x) >= decimalLimit || x == 0 && math.Signbit(v) {
			break
		}
		return int64(x), uint(scale)
	}
	return 0, NoDecimal
}

// DecimalAt returns the whole number that is nearest to v at a scale, and 0 if
// it is too large: what a neighbour's is told from.
func DecimalAt(v float64, scale uint) int64 {
	x := math.RoundToEven(v * decimalPowers[scale])
	if !(math.Abs(x) < decimalLimit) {
		return 0
	}
	return int64(x)
}

// FromDecimal is the inverse of Decimal.
func FromDecimal(n int64, scale uint) float64 { return float64(n) / decimalPowers[scale] }
