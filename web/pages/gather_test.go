package pages

import (
	"context"
	"encoding/json"
	"iter"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"rondo/alerts"
	"rondo/autoscale"
	"rondo/rrd"
)

// series makes rows that end every row seconds from start on; NaN leaves a row out.
func series(typ rrd.Type, row time.Duration, start rrd.Time, avg []float64) rrd.Series {
	d := rrd.DefaultDefinition()
	d.Type, d.Step = typ, row
	s := rrd.Series{Definition: d}
	for i, v := range avg {
		if math.IsNaN(v) {
			continue
		}
		s.Times = append(s.Times, start.Add(time.Duration(i+1)*row))
		s.Values[rrd.ColAverage] = append(s.Values[rrd.ColAverage], v)
		s.Values[rrd.ColMin] = append(s.Values[rrd.ColMin], v-1)
		s.Values[rrd.ColMax] = append(s.Values[rrd.ColMax], v+1)
		s.Values[rrd.ColTotal] = append(s.Values[rrd.ColTotal], v)
	}
	return s
}

func same(t *testing.T, what string, got, want []float64) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateNaNs(), cmpopts.EquateApprox(1e-9, 0)); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func testGrid(steps int, step time.Duration) grid {
	start := rrd.At(noon())
	return grid{start: start, end: start.Add(time.Duration(steps) * step), step: step}
}

func TestCurveKeepsPeaks(t *testing.T) {
	nan := math.NaN()
	g := testGrid(3, 30*time.Second)
	c := g.curve("x", series(rrd.Gauge, 10*time.Second, g.start, []float64{1, 2, 3, nan, nan, nan, 5, 100, 6}))
	same(t, "avg", c.Avg, []float64{2, nan, 37})
	same(t, "min", c.Min, []float64{0, nan, 4})
	same(t, "max", c.Max, []float64{4, nan, 101})
	if st := c.Stats(); st.Max != 101 || st.Min != 0 || st.Last != 37 {
		t.Errorf("stats %+v", st)
	}
}

// A row that is longer than a step is shown over its whole length.
func TestCurveStretchesLongRows(t *testing.T) {
	nan := math.NaN()
	g := testGrid(6, 10*time.Second)
	c := g.curve("x", series(rrd.Gauge, 30*time.Second, g.start, []float64{1, 2}))
	same(t, "avg", c.Avg, []float64{1, 1, 1, 2, 2, 2})
	c = g.curve("x", series(rrd.Gauge, 30*time.Second, g.start, []float64{nan, 2}))
	same(t, "avg", c.Avg, []float64{nan, nan, nan, 2, 2, 2})
}

func TestCounterBecomesItsRate(t *testing.T) {
	nan := math.NaN()
	g := testGrid(4, 10*time.Second)
	c := g.curve("x", series(rrd.Counter, 10*time.Second, g.start, []float64{100, 200, 500, 500}))
	same(t, "rate", c.Avg, []float64{nan, 10, 30, 0})
	if c.Min != nil {
		t.Error("a rate has a band of totals")
	}
	// A silence longer than the heartbeat is unknown, not a slope.
	g = testGrid(20, 10*time.Second)
	total := unknowns(20)
	total[0], total[19] = 100, 2000
	same(t, "silence", g.curve("x", series(rrd.Counter, 10*time.Second, g.start, total)).Avg, unknowns(20))
}

// Whatever rows come, the grid keeps its length and no peak is lost.
func TestCurveProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		step := time.Duration(rapid.SampledFrom([]int{1, 10, 60, 300}).Draw(t, "step")) * time.Second
		row := time.Duration(rapid.SampledFrom([]int{1, 10, 60, 600}).Draw(t, "row")) * time.Second
		now := time.Unix(rapid.Int64Range(1e9, 2e9).Draw(t, "now"), 0)
		r := Range{Start: now.Add(-time.Duration(rapid.IntRange(10, 1e5).Draw(t, "span")) * time.Second), End: now}
		g := newGrid(r, 300)
		g.step = max(g.step, step)
		g.start, g.end = g.start.SlotEnd(g.step).Add(-g.step), g.end.SlotEnd(g.step)
		values := rapid.SliceOfN(rapid.Float64Range(0, 1e6), 0, 50).Draw(t, "values")
		s := series(rrd.Gauge, row, g.start.SlotEnd(row), values)
		c := g.curve("x", s)
		if len(c.Avg) != g.len() || len(g.times()) != g.len() || len(c.Max) != g.len() {
			t.Fatalf("%d points on %d steps", len(c.Avg), g.len())
		}
		highest := math.Inf(-1)
		for i, at := range s.Times {
			if at > g.start && at <= g.end {
				highest = max(highest, s.Values[rrd.ColMax][i])
			}
		}
		if st := c.Stats(); !math.IsInf(highest, -1) && st.Max < highest {
			t.Fatalf("peak %v became %v", highest, st.Max)
		}
	})
}

func TestFigureData(t *testing.T) {
	f := Figure{
		Unit: "%", Start: time.Unix(0, 0), End: time.Unix(20, 0), Times: []int64{10, 20},
		Curves:     []Curve{{Name: "</script>", Avg: []float64{1.23456789, math.NaN()}, Step: true}},
		Thresholds: []Threshold{{"none", math.Inf(1), "raise"}, {"raise", 90, "raise"}},
	}
	b, err := json.Marshal(f.Data())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"unit":"%","start":0,"end":20,"times":[10,20],"curves":[{"name":"\u003c/script\u003e","avg":[1.23457,null],"step":true}],"thresholds":[{"name":"raise","value":90,"kind":"raise"}]}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
}

func TestCapacityFigure(t *testing.T) {
	at := func(s int) time.Time { return noon().Add(time.Duration(s) * time.Second) }
	move := func(s, from, to int) autoscale.Decision {
		d := autoscale.Decision{At: at(s), From: from, To: to, Direction: autoscale.Out}
		if to < from {
			d.Direction = autoscale.In
		}
		return d
	}
	held := move(250, 8, 4)
	held.Held = "cooldown"
	dry := move(260, 8, 100)
	dry.DryRun = true
	v := autoscale.View{Desired: 6, Min: 2, Max: 20, Recent: []autoscale.Decision{move(270, 8, 6), dry, held, move(120, 2, 8)}}
	f := capacityFigure(v, Range{Start: at(0), End: at(300)}, at(-5), nil)
	for i, ts := range f.Times {
		want := 6.0
		switch s := ts - noon().Unix(); {
		case s < 120:
			want = 2
		case s < 270:
			want = 8
		}
		if got := f.Curves[0].Avg[i]; got != want {
			t.Fatalf("at %d s: capacity %v, want %v", ts-noon().Unix(), got, want)
		}
	}
	f = capacityFigure(autoscale.View{Desired: 3}, Range{Start: at(0), End: at(300)}, at(200), nil)
	if n := f.Curves[0].Stats().Count; n == 0 || n > len(f.Times)/2 {
		t.Errorf("a program of 100 s knows %d of %d points", n, len(f.Times))
	}
}

// A gauge is a store of one series.
type gauge struct{ rrd.Series }

func (s gauge) Select(_ context.Context, q rrd.Query) iter.Seq2[rrd.Series, error] {
	return func(yield func(rrd.Series, error) bool) {
		if len(q.Matchers) == 1 && q.Matchers[0].Value == s.Key.Name() {
			yield(s.Series, nil)
		}
	}
}

// TestStoredCapacity wants the capacity as it was stored, the gap in which
// nobody wrote, and what the decisions say before it was.
func TestStoredCapacity(t *testing.T) {
	at := func(s int) time.Time { return noon().Add(time.Duration(s) * time.Second) }
	g := gauge{rrd.Series{Key: "rondo.autoscale.web.desired", Definition: rrd.DefaultDefinition()}}
	g.Definition.Heartbeat = 20 * time.Second
	for _, p := range []struct {
		at    int
		value float64
	}{{100, 4}, {110, 4}, {120, 8}, {240, 6}, {250, 6}} {
		g.Times = append(g.Times, rrd.At(at(p.at)))
		g.Values[rrd.ColLast] = append(g.Values[rrd.ColLast], p.value)
	}
	p := &Pages{deps: Deps{Metrics: g}}
	r := Range{Start: at(0), End: at(300)}
	stored, err := p.storedCapacity(t.Context(), "web", "desired", newGrid(r, groupSteps))
	if err != nil {
		t.Fatal(err)
	}
	fig := capacityFigure(autoscale.View{Desired: 6}, r, at(30), stored)
	f := func(s int, want float64) {
		t.Helper()
		i := slices.Index(fig.Times, at(s).Unix())
		if got := fig.Curves[0].Avg[i]; got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Errorf("at %d s: %v, want %v", s, got, want)
		}
	}
	f(10, math.NaN()) // before the program's start
	f(60, 6)          // not stored: from the decisions
	f(100, 4)
	f(115, 8) // somewhere in this row of 10 s it changed
	f(130, 8)
	f(200, math.NaN()) // the program was away
	f(245, 6)
	f(268, 6)
	f(290, math.NaN())
	if other, err := p.storedCapacity(t.Context(), "db", "desired", newGrid(r, groupSteps)); err != nil || !math.IsNaN(other[150]) {
		t.Errorf("another group: %v, %v", other[150], err)
	}
}

func TestDecisionEvent(t *testing.T) {
	hosts := map[string]string{"i-0a1": "web-10", "i-0b2": "web-9"}
	f := func(d autoscale.Decision, text, more string) {
		t.Helper()
		d.Group = "web"
		if e := decisionEvent(d, hosts); e.Text != text || e.More != more {
			t.Errorf("got %q, %q, want %q, %q", e.Text, e.More, text, more)
		}
	}
	f(autoscale.Decision{From: 6, To: 4, Instances: []string{"i-0a1", "i-0b2"}, Reason: "run queue 0.2 below 0.5 for 39s: 6 -> 4; i-0a1 is the newest of 2 in us-east-1a"},
		"web: retired web-9, web-10 (6 → 4)", "run queue 0.2 below 0.5 for 39s")
	f(autoscale.Decision{From: 2, To: 4, Instances: []string{"i-0a1", "i-0c3"}, Reason: "run queue 21 above 4 for 3s: 2 -> 4"},
		"web: launched 2 instances (2 → 4)", "run queue 21 above 4 for 3s")
	f(autoscale.Decision{From: 2, To: 3, Reason: "below the least"}, "web: launched 1 instance (2 → 3)", "below the least")
}

func TestInShort(t *testing.T) {
	d := autoscale.Decision{From: 6, To: 4, Reason: "run queue 0.2 below 0.5 for 40s: 6 -> 4; i-0a1 is the newest", Held: "cooldown for 5s more"}
	if got, want := inShort(d), "run queue 0.2 below 0.5 for 40s: 6 → 4; held back: cooldown for 5s more"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := inShort(autoscale.Decision{Reason: "run queue 2 between 0.5 and 4"}); got != "run queue 2 between 0.5 and 4" {
		t.Errorf("got %q", got)
	}
}

func TestWhoKnows(t *testing.T) {
	f := func(v alerts.View, want string) {
		t.Helper()
		if got := problem(v).Who(noon()); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	ack := &alerts.Ack{By: "ana", Comment: "vendor is on it", At: noon().Add(-time.Minute)}
	f(alerts.View{Status: alerts.Critical}, "")
	f(alerts.View{Status: alerts.Critical, Ack: ack}, "acknowledged by ana 1 m ago: vendor is on it")
	f(alerts.View{Status: alerts.Critical, Ack: &alerts.Ack{At: noon()}}, "acknowledged now")
	f(alerts.View{Status: alerts.Warning, Mute: alerts.Mute{Reason: alerts.Silenced}, Ack: ack}, "silenced: nobody is told of it")
	f(alerts.View{Status: alerts.OK, Mute: alerts.Mute{Reason: alerts.Silenced}}, "")
}

func TestFormat(t *testing.T) {
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(number(27.1, millis), "27.1 ms")
	f(number(2500, millis), "2.5 s")
	f(number(math.NaN(), "%"), "–")
	f(fixed(20.96, 0, "%"), "21 %")
	f(fixed(math.NaN(), 0, "%"), "–")
	f(count(0), "0")
	f(count(999), "999")
	f(count(-1234567), "-1,234,567")
	f(span(500*time.Millisecond), "500 ms")
	f(span(59*time.Second), "59 s")
	f(span(61*time.Second), "1 m 1 s")
	f(span(time.Hour), "1 h")
	f(span(49*time.Hour), "2 d 1 h")
	f(span(-time.Minute), "-1 m")
	f(ago(noon(), time.Time{}), "never")
	f(ago(noon(), noon().Add(time.Second)), "now")
	f(ago(noon(), noon().Add(-90*time.Second)), "1 m 30 s ago")
	f(clock(noon(), noon().Add(-time.Hour)), "11:00:00")
	f(clock(noon(), noon().Add(-13*time.Hour)), "02-28 23:00:00")
	f(unitOf("fleet.web.web-1.response_ms"), "ms")
	f(unitOf("100 - avg(cpu_free_percent)"), "%")
	f(unitOf("rate(net_received_bytes[5m])"), "B/s")
	f(unitOf("requests_per_second"), "/s")
	f(unitOf("load1"), "")
}

func TestFacetLinks(t *testing.T) {
	f := func(query, term, rest string, had bool) {
		t.Helper()
		if r, h := without(query, term); r != rest || h != had {
			t.Errorf("%q without %q: got %q %v, want %q %v", query, term, r, h, rest, had)
		}
	}
	f("host:a app:b", "host:a", "app:b", true)
	f("host:ab", "host:a", "host:ab", false)
	f("-host:a", "host:a", "-host:a", false)
	f("", "host:a", "", false)
	f("x host:a y", "host:a", "x y", true)
}

func TestQuoteField(t *testing.T) {
	for in, want := range map[string]string{"web-1": "web-1", "": `""`, "a b": `"a b"`, `a"b\`: `"a\"b\\"`, "a*": `"a*"`, "fe80::1": `"fe80::1"`} {
		if got := quoteField(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestSelects(t *testing.T) {
	f := func(expr string, want bool) {
		t.Helper()
		if selects(expr, "load1") != want {
			t.Errorf("%q selects load1: want %v", expr, want)
		}
	}
	f("load1", true)
	f(`load1{host="a"}`, true)
	f(`{__name__=~"fleet.*load1"}`, true)
	f("100 - load1", false)
	f("load15", false)
	f(`load1{host="a"} * 2`, false)
	f("", false)
}

func TestNatural(t *testing.T) {
	if natural("web-2", "web-10") >= 0 || natural("web-10", "web-2") <= 0 || natural("a", "b") >= 0 || natural("a", "a") != 0 {
		t.Error("web-2 comes before web-10")
	}
}
