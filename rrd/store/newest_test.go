package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rondo/rrd"
)

// TestNewest asks for the newest row only, and for all: the last one is the
// same, whatever came before and however long ago.
func TestNewest(t *testing.T) {
	now := rrd.Time(1_700_000_000 * rrd.Second)
	st := openStore(t, t.TempDir(), Options{Every: time.Hour, Now: func() time.Time { return now.Std() }})
	defer closeStore(t, st)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		key := rrd.Key(fmt.Sprintf("newest.%d", n))
		kind := rapid.SampledFrom([]rrd.Type{rrd.Gauge, rrd.Counter}).Draw(rt, "type")
		last := func(newest bool, end rrd.Time) string {
			q := rrd.Query{Matchers: selector("__name__", "=", string(key)), Start: end - maxHold, End: end, Newest: newest}
			for c := range rrd.ColTotal {
				q.Columns = append(q.Columns, c)
			}
			for s, err := range st.Select(t.Context(), q) {
				if err != nil {
					rt.Fatal(err)
				}
				if i := len(s.Times) - 1; i >= 0 {
					text := fmt.Sprint(s.Archive, s.Open, s.Times[i])
					for _, c := range q.Columns {
						text += fmt.Sprint(" ", s.Values[c][i])
					}
					return text
				}
			}
			return "none"
		}
		for range rapid.IntRange(1, 30).Draw(rt, "samples") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{1, 3, 10, 10, 60, 700}).Draw(rt, "pause")) * time.Second)
			at := now.Add(-time.Duration(rapid.SampledFrom([]int{0, 0, 0, 4, 15, -3}).Draw(rt, "behind")) * time.Second)
			s := rrd.Sample{Key: key, Time: at, Type: kind, Value: float64(rapid.IntRange(0, 1000).Draw(rt, "value")) / 10}
			if err := st.Write(t.Context(), []rrd.Sample{s}); err != nil {
				rt.Fatal(err)
			}
			end := now.Add(time.Duration(rapid.SampledFrom([]int{0, 1, -2, 20, 400}).Draw(rt, "end")) * time.Second)
			if d := cmp.Diff(last(false, end), last(true, end)); d != "" {
				rt.Fatal(d)
			}
		}
	})
}
