package rrd

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestDecimal(t *testing.T) {
	f := func(v float64, n int64, scale uint) {
		t.Helper()
		if gotN, gotScale := Decimal(v); gotN != n || gotScale != scale {
			t.Errorf("%v: %d at %d, want %d at %d", v, gotN, gotScale, n, scale)
		}
	}
	f(0, 0, 0)
	f(-7, -7, 0)
	f(12.34, 1234, 1)
	f(0.0001, 1, 2)
	f(math.Copysign(0, -1), 0, NoDecimal)
	f(1<<53, 0, NoDecimal)
	f(1.0/3, 0, NoDecimal)
	f(math.NaN(), 0, NoDecimal)
	f(math.Inf(1), 0, NoDecimal)
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Float64().Draw(t, "value")
		n, scale := Decimal(v)
		if scale == NoDecimal {
			return
		}
		if got := FromDecimal(n, scale); math.Float64bits(got) != math.Float64bits(v) || DecimalAt(v, scale) != n {
			t.Fatalf("%v became %v", v, got)
		}
	})
}
