package autoscale

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"rondo/rrd"
)

func TestHosts(t *testing.T) {
	t.Parallel()
	runScript(t, "testdata/hosts.txt")
}

// A kind of policy, and what it sees when each of the instances has a load, 1
// being all that it can do.
type kindLaw struct {
	Group
	most float64 // load of one instance from which on more are wanted, at least
	see  func(in Input, load float64) Input
}

func steadyPoints(v float64) (points []Point) {
	for s := range 30 {
		points = append(points, Point{Time: scriptNow.Add(time.Duration(s-29) * time.Second), Value: v})
	}
	return points
}

// genKind draws a group with one policy.
func genKind(t *rapid.T) kindLaw {
	g := genGroup(t)
	g.Out, g.In = OutPolicy{}, InPolicy{}
	second := func(label string) time.Duration {
		return time.Duration(rapid.IntRange(1, 10).Draw(t, label)) * time.Second
	}
	p := Policy{Name: "p", Metric: "p"}
	k := kindLaw{see: func(in Input, load float64) Input {
		in.Signals = map[string]Signal{"p": {Points: steadyPoints(load * float64(max(serving(in), 1)))}}
		return in
	}}
	byHost := func(of func(load float64) float64) func(Input, float64) Input {
		return func(in Input, load float64) Input {
			s := Signal{Points: steadyPoints(0), Hosts: make(map[string]float64)}
			for _, i := range in.Instances {
				s.Hosts[i.ID] = of(load)
			}
			in.Signals = map[string]Signal{"p": s}
			value := k.Policies[0].tally(k.Group, in).point()
			for i := range s.Points {
				s.Points[i].Value = value
			}
			return in
		}
	}
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		p.Demand = &DemandPolicy{Per: rapid.Float64Range(0.1, 5).Draw(t, "per"), ShrinkAfter: second("shrink")}
		k.most = p.Demand.Per
	case 1:
		p.Queue = &QueuePolicy{Per: rapid.Float64Range(0.1, 5).Draw(t, "per"), ShrinkAfter: second("shrink")}
		k.most = p.Queue.Per
	case 2:
		p.Free = &FreePolicy{Of: rapid.SampledFrom([]string{"", "fleet"}).Draw(t, "of"), Add: Amount(rapid.SampledFrom([]int{0, 1, 3, -1}).Draw(t, "add")), Remove: Amount(rapid.SampledFrom([]int{0, 2, -1}).Draw(t, "remove")), ShrinkAfter: second("shrink"), For: second("for")}
		k.see = byHost(func(load float64) float64 { return min(max(1-load, 0), 1) })
	case 3:
		p.Votes = &VotesPolicy{Above: 0.8, Below: rapid.Float64Range(0.05, 0.75).Draw(t, "below"), Add: Amount(rapid.IntRange(0, 4).Draw(t, "add")), Remove: Amount(rapid.IntRange(0, 4).Draw(t, "remove")), Calm: second("calm"), ShrinkAfter: second("shrink")}
		k.see, k.most = byHost(func(load float64) float64 { return load }), 0.8
	}
	g.Policies = []Policy{p}
	k.Group = g.WithDefaults()
	return k
}

func serving(in Input) (n int) {
	for _, i := range in.Instances {
		if i.Phase == InService || i.Phase == Draining {
			n++
		}
	}
	return n
}

// TestKindLaws holds for every kind of policy alone.
func TestKindLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		k := genKind(t)
		in := genInput(t, k.Group)
		in.Unsettled, in.Points = 0, nil
		low := rapid.Float64Range(0, 3).Draw(t, "low")
		high := low + rapid.Float64Range(0, 3).Draw(t, "more")
		a, b := Want(k.Group, k.see(in, low)), Want(k.Group, k.see(in, high))
		if a.To > b.To {
			t.Errorf("load %v wants %d (%s), load %v wants %d (%s)\n%+v", low, a.To, a.Reason, high, b.To, b.Reason, k.Group)
		}
		k.thenNotOut(t, in, low, a)
		k.once(t, in, high, b)
		blind := in
		blind.Signals = map[string]Signal{"p": {Trouble: "gone", Points: steadyPoints(math.NaN())}}
		if d := Want(k.Group, blind); d.Direction == In || d.Direction == Out && !strings.HasPrefix(d.Code, codeFloor) {
			t.Errorf("blind, it goes %s: %s", d.Direction, d.Reason)
		}
	})
}

// thenNotOut: who goes does not by that make the rest ask for more.
func (k kindLaw) thenNotOut(t *rapid.T, in Input, load float64, d Decision) {
	t.Helper()
	if !d.Acts() || d.Direction != In || d.From > k.Max || d.To == 0 {
		return
	}
	after, gone := in, d.From-d.To
	after.Instances = slices.Clone(in.Instances)
	for n, i := range after.Instances {
		if i.Phase == Draining || i.Phase == InService && gone > 0 {
			if i.Phase == InService {
				gone--
			}
			after.Instances[n].Phase = Terminated
		}
	}
	each := load * float64(serving(in)) / float64(max(serving(after), 1))
	if again := Want(k.Group, k.see(after, each)); again.Direction == Out && again.From >= k.Min {
		t.Errorf("%s, then %s", d.Reason, again.Reason)
	}
}

// once: what was launched for a need is not launched again while it boots.
func (k kindLaw) once(t *rapid.T, in Input, load float64, d Decision) {
	t.Helper()
	k.MaxStep, in.Last = 1000, Change{}
	d = Want(k.Group, k.see(in, load))
	if !d.Acts() || d.Direction != Out || strings.HasPrefix(d.Code, codeFloor) {
		return
	}
	for n := range d.To - d.From {
		in.Instances = append(in.Instances, Instance{ID: fmt.Sprint("new", n), Phase: Booting})
	}
	if again := Want(k.Group, k.see(in, load)); again.Direction == Out {
		t.Errorf("first %s\nagain %s", d.Reason, again.Reason)
	}
}

// Hosts give a value for each host of an expression.
type perHost map[string]map[string]float64

func (p perHost) Eval(_ context.Context, expr string, at time.Time) (out []rrd.Value, err error) {
	for host, v := range p[expr] {
		out = append(out, rrd.Value{Time: rrd.At(at), Value: v, Labels: rrd.Labels{{Name: "host", Value: host}}})
	}
	return out, nil
}

// TestHostsLive: hosts are known by their label, and counted with the group's
// instances.
func TestHostsLive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		hosts := perHost{"cpu": {"ip-1.internal": 0.2, "ip-2.internal": 0.1, "elsewhere": 1}, "queue": {"ip-1": 1, "ip-2": 0}}
		w.metrics = hosts
		c := web()
		g := &c.Groups[0]
		g.Metric, g.Out, g.In = "", OutPolicy{}, InPolicy{}
		g.Policies = []Policy{{Metric: "cpu", Free: &FreePolicy{RunQueue: "queue"}}}
		l := w.live(c)
		defer l.stop()
		time.Sleep(17 * time.Second)
		v, _ := l.View("web")
		if w.count() != 3 || v.Metric != "cpu" || !strings.HasPrefix(v.Recent[1].Reason, "0.3 of 2 servers free, below 0.5") {
			t.Errorf("%d instances, %+v", w.count(), v)
		}
		if h := v.Recent[1].Policies[0].Hosts; len(h) != 2 || h[0] != (HostValue{"ip-2.internal", 0.1}) {
			t.Errorf("%+v", h)
		}
		if v.Last.Code != codeSteady && v.Last.Code != codeCovered && len(v.Last.Policies) != 1 {
			t.Errorf("%+v", v.Last)
		}
	})
}
