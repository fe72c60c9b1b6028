package autoscale

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"rondo/rrd"
)

// genPolicies adds policies with metrics of their own, and what they see.
func genPolicies(t *rapid.T, g *Group, in *Input) {
	in.Signals = make(map[string]Signal)
	for n := range rapid.IntRange(0, 3).Draw(t, "policies") {
		name := fmt.Sprint("p", n)
		other := genGroup(t)
		p := Policy{Name: name, Metric: name, Out: other.Out, In: other.In}
		if rapid.Bool().Draw(t, "same metric") {
			p.Metric = ""
		}
		if rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
			p.Out, p.In, p.Track = OutPolicy{}, InPolicy{}, &TrackPolicy{Step: time.Second}
		}
		if rapid.IntRange(0, 3).Draw(t, "demand") == 0 {
			p = Policy{Name: name, Metric: p.Metric, Demand: &DemandPolicy{Per: rapid.Float64Range(0.1, 10).Draw(t, "per"), ShrinkAfter: 5 * time.Second}}
		}
		g.Policies = append(g.Policies, p)
		in.Signals[name] = Signal{Points: genInput(t, other).Points}
	}
	if rapid.Bool().Draw(t, "schedule") {
		s := slotOf(t, "* * * * *", "UTC", time.Minute) // always on
		s.Min, s.Max = rapid.IntRange(0, g.Max).Draw(t, "floor"), rapid.IntRange(0, g.Max).Draw(t, "ceiling")
		g.Policies = append(g.Policies, Policy{Name: "clock", Schedule: []Slot{s}})
	}
	*g = g.WithDefaults()
}

// TestSafestWins: several policies want at least what each of them alone would,
// and retire only where each alone would.
func TestSafestWins(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := genGroup(t)
		in := genInput(t, g)
		genPolicies(t, &g, &in)
		d := Want(g, in)
		law := func(ok bool, text string, args ...any) {
			t.Helper()
			if !ok {
				t.Errorf(text+"\n%+v\n%+v", append(args, d, g)...)
			}
		}
		g = g.unscheduled(in.Now)
		for _, p := range g.All() {
			one := g
			one.Out, one.In, one.Track, one.Policies = OutPolicy{}, InPolicy{}, nil, []Policy{p}
			alone := Want(one, in)
			back := strings.Contains(d.Code+alone.Code, "taken-back")
			law(d.To >= alone.To || back, "%s alone wants %d: %s", p.Name, alone.To, alone.Reason)
			law(d.Direction != In || alone.Direction == In, "%s does not agree: %s", p.Name, alone.Reason)
			law(!d.Acts() || d.Direction != In || alone.Acts() || d.From > g.Max, "%s is held: %s", p.Name, alone.Held)
		}
		one := 0
		for _, w := range d.Policies {
			law(w.Reason != "" && w.Code != "", "a wish says why")
			if w.Name == d.By {
				one++
			}
		}
		law(d.By == "" || one == 1 || len(d.Policies) == 0, "who decided is among them")
	})
}

// Metrics are what expressions give; a nil function never answers.
type metrics map[string]func() float64

func (m metrics) Eval(ctx context.Context, expr string, at time.Time) ([]rrd.Value, error) {
	if m[expr] == nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return []rrd.Value{{Time: rrd.At(at), Value: m[expr]()}}, nil
}

// TestPoliciesLive: a policy launches by a metric of its own, and its surge is
// noticed between ticks; a query that never answers keeps no other from it.
func TestPoliciesLive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		queue := 5.0
		w.metrics = metrics{
			"m":    func() float64 { return 2 },
			"q":    func() float64 { w.mu.Lock(); defer w.mu.Unlock(); return queue },
			"slow": nil,
		}
		c := web()
		c.Tick = 20 * time.Second
		c.Groups[0].Stale = time.Minute
		c.Groups[0].Policies = []Policy{
			{Name: "queue", Metric: "q", Out: OutPolicy{Above: 100, Add: 2}, In: InPolicy{Below: 10, Remove: 1}},
			{Name: "slow", Metric: "slow", Out: OutPolicy{Above: 100, Add: 2}, In: InPolicy{Below: 10, Remove: 1}},
		}
		l := w.live(c)
		defer l.stop()
		time.Sleep(time.Minute + time.Second)
		v, _ := l.View("web")
		if w.count() != 2 || v.Last.Code != codeMissing || v.Last.By != "slow" || len(v.Last.Policies) != 3 || *v.Policies[1].Value != 5 {
			t.Fatalf("%d instances, %+v", w.count(), v)
		}
		w.mu.Lock()
		queue = 500
		w.mu.Unlock()
		time.Sleep(19 * time.Second)
		if v, _ := l.View("web"); w.count() != 4 {
			t.Errorf("%d instances, %+v", w.count(), v.Last)
		}
		if v, _ := l.View("web"); v.Recent[1].By != "queue" || !strings.HasPrefix(v.Recent[1].Reason, "queue: queue 500 above 100: 2 -> 4") || len(v.Recent[1].Policies[1].Points) == 0 {
			t.Errorf("%+v", v.Recent[1])
		}
	})
}
