package store

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rondo/rrd"
)

// selector makes matchers of label, operator and value.
func selector(parts ...string) (ms []rrd.Matcher) {
	ops := map[string]rrd.MatchOp{"=": rrd.Equal, "!=": rrd.NotEqual, "=~": rrd.Regexp, "!~": rrd.NotRegexp}
	for i := 0; i < len(parts); i += 3 {
		ms = append(ms, rrd.Matcher{Label: parts[i], Op: ops[parts[i+1]], Value: parts[i+2]})
	}
	return ms
}

func TestWatchMatches(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	st := openStore(t, t.TempDir(), Options{Every: time.Hour, Now: func() time.Time { return now }})
	defer closeStore(t, st)
	watches := []rrd.Watch{
		{Selectors: [][]rrd.Matcher{selector("__name__", "=", "cpu", "group", "=", "web")}},
		{Selectors: [][]rrd.Matcher{selector("group", "=", "web", "__name__", "=~", "cpu|load")}},
		{Selectors: [][]rrd.Matcher{selector("__name__", "=~", `fleet\.web\..*\.load`)}},
		{Selectors: [][]rrd.Matcher{selector("host", "=~", "w.*", "group", "!=", "db")}},
		{Selectors: [][]rrd.Matcher{selector("__name__", "=", "nothing"), selector("__name__", "=", "load", "group", "=", ""), selector("__name__", "=", "load")}},
	}
	var got []int
	if err := st.Watch(watches, func(i int, _ rrd.Time) { got = append(got, i) }); err != nil {
		t.Fatal(err)
	}
	f := func(want []int, name string, labels ...rrd.Label) {
		t.Helper()
		k, err := rrd.NewKey(name, labels...)
		if err != nil {
			t.Fatal(err)
		}
		got = nil
		if err := st.Write(t.Context(), []rrd.Sample{{Key: k, Time: rrd.At(now), Value: 1}}); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%v: %s", k, d)
		}
	}
	f([]int{0, 1}, "cpu", rrd.Label{Name: "group", Value: "web"})
	f([]int{0, 1, 3}, "cpu", rrd.Label{Name: "group", Value: "web"}, rrd.Label{Name: "host", Value: "w1"})
	f(nil, "cpu", rrd.Label{Name: "group", Value: "db"}, rrd.Label{Name: "host", Value: "w1"})
	f([]int{1, 4}, "load", rrd.Label{Name: "group", Value: "web"})
	f([]int{4}, "load")
	f([]int{2}, "fleet.web.a.load")
	f(nil, "fleet.web.a.loads")
	if err := st.Watch(nil, nil); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	f(nil, "load")
	if err := st.Watch([]rrd.Watch{{Selectors: [][]rrd.Matcher{selector("a", "=~", "(")}}}, nil); err == nil {
		t.Error("an expression that cannot be read is taken")
	}
}

// newestRow is what a query at an instant sees of a series: which part of the
// cuts its average and its last value are in.
func newestRow(tb testing.TB, st *Store, k rrd.Key, now rrd.Time, cuts []float64) string {
	tb.Helper()
	q := rrd.Query{
		Matchers: selector("__name__", "=", string(k)), Start: now - maxHold, End: now,
		Columns: []rrd.Column{rrd.ColAverage, rrd.ColLast},
	}
	for s, err := range st.Select(tb.Context(), q) {
		if err != nil {
			tb.Fatal(err)
		}
		last := len(s.Times) - 1
		hold := max(2*s.Row(), s.Definition.Heartbeat)
		if last < 0 || now.Sub(s.Times[last]) >= hold {
			return "absent"
		}
		text := ""
		for _, c := range q.Columns {
			v := s.Values[c][last]
			n, at := slices.BinarySearch(cuts, v)
			text += fmt.Sprint(n, at, " ")
		}
		return text
	}
	return "absent"
}

// TestWatchLaw sends random samples, in order, late, again, ahead, after a
// silence, many in a row and at the cuts themselves: one that is not told
// changes nothing of what a query sees in terms of the cuts.
func TestWatchLaw(t *testing.T) {
	dir := t.TempDir()
	var now atomic.Int64
	st := openStore(t, dir, Options{Every: time.Hour, Now: func() time.Time { return rrd.Time(now.Load()).Std() }})
	defer closeStore(t, st)
	now.Store(1_700_000_000 * int64(rrd.Second))
	n, silent := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		key := rrd.Key(fmt.Sprintf("law.%d", n))
		cuts := rapid.SampledFrom([][]float64{{5}, {0}, {0.1, 0.3}, {-1e9, 1e9 + 0.1, 2e9}}).Draw(rt, "cuts")
		values := append([]float64{-3e9, -1, 0.2, 4, 6, 3e9}, cuts...)
		for _, c := range cuts {
			values = append(values, math.Nextafter(c, 1e300), math.Nextafter(c, -1e300))
		}
		told := false
		if err := st.Watch([]rrd.Watch{{Selectors: [][]rrd.Matcher{selector("__name__", "=", string(key))}, Cuts: cuts}}, func(int, rrd.Time) { told = true }); err != nil {
			rt.Fatal(err)
		}
		v := rapid.SampledFrom(values).Draw(rt, "first")
		for range rapid.IntRange(5, 60).Draw(rt, "samples") {
			pause := rapid.SampledFrom([]int64{1, 3, 10, 10, 10, 119, 120, 400}).Draw(rt, "pause")
			at := now.Add(pause * int64(rrd.Second))
			if !rapid.Bool().Draw(rt, "same") {
				v = rapid.SampledFrom(values).Draw(rt, "value")
			}
			behind := rapid.SampledFrom([]int64{0, 0, 0, 0, 1, 7, 30, -5}).Draw(rt, "behind")
			before := newestRow(t, st, key, rrd.Time(at), cuts)
			told = false
			err := st.Write(context.Background(), []rrd.Sample{{Key: key, Time: rrd.Time(at - behind*int64(rrd.Second)), Value: v}})
			if err != nil {
				rt.Fatal(err)
			}
			if !told {
				silent++
			}
			if after := newestRow(t, st, key, rrd.Time(at), cuts); !told && after != before {
				rt.Fatalf("%v was %q and is %q, untold", v, before, after)
			}
		}
	})
	if silent == 0 {
		t.Error("all samples were told")
	}
	t.Logf("%d samples were not told", silent)
}
