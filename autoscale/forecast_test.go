package autoscale

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// line makes moments 10 s apart with noise of 3 %.
func line(seed uint64, n int, work func(i int) float64) []moment {
	r := rand.New(rand.NewPCG(seed, 7))
	ms := make([]moment, n)
	for i := range ms {
		ms[i] = moment{float64(i) * 10, work(i) * (1 + 0.03*r.NormFloat64())}
	}
	return ms
}

// TestForecastCovers: what comes lies within two and a half deviations of what
// was forecast, but for few, whether work is level, rises or falls.
func TestForecastCovers(t *testing.T) {
	t.Parallel()
	shapes := map[string]func(i int) float64{
		"level":   func(int) float64 { return 12 },
		"rising":  func(i int) float64 { return 5 + 0.02*float64(i) },
		"falling": func(i int) float64 { return 60 - 0.05*float64(i) },
		"days":    func(i int) float64 { return 20 + 8*math.Sin(2*math.Pi*float64(i)/8640) },
	}
	for name, work := range shapes {
		ms := line(1, 1000, work)
		missed := 0
		for i := 200; i < 987; i++ {
			f := forecastOf(ms[:i], 130)
			expected, deviation := f.at(130)
			if math.Abs(ms[i+12].work-expected) > 2.5*deviation {
				missed++
			}
		}
		if missed > 787*4/100 {
			t.Errorf("%s: %d of 787 lie outside", name, missed)
		}
	}
}

// TestForecastOfACrowd: three moments are enough to see that a crowd comes, and
// an hour of noise is no trend.
func TestForecastOfACrowd(t *testing.T) {
	t.Parallel()
	ms := line(2, 300, func(i int) float64 { return 2 + max(0, float64(i)-296) })
	f := forecastOf(ms, 130)
	if slope, _ := f.trend(); math.Abs(slope-0.1) > 0.03 {
		t.Errorf("slope %v a second, over %d moments: want about 0.1", slope, f.moments)
	}
	f = forecastOf(ms[:296], 130)
	if slope, _ := f.trend(); math.Abs(slope) > 0.0003 || f.moments < 30 {
		t.Errorf("before: slope %v over %d moments", slope, f.moments)
	}
}

func TestForecastOfLittle(t *testing.T) {
	t.Parallel()
	if f := forecastOf(nil, 100); f.level != 0 {
		t.Errorf("of nothing: %+v", f)
	}
	f := forecastOf([]moment{{0, 3}, {10, 4}}, 100)
	if work, deviation := f.at(100); work != 4 || deviation <= 0 {
		t.Errorf("of two moments: %v ± %v", work, deviation)
	}
	// All at one time, or at 0: no slope, no division by zero.
	f = forecastOf(make([]moment, 10), 100)
	if work, deviation := f.at(100); work != 0 || math.IsNaN(deviation) {
		t.Errorf("of zeros: %v ± %v", work, deviation)
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Float64Range(-5, 5), 1, 130).Draw(t, "x")
		want := slices.Sorted(slices.Values(x))[len(x)/2]
		if got := median(x); got != want {
			t.Errorf("median %v, want %v", got, want)
		}
	})
}

// tracked is a group that follows a load, and the points of the last minutes.
func tracked(work func(ago time.Duration) float64, serving int) (Group, Input) {
	g := Group{Name: "web", Metric: "load", Max: 100, Min: 1, Boot: 2 * time.Minute, Mode: Act, Track: &TrackPolicy{}, Launch: Template{Image: "ami-1"}}.WithDefaults()
	in := Input{Now: scriptNow, Started: scriptNow.Add(-24 * time.Hour)}
	for i := range 60 {
		ago := time.Duration(59-i) * 10 * time.Second
		in.Points = append(in.Points, Point{Time: scriptNow.Add(-ago), Value: work(ago) / float64(serving), Serving: serving})
	}
	for n := range serving {
		in.Instances = append(in.Instances, Instance{ID: fmt.Sprint(n), Phase: InService})
	}
	return g, in
}

func TestTrack(t *testing.T) {
	t.Parallel()
	noisy := func(work float64) func(time.Duration) float64 {
		return func(ago time.Duration) float64 { return work * (1 + 0.02*math.Sin(float64(ago/time.Second))) }
	}
	for _, c := range []struct {
		name    string
		work    func(time.Duration) float64
		serving int
		change  func(g *Group, in *Input)
		want    string
	}{
		{name: "fits", work: noisy(7), serving: 10, want: "stay 10 steady"},
		{name: "too few", work: noisy(7), serving: 6, want: "out 10 above"},
		{name: "too many", work: noisy(7), serving: 14, want: "in 10 below"},
		{name: "one too many of forty", work: noisy(30), serving: 44, want: "stay 44 tight"},
		{name: "a crowd", work: func(ago time.Duration) float64 {
			return 2 + max(0, 0.1*(30-ago.Seconds()))
		}, serving: 3, want: "out 23 above"},
		{name: "no rest after a scale-out", work: noisy(7), serving: 6, change: func(_ *Group, in *Input) {
			in.Last = Change{Out, in.Now.Add(-time.Second)}
		}, want: "out 10 above"},
		{name: "no scale-in within boot time of one", work: noisy(7), serving: 14, change: func(_ *Group, in *Input) {
			in.Last = Change{Out, in.Now.Add(-time.Minute)}
		}, want: "in 10 below+reversal"},
		{name: "no data", work: noisy(7), serving: 14, change: func(_ *Group, in *Input) {
			in.Points = in.Points[:50]
		}, want: "stay 14 missing"},
		{name: "at max", work: noisy(100), serving: 100, want: "stay 100 at-max"},
		{name: "at min", work: noisy(1), serving: 4, change: func(g *Group, _ *Input) { g.Min = 4 }, want: "stay 4 at-min"},
		{name: "dearer to be short", work: noisy(7), serving: 10, change: func(g *Group, _ *Input) {
			g.Track.Penalty, g.Track.Use = 1000, 0.72
		}, want: "out 11 above"},
	} {
		g, in := tracked(c.work, c.serving)
		if c.change != nil {
			c.change(&g, &in)
		}
		d := Want(g, in)
		if diff := cmp.Diff(c.want, fmt.Sprint(d.Direction, " ", d.To, " ", d.Code)); diff != "" {
			t.Errorf("%s: %s%s; %s", c.name, diff, d.Reason, d.Held)
		}
	}
}

// TestTrackPoints: points that come more often than the step are averaged, and
// what stands before a gap is not looked at.
func TestTrackPoints(t *testing.T) {
	t.Parallel()
	g, in := tracked(func(time.Duration) float64 { return 4 }, 2)
	twice := slices.Clone(in.Points)
	for _, p := range in.Points {
		p.Time = p.Time.Add(-5 * time.Second)
		p.Value *= 3
		twice = append(twice, p)
	}
	ms := g.moments(upTo(twice, in.Now), 2)
	if len(ms) != 60 || ms[30].work != 8 {
		t.Errorf("%d moments, %v", len(ms), ms[30])
	}
	if ms := g.moments(append(in.Points[:20:20], in.Points[30:]...), 2); len(ms) != 30 {
		t.Errorf("over a gap: %d moments", len(ms))
	}
	in.Points[59].Value = math.NaN()
	if ms := g.moments(in.Points, 2); len(ms) != 59 {
		t.Errorf("without a NaN: %d moments", len(ms))
	}
}

// TestTrackLaws: whatever the load, what is wanted carries it now, and is within
// the limits.
func TestTrackLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		work := rapid.SliceOfN(rapid.Float64Range(0, 60), 60, 60).Draw(t, "work")
		if rapid.Bool().Draw(t, "calm") {
			for i := range work {
				work[i] = 20 + work[i]/60
			}
		}
		serving := rapid.IntRange(1, 90).Draw(t, "serving")
		g, in := tracked(func(ago time.Duration) float64 { return work[59-int(ago/(10*time.Second))] }, serving)
		d := Want(g, in)
		if d.To > g.Max || d.To < g.Min || d.To-d.From > g.MaxStep || d.Reason == "" {
			t.Errorf("%+v", d)
		}
		if d.Direction == In {
			f := forecastOf(g.moments(in.Points, serving), 120)
			if need := g.Track.need(f, 120, g.Track.risk); d.To < need {
				t.Errorf("in to %d, needed are %d: %s", d.To, need, d.Reason)
			}
		}
	})
}

func BenchmarkTrack(b *testing.B) {
	g, in := tracked(func(ago time.Duration) float64 { return 20 + math.Sin(ago.Seconds()) }, 30)
	b.ReportAllocs()
	for b.Loop() {
		Want(g, in)
	}
}
