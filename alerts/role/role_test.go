package role

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts"
	"rondo/alerts/check"
	"rondo/alerts/check/probe"
	"rondo/alerts/fleet"
)

func TestValidate(t *testing.T) {
	ten := 10.0
	metric := func(name, expr string) check.Metric {
		return check.Metric{Common: check.Common{Name: name}, Expr: expr, Raise: &ten}
	}
	f := func(r Role, want ...string) {
		t.Helper()
		err := r.Validate()
		if len(want) == 0 && err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v, want %q", r.Name, err, w)
			}
		}
	}
	f(Role{Name: "web"})
	f(Role{Name: "web", Checks: Checks{Metrics: []check.Metric{metric("load", "x")}, Outside: check.Outside{TCP: []check.TCP{{Common: check.Common{Name: "port"}, TCP: probe.TCP{Port: 80}}}}}})
	f(Role{Name: "web", Logs: []check.Log{{Common: check.Common{Name: "alive"}, Expect: "member"}}})
	f(Role{}, "name: want 1 to 63 letters")
	f(Role{Name: "a/b"}, "name: want 1 to 63 letters")
	f(Role{Name: "web", Groups: []string{""}}, "groups: one has no name")
	f(Role{Name: "web", Checks: Checks{Metrics: []check.Metric{metric("load", "x"), metric("load", "y")}}}, `rule "load": the name is taken by another rule`)
	f(Role{Name: "web", Checks: Checks{Metrics: []check.Metric{metric("load", "sum(")}}}, `rule "load": promql: `, "unclosed left parenthesis")
	f(Role{Name: "web", Checks: Checks{Joins: []check.Join{{Common: check.Common{Name: "j"}, On: []string{"app"}}}}}, `rule "j": on: want host among them`)
	f(Role{Name: "web", Logs: []check.Log{{Common: check.Common{Name: "l"}, Expect: "everybody"}}}, `rule "l": expect "everybody"`)
	f(Role{Name: "web", Dashboard: []Panel{{}}}, "dashboard: 1: title is missing", "expr is missing")
	f(Role{Name: "web", Dashboard: []Panel{{Title: "a", Expr: "x"}, {Title: "b", Expr: ")", Per: "rack"}}}, "dashboard: 2: promql: ", `per "rack": want host or group`)
	f(Role{Name: "web", Dashboard: make([]Panel, 25)}, "dashboard: 25 panels: want at most 24")
}

// states are those of a test.
type states []alerts.View

func (s states) Views() []alerts.View { return s }

func (states) Supervised(rule string) (alerts.Supervised, bool) {
	return alerts.Supervised{Expr: "checks " + rule}, true
}

func TestViews(t *testing.T) {
	ten := 10.0
	now := time.Now()
	r := Role{
		Name: "web", Groups: []string{"web", "web-eu"}, Dashboard: []Panel{{Title: "a", Expr: "x"}},
		Checks: Checks{Metrics: []check.Metric{{Common: check.Common{Name: "load"}, Expr: "x", Raise: &ten}}},
		Logs:   []check.Log{{Common: check.Common{Name: "alive"}, Expect: "member"}},
	}.WithDefaults()
	view := func(rule, host string, s alerts.Status) alerts.View {
		return alerts.View{Rule: rule, Labels: alerts.NewLabels(map[string]string{"host": host, "role": "web"}), Status: s, Hard: true}
	}
	vs := Views([]Role{r, Role{Name: "db"}.WithDefaults()}, []fleet.Host{
		{ID: "web-1", Group: "web", FirstSeen: now, Agent: &fleet.Agent{Address: "192.0.2.1"}, PrivateIP: "10.0.0.1"},
		{ID: "web-2", Group: "web-eu", Leaving: true}, {ID: "web-3", Group: "web", Withdrawn: now}, {ID: "db-1", Group: "db"},
	}, states{
		view("web/load", "web-1", alerts.Critical), view("web/alive", "web-1", alerts.OK), view("web/load", "web-2", alerts.OK),
		{Rule: "web/alive", Hard: true, Missing: true}, view("other", "web-1", alerts.Warning),
	})
	var got []string
	for _, v := range vs {
		got = append(got, v.Name+":")
		for _, m := range v.Members {
			got = append(got, fmt.Sprintf("  %s %s %s%s draining=%v %d states %d problems", m.Host, m.Group, m.Address, m.PrivateIP, m.Draining, m.States, m.Problems))
		}
		for _, rule := range v.Rules {
			got = append(got, fmt.Sprintf("  %s (%s) %d states %d problems", rule.Name, rule.Expr, rule.States, rule.Problems))
		}
		for _, p := range v.Panels {
			got = append(got, fmt.Sprintf("  %s per %s", p.Title, p.Per))
		}
	}
	want := `web:
  web-1 web 192.0.2.110.0.0.1 draining=false 3 states 2 problems
  web-2 web-eu  draining=true 1 states 0 problems
  web/alive (checks web/alive) 1 states 0 problems
  web/load (checks web/load) 2 states 1 problems
  a per host
db:
  db-1 db  draining=false 0 states 0 problems`
	if d := cmp.Diff(want, strings.Join(got, "\n")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestNarrowed(t *testing.T) {
	within, err := Role{Name: "web.de"}.WithDefaults().Within("sum(x)")
	host, failed := OfHost("sum(x)", "web-1.example.com")
	want := []any{`sum(x{__group__=~"web\\.de"})`, error(nil), `sum(x{__host__=~"web-1\\.example\\.com"})`, error(nil)}
	if d := cmp.Diff(want, []any{within, err, host, failed}); d != "" {
		t.Error(d)
	}
}
