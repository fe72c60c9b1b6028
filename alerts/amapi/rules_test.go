package amapi

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"rondo/alerts"
	"rondo/alerts/promrule"
	"rondo/alerts/state"
	"rondo/rrd"
	"rondo/syslogd/peertest"
)

const peerRules = `
groups:
- name: ops
  interval: 1s
  limit: 10
  rules:
  - {record: "job:ones:sum", expr: vector(1), labels: {team: ops}}
  - {record: "job:plain:sum", expr: vector(1)}
  - {alert: Always, expr: vector(1), labels: {severity: page}, annotations: {summary: "it is {{ $value }}"}}
  - {alert: Waits, expr: vector(1), for: 1h, keep_firing_for: 5m}
  - {alert: Never, expr: vector(0) > 1, for: 90s}
  - {alert: Broken, expr: 'label_replace(vector(1), "x", "$1", "y", "(")'}
- name: more
  interval: 2s
  rules:
  - {alert: Always, expr: vector(1)}
`

// peerGroups are peerRules as the program decodes them.
func peerGroups() promrule.File {
	broken := promrule.RuleConfig{Alert: "Broken", Expr: `label_replace(vector(1), "x", "$1", "y", "(")`}
	return promrule.File{Groups: []promrule.GroupConfig{
		{Name: "ops", Interval: promrule.Duration(time.Second), Limit: 10, Rules: []promrule.RuleConfig{
			{Record: "job:ones:sum", Expr: "vector(1)", Labels: map[string]string{"team": "ops"}},
			{Record: "job:plain:sum", Expr: "vector(1)"},
			{Alert: "Always", Expr: "vector(1)", Labels: map[string]string{"severity": "page"}, Annotations: map[string]string{"summary": "it is {{ $value }}"}},
			{Alert: "Waits", Expr: "vector(1)", For: promrule.Duration(time.Hour), KeepFiringFor: promrule.Duration(5 * time.Minute)},
			{Alert: "Never", Expr: "vector(0) > 1", For: promrule.Duration(90 * time.Second)}, broken,
		}},
		{Name: "more", Interval: promrule.Duration(2 * time.Second), Rules: []promrule.RuleConfig{{Alert: "Always", Expr: "vector(1)"}}},
	}}
}

// simple evaluates what peerRules ask.
type simple struct{}

func (simple) Eval(_ context.Context, expr string, at time.Time) ([]rrd.Value, error) {
	switch expr {
	case "vector(1)":
		return []rrd.Value{{Time: rrd.At(at), Value: 1}}, nil
	case "vector(0) > 1":
		return nil, nil
	}
	return nil, errors.New("cannot be evaluated")
}

// withRules is a rig whose engine evaluates peerRules until the test ends.
func withRules(t *testing.T) *rig {
	t.Helper()
	store := state.NewMemory()
	x, err := OpenExternal(store, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	groups := promrule.NewGroups([]promrule.Source{{Path: "/etc/rules.yml", File: peerGroups()}}, promrule.Options{Metrics: simple{}})
	rules := []alerts.Supervised{x.Supervised()}
	for _, g := range groups {
		rules = append(rules, g.Supervised()...)
	}
	e, err := alerts.NewEngine(alerts.Options{Store: store}, rules, nil)
	if err != nil {
		t.Fatal(err)
	}
	x.SubmitTo(e)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := e.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return &rig{t, store, e, x, New(Options{Engine: e, External: x, Groups: func() []*promrule.Group { return groups }})}
}

// lasting replaces in an answer what moves by its kind.
func lasting(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = lasting(v[i])
		}
	case map[string]any:
		for k, value := range v {
			switch k {
			case "evaluationTime":
				_, v[k] = value.(float64)
			case "lastEvaluation", "activeAt":
				at, err := time.Parse(time.RFC3339Nano, value.(string))
				v[k] = err == nil && time.Since(at) < time.Hour
			case "lastError":
				v[k] = value != ""
			case "file":
				v[k] = filepath.Base(value.(string))
			default:
				v[k] = lasting(value)
			}
		}
	}
	return v
}

// TestAgainstPrometheus: of the same rule file Debian's Prometheus answers the
// same, but for times and the words of errors.
func TestAgainstPrometheus(t *testing.T) {
	p := peertest.Find(t, "prometheus")
	dir := t.TempDir()
	for name, text := range map[string]string{"prom.yml": "rule_files: [rules.yml]\n", "rules.yml": peerRules} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	theirs := listening(t, p.WithShare(t, "--config.file="+filepath.Join(dir, "prom.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0"))
	ready(t, theirs)
	ours := httptest.NewServer(withRules(t).api.Handler())
	defer ours.Close()
	for _, path := range []string{"/api/v1/rules", "/api/v1/rules?type=alert", "/api/v1/rules?type=record"} {
		tick := time.NewTicker(50 * time.Millisecond)
		for deadline := time.Now().Add(30 * time.Second); ; <-tick.C {
			diff := gocmp.Diff(rulesOf(t, theirs+path), rulesOf(t, ours.URL+path))
			if diff == "" {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s (-prometheus +ours):\n%s", path, diff)
			}
		}
		tick.Stop()
	}
}

// ready waits until a Prometheus answers.
func ready(t *testing.T, base string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); <-tick.C {
		resp, err := http.Get(base + "/-/ready")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return
		}
	}
	t.Fatal("prometheus does not become ready")
}

// rulesOf are the groups by name, without our own, and without those of which
// nothing was asked for, which Prometheus shows.
func rulesOf(t *testing.T, from string) map[string]any {
	t.Helper()
	var answer struct {
		Status string
		Data   struct{ Groups []map[string]any }
	}
	if err := json.Unmarshal(get(t, from), &answer); err != nil || answer.Status != "success" {
		t.Fatal(err, answer.Status)
	}
	all := make(map[string]any)
	for _, g := range answer.Data.Groups {
		if rules, _ := g["rules"].([]any); g["name"] != "rondo" && len(rules) > 0 {
			all[g["name"].(string)] = lasting(g)
		}
	}
	return all
}

// TestRules: rondo's own rules say how long they wait, and what they add.
func TestRules(t *testing.T) {
	store := state.NewMemory()
	rule := alerts.Supervised{
		Rule: failing{}, Expr: "load > 3", Labels: map[string]string{"team": "ops"}, Annotations: map[string]string{"runbook": "x"},
		Policy: alerts.Policy{Critical: &alerts.Threshold{Raise: 3, Clear: 3}, For: time.Minute, ClearFor: 2 * time.Minute},
	}
	e, err := alerts.NewEngine(alerts.Options{Store: store}, []alerts.Supervised{rule}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, api: New(Options{Engine: e})}
	text := r.want("GET", "/api/v1/rules", "", 200, `"name":"load","query":"load \u003e 3","duration":60,"keepFiringFor":120,"labels":{"team":"ops"},"annotations":{"runbook":"x"},"alerts":[],"health":"unknown"`)
	r.want("GET", "/api/v1/rules?rule_group[]=rondo&file[]=rondo&rule_name[]=load", "", 200, text)
	for _, q := range []string{"rule_group[]=x", "file[]=x", "rule_name[]=x", "type=record"} {
		r.want("GET", "/api/v1/rules?"+q, "", 200, `"groups":[]`)
	}
	r.want("GET", "/api/v1/rules?type=x", "", 400, `"errorType":"bad_data"`)
	if strings.Contains(text, "recording") {
		t.Error(text)
	}
}

// failing is a rule.
type failing struct{}

func (failing) ID() string { return "load" }
func (failing) Check(context.Context, time.Time) ([]alerts.Reading, error) {
	return nil, errors.New("no")
}
