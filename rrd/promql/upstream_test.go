package promql

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
	"pgregory.net/rapid"

	"rondo/rrd"
)

// A pair is the same data twice: in archives whose finest has one sample per
// slot, and as the samples that Prometheus would hold, with a marker where our law
// ends a run.
type pair struct {
	ours   *Engine
	theirs *promql.Engine
	store  samples
}

// samples is a storage for the engine as it is.
type samples struct {
	nothing
	series []*series
}

func (s samples) Querier(int64, int64) (storage.Querier, error) { return s, nil }

func (s samples) Select(_ context.Context, _ bool, _ *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	var found []storage.Series
	for _, one := range s.series {
		if !slices.ContainsFunc(ms, func(m *labels.Matcher) bool { return !m.Matches(one.labels.Get(m.Name)) }) {
			found = append(found, one)
		}
	}
	return &set{list: found}
}

// A set is a storage.SeriesSet of a list.
type set struct {
	list []storage.Series
	next int
}

func (s *set) Next() bool                        { s.next++; return s.next <= len(s.list) }
func (s *set) At() storage.Series                { return s.list[s.next-1] }
func (s *set) Err() error                        { return nil }
func (s *set) Warnings() annotations.Annotations { return nil }

const upstreamEnd = 3600 // seconds of data

func newPair(t testing.TB) *pair {
	t.Helper()
	m := newMemory(t)
	var store samples
	add := func(typ rrd.Type, name string, known func(i int) bool, f func(i float64) float64, ls ...rrd.Label) {
		key, err := rrd.NewKey(name, ls...)
		if err != nil {
			t.Fatal(err)
		}
		def := rrd.DefaultDefinition()
		// Across a gap longer than the heartbeat an increase is not known here,
		// and is to Prometheus.
		hold := map[rrd.Type]int{rrd.Gauge: 30, rrd.Counter: 300}[typ]
		def.Type, def.Heartbeat = typ, time.Duration(hold)*time.Second
		last := 0
		theirs := &series{labels: promLabels(key)}
		store.series = append(store.series, theirs)
		put := func(at int, v float64) {
			theirs.times, theirs.values = append(theirs.times, int64(at)*1000), append(theirs.values, v)
		}
		for i := 10; i <= upstreamEnd; i += 10 {
			if !known(i) {
				continue
			}
			if last > 0 && i-last > hold {
				put(last+hold, math.Float64frombits(value.StaleNaN))
			}
			m.add(key, def, point{rrd.Time(i) * rrd.Second, f(float64(i))})
			put(i, f(float64(i)))
			last = i
		}
		put(last+hold, math.Float64frombits(value.StaleNaN))
	}
	always := func(int) bool { return true }
	holes := func(i int) bool { return i%700 > 100 }
	label := func(n, v string) rrd.Label { return rrd.Label{Name: n, Value: v} }
	for i, host := range []string{"a", "b", "c"} {
		k := float64(i + 1)
		add(rrd.Gauge, "load", always, func(i float64) float64 { return k + math.Sin(i/100*k) }, label("host", host), label("dc", "x"))
		add(rrd.Gauge, "free", holes, func(i float64) float64 { return math.Mod(i*k, 97) - 40 }, label("host", host))
		add(rrd.Counter, "sent_total", holes, func(i float64) float64 { return math.Floor(i * i * k / 100) }, label("host", host), label("dev", "eth0"))
		add(rrd.Counter, "sent_total", always, func(i float64) float64 { return 1e15 + i*k }, label("host", host), label("dev", "eth1"))
	}
	for _, le := range []string{"0.1", "1", "10", "+Inf"} {
		n := float64(len(le))
		add(rrd.Counter, "took_seconds_bucket", always, func(i float64) float64 { return i * n }, label("le", le))
	}
	add(rrd.Gauge, "a.graphite.path", func(i int) bool { return i < 1800 }, func(i float64) float64 { return i })
	return &pair{ours: New(m, m, Options{MaxSamples: 1e6}), theirs: promql.NewEngine(promql.EngineOpts{
		MaxSamples: 1e6, Timeout: time.Minute, LookbackDelta: minLookback,
		NoStepSubqueryIntervalFn: func(int64) int64 { return subqueryStep.Milliseconds() },
		EnableAtModifier:         true, EnableNegativeOffset: true, EnableDelayedNameRemoval: true, Parser: newParser(),
	}), store: store}
}

// same asks both and compares to the last bit.
func (p *pair) same(t rapid.TB, expr string, start, end time.Time, step time.Duration) {
	t.Helper()
	ours, theirs := p.askOurs(expr, start, end, step), p.askTheirs(expr, start, end, step)
	for _, list := range [][]string{ours, theirs} {
		slices.Sort(list) // a vector has no order
		for i, text := range list {
			// so that of several the engine names any
			list[i], _, _ = strings.Cut(text, "found duplicate series for the match group")
		}
	}
	if d := cmp.Diff(theirs, ours); d != "" {
		t.Errorf("%s from %d to %d step %s (-Prometheus +rondo)\n%s", expr, start.Unix(), end.Unix(), step, d)
	}
}

func (p *pair) askOurs(expr string, start, end time.Time, step time.Duration) []string {
	a, err := p.ours.overRange(context.Background(), expr, start, end, step)
	if step == 0 {
		a, err = p.ours.instant(context.Background(), expr, start)
	}
	if err != nil {
		return []string{"error: " + strings.TrimPrefix(err.Error(), `promql: invalid parameter "query": `)}
	}
	defer a.close()
	return strings.Split(fmt.Sprint(a.value), "\n")
}

func (p *pair) askTheirs(expr string, start, end time.Time, step time.Duration) []string {
	q, err := p.theirs.NewRangeQuery(context.Background(), p.store, nil, expr, start, end, step)
	if step == 0 {
		q, err = p.theirs.NewInstantQuery(context.Background(), p.store, nil, expr, start)
	}
	if err != nil {
		return []string{"error: " + err.Error()}
	}
	defer q.Close()
	res := q.Exec(context.Background())
	if res.Err != nil {
		return []string{"error: promql: " + res.Err.Error()}
	}
	return strings.Split(fmt.Sprint(res.Value), "\n")
}

// TestAsPrometheus asks what dashboards ask.
func TestAsPrometheus(t *testing.T) {
	p := newPair(t)
	for _, expr := range []string{
		`load`, `load{host="a"}`, `load{host!~"a|b"}`, `{host=~".+",__name__=~"load|free"}`, `{"a.graphite.path"}`,
		`free`, `free offset 5m`, `free offset -1m`, `free @ 1000`, `free @ start() - free @ end()`, `sent_total`,
		`rate(sent_total[1m])`, `rate(sent_total[5m] offset 3m)`, `irate(sent_total[2m])`, `increase(sent_total[10m])`,
		`rate(sent_total[1m] @ 2000)`, `sum by (dev) (rate(sent_total[5m]))`, `sum without (dev) (increase(sent_total[1m]))`,
		`delta(free[5m])`, `idelta(free[1m])`, `deriv(free[5m])`, `predict_linear(free[5m], 3600)`, `delta(sent_total{dev="eth1"}[5m])`,
		`avg_over_time(free[5m])`, `min_over_time(free[5m])`, `max_over_time(free[5m])`, `sum_over_time(free[5m])`,
		`count_over_time(free[5m])`, `last_over_time(free[5m])`, `quantile_over_time(0.9, free[5m])`, `stddev_over_time(free[5m])`,
		`stdvar_over_time(load[5m])`, `present_over_time(free[1m])`, `absent_over_time(free{host="a"}[1m])`, `absent(free)`,
		`changes(free[5m])`, `resets(free[5m])`, `avg_over_time(sent_total[2m])`, `max_over_time(sent_total[2m])`, `changes(sent_total[1m])`,
		`histogram_quantile(0.9, rate(took_seconds_bucket[5m]))`, `histogram_quantile(0.5, sum by (le) (took_seconds_bucket))`,
		`max_over_time(rate(sent_total[1m])[10m:30s])`, `avg_over_time(load[10m:])`, `sum_over_time(sum(free)[5m:1m] offset 1m)`,
		`max_over_time(max_over_time(rate(sent_total[1m])[5m:1m])[10m:2m] @ 3000)`, `count_over_time(free[5m])[10m:1m]`,
		`load + on (host) group_right free`, `load * on (host) sum by (host) (free)`, `load - ignoring (dc) free`,
		`sum(load) / count(load)`, `100 * load / scalar(sum(load))`, `load > 2`, `load > bool 2`, `load and on (host) free > 0`,
		`load or free`, `free unless on (host) load > 2`, `topk(2, load)`, `bottomk(1, free)`, `quantile(0.5, load)`, `count_values("v", round(load))`,
		`stddev(load)`, `group(free)`, `label_replace(load, "x", "$1-y", "host", "(.*)")`, `label_join(load, "x", "/", "host", "dc")`,
		`timestamp(free)`, `time() - timestamp(free)`, `hour(load * 1000)`, `clamp(load, 1, 2)`, `sgn(free)`, `-load ^ 2`, `sort_desc(load)`,
		`round(load, 0.25)`, `vector(1)`, `scalar(load)`, `1 + 2 * 3`, `"text"`, `rate(free[1m]) < 0 or vector(0)`, `load[1m]`,
		`avg_over_time({__name__=~"load|free"}[1m])`, `load + load{host="a"}`, `load + on (dc) load`, `nothing`,
	} {
		at := func(s int64) time.Time { return time.Unix(s, 0) }
		p.same(t, expr, at(400), at(3700), 70*time.Second)
		p.same(t, expr, at(1005), at(1405), 7*time.Second)
		p.same(t, expr, at(3625), at(3625), 0)
	}
}

// TestAsPrometheusSlips: where a subquery begins at the instant of what is
// around it, an @ in it is looked for by the subquery's offset elsewhere.
func TestAsPrometheusSlips(t *testing.T) {
	p := newPair(t)
	for _, expr := range []string{
		`rate((rate(load[30s] @ 1500))[1m:20s] offset -45s)`, `sum_over_time((free @ 1500)[10s:20s] offset 5s)`,
		`sum_over_time((rate(load[30s] @ 1500))[10s:20s] offset 5s)`, `sum_over_time((rate(load[30s] @ 1500))[1m:20s] @ 1060)`,
		`sum_over_time(sum_over_time((rate(load[30s]))[1m:20s] @ 1500)[1m:20s] offset -45s)`,
		`sum_over_time(sum_over_time((rate(load[30s] @ 1500))[1m:20s] offset -45s)[1m:20s] offset -45s)`,
		`sum_over_time(sum_over_time((rate(load[30s] @ 1500))[1m:] offset -45s)[5m:] offset -5m)`,
	} {
		for _, s := range []int64{0, 100, 1000, 1020} {
			p.same(t, expr, time.Unix(s, 0), time.Unix(s, 0), time.Second)
		}
	}
}

// TestAsPrometheusRandom asks what nobody would.
func TestAsPrometheusRandom(t *testing.T) {
	p := newPair(t)
	rapid.Check(t, func(rt *rapid.T) {
		expr := anyExpr(rt, 3)
		start := time.UnixMilli(rapid.Int64Range(0, upstreamEnd*1000).Draw(rt, "start"))
		step := time.Duration(rapid.Int64Range(1000, 300_000).Draw(rt, "step")) * time.Millisecond
		p.same(rt, expr, start, start.Add(step*time.Duration(rapid.IntRange(0, 20).Draw(rt, "n"))), step)
	})
}

// anyExpr makes an expression of instant vector type.
func anyExpr(t *rapid.T, depth int) string {
	selector := rapid.SampledFrom([]string{
		`load`, `free`, `sent_total`, `sent_total{dev="eth0"}`, `free{host=~"a|c"}`, `{host="b"}`, `took_seconds_bucket`, `{"a.graphite.path"}`,
	}).Draw(t, "selector")
	modifier := rapid.SampledFrom([]string{"", "", "", " offset 2m", " offset -45s", " @ 1500", " @ end()"}).Draw(t, "modifier")
	if depth == 0 {
		return selector + modifier
	}
	window := rapid.SampledFrom([]string{"30s", "1m", "5m", "12m"}).Draw(t, "window")
	inner := anyExpr(t, depth-1)
	fn := rapid.SampledFrom([]string{
		"rate", "irate", "increase", "delta", "idelta", "deriv", "avg_over_time", "min_over_time", "max_over_time", "sum_over_time",
		"count_over_time", "last_over_time", "stddev_over_time", "changes", "resets", "present_over_time", "absent_over_time",
	}).Draw(t, "fn")
	switch rapid.IntRange(0, 6).Draw(t, "shape") {
	case 0, 1:
		return fmt.Sprintf("%s(%s[%s]%s)", fn, selector, window, modifier)
	case 2:
		return fmt.Sprintf("%s((%s)[%s:20s]%s)", fn, inner, window, modifier)
	case 3:
		op := rapid.SampledFrom([]string{"sum", "max", "count", "avg"}).Draw(t, "op")
		return fmt.Sprintf("%s by (host) (%s)", op, inner)
	case 4:
		op := rapid.SampledFrom([]string{"+", "-", "*", "/", ">", "and", "or", "unless"}).Draw(t, "op")
		return fmt.Sprintf("(%s) %s on (host, dev, le) (%s)", inner, op, anyExpr(t, depth-1))
	case 5:
		return fmt.Sprintf("abs(-(%s))", inner)
	}
	return inner
}
