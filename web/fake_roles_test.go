package web_test

import (
	"time"

	"rondo/alerts/check"
	"rondo/alerts/fleet"
	"rondo/alerts/role"
	"rondo/alerts/state"
	"rondo/rrd/promql"
	"rondo/web"
)

// fakeRoles are what is attached to a world's groups.
type fakeRoles struct {
	w      *world
	alerts web.Alerts
}

func (f fakeRoles) Roles() []role.View {
	ten := 10.0
	hosts := f.w.Hosts()
	for i := range hosts {
		hosts[i].Leaving = hosts[i].ID == "web-2"
	}
	web := role.Role{
		Name: "web", Title: "the shop",
		Checks: role.Checks{Metrics: []check.Metric{{Common: check.Common{Name: "load"}, Expr: "load1", Raise: &ten}}},
		Dashboard: []role.Panel{
			{Title: "Waiting", Expr: `{__name__=~".*[.]run_queue"}`}, {Title: "One for each", Expr: `max({__name__=~".*[.]run_queue"})`},
			{Title: "Of all", Expr: `sum({__name__=~".*[.]requests_per_second"})`, Unit: "/s", Per: role.PerGroup},
			{Title: "Nothing there", Expr: "no_such_metric"},
		},
	}
	views := role.Views([]role.Role{web.WithDefaults(), role.Role{Name: "nobody"}.WithDefaults()}, hosts, f.alerts)
	views[0].Profile, views[0].Parameters = "0123456789abcdef", map[string]string{"tier": "<front>"}
	return views
}

// withRoles is a rich fleet with roles, and queries that know whose series are
// whose.
func withRoles(n int) web.Deps {
	d := rich(n)
	w := d.Metrics.(*world)
	f, err := fleet.New(state.NewMemory(), fleet.Options{})
	if err != nil {
		panic(err)
	}
	for _, h := range w.hosts {
		f.Report(h.ID, h.Group, h.Instance, fleet.Agent{Seen: time.Now()})
	}
	series := fleet.Series{Querier: w, Index: w, Fleet: f}
	d.Ranger, d.Roles = promql.New(series, series, promql.Options{}), fakeRoles{w, d.Alerts}
	return d
}
