package rrd

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func slotDefinition(t Type) Definition {
	return Definition{
		Type: t, Step: 10 * time.Second, Heartbeat: time.Minute, Min: math.NaN(), Max: math.NaN(),
		Archives: []Archive{{Steps: 1, Rows: 10}, {Steps: 3, Rows: 10, XFF: 0.5}, {Steps: 5, Rows: 10, XFF: 0.9}, {Steps: 12, Rows: 10, XFF: 0.9}},
	}
}

func points(valueEvery map[int]float64) []Point {
	var ps []Point
	for sec, v := range valueEvery {
		ps = append(ps, Point{Time(sec) * Second, v})
	}
	slices.SortFunc(ps, func(a, b Point) int { return int(a.Time - b.Time) })
	return ps
}

// foldAll returns the closed rows by archive, and the open ones.
func foldAll(d *Definition, ps []Point) (closed map[int][]Row, open map[int]Row) {
	var f Fold
	closed, open = map[int][]Row{}, map[int]Row{}
	for _, p := range ps {
		for _, c := range f.Add(d, p, nil) {
			closed[c.Archive] = append(closed[c.Archive], c.Row)
		}
	}
	for a := range d.Archives {
		if r, _, ok := f.Open(d, a); ok {
			open[a] = r
		}
	}
	return closed, open
}

func TestFoldGauge(t *testing.T) {
	d := slotDefinition(Gauge)
	closed, open := foldAll(&d, points(map[int]float64{1: 5, 10: 7, 11: -1, 25: 4, 31: 2, 100: 9}))
	s := Second
	want := map[int][]Row{
		0: {{End: 10 * s, Count: 2, Sum: 12, Min: 5, Max: 7, Last: 7}, {End: 20 * s, Count: 1, Sum: -1, Min: -1, Max: -1, Last: -1},
			{End: 30 * s, Count: 1, Sum: 4, Min: 4, Max: 4, Last: 4}, {End: 40 * s, Count: 1, Sum: 2, Min: 2, Max: 2, Last: 2}},
		1: {{End: 30 * s, Count: 4, Sum: 15, Min: -1, Max: 7, Last: 4}}, // (30,60] has one of three: unknown
		2: {{End: 50 * s, Count: 5, Sum: 17, Min: -1, Max: 7, Last: 2}},
	}
	if diff := cmp.Diff(want, closed); diff != "" {
		t.Errorf("closed (-want +got):\n%s", diff)
	}
	wantOpen := map[int]Row{
		0: {End: 100 * s, Count: 1, Sum: 9, Min: 9, Max: 9, Last: 9},
		1: {End: 120 * s, Count: 1, Sum: 9, Min: 9, Max: 9, Last: 9}, // one of one so far
		2: {End: 100 * s, Count: 1, Sum: 9, Min: 9, Max: 9, Last: 9}, // one of five
		3: {End: 120 * s, Count: 6, Sum: 26, Min: -1, Max: 9, Last: 9},
	}
	if diff := cmp.Diff(wantOpen, open); diff != "" {
		t.Errorf("open (-want +got):\n%s", diff)
	}
}

// TestTotal has one sample in each slot; want is the total after each.
func TestTotal(t *testing.T) {
	nan := math.NaN()
	f := func(typ Type, lo, hi float64, every int, values, want []float64) {
		t.Helper()
		d := slotDefinition(typ)
		d.Min, d.Max = lo, hi
		var fold Fold
		var got []float64
		for i, v := range values {
			fold.Add(&d, Point{Time(10+i*every) * Second, v}, nil)
			r, _, _ := fold.Open(&d, 0)
			got = append(got, r.Total)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", typ, diff)
		}
	}
	f(Gauge, nan, nan, 10, []float64{5, 6, 1}, []float64{0, 0, 0})
	f(Counter, nan, nan, 10, []float64{100, 110, 110, 140}, []float64{0, 10, 10, 40})
	f(Counter, nan, nan, 10, []float64{100, 110, 5, 7, 2}, []float64{0, 10, 15, 17, 19})       // resets
	f(Counter, nan, nan, 60, []float64{100, 110, 120}, []float64{0, 10, 20})                   // just the heartbeat
	f(Counter, nan, nan, 61, []float64{100, 110, 120}, []float64{0, 0, 0})                     // beyond it
	f(Counter, 0, 2, 10, []float64{100, 120, 141, 150}, []float64{0, 20, 20, 29})              // 2.1/s is too fast
	f(Counter, 0, 2, 10, []float64{100, 110, 50, 60}, []float64{0, 10, 10, 20})                // a reset too high
	f(Derive, nan, nan, 10, []float64{100, 90, 95}, []float64{0, -10, -5})                     // may fall
	f(Derive, 0, nan, 10, []float64{100, 90, 95}, []float64{0, 0, 5})                          // may not
	f(Absolute, nan, nan, 10, []float64{3, 4, 5}, []float64{3, 7, 12})                         // each is an increase
	f(Absolute, nan, nan, 70, []float64{3, 4, 5}, []float64{3, 3, 3})                          // since when?
	f(Absolute, 0, 0.45, 10, []float64{5, 4, 5}, []float64{0, 4, 4})                           // limits of the rate
	f(Counter, nan, nan, 10, []float64{0.1, 0.3, 0.7}, []float64{0, 0.19999999999999998, 0.6}) // no error piles up
	f(Counter, nan, nan, 10, []float64{1 << 53, 1<<53 + 2, 1<<53 + 6}, []float64{0, 2, 6})     // large
	f(Derive, nan, nan, 10, []float64{-5, -15, 5}, []float64{0, -10, 10})                      // below zero
	f(Counter, nan, nan, 10, []float64{7}, []float64{0})                                       // nothing to compare with
	f(Absolute, nan, nan, 10, []float64{0, 0, 0}, []float64{0, 0, 0})                          // nothing happened
	f(Counter, nan, nan, 10, []float64{5, 3, 3, 3, 9}, []float64{0, 3, 3, 3, 9})               // a reset to itself
	f(Counter, nan, 1, 10, []float64{0, 5, 500, 505, 3, 13}, []float64{0, 5, 5, 10, 13, 23})   // break, then reset
}

// somePoints draws samples in order of time, often several in one slot and
// with gaps, and an end.
func somePoints(t *rapid.T) []Point {
	now := Time(rapid.IntRange(0, 1e6).Draw(t, "start")) * Second
	var ps []Point
	for range rapid.IntRange(1, 80).Draw(t, "samples") {
		now += Time(rapid.OneOf(rapid.IntRange(1, 15e6), rapid.SampledFrom([]int{10e6, 1, 200e6, 3600e6})).Draw(t, "gap"))
		ps = append(ps, Point{now, anyFloat().Draw(t, "value")})
	}
	return ps
}

// TestRowsConsistOfPrimaryPoints: count, sum, min and max of any row are those
// of the primary points in it, whatever their number and size.
func TestRowsConsistOfPrimaryPoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := slotDefinition(Gauge)
		closed, open := foldAll(&d, somePoints(t))
		primary := append(closed[0], open[0])
		for a := 1; a < len(d.Archives); a++ {
			rows := closed[a]
			if r, ok := open[a]; ok {
				rows = append(rows, r)
			}
			for _, r := range rows {
				want := Row{End: r.End, Min: math.Inf(1), Max: math.Inf(-1)}
				var sums []float64
				for _, p := range primary {
					if p.End > r.End.Add(-d.Row(a)) && p.End <= r.End {
						want.Count += p.Count
						sums = append(sums, p.Sum)
						want.Min, want.Max, want.Last = min(want.Min, p.Min), max(want.Max, p.Max), p.Last
					}
				}
				want.Sum = exactSum(sums)
				if r != want {
					t.Fatalf("archive %d: %+v, its primary points make %+v", a, r, want)
				}
			}
		}
	})
}

// TestOrderOfArrivalDoesNotMatter: inside the window any order and any number
// of repetitions give the same rows, bit for bit, in all archives.
func TestOrderOfArrivalDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := slotDefinition(rapid.SampledFrom([]Type{Gauge, Counter, Derive, Absolute}).Draw(t, "type"))
		ps := somePoints(t)
		length := ps[len(ps)-1].Time - ps[0].Time + 1
		shuffled := rapid.Permutation(append(slices.Clone(ps), ps[:rapid.IntRange(0, len(ps)).Draw(t, "repeated")]...)).Draw(t, "order")
		w := Window{Length: length}
		for _, p := range shuffled {
			if w.Insert(p) == TooLate {
				t.Fatal("too late inside the window")
			}
		}
		wantClosed, wantOpen := foldAll(&d, ps)
		gotClosed, gotOpen := foldAll(&d, w.Points)
		if diff := cmp.Diff(wantClosed, gotClosed) + cmp.Diff(wantOpen, gotOpen); diff != "" {
			t.Fatalf("rows differ (-in order +shuffled):\n%s", diff)
		}
	})
}

// TestFoldState: a Fold that was written and read back goes on as if nothing
// had happened, and a Clone does not disturb it.
func TestFoldState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := slotDefinition(rapid.SampledFrom([]Type{Gauge, Counter, Derive, Absolute}).Draw(t, "type"))
		ps := somePoints(t)
		cut := rapid.IntRange(0, len(ps)).Draw(t, "cut")
		var f Fold
		for _, p := range ps[:cut] {
			f.Add(&d, p, nil)
		}
		state := f.AppendBinary([]byte("before"))
		var g Fold
		g.Add(&d, Point{Time: Second, Value: 3}, nil) // to be forgotten
		rest, err := g.Restore(&d, append(state, "after"...)[len("before"):])
		if err != nil || string(rest) != "after" {
			t.Fatalf("rest %q, %v", rest, err)
		}
		h := f.Clone()
		var wantRows, gotRows []ClosedRow
		for _, p := range ps[cut:] {
			h.Add(&d, Point{p.Time, 1e9}, nil)
			wantRows, gotRows = f.Add(&d, p, wantRows), g.Add(&d, p, gotRows)
		}
		if diff := cmp.Diff(wantRows, gotRows); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

func TestFoldAfterLoss(t *testing.T) {
	d := slotDefinition(Gauge)
	var f Fold
	f.Lose(35 * Second)
	var g Fold
	if _, err := g.Restore(&d, f.AppendBinary(nil)); err != nil {
		t.Fatal(err)
	}
	var rows []ClosedRow
	for at := 45; at < 200; at += 10 {
		rows = g.Add(&d, Point{Time(at) * Second, 1}, rows)
	}
	first := map[int]Time{}
	for _, r := range rows {
		if first[r.Archive] == 0 {
			first[r.Archive] = r.Row.End / Second
		}
	}
	// (30,60] (0,50] and (0,120] may have lost samples.
	if diff := cmp.Diff(map[int]Time{0: 50, 1: 90, 2: 100}, first); diff != "" {
		t.Errorf("first rows (-want +got):\n%s", diff)
	}
}

func FuzzFoldRestore(f *testing.F) {
	d := slotDefinition(Counter)
	var fold Fold
	f.Add(fold.AppendBinary(nil))
	for i := range 20 {
		fold.Add(&d, Point{Time(i*7) * Second, float64(i)}, nil)
	}
	f.Add(fold.AppendBinary(nil))
	f.Fuzz(func(_ *testing.T, b []byte) {
		d := slotDefinition(Counter)
		var fold Fold
		if _, err := fold.Restore(&d, b); err == nil {
			fold.Add(&d, Point{1 << 50, 1}, nil)
		}
	})
}

func TestWindow(t *testing.T) {
	w := Window{Length: 100}
	f := func(at Time, v float64, want Offer) {
		t.Helper()
		if got := w.Insert(Point{at, v}); got != want {
			t.Errorf("at %d: %d, want %d", at, got, want)
		}
	}
	f(1000, 1, Taken)
	f(950, 2, Taken)
	f(950, 2, Repeated)
	f(950, 3, Replaced)
	f(901, 1, Taken)
	f(900, 1, TooLate)
	f(1020, 1, Taken)
	f(920, 1, TooLate)
	f(921, 1, Taken)
	want := []Point{{901, 1}, {921, 1}, {950, 3}, {1000, 1}, {1020, 1}}
	if diff := cmp.Diff(want, w.Points); diff != "" {
		t.Errorf("points (-want +got):\n%s", diff)
	}
}

func BenchmarkFold(b *testing.B) {
	d := DefaultDefinition()
	var f Fold
	var rows []ClosedRow
	t := Time(0)
	b.ReportAllocs()
	for b.Loop() {
		t += 10 * Second
		rows = f.Add(&d, Point{t, 12.5}, rows[:0])
	}
}
