package chart

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A recorder is the canvas that only remembers paths.
type recorder struct{ paths []recorded }

type recorded struct {
	ink    ink
	points []spot
}

func (r *recorder) begin(k ink) { r.paths = append(r.paths, recorded{ink: k}) }
func (r *recorder) add(s spot) {
	p := &r.paths[len(r.paths)-1]
	p.points = append(p.points, s)
}
func (r *recorder) move(x, y float64)                                    { r.add(spot{x, y, true}) }
func (r *recorder) line(x, y float64)                                    { r.add(spot{x, y, false}) }
func (r *recorder) end()                                                 {}
func (r *recorder) rect(ink, float64, float64, float64, float64, string) {}
func (r *recorder) mark(ink, float64, float64, float64, string)          {}
func (r *recorder) text(string, float64, float64, anchor, textClass)     {}

// of returns the points drawn in a role.
func (r *recorder) of(k role) []spot {
	var all []spot
	for _, p := range r.paths {
		if p.ink.role == k {
			all = append(all, p.points...)
		}
	}
	return all
}

// TestNoPeakIsLost draws many points on few pixels: each column shows the lowest and
// the highest of its points, in no more than four.
func TestNoPeakIsLost(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n, width := rapid.IntRange(1, 3000).Draw(rt, "points"), rapid.IntRange(20, 300).Draw(rt, "width")
		start := time.Unix(1e9, 0)
		l := Line{Step: time.Second}
		seed := rapid.Uint64().Draw(rt, "seed")
		for i := range n {
			seed = seed*6364136223846793005 + 1442695040888963407
			l.Times = append(l.Times, start.Add(time.Duration(i)*time.Second))
			l.Values = append(l.Values, float64(seed>>40))
		}
		c := Chart{Sparkline: true, From: start, To: start.Add(time.Duration(n) * time.Second), Width: width, Height: 100, Lines: []Line{l}}
		on := new(recorder)
		drawChart(c, on)
		d := newDrawing(c, on)
		d.layout()
		want, got, drawn := map[int]limits{}, map[int]limits{}, map[int]int{}
		grow := func(m map[int]limits, x, y float64) {
			e, ok := m[int(x)]
			if !ok {
				e = limits{math.Inf(1), math.Inf(-1)}
			}
			e.add(y)
			m[int(x)] = e
		}
		for i, at := range l.Times {
			grow(want, d.plot.across(micros(at.UnixMicro())), d.left.at(l.Values[i]))
		}
		for _, p := range on.of(roleLine) {
			if n > 1 {
				grow(got, p.x, p.y)
				drawn[int(p.x)]++
			}
		}
		if n > 1 {
			if d := cmp.Diff(want, got, cmp.AllowUnexported(limits{})); d != "" {
				rt.Fatal(d)
			}
		}
		for x, k := range drawn {
			if k > 4 {
				rt.Fatalf("%d points in column %d", k, x)
			}
		}
	})
}

// TestGapsAreNotJoined counts the stretches of a line.
func TestGapsAreNotJoined(t *testing.T) {
	nan := math.NaN()
	f := func(want string, step time.Duration, seconds []int64, values ...float64) {
		t.Helper()
		l := Line{Step: step, Values: values}
		for _, s := range seconds {
			l.Times = append(l.Times, time.Unix(s, 0))
		}
		p := &plot{from: 0, to: 100 * second}
		var got []string
		p.runs(newTrack(l), func(i, j int) { got = append(got, fmt.Sprintf("%d-%d", i, j)) })
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%v %v: got %s, want %s", seconds, values, s, want)
		}
	}
	f("", 0, nil)
	f("0-1", 0, []int64{5}, 1)
	f("0-3", 0, []int64{0, 10, 20}, 1, 2, 3)
	f("0-2 2-4", 10*time.Second, []int64{0, 10, 30, 40}, 1, 2, 3, 4)
	f("0-3", 10*time.Second, []int64{0, 10, 25}, 1, 2, 3)
	f("0-4 4-5", 0, []int64{0, 10, 20, 30, 60}, 1, 2, 3, 4, 5)
	f("0-1 2-3", 0, []int64{0, 10, 20}, 1, nan, 3)
	f("1-2", 0, []int64{0, 10, 20}, math.Inf(1), 2, math.Inf(-1))
	f("1-2", 0, []int64{-10, 10, 110}, 1, 2, 3) // in sight
	f("0-2", 0, []int64{0, 10, 20}, 1, 2)       // a value is missing
}

func TestTicks(t *testing.T) {
	f := func(lo, hi float64, n int, u Unit, want string) {
		t.Helper()
		var got []string
		newAxis(limits{lo, hi}, n, u).ticks(func(_ float64, label string) { got = append(got, label) })
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%g to %g: got %s, want %s", lo, hi, s, want)
		}
	}
	f(0, 9, 5, Number, "0, 2, 4, 6, 8, 10")
	f(1, 9, 5, Number, "0, 2, 4, 6, 8, 10")
	f(0, 0.42, 5, Number, "0, 0.1, 0.2, 0.3, 0.4, 0.5")
	f(-3, 4, 4, Number, "-4, -2, 0, 2, 4")
	f(0, 97, 5, Percent, "0, 20 %, 40 %, 60 %, 80 %, 100 %")
	f(1e6+1, 1e6+3, 3, Number, "1.000001M, 1.000002M, 1.000003M")
	f(1200, 1480, 4, Number, "1.2k, 1.3k, 1.4k, 1.5k")
	f(0, 3e9, 4, Bytes, "0, 1 GiB, 2 GiB, 3 GiB")
	f(0, 1500, 4, BytesPerSec, "0, 0.5 KiB/s, 1.0 KiB/s, 1.5 KiB/s")
	f(0, 0.2, 4, Seconds, "0, 50 ms, 100 ms, 150 ms, 200 ms")
	f(7, 7, 4, Number, "0, 2, 4, 6, 8")
	f(0, 0, 4, Number, "0, 0.5, 1.0")
	f(math.Inf(1), math.Inf(-1), 4, Number, "0, 0.5, 1.0")
	f(-math.MaxFloat64, math.MaxFloat64, 4, Number, "-1.8e+290E, 0, 1.8e+290E")
}

func TestTimeTicks(t *testing.T) {
	berlin := time.FixedZone("", 3600)
	f := func(from string, span time.Duration, n int, zone *time.Location, want string) {
		t.Helper()
		start, err := time.Parse(time.RFC3339, from)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		timeTicks(micros(start.UnixMicro()), micros(start.Add(span).UnixMicro()), n, zone, func(_ micros, label string) { got = append(got, label) })
		if s := strings.Join(got, " | "); s != want {
			t.Errorf("%s + %s: got %s, want %s", from, span, s, want)
		}
	}
	const day = 24 * time.Hour
	f("2026-11-20T10:00:03Z", 20*time.Second, 5, time.UTC, "10:00:05 | 10:00:10 | 10:00:15 | 10:00:20")
	f("2026-11-20T22:10:00Z", 3*time.Hour, 4, time.UTC, "23:00 | Nov 21 | 01:00")
	f("2026-11-20T21:10:00Z", 3*time.Hour, 4, berlin, "23:00 | Nov 21 | 01:00")
	f("2026-11-20T00:00:00Z", day, 5, time.UTC, "Nov 20 | 06:00 | 12:00 | 18:00 | Nov 21")
	f("2026-11-20T05:00:00Z", 7*day, 8, time.UTC, "Nov 21 | Nov 22 | Nov 23 | Nov 24 | Nov 25 | Nov 26 | Nov 27")
	f("2026-11-20T05:00:00Z", 365*day, 8, time.UTC, "2027 | Mar | May | Jul | Sep | Nov")
	f("2016-11-20T05:00:00Z", 3650*day, 8, time.UTC, "2018 | 2020 | 2022 | 2024 | 2026")
	f("2026-11-20T05:00:00Z", 0, 8, time.UTC, "")
}

func TestFormat(t *testing.T) {
	f := func(v float64, u Unit, want string) {
		t.Helper()
		if got := Format(v, u); got != want {
			t.Errorf("%g %s: got %s, want %s", v, u, got, want)
		}
	}
	f(0, Number, "0")
	f(0.25, Number, "0.25")
	f(1500, Number, "1.5k")
	f(999.6, Number, "1000")
	f(-12.34, Number, "-12.3")
	f(1e-5, Number, "1e-05")
	f(1e30, Number, "1e+12E")
	f(2.25*(1<<30), Bytes, "2.25 GiB")
	f(100, Bytes, "100 B")
	f(5000, BytesPerSec, "4.88 KiB/s")
	f(12.5, PerSecond, "12.5/s")
	f(99.95, Percent, "100 %")
	f(0.0005, Seconds, "500 µs")
	f(90, Seconds, "90 s")
	f(5400, Seconds, "90 min")
	f(3*86400, Seconds, "3 d")
	f(math.NaN(), Number, "–")
	f(math.Inf(1), Number, "+∞")
	f(math.Inf(-1), Bytes, "-∞")
}

func TestUnitOf(t *testing.T) {
	f := func(expr string, want Unit) {
		t.Helper()
		if got := UnitOf(expr); got != want {
			t.Errorf("%s: got %q, want %q", expr, got, want)
		}
	}
	f("load1", Number)
	f("mem_available_bytes", Bytes)
	f("sum(rate(net_received_bytes[5m]))", BytesPerSec)
	f("irate(requests_total[1m])", PerSecond)
	f("disk_used_percent{mount=\"/\"}", Percent)
	f("uptime_seconds", Seconds)
}

func TestSummarize(t *testing.T) {
	nan := math.NaN()
	got := Summarize(Line{Values: []float64{2, nan, 4, math.Inf(1)}, Min: []float64{1, 0, 4, 4}, Max: []float64{3, 9, nan, 4}})
	if want := (Summary{Min: 1, Avg: 3, Max: 4, Last: 4, Count: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if s := Summarize(Line{Values: []float64{math.MaxFloat64, math.MaxFloat64}}); s.Avg != math.MaxFloat64 {
		t.Errorf("the mean overflows: %g", s.Avg)
	}
	if s := Summarize(Line{}); s.Count != 0 || !math.IsNaN(s.Avg) {
		t.Errorf("of nothing: %+v", s)
	}
}

// TestThresholdLabelsDoNotOverlap wants labels of near levels side by side, and
// those of others on their own lines.
func TestThresholdLabelsDoNotOverlap(t *testing.T) {
	c := day()
	c.Thresholds = []Threshold{{Value: 0.5, Label: "in"}, {Value: 0.7, Label: "out"}, {Value: 8, Label: "most"}}
	svg := string(AppendSVG(nil, c))
	at := func(label string) (x, y float64) {
		m := regexp.MustCompile(`<text[^>]* x="([0-9.]+)" y="([0-9.]+)"[^>]*>` + label + "<").FindStringSubmatch(svg)
		if m == nil {
			t.Fatalf("no label %q in %s", label, svg)
		}
		x, _ = strconv.ParseFloat(m[1], 64)
		y, _ = strconv.ParseFloat(m[2], 64)
		return x, y
	}
	inX, inY := at("in")
	outX, outY := at("out")
	mostX, mostY := at("most")
	if inY != outY || outX-inX < 3*charWidth {
		t.Errorf("in at %v,%v and out at %v,%v", inX, inY, outX, outY)
	}
	if mostX != outX || outY-mostY < labelHeight {
		t.Errorf("most at %v,%v and out at %v,%v", mostX, mostY, outX, outY)
	}
}

// TestStylesheet has a rule for every class that a chart uses.
func TestStylesheet(t *testing.T) {
	css := Stylesheet()
	for _, m := range regexp.MustCompile(` class="([^"]*)"`).FindAllStringSubmatch(string(AppendSVG(nil, day())), -1) {
		for _, class := range strings.Fields(m[1]) {
			if class != "chart" && class != "plain" && !strings.Contains(css, "."+class) {
				t.Errorf("class %s has no style", class)
			}
		}
	}
	if strings.Contains(css, "url(") || strings.Contains(css, "http") {
		t.Error("the style asks for something outside")
	}
}
