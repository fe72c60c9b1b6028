package promql

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"sort"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"rondo/rrd"
)

func TestCheck(t *testing.T) {
	f := func(expr, want string) {
		t.Helper()
		got := ""
		if err := Check(expr); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%.60s: got %q, want %q", expr, got, want)
		}
	}
	f("avg by (group) (load1) > 5", "")
	f("avg by (group (load1) > 5", `promql: invalid parameter "query": 1:15: parse error: unexpected "(" in grouping opts, expected "," or ")"`)
	f("load1 +\n  rate(load1)", `promql: invalid parameter "query": 2:8: parse error: expected type range vector in call to function "rate", got instant vector`)
	f("info(load1)", `promql: invalid parameter "query": 1:1: parse error: function "info" is not enabled`)
	f(strings.Repeat("(", maxQueryLen+1), `promql: invalid parameter "query": the query has 131073 bytes, more than 131072`)
	f(strings.Repeat("(", maxQueryWords), `promql: invalid parameter "query": the query has more than 2000 names, operators and brackets`)
	f(`up{host=~"`+strings.Repeat("a|", maxQueryLen/4)+`"}`, "")
}

// kindOf runs a query that must fail.
func kindOf(t *testing.T, e *Engine, expr string) Kind {
	t.Helper()
	_, err := e.Range(t.Context(), expr, time.Unix(1000, 0), time.Unix(1100, 0), time.Second)
	got, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("%s: %v is no *Error", expr, err)
	}
	return got.Kind
}

func TestLimits(t *testing.T) {
	f := func(o Options, expr string, want Kind) {
		t.Helper()
		m := httpStore(t)
		if got := kindOf(t, New(m, m, o), expr); got != want {
			t.Errorf("%s with %+v: %s, want %s", expr, o, got, want)
		}
	}
	f(Options{MaxSamples: 10}, "load1", Execution)            // while reading
	f(Options{MaxSamples: 100}, "rate(load1[1m])", Execution) // while evaluating
	f(Options{MaxSeries: 1}, "load1", Execution)              // in one selector
	f(Options{Timeout: 1}, "load1", Timeout)                  // at once
	f(Options{}, "load1 + on() load1", Execution)             // not to be answered
	f(Options{}, "load1[1m]", BadData)                        // not to be drawn
	f(Options{}, strings.Repeat("1+", maxQueryLen), BadData)  // too long
	f(Options{}, `load1{host=~"("}`, BadData)                 // no expression
	f(Options{}, "load1 and "+strings.Repeat("-", 1e4), BadData)
}

// A stuck store answers when its caller gives up.
type stuck struct{ *memory }

func (*stuck) Select(ctx context.Context, _ rrd.Query) iter.Seq2[rrd.Series, error] {
	return func(yield func(rrd.Series, error) bool) {
		<-ctx.Done()
		yield(rrd.Series{}, ctx.Err())
	}
}

// TestQueue fills all places: who waits is told that time ran out, and nobody
// is left behind.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stuck{newMemory(t)}
		e := New(s, s, Options{MaxConcurrent: 2, Timeout: time.Minute})
		var running sync.WaitGroup
		for range 5 {
			running.Go(func() {
				_, err := e.Eval(t.Context(), "x", time.Now())
				if got, ok := errors.AsType[*Error](err); !ok || got.Kind != Timeout {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		if len(e.slots) != 2 {
			t.Errorf("%d queries run", len(e.slots))
		}
		ctx, cancel := context.WithCancel(t.Context())
		running.Go(func() {
			_, err := e.Eval(ctx, "x", time.Now())
			if got, ok := errors.AsType[*Error](err); !ok || got.Kind != Canceled {
				t.Errorf("got %v", err)
			}
		})
		synctest.Wait()
		cancel()
		running.Wait()
		if len(e.slots) != 0 {
			t.Errorf("%d places are still taken", len(e.slots))
		}
	})
}

// TestExactArchives reads what RRDtool's arithmetic keeps: rates, no totals, no
// counts, and not every consolidation function.
func TestExactArchives(t *testing.T) {
	def := rrd.DefaultDefinition()
	def.Type = rrd.Counter
	nan := math.NaN()
	s := rrd.Series{
		Key: "c", Definition: def, Times: []rrd.Time{10e6, 20e6, 30e6, 40e6},
		Values: [rrd.NumColumns][]float64{
			rrd.ColAverage: {2, 2, nan, 4}, rrd.ColTotal: {nan, nan, nan, nan}, rrd.ColMax: {nan, nan, nan, nan},
		},
	}
	f := func(c, wantColumn rrd.Column, want ...float64) {
		t.Helper()
		got, gotColumn := column(s, c)
		if fmt.Sprint(got) != fmt.Sprint(want) || gotColumn != wantColumn {
			t.Errorf("%s: %v of %s, want %v of %s", c, got, gotColumn, want, wantColumn)
		}
	}
	f(rrd.ColTotal, rrd.ColTotal, 20, 40, 40, 80)
	f(rrd.ColMax, rrd.ColAverage, 2, 2, nan, 4)
	f(rrd.ColSum, rrd.ColAverage, 2, 2, nan, 4)
	f(rrd.ColCount, rrd.ColCount, 1, 1, 1, 1)
}

// TestNeighbours holds two instants of one millisecond apart.
func TestNeighbours(t *testing.T) {
	s := newSeries(promLabels("x"), []rrd.Time{1000, 1400, 1999, 5000}, []float64{1, 2, 3, 4}, rrd.Second, grid{})
	if got, want := fmt.Sprint(s.times), "[1 2 3 5 1005]"; got != want {
		t.Errorf("times %s, want %s", got, want)
	}
}

// TestGrid holds the points of a grid against all points: the newest at each
// instant must be the same.
func TestGrid(t *testing.T) {
	newest := func(s *series, at int64) (int64, float64) {
		i := sort.Search(len(s.times), func(i int) bool { return s.times[i] > at }) - 1
		if i < 0 {
			return 0, 0
		}
		return s.times[i], s.values[i]
	}
	rapid.Check(t, func(t *rapid.T) {
		g := grid{rapid.Int64Range(-50, 500).Draw(t, "start"), rapid.Int64Range(1, 300).Draw(t, "step")}
		var times []rrd.Time
		var values []float64
		at := rrd.Time(0)
		for i, gap := range rapid.SliceOfN(rapid.Int64Range(1, 40_000), 0, 60).Draw(t, "gaps") {
			at += rrd.Time(gap) // microseconds
			times, values = append(times, at), append(values, float64(i+1))
		}
		all := newSeries(promLabels("x"), times, values, 30_000, grid{})
		some := newSeries(promLabels("x"), times, values, 30_000, g)
		for at := g.start; at <= g.start+20*g.step; at += g.step {
			wantTime, want := newest(all, at)
			gotTime, got := newest(some, at)
			if gotTime != wantTime || math.Float64bits(got) != math.Float64bits(want) {
				t.Fatalf("at %d: %v of %d, want %v of %d", at, got, gotTime, want, wantTime)
			}
		}
	})
}

func TestOptions(t *testing.T) {
	if err := DefaultOptions().Validate(); err != nil {
		t.Error(err)
	}
	if err := (Options{MaxSamples: -1}).Validate(); err == nil {
		t.Error("a negative limit is taken")
	}
}

// FuzzQuery sends any text through the whole of it. Nothing may panic, hang or
// answer with a NaN that no arithmetic made.
func FuzzQuery(f *testing.F) {
	for _, expr := range []string{
		"load1", `rate(net_received_bytes[1m] offset 5s)`, `avg_over_time({__name__=~".+"}[30s])[1m:5s]`, "1+1", `"x"`,
		`topk(2, max_over_time(load1[5s])) / on (host) group_left load1 @ 1050`, `{"fleet.web.i-1.load1"}`, "((((", "-load1 ^ -2", "x @ end() - y[1m:]",
	} {
		f.Add(expr, int64(1050), int64(10))
	}
	m := httpStore(f)
	e := New(m, m, Options{MaxSamples: 10_000, Timeout: time.Second})
	f.Fuzz(func(t *testing.T, expr string, at, step int64) {
		start := time.Unix(at%1e12, 0)
		_, err := e.Eval(t.Context(), expr, start)
		if (Check(expr) != nil) && err == nil {
			t.Errorf("%q is wrong and was answered", expr)
		}
		d := time.Duration(step%1e6) * time.Second
		_, _ = e.Range(t.Context(), expr, start, start.Add(20*d), d) // any error will do
	})
}

// A fixed store gives the same rows to every query, so that a benchmark measures
// the engine.
type fixed struct {
	*memory
	rows []rrd.Series
}

func (f *fixed) Select(context.Context, rrd.Query) iter.Seq2[rrd.Series, error] {
	return func(yield func(rrd.Series, error) bool) {
		for _, r := range f.rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// benchStore holds n series of a day of minutes.
func benchStore(b *testing.B, n int) *fixed {
	b.Helper()
	store := &fixed{memory: newMemory(b)}
	for i := range n {
		key, err := rrd.NewKey("load", rrd.Label{Name: "host", Value: fmt.Sprint("h", i)}, rrd.Label{Name: "role", Value: fmt.Sprint(i % 10)})
		if err != nil {
			b.Fatal(err)
		}
		s := rrd.Series{Key: key, Definition: rrd.DefaultDefinition(), Archive: 1}
		for k := range 1440 {
			s.Times = append(s.Times, rrd.Time(k+1)*60*rrd.Second)
			for c := range s.Values {
				s.Values[c] = append(s.Values[c], float64(k*(i+1)%1000))
			}
		}
		store.rows = append(store.rows, s)
	}
	return store
}

func benchRange(b *testing.B, expr string, series int) {
	store := benchStore(b, series)
	e := New(store, store, Options{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Range(b.Context(), expr, time.Unix(0, 0), time.Unix(86400, 0), 5*time.Minute); err != nil {
			b.Fatal(err)
		}
	}
}

// The peers' figures are of these: a day at 5 m over 1,000 series.
func BenchmarkAvgBy(b *testing.B)  { benchRange(b, "avg by (role) (load)", 1000) }
func BenchmarkRateBy(b *testing.B) { benchRange(b, "sum by (role) (rate(load[5m]))", 1000) }
func BenchmarkAvgOverTimeBy(b *testing.B) {
	benchRange(b, "avg by (role) (avg_over_time(load[5m]))", 1000)
}
func BenchmarkOneSeries(b *testing.B) { benchRange(b, "load", 1) }

// BenchmarkEval is what an alert rule costs at each tick.
func BenchmarkEval(b *testing.B) {
	m := httpStore(b)
	e := New(m, m, Options{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Eval(b.Context(), `avg(load1{host="a"}) > 5`, time.Unix(1100, 0)); err != nil {
			b.Fatal(err)
		}
	}
}
