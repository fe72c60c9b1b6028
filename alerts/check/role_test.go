package check

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts"
	"rondo/alerts/check/plugin"
	"rondo/alerts/check/probe"
	"rondo/alerts/fleet"
	"rondo/syslogd/syslog"
)

var webRole = Role{Name: "web", Groups: []string{"web", "web.eu"}}

func roleHosts() fakeHosts {
	old := noon.Add(-time.Hour)
	return fakeHosts{
		{ID: "web-1", Group: "web", FirstSeen: old, PrivateIP: "10.0.0.1"},
		{ID: "web-2.example.com", Group: "web.eu", FirstSeen: old, PrivateIP: "10.0.0.2", Agent: &fleet.Agent{Address: "192.0.2.2"}},
		{ID: "web-3", Group: "web", FirstSeen: noon.Add(-time.Minute)},
		{ID: "web-4", Group: "web", FirstSeen: old, Leaving: true},
		{ID: "web-5", Group: "web", FirstSeen: old, Withdrawn: noon},
		{ID: "db-1", Group: "db", FirstSeen: old},
	}
}

func TestFor(t *testing.T) {
	labels := map[string]string{"team": "ops"}
	c := Config{
		Metrics:   []Metric{{Common: Common{Name: "load", Labels: labels}, Expr: "avg by (host) (x)", Raise: ptr(1)}},
		Forecasts: []Forecast{{Common: Common{Name: "full"}, Expr: "disk", Above: ptr(9), Horizon: time.Hour}},
		Hosts:     []Freshness{{Common: Common{Name: "silent"}, Silent: time.Minute}},
		Outside: Outside{
			TCP:  []TCP{{Common: Common{Name: "own"}, TCP: probe.TCP{Port: 80}}},
			Ping: []Ping{{Common: Common{Name: "gate"}, Targets: Targets{Targets: []plugin.Target{{Host: "gateway"}}}}},
		},
	}
	r := c.For(webRole)
	if err := r.Validate(); err != nil {
		t.Error(err)
	}
	want := "web/silent-at-once web/load web/silent web/full web/own web/gate"
	names := strings.Join(r.Names(), " ")
	for _, n := range strings.Fields(want) {
		if !strings.Contains(" "+names+" ", " "+n+" ") {
			t.Errorf("%s is not among %s", n, names)
		}
	}
	got := []string{r.Metrics[0].Expr, r.Forecasts[0].Expr, strings.Join(r.Hosts[0].Groups, " "), strings.Join(r.Outside.TCP[0].Groups, " "), strings.Join(r.Outside.Ping[0].Groups, " ")}
	if d := cmp.Diff([]string{`avg by (host) (x{__group__=~"web|web\\.eu"})`, `disk{__group__=~"web|web\\.eu"}`, "web web.eu", "web web.eu", ""}, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string]string{"team": "ops", "role": "web"}, r.Metrics[0].Labels); d != "" || len(labels) != 1 {
		t.Error(d, labels)
	}
	if c.Metrics[0].Name != "load" || c.Metrics[0].Expr != "avg by (host) (x)" {
		t.Errorf("the rules themselves were changed: %+v", c.Metrics[0])
	}
	if both := c.And(r); len(both.Names()) != 2*len(r.Names()) {
		t.Errorf("together: %v", both.Names())
	}
	metric, err := Config{Metrics: r.Metrics}.Build(Sources{Metrics: &fakeEval{}})
	if err != nil {
		t.Fatal(err)
	}
	if w := metric[0].Rule.(alerts.Reader).Reads(); len(w.Selectors) != 1 || len(w.Selectors[0]) != 1 {
		t.Errorf("samples know no group, so none would wake it: %+v", w)
	}
}

func TestLogsOfARole(t *testing.T) {
	counted := func(c ...Count) *fakeLogs { return &fakeLogs{counts: c} }
	one := func(n int64, values ...string) Count { return Count{Values: values, Messages: n} }
	f := func(name string, l Log, logs *fakeLogs, want string) {
		t.Helper()
		l.Name, l.Filter = "l", "*"
		rules, err := Config{Logs: []Log{l}}.For(webRole).Build(Sources{Logs: logs, Hosts: roleHosts()})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(strings.TrimSpace(want), readings(t, rules[0])); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	f("all members together", Log{}, counted(one(3, "WEB-1"), one(4, "web-2"), one(100, "db-1"), one(50, "web-5")),
		`{role="web"} 7 7 messages in 5m0s match *`)
	f("by host, under its name in the fleet", Log{By: []string{"host"}}, counted(one(3, "web-1"), one(2, "web-1.example.com"), one(9, "db-1")),
		`{host="web-1",role="web"} 5 5 messages in 5m0s match *`)
	f("by another field", Log{By: []string{"app"}}, counted(one(3, "shop", "web-1"), one(2, "shop", "web-3"), one(9, "cron", "db-1"), one(1, "cron", "web-1")),
		"{app=\"shop\",role=\"web\"} 5 5 messages in 5m0s match *\n{app=\"cron\",role=\"web\"} 1 1 messages in 5m0s match *")
	f("each member is expected to speak; one that is new has its time",
		Log{By: []string{"host"}, Op: "below", Raise: 1, Expect: "fleet", Window: 50 * time.Second}, counted(one(8, "web-1")), `
{host="web-1",role="web"} 8 8 messages in 50s match *
{host="web-2.example.com",role="web"} 0 0 messages in 50s match *
{host="web-3",role="web"} 0 0 messages in 50s match *
{host="web-4",role="web"} 0 0 messages in 50s match *`)
	f("its time is the window", Log{By: []string{"host"}, Op: "below", Raise: 1, Expect: "fleet"}, counted(one(8, "web-1"), one(1, "web-2"), one(1, "web-4")), `
{host="web-1",role="web"} 8 8 messages in 5m0s match *
{host="web-2.example.com",role="web"} 1 1 messages in 5m0s match *
{host="web-4",role="web"} 1 1 messages in 5m0s match *
{host="web-3",role="web"} 1 nothing yet; its first message is due by 12:04:00`)
	said := func(host, text string) syslog.Message { return syslog.Message{Host: host, Text: text, Received: noon} }
	f("numbers", Log{Number: &Number{Pattern: `took (\d+)`, Of: "sum"}},
		&fakeLogs{messages: []syslog.Message{said("web-1", "took 3"), said("db-1", "took 50"), said("web-2.example.com", "took 4"), said("web-5", "took 9")}},
		`{role="web"} 7 sum of number is 7 in 5m0s, of *`)
}

// TestMembersAreChecked: from outside, each at its address, but for those that
// leave.
func TestMembersAreChecked(t *testing.T) {
	c := Config{Outside: Outside{Plugins: []Plugin{{Common: Common{Name: "p"}, Command: []string{"/bin/echo", "OK - {host} {address} {private_ip}"}}}}}.For(webRole)
	r, _, _ := outside(t, c, roleHosts())
	want := `{group="web",host="web-1",role="web"} ok 0 OK - web-1 10.0.0.1 10.0.0.1
{group="web.eu",host="web-2.example.com",role="web"} ok 0 OK - web-2.example.com 192.0.2.2 10.0.0.2
{group="web",host="web-3",role="web"} ok 0 OK - web-3 web-3 web-3`
	if d := cmp.Diff(want, statuses(t, r, noon)); d != "" {
		t.Error(d)
	}
}

// TestBootingMembersAreNoProblem: what they do not serve yet is expected.
func TestBootingMembersAreNoProblem(t *testing.T) {
	r := &activeRule{
		Common: Common{Name: "p"}, targets: Targets{Groups: webRole.Groups}, hosts: roleHosts(), bounded: true,
		service: NewService(nil, slog.New(slog.DiscardHandler)), boot: func(string) time.Duration { return 2 * time.Minute },
		probe: func(context.Context, plugin.Target) plugin.Result { return plugin.Say(alerts.Critical, "refused") },
	}
	got := statuses(t, alerts.Supervised{Rule: r}, noon)
	want := `{group="web",host="web-1"} critical 0 refused
{group="web.eu",host="web-2.example.com"} critical 0 refused
{group="web",host="web-3"} ok 0 starting: refused`
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := statuses(t, alerts.Supervised{Rule: r}, noon.Add(time.Minute)); strings.Contains(got, "starting") {
		t.Error(got)
	}
}
