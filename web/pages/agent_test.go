package pages

import (
	"fmt"
	"testing"
	"time"

	"rondo/alerts/fleet"
)

func TestAgent(t *testing.T) {
	now := time.Date(2026, 11, 19, 10, 0, 0, 0, time.UTC)
	row := func(change func(*fleet.Agent)) HostRow {
		a := &fleet.Agent{Version: "1.2", Type: "m7g.large", Zone: "eu-central-1a", Address: "10.0.0.7", Seen: now.Add(-3 * time.Second), Started: now}
		change(a)
		return HostRow{Host: fleet.Host{ID: "web1", Agent: a}}
	}
	f := func(want string, change func(*fleet.Agent)) {
		t.Helper()
		if got := row(change).AgentTrouble(now); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	f("", func(*fleet.Agent) {})
	f("agent: 7 dropped or lost", func(a *fleet.Agent) { a.Dropped = 7 })
	f("an agent at 10.0.0.8 has the same id", func(a *fleet.Agent) { a.Conflict = "an agent at 10.0.0.8 has the same id" })
	f("agent: last contact "+ago(now, now.Add(-time.Hour)), func(a *fleet.Agent) { a.Seen = now.Add(-time.Hour) })
	f("agent: "+bytes(1<<30)+" not sent yet", func(a *fleet.Agent) { a.Lag = 1 << 30 })
	if got := (HostRow{}).AgentTrouble(now); got != "" || (HostRow{}).AgentFacts(now) != nil {
		t.Errorf("without an agent: %q", got)
	}
	want := "[{Agent 1.2, last contact " + ago(now, now.Add(-3*time.Second)) + "} {Not sent yet " + bytes(0) + "} {Dropped or lost 0 since 2026-11-19 10:00:00} {Profile web 4c1d} {Machine m7g.large, eu-central-1a, 10.0.0.7}]"
	if got := fmt.Sprint(row(func(a *fleet.Agent) { a.Profile = "web 4c1d" }).AgentFacts(now)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
