package codec

import (
	"math"
	"math/rand/v2"
	"testing"
)

// fleet makes columns as hosts send them, n values 10 s apart. The mixture is
// that of a usual host agent: counters, percentages, memory in pages, small
// numbers, and much that hardly moves.
func fleet(n int) map[string][]float64 {
	r := rand.New(rand.NewPCG(42, 1))
	walk := func(start, step, unit float64) []float64 {
		vals := make([]float64, n)
		at := math.Round(start / unit)
		for i := range vals {
			at = max(at+math.Round((2*r.Float64()-1)*step/unit), 0)
			vals[i] = at * unit
			if unit < 1 {
				vals[i] = at / math.Round(1/unit)
			}
		}
		return vals
	}
	count := func(step float64, idle float64) []float64 {
		vals := make([]float64, n)
		at := math.Round(r.Float64() * 1e11)
		for i := range vals {
			if r.Float64() >= idle {
				at += math.Round(r.Float64() * step)
			}
			vals[i] = at
		}
		return vals
	}
	cpu := func() []float64 {
		vals := make([]float64, n)
		at := math.Round(r.Float64() * 1e9)
		for i := range vals {
			at += math.Round(r.Float64() * 600)
			vals[i] = at / 100
		}
		return vals
	}
	average := func(of int) []float64 {
		vals := make([]float64, n)
		for i := range vals {
			sum := 0.0
			for range of {
				sum += math.Round(r.Float64()*10000) / 100
			}
			vals[i] = sum / float64(of)
		}
		return vals
	}
	constant := make([]float64, n)
	for i := range constant {
		constant[i] = 17179869184
	}
	gaps := walk(50, 1.5, 0.01)
	for i := n / 3; i < n/2; i++ {
		gaps[i] = math.NaN()
	}
	return map[string][]float64{
		"percent": walk(50, 1.5, 0.01), "load": walk(2, 0.1, 0.01), "memory": walk(8e9, 4e6, 4096),
		"processes": walk(300, 2, 1), "cpu": cpu(), "bytes": count(2e6, 0.25), "events": count(2, 0.98),
		"constant": constant, "average of 6": average(6), "gaps": gaps,
	}
}

// mixture is how many of 100 series of a host are of each sort.
var mixture = map[string]int{
	"cpu": 18, "events": 11, "percent": 8, "memory": 13, "load": 3, "bytes": 20, "processes": 8, "constant": 19,
}

func BenchmarkFloats(b *testing.B) {
	const n = 240
	for name, vals := range fleet(n) {
		benchColumns(b, name, [][]float64{vals})
	}
	var all [][]float64
	cols := fleet(n)
	for name, times := range mixture {
		for range times {
			all = append(all, cols[name])
		}
	}
	benchColumns(b, "mixture", all)
}

func benchColumns(b *testing.B, name string, cols [][]float64) {
	perValue := func(b *testing.B, n int) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/value")
	}
	var encoded [][]byte
	size, values := 0, 0
	for _, c := range cols {
		encoded = append(encoded, AppendFloats(nil, c))
		size += len(encoded[len(encoded)-1])
		values += len(c)
	}
	b.Run(name+"/encode", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			for _, c := range cols {
				buf = AppendFloats(buf[:0], c)
			}
		}
		perValue(b, values)
		b.ReportMetric(float64(size)/float64(values), "B/value")
	})
	b.Run(name+"/decode", func(b *testing.B) {
		b.ReportAllocs()
		var buf []float64
		for b.Loop() {
			for _, e := range encoded {
				buf, _, _ = Floats(buf[:0], e)
			}
		}
		perValue(b, values)
	})
}

func BenchmarkInts(b *testing.B) {
	times := make([]int64, 240)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range times {
		times[i] = 1_790_000_000_000_000 + int64(i)*10_000_000 + r.Int64N(2000)
	}
	enc := AppendInts(nil, times)
	var buf []byte
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf = AppendInts(buf[:0], times)
		}
	})
	var out []int64
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			out, _, _ = Ints(out[:0], enc)
		}
	})
}
