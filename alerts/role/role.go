package role

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"rondo/alerts/check"
	"rondo/alerts/fleet"
	"rondo/rrd"
	"rondo/rrd/promql"
)

// A Role is one item of the section "roles".
type Role struct {
	Name      string      `yaml:"name"`
	Title     string      `yaml:"title"`  // for people
	Groups    []string    `yaml:"groups"` // whose hosts it is for; default: the group of its name
	Static    bool        `yaml:"static"` // nobody launches its hosts: no group of autoscale is meant
	Checks    Checks      `yaml:"checks"`
	Logs      []check.Log `yaml:"logs"` // these may say expect: member
	Dashboard []Panel     `yaml:"dashboard"`
}

// Checks are rules as under alerts.
type Checks struct {
	Metrics   []check.Metric    `yaml:"metrics"`
	Hosts     []check.Freshness `yaml:"hosts"`
	Joins     []check.Join      `yaml:"joins"`
	Forecasts []check.Forecast  `yaml:"forecasts"`
	Outside   check.Outside     `yaml:",inline"`
}

// expectMember is: each member has logged in the window, or has not been here for
// so long. It is short for op: below, raise: 1, by: host, expect: fleet.
const expectMember = "member"

func logRule(l check.Log) check.Log {
	if l.Expect == expectMember {
		l.Expect, l.Op, l.By = "fleet", "below", []string{"host"}
		if l.Raise == 0 && l.Warning == nil && l.Critical == nil {
			l.Raise = 1
		}
	}
	if l.Filter == "" {
		l.Filter = "*"
	}
	return l
}

// A Panel is one graph.
type Panel struct {
	Title string `yaml:"title" json:"title"`
	Expr  string `yaml:"expr" json:"expr"` // PromQL, of the members' series
	Unit  string `yaml:"unit" json:"unit,omitempty"`
	Per   Per    `yaml:"per" json:"per"` // host (default) or group
}

// Per says what a panel is drawn of.
type Per string

// The values of Per.
const (
	PerHost  Per = "host"
	PerGroup Per = "group"
)

// maxPanels bounds the panels of a role: each costs each look at a page.
const maxPanels = 24

// nameOK is what stands in names of rules, in paths and in matchers as it is.
var nameOK = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)

// WithDefaults fills in what was left out.
func (r Role) WithDefaults() Role {
	if len(r.Groups) == 0 {
		r.Groups = []string{r.Name}
	}
	r.Dashboard = slices.Clone(r.Dashboard)
	for i := range r.Dashboard {
		if r.Dashboard[i].Per == "" {
			r.Dashboard[i].Per = PerHost
		}
	}
	return r
}

// scope is the role as its rules know it.
func (r Role) scope() check.Role { return check.Role{Name: r.Name, Groups: r.Groups} }

// Has says whether a host is a member now.
func (r Role) Has(h fleet.Host) bool { return r.scope().Has(h) }

// rules are the rules under their own names.
func (r Role) rules() check.Config {
	c := check.Config{Metrics: r.Checks.Metrics, Hosts: r.Checks.Hosts, Joins: r.Checks.Joins, Forecasts: r.Checks.Forecasts, Outside: r.Checks.Outside}
	for _, l := range r.Logs {
		c.Logs = append(c.Logs, logRule(l))
	}
	return c
}

// Rules are the role's rules as the engine has them. The role must have its
// defaults.
func (r Role) Rules() check.Config { return r.rules().For(r.scope()) }

// Within is an expression about the role's hosts alone.
func (r Role) Within(expr string) (string, error) { return promql.Within(expr, r.scope().Matcher()) }

// OfHost is an expression about one host alone.
func OfHost(expr, host string) (string, error) {
	return promql.Within(expr, rrd.Matcher{Label: fleet.HostLabel, Op: rrd.Regexp, Value: regexp.QuoteMeta(host)})
}

// Validate says all that is wrong with a role.
func (r Role) Validate() error {
	r = r.WithDefaults()
	errs := []error{r.rules().For(check.Role{Groups: r.Groups}).Validate(), r.checkExpressions()}
	if !nameOK.MatchString(r.Name) {
		errs = append(errs, errors.New("name: want 1 to 63 letters, digits, dots, hyphens"))
	}
	if slices.Contains(r.Groups, "") {
		errs = append(errs, errors.New("groups: one has no name"))
	}
	for _, j := range r.Checks.Joins {
		if !slices.Contains(j.On, "host") {
			errs = append(errs, fmt.Errorf("rule %q: on: want host among them, since messages know no group", j.Name))
		}
	}
	if len(r.Dashboard) > maxPanels {
		errs = append(errs, fmt.Errorf("dashboard: %d panels: want at most %d", len(r.Dashboard), maxPanels))
	}
	for i, p := range r.Dashboard {
		if err := p.validate(); err != nil {
			errs = append(errs, fmt.Errorf("dashboard: %d: %w", i+1, err))
		}
	}
	return errors.Join(errs...)
}

// checkExpressions parses the PromQL of all rules.
func (r Role) checkExpressions() error {
	var errs []error
	look := func(rule, expr string) {
		if err := promql.Check(expr); expr != "" && err != nil {
			errs = append(errs, fmt.Errorf("rule %q: %w", rule, err))
		}
	}
	for _, m := range r.Checks.Metrics {
		look(m.Name, m.Expr)
	}
	for _, f := range r.Checks.Forecasts {
		look(f.Name, f.Expr)
	}
	for _, j := range r.Checks.Joins {
		look(j.Name, j.Metric.Expr)
	}
	return errors.Join(errs...)
}

func (p Panel) validate() error {
	var errs []error
	if p.Title == "" {
		errs = append(errs, errors.New("title is missing"))
	}
	if p.Expr == "" {
		errs = append(errs, errors.New("expr is missing: want PromQL"))
	} else if err := promql.Check(p.Expr); err != nil {
		errs = append(errs, err)
	}
	if p.Per != PerHost && p.Per != PerGroup {
		errs = append(errs, fmt.Errorf("per %s: want host or group", strconv.Quote(string(p.Per))))
	}
	return errors.Join(errs...)
}
