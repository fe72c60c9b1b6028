package store

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rondo/rrd"
)

// someValues are what senders send: walks of short decimals, constants, noise.
func someValues(t *rapid.T, n int) []float64 {
	kind := rapid.IntRange(0, 3).Draw(t, "kind")
	out := make([]float64, n)
	v := float64(rapid.IntRange(-1000, 1000).Draw(t, "first"))
	for i := range out {
		switch kind {
		case 0:
			v += float64(rapid.IntRange(-3, 3).Draw(t, "step"))
		case 1:
			v = math.Round(100*v+float64(rapid.IntRange(-300, 300).Draw(t, "step"))) / 100
		case 2:
			v = rapid.Float64().Draw(t, "value")
		}
		out[i] = v
	}
	return out
}

// TestWindowAgainstPlain: a window in bytes is what a plain one is, through
// late points and settling.
func TestWindowAgainstPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const length = 600 * rrd.Second
		w, want := newWindow(), rrd.Window{Length: length}
		var scratch []rrd.Point
		now := rrd.Time(1e15)
		for i, v := range someValues(t, rapid.IntRange(1, 60).Draw(t, "points")) {
			now += rrd.Time(rapid.SampledFrom([]int{1, 10, 10, 10, 60, 0, -25}).Draw(t, "gap")) * rrd.Second
			if i%7 == 6 {
				now += rrd.Time(rapid.IntRange(0, 3000).Draw(t, "micros"))
			}
			p := rrd.Point{Time: now, Value: v}
			if p.Time <= w.settled {
				continue
			}
			if got, want := w.offer(owner{}, p, numberOf(v), length, &scratch), want.Insert(p); got != want {
				t.Fatalf("offer of %v: %d, want %d", p, got, want)
			}
			if rapid.IntRange(0, 9).Draw(t, "settle") == 0 {
				upTo := now - rrd.Time(rapid.IntRange(0, 300).Draw(t, "age"))*rrd.Second
				w.settle(owner{}, upTo, func(p rrd.Point) {
					if p != want.Points[0] {
						t.Fatalf("settled %v, want %v", p, want.Points[0])
					}
					want.Points = want.Points[1:]
				})
			}
			if rapid.IntRange(0, 9).Draw(t, "disk") == 0 {
				r := reader{b: w.appendBinary(nil)}
				if w = readWindow(&r); r.failed || len(r.b) > 0 {
					t.Fatal("cannot be read back")
				}
			}
			if got := w.points(nil); !slices.Equal(got, want.Points) {
				t.Fatalf("%v, want %v", got, want.Points)
			}
		}
	})
}

// TestStateAgainstPlain: closed rows that were packed and unpacked again and
// again are what they were.
func TestStateAgainstPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rrd.DefaultDefinition()
		def := &definition{Definition: d, gauge: rapid.Bool().Draw(t, "gauge")}
		for a := range d.Archives {
			def.rings = append(def.rings, newRing("", d.Row(a), d.Archives[a].Rows))
		}
		var packed, scratch []byte
		var x state
		want := make([][]rrd.Row, len(d.Archives))
		for _, v := range someValues(t, rapid.IntRange(1, 60).Draw(t, "rows")) {
			a := rapid.IntRange(0, len(want)-1).Draw(t, "archive")
			row := def.rings[a].row
			r := rrd.Row{End: 1_000_000 * row, Count: int64(rapid.IntRange(1, 3).Draw(t, "count")), Last: v, Sum: v, Min: v, Max: v}
			if n := len(want[a]); n > 0 {
				r.End = want[a][n-1].End + rrd.Time(rapid.SampledFrom([]int{1, 1, 1, 5}).Draw(t, "skip"))*row
			}
			if r.Count > 1 {
				r.Sum = float64(r.Count)*v + float64(rapid.IntRange(0, 5).Draw(t, "sum"))
				r.Min -= float64(rapid.IntRange(0, 1).Draw(t, "min"))
				r.Max += float64(rapid.IntRange(0, 1).Draw(t, "max"))
			}
			if !def.gauge {
				r.Total = v - 5
			}
			if !x.unpack(def, packed) || !x.valid() {
				t.Fatal("cannot be unpacked")
			}
			x.staged[a].push(row, def.gauge, &r)
			want[a] = append(want[a], r)
			if n := len(want[a]); rapid.IntRange(0, 5).Draw(t, "drop") == 0 {
				k := rapid.IntRange(0, n-1).Draw(t, "upTo")
				x.staged[a].drop(want[a][k].End, row, def.gauge)
				want[a] = want[a][k+1:]
			}
			packed = slices.Clone(x.pack(&scratch))
			q := packedQueue(def, packed, a)
			var got []rrd.Row
			q.each(noTime, row, def.gauge, func(r *rrd.Row) bool { got = append(got, *r); return true })
			if d := cmp.Diff(slices.Clip(want[a]), got); len(got)+len(want[a]) > 0 && d != "" {
				t.Fatalf("rows (-want +got):\n%s", d)
			}
			if end, ok := q.first(row); ok != (len(got) > 0) || ok && end != got[0].End {
				t.Fatalf("first ends at %d", end)
			}
		}
	})
}
