package check

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rondo/rrd"
	"rondo/rrd/promql"
)

// ranger answers with a function of the time in hours since noon.
type ranger struct {
	f    func(hours float64) float64
	from float64 // hours: nothing before
}

func (r ranger) Range(_ context.Context, _ string, start, end time.Time, step time.Duration) (promql.Result, error) {
	s := promql.RangeSeries{Labels: rrd.Labels{{Name: "__name__", Value: "disk"}, {Name: "host", Value: "db"}}}
	for t := start; !t.After(end); t = t.Add(step) {
		h := t.Sub(noon).Hours()
		if v := r.f(h); h >= r.from && !math.IsNaN(v) {
			s.Times, s.Values = append(s.Times, rrd.At(t)), append(s.Values, v)
		}
	}
	return promql.Result{Series: []promql.RangeSeries{s}}, nil
}

// TestForecast runs the text tables; see testdata/forecast.test for their form.
func TestForecast(t *testing.T) {
	text, err := os.ReadFile("testdata/forecast.test")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(string(text), "\n== ")[1:] {
		name, body, _ := strings.Cut(block, "\n")
		t.Run(name, func(t *testing.T) { runForecast(t, body) })
	}
}

func runForecast(t *testing.T, body string) {
	f := Forecast{Common: Common{Name: "full"}, Expr: "disk"}
	r := ranger{from: math.Inf(-1)}
	for line := range strings.Lines(body) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "", "#":
		case "rule":
			for _, w := range strings.Fields(rest) {
				setForecast(t, &f, w)
			}
		case "series":
			r.f = curve(t, strings.Fields(rest))
		case "from":
			r.from = num(t, rest)
		case "text":
			rule := build(t, Config{Forecasts: []Forecast{f}}, Sources{Ranges: r})
			got := readings(t, rule)
			if _, text, _ := strings.Cut(got, "} "); text != rest {
				t.Errorf("got  %s\nwant %s", text, rest)
			}
		default:
			t.Fatalf("%q?", line)
		}
	}
}

func num(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func setForecast(t *testing.T, f *Forecast, w string) {
	k, v, _ := strings.Cut(w, "=")
	length := func() time.Duration {
		d, err := time.ParseDuration(v)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	switch k {
	case "above":
		f.Above = ptr(num(t, v))
	case "below":
		f.Below = ptr(num(t, v))
	case "horizon":
		f.Horizon = length()
	case "over":
		f.Over = length()
	case "by":
		f.By = v
	default:
		t.Fatalf("%q?", w)
	}
}

// curve adds up what words say: LEVEL, slope=PER_HOUR, day=AMPLITUDE,
// noise=AMPLITUDE, spikes=HEIGHT every 37th point, jump=HEIGHT three hours ago.
func curve(t *testing.T, words []string) func(float64) float64 {
	level := num(t, words[0])
	parts := map[string]float64{}
	for _, w := range words[1:] {
		k, v, _ := strings.Cut(w, "=")
		parts[k] = num(t, v)
	}
	rnd, n := rand.New(rand.NewPCG(1, 2)), 0
	return func(h float64) float64 {
		n++
		v := level + parts["slope"]*h + parts["day"]*math.Sin(2*math.Pi*h/24) + parts["noise"]*(rnd.Float64()*2-1)
		if n%37 == 0 {
			v += parts["spikes"]
		}
		if h > -3 {
			v += parts["jump"]
		}
		return v
	}
}

func TestPeople(t *testing.T) {
	for s, want := range map[float64]string{
		0: "0 s", 59: "59 s", 60: "1 min", 3600: "1 h", 3661: "1 h 1 min", 86400 * 2: "2 days", 86400*2 + 4*3600 + 60: "2 days 4 h",
		366 * 86400: "1 year 1 day", math.Inf(1): "never", 86405: "1 day",
	} {
		if got := people(s); got != want {
			t.Errorf("%v: %q, want %q", s, got, want)
		}
	}
}

// TestTrendFindsALine: wherever a line is, and whatever a few points do, it is
// found.
func TestTrendFindsALine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		level := rapid.Float64Range(-1e6, 1e6).Draw(t, "level")
		slope := rapid.Float64Range(-1e3, 1e3).Draw(t, "slope")
		n := rapid.IntRange(20, trendPoints).Draw(t, "points")
		wild := rapid.IntRange(0, n/6).Draw(t, "wild")
		var s series
		for i := range n {
			x := float64(i - n + 1)
			s.times, s.values = append(s.times, x), append(s.values, level+slope*x)
		}
		for range wild {
			s.values[rapid.IntRange(0, n-1).Draw(t, "at")] = rapid.Float64Range(-1e9, 1e9).Draw(t, "value")
		}
		f := trend(s)
		if got, want := f.at(10), level+10*slope; math.Abs(got-want) > 1e-6*(math.Abs(level)+math.Abs(slope)*float64(n)+1) {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}

// TestForecastsAreTotal: whatever points there are, a forecast ends and says
// something.
func TestForecastsAreTotal(t *testing.T) {
	number := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, 1, math.NaN(), math.MaxFloat64, -math.MaxFloat64}))
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(number, 12, 60).Draw(t, "values")
		f := seasonal(values, 6, 60)
		f.crossing(1, 1, 3600, 60)
		var s series
		for i, v := range values {
			if !math.IsNaN(v) {
				s.times, s.values = append(s.times, float64(i)), append(s.values, v)
			}
		}
		if len(s.times) > 1 {
			trend(s).crossing(1, -1, 3600, 60)
		}
	})
}

func BenchmarkTrend(b *testing.B) {
	var s series
	for i := range forecastPoints {
		s.times, s.values = append(s.times, float64(i)), append(s.values, float64(i*i%97))
	}
	b.ReportAllocs()
	for b.Loop() {
		trend(s)
	}
}
