package autoscale

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"rondo/rrd"
)

// victimFleet reads instances such as "a b:3 cp ab": zone, then p for protected
// or b for booting, then its sessions. They are launched a minute apart, the
// first at 0.
func victimFleet(words string) (is []Instance, sessions map[string]float64) {
	sessions = map[string]float64{}
	for k, word := range strings.Fields(words) {
		word, count, counted := strings.Cut(word, ":")
		i := Instance{
			ID: fmt.Sprint(k), Host: fmt.Sprint("h", k), Phase: InService, Zone: word[:1],
			Launched: time.Unix(0, 0).Add(time.Duration(k) * time.Minute),
		}
		switch word[1:] {
		case "p":
			i.Tags = map[string]string{TagProtect: "true"}
		case "b":
			i.Phase = Booting
		}
		if counted {
			sessions[i.Host], _ = strconv.ParseFloat(count, 64)
		}
		is = append(is, i)
	}
	return is, sessions
}

func TestVictims(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0).Add(10 * time.Hour)
	f := func(g Group, fleet string, n int, want string) {
		t.Helper()
		is, sessions := victimFleet(fleet)
		var ids []string
		for _, v := range g.victims(is, n, sessions, now) {
			ids = append(ids, v.id)
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s, %d: %s, want %s", fleet, n, got, want)
		}
	}
	var plain Group
	f(plain, "a a a a", 2, "3 2")
	f(plain, "a a a b", 1, "2")       // zone a has more
	f(plain, "a b a b", 2, "3 2")     // equal zones: the newest of all, then the other
	f(plain, "a a b c c", 3, "4 1 3") // stays balanced
	f(plain, "ap a ap", 3, "1")
	f(plain, "ab b", 2, "1")
	f(plain, "", 1, "")
	f(plain, "ap ap b b", 1, "3") // protected ones count for their zone

	f(Group{MinPerZone: 1}, "a b", 2, "")
	f(Group{MinPerZone: 1}, "a a b b", 4, "3 1")
	f(Group{MinPerZone: 1}, "ap a b", 2, "1")

	served := Group{Retire: RetirePolicy{Sessions: "sessions"}}
	f(served, "a:5 a:0 a:7", 2, "1 0")
	f(served, "a:5 a a:7", 3, "0 2 1") // nobody counts those of 1: it goes last
	f(served, "a:1 a:0 b:0", 1, "1")   // balance comes first
	f(served, "a:0 a:0", 1, "1")

	// At 10 h the first's paid hour has just ended, the last has 3 minutes left.
	billed := Group{Retire: RetirePolicy{Billing: time.Hour}}
	f(billed, "a a a a", 1, "0")
	f(billed, "ap a a a", 1, "1")
	billed.Drain = 2 * time.Minute // nobody drains within a minute: that one is paid for another hour
	f(billed, "ap a a a", 1, "2")
}

func TestVictimsSayWhy(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0).Add(10 * time.Hour)
	f := func(g Group, fleet, want string) {
		t.Helper()
		is, sessions := victimFleet(fleet)
		if got := g.victims(is, 1, sessions, now); got[0].why != want {
			t.Errorf("%q, want %q", got[0].why, want)
		}
	}
	f(Group{}, "a", "0 is the newest of 1 in a")
	served := Group{Retire: RetirePolicy{Sessions: "sessions"}}
	f(served, "a:0 a:4 a:0", "2 is the newest of 2 such in a, with 0 sessions")
	f(served, "a:3 a:4", "0 is the first to go of 2 in a, with 3 sessions")
	f(served, "a a", "1 is the newest of 2 such in a, with sessions that nobody counts")
	f(Group{Retire: RetirePolicy{Billing: time.Hour}}, "ap a a", "1 is the first to go of 2 in a, paid for 1m0s more when it has drained")
}

// counted answers what hosts' sessions are, beside the world's load.
type counted struct{ *world }

func (c counted) Eval(ctx context.Context, expr string, at time.Time) ([]rrd.Value, error) {
	if expr != "sessions" {
		return c.world.Eval(ctx, expr, at)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []rrd.Value
	for _, m := range c.instances {
		n := 5.0
		if m.ID == "i-0001" {
			n = 0
		}
		out = append(out, rrd.Value{Labels: rrd.Labels{{Name: "host", Value: m.PrivateDNS}}, Value: n})
	}
	return out, nil
}

// TestFewestSessionsGoFirst: the controller asks for the sessions of each host.
func TestFewestSessionsGoFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.metrics = counted{w}
		c := web()
		c.Groups[0].Min, c.Groups[0].In.Remove, c.Groups[0].Retire.Sessions = 3, 1, "sessions"
		l := w.live(c)
		defer l.stop()
		w.setDemand(16)
		time.Sleep(time.Minute)
		w.setDemand(3)
		time.Sleep(12 * time.Second)
		if alive := w.alive(); len(alive) != 3 || slices.Contains(alive, "i-0001") {
			v, _ := l.View("web")
			t.Errorf("%v are alive; want 3 without i-0001: %s", alive, v.Last.Reason)
		}
	})
}

func TestVictimsLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "ap", "bp", "ab", "cb", "a:0", "b:2", "c:9"}), 0, 20).Draw(t, "fleet")
		g := Group{MinPerZone: rapid.IntRange(0, 3).Draw(t, "min")}
		if rapid.Bool().Draw(t, "count") {
			g.Retire.Sessions = "sessions"
		}
		g.Retire.Billing = rapid.SampledFrom([]time.Duration{0, time.Hour}).Draw(t, "billing")
		is, sessions := victimFleet(strings.Join(words, " "))
		n := rapid.IntRange(0, 25).Draw(t, "n")
		chosen := g.victims(is, n, sessions, time.Unix(40_000, 0))
		if len(chosen) > n {
			t.Fatalf("%d chosen, %d wanted", len(chosen), n)
		}
		zones, goes := map[string]int{}, map[string]bool{}
		for _, v := range chosen {
			if goes[v.id] {
				t.Fatalf("%s is chosen twice", v.id)
			}
			goes[v.id] = true
		}
		for _, i := range is {
			if goes[i.ID] && (i.Phase != InService || i.Protected()) {
				t.Fatalf("%+v is chosen", i)
			}
			if i.Phase == InService && !goes[i.ID] {
				zones[i.Zone]++
			}
		}
		for _, i := range is {
			if goes[i.ID] && zones[i.Zone] < g.MinPerZone {
				t.Fatalf("%d are left in %s, at least %d stay", zones[i.Zone], i.Zone, g.MinPerZone)
			}
		}
	})
}
