package autoscale

import (
	"strings"
	"testing"
	"time"
)

func TestPhases(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	g := Group{Name: "web", Boot: time.Minute, Silent: 30 * time.Second}
	f := func(what string, i Instance, heard time.Time, started time.Duration, change func(*memory), want Phase) {
		t.Helper()
		i.ID, i.PrivateDNS = "i-1", "ip-10-0-0-1.ec2.internal"
		m := newMemory()
		if change != nil {
			change(m)
		}
		got := g.reconcile(sight{
			now: now, started: ago(started), listed: []Instance{i}, memory: m, first: map[string]time.Time{}, seen: map[string]bool{},
			heard: func(Instance) (string, time.Time) { return "ip-10-0-0-1", heard },
		})
		phase := Terminated
		if len(got) == 1 {
			phase = got[0].Phase
		}
		if phase != want {
			t.Errorf("%s: %s, want %s", what, phase, want)
		}
	}
	running := Instance{Phase: Booting, Launched: ago(10 * time.Minute)}
	fresh := Instance{Phase: Booting, Launched: ago(20 * time.Second)}
	never := time.Time{}
	f("heard of", running, ago(time.Second), time.Hour, nil, InService)
	f("heartbeat ended", running, ago(time.Minute), time.Hour, nil, Silent)
	f("not heard of yet", fresh, never, time.Hour, nil, Booting)
	f("heartbeat of a former instance of that name", fresh, ago(time.Minute), time.Hour, nil, Booting)
	f("never heard of, long after its boot time", running, never, time.Hour, nil, Silent)
	f("... but we have just begun to listen", running, never, 10*time.Second, nil, Booting)
	f("pending", Instance{Phase: Pending, Launched: ago(time.Second)}, never, time.Hour, nil, Pending)
	f("chosen to go", running, ago(time.Second), time.Hour, func(m *memory) { m.Leaving["i-1"] = leave{} }, Draining)
	f("terminated by us, still listed as running", running, ago(time.Second), time.Hour, func(m *memory) { m.Gone["i-1"] = ago(time.Second) }, Terminating)
	f("shutting down", Instance{Phase: Terminating}, never, time.Hour, func(m *memory) { m.Leaving["i-1"] = leave{} }, Terminating)
	f("stopped by someone", Instance{Phase: Stopped}, never, time.Hour, nil, Stopped)
	f("over", Instance{Phase: Terminated}, never, time.Hour, nil, Terminated)
}

func TestUnlistedLaunch(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	g := Group{Name: "web", Boot: time.Minute, Silent: 30 * time.Second}
	f := func(what string, launched time.Duration, seen bool, want int) {
		t.Helper()
		m := newMemory()
		m.Launched["i-9"] = now.Add(-launched)
		got := g.reconcile(sight{now: now, memory: m, seen: map[string]bool{"i-9": seen}})
		if len(got) != want || want == 1 && got[0].Phase != Pending {
			t.Errorf("%s: %v, want %d", what, got, want)
		}
	}
	f("launched a moment ago: it exists, though not listed yet", 20*time.Second, false, 1)
	f("was listed before: it is over", 20*time.Second, true, 0)
	f("launched long ago and never listed: it never came to be", grace+time.Second, false, 0)
}

func TestHostNames(t *testing.T) {
	t.Parallel()
	got := hostNames(Instance{ID: "i-1", PrivateDNS: "ip-10-0-0-1.ec2.internal", PrivateIP: "10.0.0.1"})
	if want := "ip-10-0-0-1.ec2.internal ip-10-0-0-1 i-1 10.0.0.1"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
	if got := hostNames(Instance{ID: "i-1"}); len(got) != 1 {
		t.Errorf("%v, want the ID alone", got)
	}
}
