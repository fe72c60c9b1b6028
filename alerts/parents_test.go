package alerts

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rondo/rrd"
)

// family is a rig with a second rule "up", whose states are the parents of
// those of "r" with the same host.
type family struct {
	*rig
	up *fakeRule
}

func newFamily(t *testing.T, ds ...Dependency) *family {
	g := &family{rig: newRig(t), up: &fakeRule{id: "up"}}
	if ds == nil {
		ds = []Dependency{{Child: matchers(t, "alertname=r"), Parent: matchers(t, "alertname=up"), Equal: []string{"host"}}}
	}
	g.opts.Muting.Parents = ds
	g.more = []Supervised{{Rule: g.up, Policy: Policy{Critical: &Threshold{Raise: 10, Clear: 5}, MaxAttempts: 3}, Interval: 2 * time.Second}}
	return g
}

func (g *family) mute(host string, want MuteReason) {
	g.t.Helper()
	for _, v := range g.e.Views() {
		if v.Rule == "r" && v.Labels.Get("host") == host && v.Mute.Reason != want {
			g.t.Errorf("%s is %q (%s), want %q", host, v.Mute.Reason, v.Mute.Cause, want)
		}
	}
}

// TestParents: a child goes bad first; it waits for what becomes of the
// parent, is unreachable while that is bad, over a restart, and is told after
// the parent's recovery only when it was checked again.
func TestParents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFamily(t)
		g.policy.MaxAttempts = 3
		g.up.set("a=1", "b=1")
		g.rule.set("a=1", "b=1")
		g.start()
		g.wait(10*time.Second, "")
		g.rule.set("a=11", "b=11")
		g.up.set("a=11", "b=1")
		g.wait(4*time.Second, "rb ok>critical") // b's parent was checked at once and is well
		g.mute("a", Waits)
		g.wait(10*time.Second, "upa ok>critical")
		g.mute("a", Unreachable)
		if v := g.view("b"); v.Mute.Muted() {
			t.Errorf("b: %+v", v)
		}
		fires := g.e.Firing(func(ls rrd.Labels) bool { return true })
		if want := []string{`r{host="b"}`, `up{host="a"}`}; !slices.Equal(fires, want) {
			t.Errorf("firing: %q, want %q", fires, want)
		}
		g.stop()
		g.start()
		g.mute("a", Unreachable)
		g.wait(10*time.Second, "")

		g.up.set("a=1", "b=1") // and its services come up one second after it
		g.wait(2*time.Second, "upa critical>ok")
		g.mute("a", Waits)
		g.rule.set("a=1", "b=11")
		g.wait(time.Minute, "") // no storm

		g.up.set("a=11", "b=11")
		g.rule.set("a=11", "b=1")
		g.wait(10*time.Second, "rb critical>ok, upa ok>critical, upb ok>critical") // what was told is resolved
		g.mute("a", Unreachable)
		g.up.set("a=1", "b=1")
		g.wait(10*time.Second, "upa critical>ok, upb critical>ok, ra ok>critical") // still bad, and the parent is not why
		g.stop()
	})
}

// TestParentOpenForLong: a parent of which nobody comes to know anything makes
// a child wait for a bounded time only.
func TestParentOpenForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFamily(t)
		g.more[0].Policy.For = time.Hour // soft for long
		g.up.set("a=1")
		g.rule.set("a=1")
		g.start()
		g.wait(10*time.Second, "")
		g.rule.set("a=11")
		g.up.set("a=11")
		g.wait(110*time.Second, "")
		g.mute("a", Waits)
		g.wait(15*time.Second, "ra ok>critical")
		g.rule.set("a=1")
		g.wait(10*time.Second, "ra critical>ok")
		if err := g.e.SetMuting(Muting{}); err != nil {
			t.Fatal(err)
		}
		g.rule.set("a=11")
		g.wait(10*time.Second, "ra ok>critical") // nobody depends on anything any more
		g.stop()
	})
}

// TestParentsRedundant: while one of two parents is well, a child is told.
func TestParentsRedundant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFamily(t, Dependency{Child: matchers(t, "alertname=r"), Parent: matchers(t, "alertname=up"), Redundant: true})
		g.up.set("a=11", "b=1")
		g.rule.set("x=1", "y=1")
		g.start()
		g.wait(20*time.Second, "upa ok>critical")
		g.rule.set("x=11", "y=1")
		g.wait(10*time.Second, "rx ok>critical")
		g.up.set("a=11", "b=11")
		g.wait(20*time.Second, "upb ok>critical")
		g.rule.set("x=11", "y=11")
		g.wait(20*time.Second, "")
		g.mute("y", Unreachable)
		g.stop()
	})
}

// TestParentsCircle: of states that depend on each other, and on themselves,
// none is lost; a chain is told at its top.
func TestParentsCircle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := func(child, parent string) Dependency {
			return Dependency{Child: matchers(t, "host="+child), Parent: matchers(t, "host="+parent)}
		}
		g := newFamily(t, on("a", "b"), on("b", "a"), on("a", "a"), on("top", "top"), on("middle", "top"), on("low", "middle"))
		g.rule.set("a=1", "b=1", "top=1", "middle=1", "low=1")
		g.start()
		g.wait(10*time.Second, "")
		g.rule.set("a=11", "b=11", "top=11", "middle=11", "low=11")
		time.Sleep(10 * time.Second)
		got := strings.Split(g.rcv.take(), ", ")
		slices.Sort(got)
		if want := []string{"ra ok>critical", "rb ok>critical", "rtop ok>critical"}; !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
		g.mute("low", Unreachable)
		g.stop()
	})
}

func TestParentsMistakes(t *testing.T) {
	for _, d := range []Dependency{{}, {Child: matchers(t, "a=b")}, {Child: matchers(t, "a=b"), Parent: matchers(t, "a=b"), Wait: 2 * time.Hour}} {
		if (Muting{Parents: []Dependency{d}}).Validate() == nil {
			t.Errorf("%+v was taken", d)
		}
	}
}

// BenchmarkUnreachable looks at one of 20,000 children of a parent that is bad.
func BenchmarkUnreachable(b *testing.B) {
	host, _ := ParseMatcher("alertname=up")
	child, _ := ParseMatcher("alertname=r")
	e := &Engine{rules: map[string]*runner{
		"up": {Supervised: Supervised{Rule: vanished("up")}, records: make(map[string]record)},
		"r":  {Supervised: Supervised{Rule: vanished("r")}, records: make(map[string]record)},
	}}
	bad := record{state: State{Status: Critical, Hard: Critical}}
	for i := range 2000 {
		bad.labels = rrd.Labels{{Name: "host", Value: fmt.Sprint(i)}}
		e.rules["up"].records[bad.labels.String()] = bad
		e.rules["r"].records[bad.labels.String()] = bad
	}
	e.relate([]Dependency{{Child: []Matcher{child}, Parent: []Matcher{host}, Equal: []string{"host"}}})
	b.ReportAllocs()
	for b.Loop() {
		if e.byParent(e.rules["r"], bad, epoch).Reason != Unreachable {
			b.Fatal("not unreachable")
		}
	}
}
