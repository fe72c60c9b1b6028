package rrd

import (
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// anyFloat draws finite floats: readings, and the nasty rest.
func anyFloat() *rapid.Generator[float64] {
	return rapid.OneOf(
		rapid.Map(rapid.IntRange(-1e6, 1e6), func(i int) float64 { return float64(i) / 100 }),
		rapid.SampledFrom([]float64{0, 1, -1, 0.1, 1e16, -1e16, 1e100, -1e100, 1e-300, 5e-324, 1 << 53, 1<<53 + 2}),
		rapid.Float64Range(-1e200, 1e200),
	)
}

// exactSum is the true sum, rounded once.
func exactSum(xs []float64) float64 {
	sum := new(big.Float).SetPrec(4000)
	for _, x := range xs {
		sum.Add(sum, new(big.Float).SetFloat64(x))
	}
	f, _ := sum.Float64()
	return f
}

func TestSumIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(anyFloat(), 0, 40).Draw(t, "values")
		var s Sum
		for _, x := range xs {
			s.Add(x)
		}
		want := exactSum(xs)
		if got := s.Value(); got != want {
			t.Fatalf("sum %v, want %v", got, want)
		}
		restored := SumOf(s.Parts())
		restored.Add(1e-5)
		s.Add(1e-5)
		if restored.Value() != s.Value() {
			t.Fatalf("restored %v, want %v", restored.Value(), s.Value())
		}
	})
}

func TestSumOverflows(t *testing.T) {
	var s Sum
	s.Add(math.MaxFloat64)
	s.Add(math.MaxFloat64)
	s.Add(1)
	if !math.IsInf(s.Value(), 1) {
		t.Errorf("sum %v, want +Inf", s.Value())
	}
}

func TestSumCopiesAreIndependent(t *testing.T) {
	var a Sum
	for _, x := range []float64{1e100, 1e50, 1, 1e-50, 1e-100} {
		a.Add(x)
	}
	before := slices.Clone(a.Parts())
	b := a
	b.Add(1e-200)
	b.Add(7)
	if !slices.Equal(before, a.Parts()) {
		t.Error("adding to a copy changed the original")
	}
}

func BenchmarkSum(b *testing.B) {
	var s Sum
	for b.Loop() {
		s.Add(12.34)
	}
}
