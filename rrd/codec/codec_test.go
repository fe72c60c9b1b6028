package codec

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A tester is a *testing.T or a *rapid.T.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// checkFloats encodes vals between other bytes and wants them back bit for bit.
func checkFloats(t tester, vals []float64) []byte {
	t.Helper()
	enc := AppendFloats([]byte("head"), vals)
	if string(enc[:4]) != "head" {
		t.Fatal("the bytes before the column were changed")
	}
	before := []float64{1, 2}
	got, rest, err := Floats(before, append(slices.Clone(enc[4:]), "tail"...))
	if err != nil {
		t.Fatalf("decoding %v: %v", vals, err)
	}
	if string(rest) != "tail" {
		t.Fatalf("rest %q after %v", rest, vals)
	}
	if !sameBits(got[:2], before) || !sameBits(got[2:], vals) {
		t.Fatalf("got  %v\nwant %v", got[2:], vals)
	}
	return enc[4:]
}

func sameBits(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool {
		return math.Float64bits(x) == math.Float64bits(y)
	})
}

func checkInts(t tester, vals []int64) []byte {
	t.Helper()
	given := slices.Clone(vals)
	enc := AppendInts(nil, vals)
	if !slices.Equal(vals, given) {
		t.Fatal("the encoder changed its input")
	}
	got, rest, err := Ints([]int64{7}, append(slices.Clone(enc), "tail"...))
	if err != nil || string(rest) != "tail" || !slices.Equal(got[1:], vals) {
		t.Fatalf("got %v, rest %q, %v\nwant %v", got, rest, err, vals)
	}
	return enc
}

func TestFloatsRoundTrip(t *testing.T) {
	nan := math.NaN()
	inf := math.Inf(1)
	for _, vals := range [][]float64{
		nil,
		{0},
		{math.Copysign(0, -1)},
		{0, math.Copysign(0, -1), 0},
		{nan},
		{nan, 1, 2, nan, nan, 3},
		{1, nan, math.Float64frombits(0x7ff8_0000_dead_beef), math.Float64frombits(0x7ff0_0000_0000_0002), 5},
		{math.Float64frombits(0xfff8_0000_0000_0000), 1.5, 1.25},
		{inf, -inf, 1, inf},
		{1, 2, 3, 4, 5},
		{0.1, 0.2, 0.30000000000000004, 0.3},
		{1e300, 1e-300, 5e-324, math.MaxFloat64, -math.MaxFloat64},
		{1 << 53, 1<<53 + 2, -(1 << 53), 1 << 62, -(1 << 63), 1 << 63, 1 << 51},
		{math.MaxInt64, math.MinInt64, 0, 1},
		{4096, 8192, 4096 * 1000, 0},
		{12.34, 12.35, -12.36, 1e9},
		{123456789.123456789, 0.000000001, 0.5},
	} {
		checkFloats(t, vals)
	}
}

func TestFloatsKinds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]float64, 300)
	for i := range noise {
		noise[i] = math.Float64frombits(r.Uint64())
	}
	near := make([]float64, 300)
	for i := range near {
		near[i] = math.Sqrt(100 + r.Float64()/16)
	}
	gaps := make([]float64, 300)
	for i := range gaps {
		gaps[i] = float64(i%7) / 4
		if i >= 100 && i < 150 {
			gaps[i] = math.NaN()
		}
	}
	for _, c := range []struct {
		kind byte
		vals []float64
		most int // bytes
	}{
		{kindConstant, slices.Repeat([]float64{0}, 240), 4},
		{kindConstant, slices.Repeat([]float64{42}, 240), 7},
		{kindRaw, noise, 300*8 + 3},
		{kindXOR, near, 300 * 8},
		{kindDecimal, []float64{1.25, 1.5, 1.75}, 12},
		{kindExceptions, gaps, 180},
		{kindQuotient, fleet(240)["average of 6"], 240 * 5 / 2},
	} {
		enc := checkFloats(t, c.vals)
		if _, n := binary.Uvarint(enc); enc[n] != c.kind {
			t.Errorf("kind %d, want %d", enc[n], c.kind)
		}
		if len(enc) > c.most {
			t.Errorf("kind %d: %d bytes, want at most %d", c.kind, len(enc), c.most)
		}
	}
}

func TestIntsRoundTrip(t *testing.T) {
	for _, vals := range [][]int64{
		nil,
		{0},
		{-1},
		{1, 1, 1, 1},
		{math.MinInt64, math.MaxInt64, 0, math.MinInt64},
		{math.MaxInt64, math.MinInt64},
		{0, math.MinInt64},
		{10, 20, 30, 50},
		{3, 1 << 40, 3, 1<<40 + 8},
	} {
		checkInts(t, vals)
	}
	times := make([]int64, 1000)
	for i := range times {
		times[i] = 1_790_000_000_000_000 + int64(i)*10_000_000
	}
	if n := len(checkInts(t, times)); n > 60 {
		t.Errorf("1000 regular times take %d bytes", n)
	}
}

func TestFloatsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkFloats(t, columns().Draw(t, "vals")) })
}

func TestIntsProperty(t *testing.T) {
	ints := rapid.OneOf(
		rapid.SliceOf(rapid.Int64()),
		rapid.SliceOf(rapid.Int64Range(-100, 100)),
		rapid.Map(rapid.SliceOf(rapid.Int64Range(-9, 9)), func(v []int64) []int64 {
			for i := range v {
				v[i] *= 1 << 20
			}
			return v
		}),
	)
	rapid.Check(t, func(t *rapid.T) { checkInts(t, ints.Draw(t, "vals")) })
}

// columns makes columns of the sorts that the encodings are for.
func columns() *rapid.Generator[[]float64] {
	special := rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), math.Float64frombits(0x7ff0000000000002)})
	decimal := rapid.Custom(func(t *rapid.T) float64 {
		return float64(rapid.Int64Range(-1e6, 1e6).Draw(t, "digits")) / powers[rapid.IntRange(0, 9).Draw(t, "scale")]
	})
	bits := rapid.Map(rapid.Uint64(), math.Float64frombits)
	mixed := rapid.Custom(func(t *rapid.T) float64 {
		if rapid.IntRange(0, 30).Draw(t, "which") == 0 {
			return special.Draw(t, "special")
		}
		return decimal.Draw(t, "decimal")
	})
	average := rapid.Custom(func(t *rapid.T) []float64 {
		n := rapid.IntRange(1, 130).Draw(t, "of")
		vals := rapid.SliceOf(mixed).Draw(t, "sums")
		for i := range vals {
			vals[i] /= float64(n)
		}
		return vals
	})
	return rapid.OneOf(average, rapid.SliceOf(decimal), rapid.SliceOf(bits), rapid.SliceOf(mixed), rapid.SliceOf(rapid.Float64()))
}

func TestLimits(t *testing.T) {
	enc := AppendFloats(nil, make([]float64, 100))
	if _, _, err := FloatsMax(nil, enc, 99); !errors.Is(err, ErrCorrupt) {
		t.Errorf("100 values of at most 99: %v", err)
	}
	if _, _, err := FloatsMax(nil, enc, -1); !errors.Is(err, ErrCorrupt) {
		t.Errorf("negative limit: %v", err)
	}
	huge := binary.AppendUvarint(nil, 1<<60)
	if _, _, err := Floats(nil, append(huge, kindConstant, 0)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("2^60 values: %v", err)
	}
	if _, _, err := Ints(nil, huge); !errors.Is(err, ErrCorrupt) {
		t.Errorf("2^60 integers: %v", err)
	}
}

// TestCutShort wants an error, or a shorter column, for every prefix.
func TestCutShort(t *testing.T) {
	for name, vals := range fleet(200) {
		enc := AppendFloats(nil, vals)
		for i := range enc {
			if _, _, err := Floats(nil, enc[:i]); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%s cut to %d of %d bytes: error %v", name, i, len(enc), err)
			}
		}
	}
}

func FuzzFloats(f *testing.F) {
	f.Add([]byte{})
	for _, vals := range fleet(100) {
		f.Add(appendRaw(nil, vals))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		vals := make([]float64, len(raw)/8)
		if _, err := readRaw(vals, raw); err != nil {
			t.Fatal(err)
		}
		checkFloats(t, vals)
	})
}

func FuzzInts(f *testing.F) {
	f.Add([]byte{})
	f.Add(binary.LittleEndian.AppendUint64(make([]byte, 24), 1<<63))
	f.Fuzz(func(t *testing.T, raw []byte) {
		vals := make([]int64, len(raw)/8)
		for i := range vals {
			vals[i] = int64(binary.LittleEndian.Uint64(raw[8*i:]))
		}
		checkInts(t, vals)
	})
}

// FuzzHostile feeds bytes that no encoder made.
func FuzzHostile(f *testing.F) {
	for _, vals := range fleet(100) {
		f.Add(AppendFloats(nil, vals))
	}
	f.Add(AppendInts(nil, []int64{5, 6, 9, -100}))
	f.Fuzz(func(t *testing.T, src []byte) {
		const limit = 1000
		vals, rest, err := FloatsMax(nil, src, limit)
		if err != nil && (len(vals) > 0 || !errors.Is(err, ErrCorrupt)) {
			t.Fatalf("%d values with error %v", len(vals), err)
		}
		if len(vals) > limit || len(rest) > len(src) {
			t.Fatalf("%d values, %d bytes left of %d", len(vals), len(rest), len(src))
		}
		ints, _, err := IntsMax(nil, src, limit)
		if len(ints) > limit || err != nil && len(ints) > 0 {
			t.Fatalf("%d integers, error %v", len(ints), err)
		}
	})
}
