package autoscale

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func genGroup(t *rapid.T) Group {
	second := func(label string, low, high int) time.Duration {
		return time.Duration(rapid.IntRange(low, high).Draw(t, label)) * time.Second
	}
	g := Group{
		Name: "web", Mode: Act, Metric: "m", Launch: Template{Image: "ami-1"},
		Min: rapid.IntRange(0, 5).Draw(t, "min"), MaxStep: rapid.IntRange(1, 12).Draw(t, "maxstep"),
		Out:      OutPolicy{Above: rapid.Float64Range(0.5, 10).Draw(t, "above"), For: second("out.for", 0, 10)},
		In:       InPolicy{For: second("in.for", 0, 10), Remove: Amount(rapid.SampledFrom([]int{-1, 1, 3}).Draw(t, "remove"))},
		Cooldown: second("cooldown", 1, 30), Boot: second("boot", 1, 60), Warm: second("warm", 1, 10), Stale: second("stale", 1, 10),
	}
	g.Max = g.Min + rapid.IntRange(1, 20).Draw(t, "max-min")
	g.In.Below = g.Out.Above * rapid.Float64Range(0.05, 0.95).Draw(t, "below")
	if rapid.Bool().Draw(t, "steps") {
		g.Out.Steps = []Step{{g.Out.Above, 1}, {g.Out.Above * 3, 4}, {g.Out.Above * 9, Enough}}
	} else {
		g.Out.Add = Amount(rapid.SampledFrom([]int{-1, 1, 2, 7}).Draw(t, "add"))
	}
	return g.WithDefaults()
}

func genInput(t *rapid.T, g Group) Input {
	in := Input{Now: scriptNow, Unsettled: rapid.IntRange(0, 3).Draw(t, "unsettled")}
	ago := func(label string) time.Time {
		return scriptNow.Add(-time.Duration(rapid.IntRange(0, 120).Draw(t, label)) * time.Second)
	}
	value := rapid.Custom(func(t *rapid.T) float64 {
		return rapid.OneOf(
			rapid.Float64Range(0, g.In.Below), rapid.Float64Range(g.In.Below, g.Out.Above),
			rapid.Float64Range(g.Out.Above, g.Out.Above*100), rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), -1, 1e300, math.MaxFloat64}),
		).Draw(t, "value")
	})
	for range rapid.IntRange(0, 8).Draw(t, "points") {
		in.Points = append(in.Points, Point{Time: ago("at"), Value: value.Draw(t, "v")})
	}
	if rapid.Bool().Draw(t, "steady") {
		v := value.Draw(t, "v")
		for s := range 30 {
			in.Points = append(in.Points, Point{Time: scriptNow.Add(time.Duration(s-29) * time.Second), Value: v})
		}
	}
	phases := []Phase{InService, InService, InService, Booting, Pending, Silent, Draining, Terminating, Stopped}
	for n := range rapid.IntRange(0, 25).Draw(t, "instances") {
		in.Instances = append(in.Instances, Instance{ID: fmt.Sprint(n), Phase: rapid.SampledFrom(phases).Draw(t, "phase"), FirstSeen: ago("first"), LastSeen: ago("seen")})
	}
	if rapid.Bool().Draw(t, "changed") {
		in.Last = Change{rapid.SampledFrom([]Direction{In, Out}).Draw(t, "dir"), ago("last")}
	}
	in.Started = ago("started")
	if rapid.IntRange(0, 9).Draw(t, "stop") == 0 {
		in.Stopped = "ops"
	}
	return in
}

// TestWantLaws holds whatever the policy, the load and the fleet.
func TestWantLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := genGroup(t)
		in := genInput(t, g)
		d := Want(g, in)
		c, r := g.count(in), read(g, in)
		law := func(ok bool, text string) {
			t.Helper()
			if !ok {
				t.Errorf("%s\n%+v\n%+v\n%+v", text, d, g, in)
			}
		}
		law(d.From == c.capacity && d.Reason != "" && d.Code != "", "a decision says from where and why")
		law(d.To <= max(g.Max, d.From), "never above max")
		law(d.To >= min(g.Min, d.From), "never below min")
		law(d.To-d.From <= g.MaxStep && d.From-d.To <= g.MaxStep, "never more than max_step")
		law((d.Direction == Out) == (d.To > d.From) && (d.Direction == In) == (d.To < d.From), "the direction is that of the numbers")
		law(!d.Acts() || in.Stopped == "", "the stop switch stops all")
		law(d.Direction != In || r.missing == "", "never in on missing data")
		law(d.Direction != Out || r.missing == "" || d.From < g.Min, "out on missing data for the floor alone")
		if d.Acts() && d.Direction == In {
			law(c.coming() == 0, "never in while some are on their way")
			law(in.Now.Sub(in.Started) >= g.window(), "never in before one full window")
			law(d.From > g.Max || r.value < g.In.Below, "in only below the lower threshold")
		}
		if d.Acts() && in.Last.Direction != "" && in.Last.Direction != d.Direction && d.From >= g.Min {
			back := d.Direction == Out && d.To-d.From <= c.draining
			law(back || in.Now.Sub(in.Last.At) >= g.Boot, "no reversal within boot time, but for taking back what drains")
		}
		law(Want(g, in).Code == d.Code, "the same question, the same answer")
		law(!strings.Contains(d.Reason, "NaN"), "no NaN in a reason")
	})
}

// TestMoreLoadNeverFewer: of two loads the larger wants at least as many.
func TestMoreLoadNeverFewer(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := genGroup(t)
		in := genInput(t, g)
		at := func(v float64) int {
			in := in
			in.Points = nil
			for s := range 30 {
				in.Points = append(in.Points, Point{Time: scriptNow.Add(time.Duration(s-29) * time.Second), Value: v})
			}
			return Want(g, in).To
		}
		low := rapid.Float64Range(0, g.Out.Above*50).Draw(t, "low")
		high := low + rapid.Float64Range(0, g.Out.Above*50).Draw(t, "more")
		if a, b := at(low), at(high); a > b {
			t.Errorf("load %v wants %d, load %v wants %d\n%+v\n%+v", low, a, high, b, g, in)
		}
	})
}

// TestInThenNotOut: a scale-in that spreads the same work over the rest does
// not by itself cross the upper threshold.
func TestInThenNotOut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := genGroup(t)
		in := genInput(t, g)
		d := Want(g, in)
		c, r := g.count(in), read(g, in)
		if !d.Acts() || d.Direction != In || d.From > g.Max || r.value <= 0 || d.To == 0 {
			return
		}
		if after := r.value * float64(c.serving()) / float64(d.To); after > g.Out.Above*(1+1e-9) {
			t.Errorf("%d -> %d puts %v on each, out is above %v", d.From, d.To, after, g.Out.Above)
		}
	})
}

// TestRepeatLaunchesOnce: what was launched for a need is not launched again
// while it boots and the load stays as it is.
func TestRepeatLaunchesOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := genGroup(t)
		g.MaxStep = 100
		in := genInput(t, g)
		in.Last = Change{}
		d := Want(g, in)
		if !d.Acts() || d.Direction != Out || d.Code == codeFloor {
			return
		}
		for n := range d.To - d.From {
			in.Instances = append(in.Instances, Instance{ID: fmt.Sprint("new", n), Phase: Booting})
		}
		if again := Want(g, in); again.Direction == Out {
			t.Errorf("first %+v\nagain %+v", d, again)
		}
	})
}

// TestWantCanBeJournalled: whatever the metric says, the decision can be
// written.
func TestWantCanBeJournalled(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := genGroup(t)
		in := genInput(t, g)
		if rapid.Bool().Draw(t, "track") {
			g.Out, g.In, g.Track = OutPolicy{}, InPolicy{}, &TrackPolicy{}
			g = g.WithDefaults()
		}
		if _, err := json.Marshal(Want(g, in)); err != nil {
			t.Fatal(err)
		}
	})
}
