package autoscale

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPatience(t *testing.T) {
	t.Parallel()
	f := func(text string, want Patience, back string) {
		t.Helper()
		var p Patience
		if err := p.UnmarshalText([]byte(text)); err != nil {
			if back != "" {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if b, _ := p.MarshalText(); p != want || string(b) != back {
			t.Errorf("%q: %d, back %q", text, p, b)
		}
	}
	f("10m", Patience(10*time.Minute), "10m0s")
	f("never", Never, "never")
	f("0", Never, "never")
	f("0s", Never, "never")
	f("-1m", 0, "")
	f("soon", 0, "")
}

func TestReplace(t *testing.T) {
	t.Parallel()
	g := Group{Name: "web", Mode: Act, Min: 2, Max: 6, Boot: 3 * time.Minute, MaxStep: 20}.WithDefaults()
	// An instance is phase/launched/heard of/impaired, in minutes ago; - is never.
	ago := func(s string) time.Time {
		if s == "-" {
			return time.Time{}
		}
		var n int
		fmt.Sscan(s, &n)
		return scriptNow.Add(-time.Duration(n) * time.Minute)
	}
	phases := map[string]Phase{"ok": InService, "boot": Booting, "silent": Silent, "drain": Draining, "pend": Pending, "prot": Silent}
	f := func(fleet string, change func(*Group, *Input), want, why string) {
		t.Helper()
		in := Input{Now: scriptNow, Started: scriptNow.Add(-24 * time.Hour)}
		for n, word := range strings.Fields(fleet) {
			w := append(strings.Split(word, "/"), "-", "-", "-")
			i := Instance{ID: fmt.Sprintf("i-%d", n+1), Phase: phases[w[0]], Launched: ago(w[1]), LastSeen: ago(w[2]), Impaired: ago(w[3])}
			if w[0] == "prot" {
				i.Tags = map[string]string{TagProtect: "yes"}
			}
			in.Instances = append(in.Instances, i)
		}
		g := g
		if change != nil {
			change(&g, &in)
		}
		c := g.count(in)
		d := g.replace(Decision{Group: "web", Direction: Stay, From: c.capacity, To: c.capacity, Code: "steady", Reason: "steady"}, in)
		got := fmt.Sprintf("%s %d->%d %s %s %s", d.Direction, d.From, d.To, d.Code, d.Replaces, d.Heir)
		if got = strings.TrimSpace(got); got != want || !strings.Contains(d.Reason+"; "+d.Held, why) {
			t.Errorf("%s:\n got %s: %s (%s)\nwant %s: %s", fleet, got, d.Reason, d.Held, want, why)
		}
	}
	f("ok/600/0 ok/600/0", nil, "stay 2->2 steady", "steady")
	f("ok/600/0 ok/600/0 silent/600/9", nil, "stay 2->2 steady", "steady")
	f("ok/600/0 ok/600/0 silent/600/12", nil, "out 2->3 replace i-3", "i-3 was last heard of 12m0s ago, replace is 10m0s: another is launched, then it is terminated")
	f("ok/600/0 ok/600/0 silent/12/-", nil, "stay 2->2 steady", "steady") // it had its boot time, and 9 minutes
	f("ok/600/0 ok/600/0 silent/14/-", nil, "out 2->3 replace i-3", "i-3 was never heard of in the 14m0s since its launch")
	f("ok/600/0 ok/600/0/11", nil, "out 2->3 replace i-2", "i-2 fails its status check for 11m0s")
	f("ok/600/0 ok/600/0/5", nil, "stay 2->2 steady", "steady")
	// Launch first: what stands in is awaited, and then the lost one goes.
	f("ok/600/0 silent/600/12 ok/600/0 boot/1/-", nil, "stay 3->3 steady", "i-2 was last heard of 12m0s ago, i-4 is on its way in its place")
	f("ok/600/0 silent/600/12 ok/600/0 ok/5/0", nil, "in 3->3 replaced i-2 i-4", "i-4, launched after it, serves in its place")
	f("ok/600/0 ok/600/0/11 ok/5/0", nil, "in 3->2 replaced i-2 i-3", "i-3, launched after it, serves in its place")
	// Who stands in for one stands in for no other.
	f("ok/600/0 silent/600/12 ok/600/0 ok/5/0", func(_ *Group, in *Input) { in.Heirs = map[string]time.Time{"i-4": scriptNow} }, "out 3->4 replace i-2", "another is launched")
	f("ok/600/0 silent/600/30 silent/600/12 ok/600/0 ok/600/0 ok/5/0", nil, "in 4->4 replaced i-2 i-6", "serves in its place")
	// Not while it may be us, nor past a stop switch, nor with a broken image.
	f("ok/600/0 silent/600/12 silent/600/12 silent/600/12 silent/600/12", nil, "out 1->2 replace+frozen i-2", "fell silent: more likely our own ears")
	f("ok/600/0 ok/600/0 silent/30/- silent/30/- silent/30/-", nil, "out 2->3 replace+overdue i-3", "never heard of")
	f("ok/600/0 ok/600/0 silent/600/12", func(_ *Group, in *Input) { in.Stopped = "ann" }, "out 2->3 replace+stopped i-3", "stopped by ann")
	f("ok/600/0 ok/600/0 silent/600/600", func(_ *Group, in *Input) { in.Started = scriptNow.Add(-5 * time.Minute) }, "stay 2->2 steady", "steady")
	f("ok/600/0 ok/600/0 silent/600/12", func(g *Group, _ *Input) { g.Replace = Never }, "stay 2->2 steady", "steady")
	// A group of a fixed size makes room first.
	f("ok/600/0 ok/600/0 ok/600/0 silent/600/12", func(g *Group, _ *Input) { g.Min, g.Max = 4, 4 }, "in 3->3 replaced i-4", "at max 4: it is terminated")
	// Never the protected, never beside a drain, never past max.
	f("ok/600/0 ok/600/0 prot/600/12", nil, "stay 2->2 steady", "i-3 was last heard of 12m0s ago, and is protected")
	f("ok/600/0 ok/600/0 prot/600/20 silent/600/12", nil, "out 2->3 replace i-4", "i-4 was last")
	f("ok/600/0 ok/600/0 silent/600/12", func(_ *Group, in *Input) { in.Unsettled = 1 }, "stay 3->3 steady", "and a launch is under way")
	f("ok/600/0 ok/600/0 silent/600/12 drain/600/0", nil, "stay 2->2 steady", "is replaced when no other drains")
	full := func(g *Group, _ *Input) { g.Max = 4 }
	f("ok/600/0 ok/600/0 ok/600/0 silent/600/12", full, "in 3->3 replaced i-4", "the group is at max 4: it is terminated, so that another can be launched")
	poor := func(g *Group, _ *Input) { g.Budget = &Budget{Hour: 4, Prices: map[string]float64{otherTypes: 1}} }
	f("ok/600/0 ok/600/0 ok/600/0 silent/600/12", poor, "in 3->3 replaced i-4", "the budget has no room for another beside it: it is terminated")
	f("ok/600/0 ok/600/0 ok/600/0 ok/600/0/12", poor, "out 4->5 replace+budget-hour i-4", "budget.hour is 4")
	f("ok/600/0 ok/600/0 silent/600/12 silent/600/12", full, "stay 2->2 steady", "max 4 has no room for another beside it")
	f("ok/600/0 ok/600/0 ok/600/0 ok/600/0/11", full, "stay 4->4 steady", "max 4 has no room for another beside it")
	f("ok/600/0 ok/600/0/11 ok/5/0", func(g *Group, _ *Input) { g.Min = 3 }, "in 3->2 replaced+below-min i-2 i-3", "2 would be left, min is 3")
	// One, two or three of a fixed size: one above max; others say whether we hear.
	few := func(n int, ears Ears) func(*Group, *Input) {
		return func(g *Group, in *Input) { g.Min, g.Max, in.Ears = n, n, ears }
	}
	f("silent/600/12", few(1, Ears{}), "out 0->1 replace i-1", "another is launched, then it is terminated")
	f("silent/600/12", few(1, Ears{10, 9}), "out 0->1 replace i-1", "another is launched")
	f("silent/600/12", few(1, Ears{10, 5}), "out 0->1 replace+frozen i-1", "of 10 hosts that are not of the group 5 are heard: more likely our own ears")
	f("silent/600/12 boot/1/-", few(1, Ears{10, 9}), "stay 1->1 steady", "i-2 is on its way in its place")
	f("silent/600/12 ok/1/0", few(1, Ears{10, 9}), "in 1->1 replaced i-1 i-2", "serves in its place")
	f("silent/600/12 ok/600/0", few(2, Ears{10, 9}), "out 1->2 replace i-1", "another is launched")
	f("silent/600/12 silent/600/12", few(2, Ears{10, 0}), "out 0->1 replace+frozen i-1", "our own ears")
	f("silent/600/12 silent/600/12 silent/600/12", few(3, Ears{10, 10}), "out 0->1 replace i-1", "another is launched")
	f("ok/600/0/11", few(1, Ears{10, 9}), "out 1->2 replace i-1", "fails its status check")
	f("prot/600/12", few(1, Ears{10, 9}), "stay 0->0 steady", "is protected")
	// Never two at once.
	single := func(ears Ears) func(*Group, *Input) {
		return func(g *Group, in *Input) { g.Min, g.Max, g.Single, in.Ears = 1, 1, true, ears }
	}
	f("silent/600/12", single(Ears{10, 9}), "in 0->0 replaced i-1", "never be two at once: it is terminated, then another is launched")
	f("silent/600/12", single(Ears{10, 2}), "stay 0->0 steady", "no other host proves that we hear")
	f("silent/600/12", single(Ears{}), "stay 0->0 steady", "end it by hand")
	f("silent/600/20/12", single(Ears{}), "in 0->0 replaced i-1", "fails its status check")
	f("ok/600/0/11", single(Ears{}), "in 1->0 replaced i-1", "fails its status check")
}

// TestDeadInstanceIsReplaced: one of three falls silent; another is launched,
// serves, and only then is the silent one terminated. A restart in between
// changes nothing.
func TestDeadInstanceIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(10)
		conf := web()
		conf.Groups[0].Replace = Patience(time.Minute)
		l := w.live(conf)
		time.Sleep(5 * time.Minute)
		w.mu.Lock()
		dead := w.alive()[0]
		since := time.Now()
		w.instances[dead].silentSince = since
		w.mu.Unlock()
		for range 5 * 60 {
			time.Sleep(time.Second)
			w.mu.Lock()
			heard := 0
			for _, m := range w.instances {
				if w.running(m) && m.silentSince.IsZero() {
					heard++
				}
			}
			if gone := !w.instances[dead].ended.IsZero(); gone && heard < 3 {
				t.Errorf("%s is terminated while %d serve", dead, heard)
			}
			w.mu.Unlock()
			if time.Since(since) == 75*time.Second {
				l.stop()
				l = w.live(conf)
			}
		}
		l.stop()
		if w.count() != 3 || w.made != 4 || w.instances[dead].ended.IsZero() {
			t.Errorf("%d alive of %d, %s ended %v; want 3 of 4, and the dead one over", w.count(), w.made, dead, w.instances[dead].ended)
		}
	})
}

// A ward is a session whose cloud has status checks.
type ward struct {
	Cloud
	impaired func() map[string]time.Time
}

func (w ward) Impaired(context.Context, string, []string) (map[string]time.Time, error) {
	return w.impaired(), nil
}

// TestImpairedInstanceIsReplaced: one is heard, but fails its status check.
func TestImpairedInstanceIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(10)
		since, ill := time.Time{}, ""
		w.wrap = func(c Cloud) Cloud {
			return ward{c, func() map[string]time.Time {
				w.mu.Lock()
				defer w.mu.Unlock()
				if ill == "" {
					return nil
				}
				return map[string]time.Time{ill: since}
			}}
		}
		l := w.live(web())
		time.Sleep(5 * time.Minute)
		w.mu.Lock()
		since, ill = time.Now(), w.alive()[1]
		w.mu.Unlock()
		time.Sleep(9 * time.Minute)
		if n := w.count(); n != 3 {
			t.Errorf("replaced before its time: %d are alive", n)
		}
		time.Sleep(5 * time.Minute)
		l.stop()
		if w.count() != 3 || w.made != 4 || w.instances[ill].ended.IsZero() {
			t.Errorf("%d alive of %d, %s ended %v; want 3 of 4, and the impaired one over", w.count(), w.made, ill, w.instances[ill].ended)
		}
	})
}
