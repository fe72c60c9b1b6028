package dispatch

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts"
	"rondo/alerts/state"
	"rondo/rrd"
)

// TestFates: who is told and who mutes is what the dispatcher itself goes by.
func TestFates(t *testing.T) {
	c := Config{
		Route: &RouteConfig{Receiver: "rest", GroupBy: []string{"alertname"}, Routes: []RouteConfig{
			{Receiver: "db", Matchers: []string{"host=~db.*"}, GroupBy: []string{"host"}, Continue: true},
			{Receiver: "db", Matchers: []string{"alertname=load"}},
		}},
		InhibitRules: []InhibitConfig{{SourceMatchers: []string{"alertname=down"}, TargetMatchers: []string{"alertname=load"}, Equal: []string{"host"}}},
	}
	d, err := New(Options{Store: state.NewMemory()}, c, []Receiver{{Name: "rest"}, {Name: "db"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	down := change("down", "db-1", 1, alerts.Critical)
	for _, tr := range []alerts.Transition{down, change("load", "db-1", 1, alerts.Warning), change("load", "web-1", 1, alerts.Warning), change("full", "web-1", 1, alerts.Critical)} {
		if err := d.Act(context.Background(), tr); err != nil {
			t.Fatal(err)
		}
	}
	labels := func(rule, host string) rrd.Labels {
		return alerts.NewLabels(map[string]string{"alertname": rule, "host": host, "severity": "warning"})
	}
	got := d.Fates([]rrd.Labels{labels("load", "db-1"), labels("load", "web-1"), labels("other", "web-1"), labels("down", "db-1")})
	for i, want := range [][2]string{{"[db]", alertOf(down).Fingerprint}, {"[db]", ""}, {"[rest]", ""}, {"[db]", ""}} {
		if f := got[i]; fmt.Sprint(f.Receivers()) != want[0] || f.InhibitedBy != want[1] {
			t.Errorf("%d: %v, inhibited by %q: want %q", i, f.Receivers(), f.InhibitedBy, want)
		}
	}
	want := []Place{{`{}/{host=~"db.*"}`, "db", rrd.Labels{{Name: "host", Value: "db-1"}}}, {`{}/{alertname="load"}`, "db", rrd.Labels{{Name: "alertname", Value: "load"}}}}
	if diff := cmp.Diff(want, got[0].Groups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	if err := d.Act(context.Background(), change("full", "web-1", 2, alerts.OK)); err != nil {
		t.Fatal(err)
	}
	checkMembers(t, d, `db {alertname="load"}: load/db-1 load/web-1`, `db {host="db-1"}: down/db-1 load/db-1`)
	if err := d.Reload(Config{}, nil, ""); err != nil {
		t.Fatal(err)
	}
	if fates := d.Fates([]rrd.Labels{labels("load", "db-1")}); fates != nil {
		t.Errorf("without a route: %v", fates)
	}
	checkMembers(t, d)
}

func checkMembers(t *testing.T, d *Dispatcher, want ...string) {
	t.Helper()
	var got []string
	for _, m := range d.Members() {
		line := fmt.Sprintf("%s %v:", m.Receiver, m.Labels)
		for _, a := range m.Alerts {
			line += " " + a.Labels.Get("alertname") + "/" + a.Labels.Get("host")
		}
		got = append(got, line)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
}
