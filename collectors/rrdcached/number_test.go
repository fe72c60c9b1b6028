package rrdcached

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

func checkE17(t interface {
	Helper()
	Errorf(string, ...any)
}, v float64) {
	t.Helper()
	if v != v || math.IsInf(v, 0) {
		return
	}
	if got, want := string(appendE17(nil, v)), strconv.FormatFloat(v, 'e', 17, 64); got != want {
		t.Errorf("%x: %s, want %s", math.Float64bits(v), got, want)
	}
}

// TestE17: numbers on both sides of every boundary, and halves, which are
// rounded to the even digit.
func TestE17(t *testing.T) {
	t.Parallel()
	for power := -330; power < 310; power++ {
		v, _ := strconv.ParseFloat("1e"+strconv.Itoa(power), 64)
		for _, v := range []float64{v, math.Nextafter(v, 0), math.Nextafter(v, math.Inf(1)), -v, 9.5 * v, v / 3} {
			checkE17(t, v)
		}
	}
	for power := -1074; power < 1024; power++ {
		v := math.Ldexp(1, power)
		for _, v := range []float64{v, math.Nextafter(v, 0), math.Nextafter(v, math.Inf(1)), -v} {
			checkE17(t, v)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100_000 { // within the fast range, with few bits and with all
		checkE17(t, math.Ldexp(float64(rng.Uint64N(1<<(1+rng.UintN(53)))), rng.IntN(110)-90))
	}
	checkE17(t, 0)
	checkE17(t, math.Copysign(0, -1))
}

func TestE17AsStrconv(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		checkE17(t, math.Float64frombits(rapid.Uint64().Draw(t, "bits")))
		checkE17(t, rapid.Float64().Draw(t, "v"))
	})
}

func FuzzE17(f *testing.F) {
	for _, v := range []float64{0, 1, 0.1, 1e17, 1e18, 1e-10, 123456.5, math.MaxFloat64, 5e-324} {
		f.Add(math.Float64bits(v))
	}
	f.Fuzz(func(t *testing.T, bits uint64) {
		checkE17(t, math.Float64frombits(bits))
		// The same digits where appendE17 does it by itself.
		checkE17(t, math.Float64frombits(bits&^(0x7ff<<52)|(990+bits>>52%92)<<52))
	})
}

func BenchmarkE17(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, 1024)
	for i := range values {
		values[i] = rng.Float64() * 100
	}
	for name, f := range map[string]func([]byte, float64) []byte{
		"own":     appendE17,
		"strconv": func(dst []byte, v float64) []byte { return strconv.AppendFloat(dst, v, 'e', 17, 64) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var text []byte
			for i := 0; b.Loop(); i++ {
				text = f(text[:0], values[i%len(values)])
			}
		})
	}
}
