package chart

import (
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestGolden compares small charts with files; -update writes them anew.
func TestGolden(t *testing.T) {
	small := func(change func(*Chart)) Chart {
		at := func(s int64) time.Time { return time.Unix(s, 0) }
		c := Chart{
			From: at(0), To: at(60), Width: 200, Height: 90, Label: "small",
			Lines: []Line{{Name: "a", Step: 10 * time.Second, Times: []time.Time{at(0), at(10), at(20), at(40), at(60)}, Values: []float64{1, 3, 2, 2, 5}}},
		}
		change(&c)
		return c
	}
	golden := func(name string, drawn []byte) {
		t.Helper()
		got := strings.ReplaceAll(string(drawn), "><", ">\n<")
		file := filepath.Join("testdata", name+".svg")
		if flag.Lookup("update").Value.String() == "true" {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got); d != "" {
			t.Errorf("%s (-want +got)\n%s", name, d)
		}
	}
	f := func(name string, c Chart) { t.Helper(); golden(name, AppendSVG(nil, c)) }
	f("sparkline", small(func(c *Chart) { c.Sparkline, c.Height = true, 20 }))
	f("line", small(func(c *Chart) { c.Title = "load1 <a & b>"; c.Legend = true }))
	f("band", small(func(c *Chart) {
		c.Sparkline = true
		c.Lines[0].Min, c.Lines[0].Max = []float64{0, 1, 1, 1, 1}, []float64{2, 4, 4, 4, 6}
	}))
	f("capacity", small(func(c *Chart) {
		c.Steps = []Line{{Name: "in service", Times: []time.Time{time.Unix(0, 0), time.Unix(30, 0)}, Values: []float64{2, 14}}}
		c.Thresholds = []Threshold{{Value: 4, Label: "raise", Color: Critical}}
		c.Marks = []Mark{{Time: time.Unix(30, 0), Label: "scale out", Color: OK}}
	}))
	f("throng", small(func(c *Chart) {
		c.Width = 420
		for i := range 60 {
			c.Marks = append(c.Marks, Mark{Time: time.Unix(int64(i), 0), Label: "d", What: "deploy", Count: 1 + i%2, Shape: Diamond, Color: Color1})
		}
	}))
	marked := small(func(c *Chart) {
		c.Width = 420
		at := func(sec int64) time.Time { return time.Unix(sec, 0) }
		c.Marks = []Mark{
			{Time: at(-30), End: at(8), Label: "config <7>", What: "config change", Shape: Square},
			{Time: at(20), Label: "deploy 1.2.3", What: "deploy", Shape: Diamond, Color: Color1},
			{Time: at(30), End: at(38), Label: "deploy 1.2.4 with a long name", What: "deploy", Shape: Diamond, Color: Color1},
			{Time: at(45), Label: "web: 2 to 5", What: "scale-out", Shape: Up, Color: Info},
			{Time: at(46), Label: "web: 5 to 2", What: "scale-in", Shape: Down},
			{Time: at(53), Label: "p1", What: "push", Shape: Disc}, {Time: at(53), Label: "p2", What: "push", Shape: Disc},
			{Time: at(61), Label: "not in sight"}, {Time: at(-9), End: at(-1), Label: "over"},
		}
	})
	f("marks", marked)
	golden("over", AppendMarks(nil, marked, func(from, to time.Time) string { return fmt.Sprintf("/?from=%d&to=%d", from.Unix(), to.Unix()) }))
	f("bars", small(func(c *Chart) {
		c.Lines = nil
		c.Bars = Bars{
			Times: []time.Time{time.Unix(0, 0), time.Unix(20, 0), time.Unix(40, 0)}, Width: 20 * time.Second,
			Stacks: []Stack{{"error", Critical, []float64{1, 0, 2}}, {"info", Info, []float64{5, 7, 3}}},
		}
	}))
	f("empty", small(func(c *Chart) { c.Lines = nil }))
}

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write the golden files")
	os.Exit(m.Run())
}

// TestStandaloneIsXML reads a whole image as a browser would.
func TestStandaloneIsXML(t *testing.T) {
	c := day()
	c.Standalone = true
	c.Title = "a]]>&lt;\x00\xff\"'<script>"
	wellFormed(t, string(AppendSVG(nil, c)))
}

func wellFormed(t testing.TB, s string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(s))
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("%v\n%s", err, s)
		}
	}
}

// inBox checks every coordinate of an SVG.
func inBox(t testing.TB, s string, c Chart) {
	t.Helper()
	c = c.sized()
	w, h := float64(c.Width), float64(c.Height)
	check := func(x, y string) {
		fx, errX := strconv.ParseFloat(x, 64)
		fy, errY := strconv.ParseFloat(y, 64)
		if errX != nil || errY != nil || !(fx >= 0 && fx <= w && fy >= 0 && fy <= h) {
			t.Fatalf("(%s, %s) is outside of %g x %g\n%s", x, y, w, h, s)
		}
	}
	for _, path := range regexp.MustCompile(` d="([^"]*)"`).FindAllStringSubmatch(s, -1) {
		for _, p := range strings.FieldsFunc(path[1], func(r rune) bool { return r == 'M' || r == 'L' }) {
			x, y, _ := strings.Cut(p, " ")
			check(x, y)
		}
	}
	for _, a := range regexp.MustCompile(`(?: x| x1)="([^"]*)" (?:y|y1)="([^"]*)"`).FindAllStringSubmatch(s, -1) {
		check(a[1], a[2])
	}
	for _, a := range regexp.MustCompile(` x2="([^"]*)" y2="([^"]*)"`).FindAllStringSubmatch(s, -1) {
		check(a[1], a[2])
	}
	for _, a := range regexp.MustCompile(`<rect class="[^"]*" x="([^"]*)" y="([^"]*)" width="([^"]*)" height="([^"]*)"`).FindAllStringSubmatch(s, -1) {
		x, _ := strconv.ParseFloat(a[1], 64)
		y, _ := strconv.ParseFloat(a[2], 64)
		dx, _ := strconv.ParseFloat(a[3], 64)
		dy, _ := strconv.ParseFloat(a[4], 64)
		// Place and size are rounded each to a tenth.
		check(strconv.FormatFloat(min(x+dx, w+0.11)-0.11, 'f', -1, 64), strconv.FormatFloat(max(y+dy-0.11, 0), 'f', -1, 64))
		if dx < 0 || dy < 0 {
			t.Fatalf("a rect of %g x %g", dx, dy)
		}
	}
}

// anyChart draws charts of any shape and any numbers.
func anyChart() *rapid.Generator[Chart] {
	return rapid.Custom(func(t *rapid.T) Chart {
		number := rapid.OneOf(rapid.Float64(), rapid.Float64Range(-10, 10), rapid.Float64Range(0, 1e12),
			rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 0, 1}))
		line := rapid.Custom(func(t *rapid.T) Line {
			n := rapid.IntRange(0, 30).Draw(t, "n")
			l := Line{
				Name:   rapid.String().Draw(t, "name"),
				Values: rapid.SliceOfN(number, n, n).Draw(t, "values"),
				Dashed: rapid.Bool().Draw(t, "dashed"), Area: rapid.Bool().Draw(t, "area"),
				Color: Color(rapid.SampledFrom([]string{"", "s3", `"><script>`}).Draw(t, "color")),
			}
			at := time.Unix(rapid.Int64Range(-100, 100).Draw(t, "start"), 0)
			for range n {
				at = at.Add(time.Duration(rapid.Int64Range(1, 60e9).Draw(t, "gap")))
				l.Times = append(l.Times, at)
			}
			if rapid.Bool().Draw(t, "band") {
				l.Min = rapid.SliceOfN(number, n, n).Draw(t, "min")
				l.Max = rapid.SliceOfN(number, n, n).Draw(t, "max")
			}
			return l
		})
		lines := rapid.SliceOfN(line, 0, 4).Draw(t, "lines")
		c := Chart{
			Title: rapid.String().Draw(t, "title"), Lines: lines,
			Steps: rapid.SliceOfN(line, 0, 1).Draw(t, "steps"),
			From:  time.UnixMicro(rapid.Int64Range(-100e6, 100e6).Draw(t, "from")),
			Width: rapid.IntRange(0, 900).Draw(t, "width"), Height: rapid.IntRange(0, 400).Draw(t, "height"),
			Unit:      rapid.SampledFrom([]Unit{Number, Percent, Bytes, Seconds, PerSecond}).Draw(t, "unit"),
			Sparkline: rapid.Bool().Draw(t, "sparkline"), Legend: rapid.Bool().Draw(t, "legend"),
		}
		c.To = c.From.Add(time.Duration(rapid.Int64Range(0, 9e18).Draw(t, "span")))
		for range rapid.IntRange(0, 2).Draw(t, "marks") {
			at := c.From.Add(time.Duration(rapid.Int64Range(-1e9, 1e12).Draw(t, "mark")))
			c.Marks = append(c.Marks, Mark{Time: at, Label: rapid.String().Draw(t, "label")})
			c.Thresholds = append(c.Thresholds, Threshold{Value: number.Draw(t, "threshold"), Label: rapid.String().Draw(t, "label")})
		}
		if rapid.Bool().Draw(t, "bars") {
			c.Bars = Bars{Width: time.Minute, Times: []time.Time{c.From, c.From.Add(time.Minute)}, Stacks: []Stack{{Counts: rapid.SliceOfN(number, 0, 2).Draw(t, "counts")}}}
		}
		return c
	})
}

func TestEveryChartStaysInItsBox(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := anyChart().Draw(rt, "chart")
		s := string(AppendSVG(nil, c))
		inBox(t, s, c)
		wellFormed(t, s)
		if strings.Contains(s, "NaN") || strings.Contains(s, "Inf") || strings.Contains(s, "<script") {
			rt.Fatalf("%s", s)
		}
	})
}

func TestEveryChartIsAnImage(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := anyChart().Draw(rt, "chart")
		if err := PNG(io.Discard, c); err != nil {
			rt.Fatal(err)
		}
	})
}

// BenchmarkYear draws a year of two-hour rows with their band: what a page asks
// for when it shows the most.
func BenchmarkYear(b *testing.B) {
	c := year()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendSVG(buf[:0], c)
	}
	b.ReportMetric(float64(len(buf)), "bytes/svg")
}

// BenchmarkManyPoints draws 4 lines of 1,000 points, 800 x 250, as the peers'
// figures were taken.
func BenchmarkManyPoints(b *testing.B) {
	c := Chart{From: time.Unix(0, 0), To: time.Unix(1000, 0), Width: 800, Height: 250}
	for k := range 4 {
		l := Line{Name: "line", Step: time.Second}
		for i := range 1000 {
			l.Times = append(l.Times, time.Unix(int64(i), 0))
			l.Values = append(l.Values, float64((i*i*(k+3))%97))
		}
		c.Lines = append(c.Lines, l)
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendSVG(buf[:0], c)
	}
	b.ReportMetric(float64(len(buf)), "bytes/svg")
}

func BenchmarkYearPNG(b *testing.B) {
	c := year()
	b.ReportAllocs()
	for b.Loop() {
		if err := PNG(io.Discard, c); err != nil {
			b.Fatal(err)
		}
	}
}

func year() Chart {
	c := day()
	c.To = c.From.AddDate(1, 0, 0)
	l := Line{Name: "load1", Step: 2 * time.Hour}
	for i := range 365 * 12 {
		v := float64((i*i)%89) / 10
		l.Times = append(l.Times, c.From.Add(time.Duration(i)*2*time.Hour))
		l.Values, l.Min, l.Max = append(l.Values, v), append(l.Min, v/2), append(l.Max, v*2)
	}
	c.Lines = []Line{l}
	return c
}
