package promrule

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rondo/alerts"
	"rondo/rrd"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// eval answers expressions from a table, and notes what was asked when.
type eval struct {
	answers map[string][]rrd.Value
	err     error
	asked   []string
}

func (e *eval) Eval(_ context.Context, expr string, at time.Time) ([]rrd.Value, error) {
	e.asked = append(e.asked, fmt.Sprintf("%s at %s", expr, at.Format("15:04:05.000")))
	return e.answers[expr], e.err
}

// Append makes what is recorded an answer, as a store does.
func (e *eval) Append(_ context.Context, batch []rrd.Sample) error {
	for _, s := range batch {
		v := rrd.Value{Labels: s.Key.Labels(), Time: s.Time, Value: s.Value}
		e.answers[s.Key.Name()] = append(e.answers[s.Key.Name()], v)
	}
	return nil
}

func value(v float64, pairs ...string) rrd.Value {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return rrd.Value{Labels: alerts.NewLabels(m), Time: rrd.At(noon), Value: v}
}

func group(t *testing.T, e *eval, g GroupConfig) *Group {
	t.Helper()
	f := File{Groups: []GroupConfig{g}}
	if err := f.Validate(); err != nil {
		t.Fatal(err)
	}
	return NewGroups([]Source{{"rules/x.yml", f}}, Options{
		Metrics: e, Recorded: e, ExternalLabels: map[string]string{"region": "eu"}, ExternalURL: "http://x/p",
	})[0]
}

// outcomes writes what a group came to, a line for each alert or series.
func outcomes(all []Outcome) string {
	var b strings.Builder
	for _, o := range all {
		for _, r := range o.Readings {
			fmt.Fprintf(&b, "%s %v %v %v %q\n", o.Rule.ID, r.Labels, r.Value, r.Status, r.Text)
		}
		for _, s := range o.Samples {
			fmt.Fprintf(&b, "%s %v %v\n", o.Rule.ID, s.Key, s.Value)
		}
		if o.Left > 0 {
			fmt.Fprintf(&b, "%s left %d\n", o.Rule.ID, o.Left)
		}
		if o.Err != nil {
			fmt.Fprintf(&b, "%s: %v\n", o.Rule.ID, o.Err)
		}
	}
	return b.String()
}

func TestEval(t *testing.T) {
	e := &eval{answers: map[string][]rrd.Value{
		"up == 0": {value(0, "__name__", "up", "job", "a", "instance", "x:9100"), value(math.NaN(), "__name__", "up", "job", "b")},
		"m":       {value(7, "__name__", "m", "job", "a"), value(math.Inf(1), "__name__", "m", "job", "b")},
		"1":       {value(1)},
		"twice":   {value(1, "__name__", "a", "job", "a"), value(1, "__name__", "b", "job", "a")},
	}}
	g := group(t, e, GroupConfig{
		Name: "g", QueryOffset: Duration(time.Minute), Labels: map[string]string{"team": "ops", "tier": "1"},
		Rules: []RuleConfig{
			{Record: "job:m", Expr: "m", Labels: map[string]string{"tier": "", "of": "{{ m }}"}},
			{Alert: "Seen", Expr: `{__name__="job:m"}`, Labels: map[string]string{"severity": "info"}},
			{Alert: "Down", Expr: "up == 0", Labels: map[string]string{"job": "x-{{ $labels.job }}", "tier": "", "was": "{{ .Labels.__name__ }}"},
				Annotations: map[string]string{"summary": "{{ $labels.job }} is at {{ $value }} in {{ $externalLabels.region }}"}},
			{Alert: "Down", Expr: "1", Labels: map[string]string{"severity": "page", "alertname": "no"}},
			{Alert: "Twice", Expr: "twice"},
			{Record: "twice:r", Expr: "twice"},
		},
	})
	e.answers[`{__name__="job:m"}`] = nil
	// What was recorded is there for the next rule.
	e.answers["job:m"] = nil
	got := outcomes(g.Eval(t.Context(), noon))
	want := `g/job:m job:m{job="a",of="{{ m }}",team="ops"} 7
g/job:m left 1
g/Down {alertname="Down",instance="x:9100",job="x-a",team="ops",was="up"} 0 critical "a is at 0 in eu"
g/Down {alertname="Down",job="x-b",team="ops",was="up"} NaN critical "b is at NaN in eu"
g/Down#2 {alertname="Down",severity="page",team="ops",tier="1"} 1 critical "Down: 1"
g/Twice: two elements have the same labels after the rule's labels were applied: {alertname="Twice",job="a",team="ops",tier="1"}
g/twice:r: two elements have the same labels after the rule's labels were applied: twice:r{job="a",team="ops",tier="1"}
`
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if e.asked[0] != "m at 11:59:00.000" || len(e.answers["job:m"]) != 1 {
		t.Errorf("asked %q, recorded %v", e.asked, e.answers["job:m"])
	}
	g.Limit = 1
	if got := outcomes(g.Eval(t.Context(), noon)); !strings.Contains(got, "g/Down: 2 elements are more than the group's limit of 1") {
		t.Error(got)
	}
	e.err = errors.New("no store")
	if got := outcomes(g.Eval(t.Context(), noon)); strings.Count(got, "no store") != len(g.Rules) {
		t.Error(got)
	}
}

func TestSeverity(t *testing.T) {
	for label, want := range map[string]alerts.Status{
		"": alerts.Critical, "page": alerts.Critical, "critical": alerts.Critical, "sev1": alerts.Critical,
		"warning": alerts.Warning, "Info": alerts.Warning, "none": alerts.Warning,
	} {
		if got := severity(label); got != want {
			t.Errorf("%q: %v, want %v", label, got, want)
		}
	}
}

// TestSchedule: rules of a group share one evaluation per interval.
func TestSchedule(t *testing.T) {
	e := &eval{answers: map[string][]rrd.Value{"a": {value(1)}, "r": {value(2)}}}
	g := group(t, e, GroupConfig{Name: "g", Interval: Duration(time.Minute), Rules: []RuleConfig{
		{Record: "x", Expr: "r"}, {Alert: "A", Expr: "a", For: Duration(90 * time.Second)}, {Alert: "B", Expr: "a", KeepFiringFor: Duration(time.Second)},
	}})
	all := g.Supervised()
	if len(all) != 3 || all[0].Policy.For != 2*time.Minute || all[1].Policy.ClearFor != time.Minute || all[1].Forget != 16*time.Minute {
		t.Fatalf("%+v", all)
	}
	check := func(i int, at time.Duration, evaluations int, want string) {
		t.Helper()
		readings, err := all[i].Rule.Check(t.Context(), noon.Add(at))
		got := fmt.Sprint(err)
		if err == nil {
			got = readings[0].Text
		}
		if n := len(e.asked) / 3; n != evaluations || got != want {
			t.Errorf("%s at %v: %q after %d evaluations, want %q after %d", all[i].Rule.ID(), at, got, n, want, evaluations)
		}
	}
	check(0, 0, 1, "A: 1")
	check(1, 7*time.Second, 1, "B: 1")
	check(2, 9*time.Second, 1, "1 recording rules recorded 1 series")
	check(0, 59*time.Second+999*time.Millisecond, 2, "A: 1")
	check(1, 67*time.Second, 2, "B: 1")
	e.err = errors.New("no store")
	check(2, 121*time.Second, 3, "x: no store")
	check(0, 122*time.Second, 3, "no store")
	check(0, -time.Hour, 4, "no store")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e.err = nil
	if _, err := all[0].Rule.Check(ctx, noon.Add(time.Hour)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	check(0, time.Hour, 5, "A: 1")
}

// TestStates runs a rule through alerts.Step as an engine does. promtool 2.42 says
// the same of when these fire.
func TestStates(t *testing.T) {
	policy := (&Rule{ID: "r", RuleConfig: RuleConfig{For: Duration(2 * time.Minute), KeepFiringFor: Duration(2 * time.Minute)}}).Policy()
	f := func(present, want string) {
		t.Helper()
		var s alerts.State
		var got []byte
		for i, c := range present {
			r := alerts.Reading{Value: 1, Status: alerts.Critical}
			if c == '.' {
				r = alerts.Reading{Value: math.NaN(), Missing: true}
			}
			s, _ = alerts.Step(policy, s, r, noon.Add(time.Duration(i)*time.Minute))
			switch {
			case s.Hard != alerts.OK:
				got = append(got, 'F')
			case s.Status != alerts.OK:
				got = append(got, 'p')
			default:
				got = append(got, '-')
			}
		}
		if string(got) != want {
			t.Errorf("%s: %s, want %s", present, got, want)
		}
	}
	f("xx.xxx.x...xx", "pp-ppFFFFF-pp")
	f("xxxx..x..x...x", "ppFFFFFFFFFF-p")
}

// ids are unique, printable and bounded, whatever groups are called.
func TestIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var files []Source
		name := rapid.SampledFrom([]string{"a", "b", "a#2", "a\n", strings.Repeat("x", 300), "ü"})
		for range rapid.IntRange(1, 3).Draw(t, "files") {
			g := GroupConfig{Name: name.Draw(t, "group")}
			for range rapid.IntRange(0, 4).Draw(t, "rules") {
				g.Rules = append(g.Rules, RuleConfig{Alert: name.Draw(t, "alert"), Expr: "1"})
			}
			files = append(files, Source{File: File{Groups: []GroupConfig{g}}})
		}
		seen := map[string]bool{}
		for _, g := range NewGroups(files, Options{}) {
			for _, r := range g.Rules {
				if seen[r.ID] || len(r.ID) > 200 || strings.ContainsFunc(r.ID, func(c rune) bool { return c < ' ' }) {
					t.Fatalf("%q among %q", r.ID, slices.Sorted(maps.Keys(seen)))
				}
				seen[r.ID] = true
			}
		}
	})
}

func TestValidate(t *testing.T) {
	f := func(g GroupConfig, want string) {
		t.Helper()
		err := File{Groups: []GroupConfig{g}}.Validate()
		if got := fmt.Sprint(err); want == "" && err != nil || !strings.Contains(got, want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	rule := func(r RuleConfig, want string) { t.Helper(); f(GroupConfig{Name: "g", Rules: []RuleConfig{r}}, want) }
	m := func(k, v string) map[string]string { return map[string]string{k: v} }
	f(GroupConfig{}, "groups: 1: name: ")
	f(GroupConfig{Name: "g", Limit: -1}, "groups: 1: limit: ")
	f(GroupConfig{Name: "g", Labels: m("a-b", "")}, "groups: 1: labels: a-b: ")
	rule(RuleConfig{}, "groups: 1: rules: 1: the rule is of no kind")
	rule(RuleConfig{Alert: "a", Record: "b", Expr: "1"}, "rules: 1: alert: ")
	rule(RuleConfig{Alert: "a"}, "rules: 1: expr: missing")
	rule(RuleConfig{Alert: "a", Expr: "1 +"}, "rules: 1: expr: promql: ")
	rule(RuleConfig{Record: "a{", Expr: "1"}, "rules: 1: record: ")
	rule(RuleConfig{Record: "a", Expr: "1", For: 1}, "rules: 1: for: ")
	rule(RuleConfig{Record: "a", Expr: "1", KeepFiringFor: 1}, "rules: 1: keep_firing_for: ")
	rule(RuleConfig{Record: "a", Expr: "1", Annotations: m("a", "b")}, "rules: 1: annotations: ")
	rule(RuleConfig{Alert: "a", Expr: "1", Labels: m("__name__", "b")}, "rules: 1: labels: __name__")
	rule(RuleConfig{Alert: "a", Expr: "1", Labels: m("x", "\xff")}, "rules: 1: labels: x: the value")
	rule(RuleConfig{Alert: "a", Expr: "1", Labels: m("x", "{{ nosuch }}")}, "rules: 1: labels: x: template: 1: function")
	rule(RuleConfig{Alert: "a", Expr: "1", Annotations: m("x", "{{ end }}")}, "rules: 1: annotations: x: template: ")
	rule(RuleConfig{Alert: "a", Expr: "1", Annotations: m("a b", "")}, "rules: 1: annotations: a b: ")
	rule(RuleConfig{Record: "a.b:c", Expr: "1", Labels: m("x", "{{ nosuch }}")}, "")
	err := File{Groups: []GroupConfig{{Name: "g"}, {Name: "g"}}}.Validate()
	if err == nil || !strings.Contains(err.Error(), `groups: 2: name: there is another group "g"`) {
		t.Error(err)
	}
}

func TestDuration(t *testing.T) {
	f := func(s string, want time.Duration) {
		t.Helper()
		var d Duration
		if err := d.UnmarshalText([]byte(s)); err != nil || time.Duration(d) != want {
			t.Errorf("%q: %v, %v, want %v", s, time.Duration(d), err, want)
		}
	}
	f("0", 0)
	f("0s", 0)
	f("5m", 5*time.Minute)
	f("1h30m", 90*time.Minute)
	f("1y2w3d4h5m6s7ms", 365*24*time.Hour+14*24*time.Hour+3*24*time.Hour+4*time.Hour+5*time.Minute+6*time.Second+7*time.Millisecond)
	f("100ms", 100*time.Millisecond)
	for _, s := range []string{"", "5", "m", "1.5h", "-1m", "30m1h", "1m1m", "1x", "5 m", "1M", "300y", "99999999999999999999y", "5m ", "msms"} {
		var d Duration
		if err := d.UnmarshalText([]byte(s)); err == nil {
			t.Errorf("%q is %v", s, time.Duration(d))
		}
	}
}
