package codec

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// someRows draws the rows of one series: none, all, a range or any; of one
// sample each, or of many; with totals that follow the last values, or do not.
func someRows(t *rapid.T, rows int) Rows {
	var r Rows
	value := rapid.OneOf(rapid.SampledFrom([]float64{0, 1, 1.5, -3, math.Copysign(0, -1), 1e300, 0.1}), rapid.Float64())
	present := rapid.SampledFrom([]int{0, 1, 50, 100}).Draw(t, "present")
	many := rapid.SampledFrom([]int{0, 50, 100}).Draw(t, "many")
	totals := rapid.SampledFrom([]string{"none", "follow", "own"}).Draw(t, "totals")
	last, most := 0.0, rapid.SampledFrom([]int{2, 1e6}).Draw(t, "most")
	for i := range rows {
		if rapid.IntRange(0, 99).Draw(t, "is") >= present {
			continue
		}
		last = value.Draw(t, "last")
		r.Index = append(r.Index, i)
		r.Last = append(r.Last, last)
		if rapid.IntRange(0, 99).Draw(t, "is") < many {
			r.Count = append(r.Count, int64(rapid.IntRange(2, most).Draw(t, "count")))
			r.Sum = append(r.Sum, value.Draw(t, "sum"))
			r.Min = append(r.Min, value.Draw(t, "min"))
			r.Max = append(r.Max, last)
		} else {
			r.Count, r.Sum, r.Min, r.Max = append(r.Count, 1), append(r.Sum, last), append(r.Min, last), append(r.Max, last)
		}
		switch totals {
		case "follow":
			r.Total = append(r.Total, last-2)
		case "own":
			r.Total = append(r.Total, value.Draw(t, "total"))
		}
	}
	return r
}

func sameRows(a, b Rows) string {
	bits := cmp.Comparer(same)
	return cmp.Diff(a, b, bits, cmpopts.EquateEmpty())
}

// only returns rows without the columns that are not in a set.
func only(set Columns, r Rows) Rows {
	if set&Count == 0 {
		r.Count = nil
	}
	for c, col := range map[Columns]*[]float64{Sum: &r.Sum, Min: &r.Min, Max: &r.Max, Last: &r.Last, Total: &r.Total} {
		if set&c == 0 {
			*col = nil
		}
	}
	return r
}

func TestBlock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SampledFrom([]int{1, 7, 8, 32, 128}).Draw(t, "rows")
		series := make([]Rows, rapid.IntRange(0, 5).Draw(t, "series"))
		for i := range series {
			series[i] = someRows(t, rows)
		}
		place := rapid.Uint64().Draw(t, "place")
		b := AppendBlock([]byte("before"), place, rows, series)[len("before"):]
		block, err := OpenBlock(b, place)
		if err != nil || block.Len() != len(series) {
			t.Fatalf("%d series, %v", block.Len(), err)
		}
		var got Rows
		for i := range series {
			if err := block.Series(i, &got); err != nil {
				t.Fatal(err)
			}
			if d := sameRows(series[i], got); d != "" {
				t.Fatalf("series %d (-want +got):\n%s", i, d)
			}
			want := Columns(rapid.IntRange(0, int(AllColumns)).Draw(t, "columns"))
			if err := block.Columns(i, want, &got); err != nil {
				t.Fatal(err)
			}
			if d := sameRows(only(want, series[i]), only(want, got)); d != "" {
				t.Fatalf("series %d, columns %06b (-want +got):\n%s", i, want, d)
			}
		}
		if err := block.Series(len(series), &got); err != nil || len(got.Index) != 0 {
			t.Fatalf("series that is not there: %v, %v", got, err)
		}
	})
}

func smallBlock() []byte {
	return AppendBlock(nil, 42, 4, []Rows{
		{Index: []int{0, 1, 3}, Count: []int64{1, 2, 1}, Sum: []float64{1, 5, 3}, Min: []float64{1, 2, 3}, Max: []float64{1, 3, 3}, Last: []float64{1, 3, 3}},
		{},
		{Index: []int{2}, Count: []int64{1}, Sum: []float64{7}, Min: []float64{7}, Max: []float64{7}, Last: []float64{7}, Total: []float64{2}},
	})
}

// TestBlockDamage: no flipped bit, no missing byte and no other place passes.
func TestBlockDamage(t *testing.T) {
	good := smallBlock()
	if _, err := OpenBlock(good, 42); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenBlock(good, 43); !errors.Is(err, ErrBlock) {
		t.Errorf("another place: %v", err)
	}
	for i := range len(good) * 8 {
		b := append([]byte(nil), good...)
		b[i/8] ^= 1 << (i % 8)
		if _, err := OpenBlock(b, 42); !errors.Is(err, ErrBlock) {
			t.Errorf("bit %d flipped: %v", i, err)
		}
	}
	for n := range good {
		if _, err := OpenBlock(good[:n], 42); !errors.Is(err, ErrBlock) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// TestOldBlock: a block of version 1 is read as ever. It differs in that it has
// no flag for equal counts.
func TestOldBlock(t *testing.T) {
	want := Rows{
		Index: []int{3, 4, 5}, Count: []int64{2, 1, 3}, Sum: []float64{3, 7, 9},
		Min: []float64{1, 7, 2}, Max: []float64{2, 7, 4}, Last: []float64{2, 7, 3},
	}
	b := AppendBlock(nil, 42, 32, []Rows{want})
	b[0] = blockVersionOld
	block, err := OpenBlock(b, 42)
	if err != nil {
		t.Fatal(err)
	}
	var got Rows
	if err := block.Series(0, &got); err != nil {
		t.Fatal(err)
	}
	if d := sameRows(want, got); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
}

// FuzzBlock reads any bytes as a block whose checksum is right.
func FuzzBlock(f *testing.F) {
	f.Add(smallBlock()[5:])
	f.Fuzz(func(t *testing.T, body []byte) {
		b := append([]byte{blockVersion, 0, 0, 0, 0}, body...)
		sum := blockSum(0, body)
		b[1], b[2], b[3], b[4] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
		block, err := OpenBlock(b, 0)
		if err != nil {
			return
		}
		var r Rows
		for i := range block.Len() {
			if err := block.Series(i, &r); err != nil {
				continue
			}
			n := len(r.Index)
			if len(r.Count) != n || len(r.Sum) != n || len(r.Min) != n || len(r.Max) != n || len(r.Last) != n || len(r.Total) != n && len(r.Total) != 0 {
				t.Fatalf("columns of different length: %+v", r)
			}
			if err := block.Columns(i, Sum|Count, &r); err != nil || len(r.Count) != n || len(r.Sum) != n {
				t.Fatalf("two columns of a good series: %+v, %v", r, err)
			}
		}
	})
}

func benchBlock() []Rows {
	series := make([]Rows, 64)
	for s := range series {
		r := &series[s]
		v := float64(s)
		for i := range 128 {
			v += float64((i*s)%7)/100 - 0.03
			v = math.Round(v*100) / 100
			r.Index, r.Count = append(r.Index, i), append(r.Count, 1)
			r.Sum, r.Min, r.Max, r.Last = append(r.Sum, v), append(r.Min, v), append(r.Max, v), append(r.Last, v)
		}
	}
	return series
}

func BenchmarkAppendBlock(b *testing.B) {
	series := benchBlock()
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendBlock(dst[:0], 1, 128, series)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(64*128), "ns/row")
	b.ReportMetric(float64(len(dst))/(64*128), "B/row")
}

func BenchmarkBlockSeries(b *testing.B) {
	bytes := AppendBlock(nil, 1, 128, benchBlock())
	var r Rows
	b.ReportAllocs()
	for b.Loop() {
		block, err := OpenBlock(bytes, 1)
		if err != nil {
			b.Fatal(err)
		}
		if err := block.Series(17, &r); err != nil {
			b.Fatal(err)
		}
	}
}
