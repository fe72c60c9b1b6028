package ruletest

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rondo/alerts"
	"rondo/alerts/promrule"
	"rondo/rrd"
	"rondo/syslogd/peertest"
)

func TestMain(m *testing.M) {
	// The same few files in every run, unless others are asked for.
	for name, value := range map[string]string{"rapid.seed": "6", "rapid.checks": "40"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// TestAgainstPromtool makes up rule files and histories of series, and says of
// every evaluation which alerts are pending, which fire, with which labels and
// annotations, and what is recorded. Debian's promtool, which is Prometheus'
// engine with time of its own, must find the same.
//
//	go test ./alerts/ruletest -run TestAgainstPromtool -rapid.checks 5000 -rapid.seed 7
func TestAgainstPromtool(t *testing.T) {
	t.Parallel()
	promtool := peertest.Find(t, "promtool")
	dir := t.TempDir()
	var seen tally
	rapid.Check(t, func(t *rapid.T) {
		f, rules := randomRun(t)
		sources := []promrule.Source{{Path: "random.rules.yml", File: rules}}
		if err := rules.Validate(); err != nil {
			t.Fatal(err)
		}
		ok := true
		for i := range f.Tests {
			if err := seen.expect(t, f, &f.Tests[i], sources); err != nil {
				ok = false
				t.Log(err)
			}
		}
		write(t, filepath.Join(dir, "random.rules.yml"), ruleWords(rules))
		write(t, filepath.Join(dir, "random.test.yml"), testWords(f))
		out, err := exec.Command(promtool.Path, "test", "rules", filepath.Join(dir, "random.test.yml")).CombinedOutput()
		if (err == nil) != ok {
			t.Fatalf("we: %t, promtool: %v\n%s\n%s", ok, err, out, ruleWords(rules))
		}
		if ours := Run(t.Context(), f, sources); ok != (len(ours) == 0) {
			t.Fatalf("we expect of ourselves what we do not do: %v", ours)
		}
	})
	t.Logf("states at evaluations: %+v", seen)
	if seen.pending == 0 || seen.firing == 0 || seen.ended == 0 || seen.recorded == 0 || seen.errors == 0 {
		t.Error("not everything was seen")
	}
}

// A tally counts what was compared.
type tally struct{ pending, firing, ended, recorded, errors int }

// expect runs a test and writes into it what came out.
func (c *tally) expect(t *rapid.T, f File, test *Test, rules []promrule.Source) error {
	r, err := newRun(f, *test, rules)
	if err != nil {
		t.Fatal(err)
	}
	before := 0
	for at := time.Duration(0); at <= lastTime; at += f.interval() {
		if err := r.evaluate(t.Context(), r.test.start().Add(at)); err != nil {
			c.errors++
			test.AlertRuleTest = append(test.AlertRuleTest, AlertTest{EvalTime: promrule.Duration(lastTime), Alertname: "R0"})
			return err
		}
		firing := 0
		for rule, elements := range r.states {
			one := AlertTest{EvalTime: promrule.Duration(at), Alertname: rule.Alert}
			for _, e := range elements {
				if e.state.Hard != alerts.OK {
					one.ExpAlerts = append(one.ExpAlerts, Alert{without(e.reading.Labels, alerts.RuleLabel), e.reading.Annotations})
				}
			}
			firing += len(one.ExpAlerts)
			test.AlertRuleTest = append(test.AlertRuleTest, one)
		}
		c.firing += firing
		c.ended += max(0, before-firing)
		before = firing
		c.pending += r.ask(t, test, `ALERTS{alertstate="pending"}`, at)
		r.ask(t, test, `ALERTS{alertstate="firing"}`, at)
		c.recorded += r.ask(t, test, `{__name__=~"rec:.*"}`, at)
	}
	return nil
}

// ask makes what an expression gives now what is expected of it.
func (r *run) ask(t *rapid.T, test *Test, expr string, at time.Duration) int {
	values, err := r.samples.Eval(t.Context(), expr, r.test.start().Add(at))
	if err != nil {
		t.Fatal(err)
	}
	one := ExprTest{Expr: expr, EvalTime: promrule.Duration(at)}
	for _, v := range values {
		var ls []string
		for _, l := range v.Labels {
			ls = append(ls, fmt.Sprintf("%s=%q", l.Name, l.Value))
		}
		one.ExpSamples = append(one.ExpSamples, Sample{Labels: "{" + strings.Join(ls, ",") + "}", Value: v.Value})
	}
	test.PromQLExprTest = append(test.PromQLExprTest, one)
	return len(values)
}

func without(ls rrd.Labels, name string) map[string]string {
	m := make(map[string]string)
	for _, l := range ls {
		if l.Name != name {
			m[l.Name] = l.Value
		}
	}
	return m
}

// write writes a file of YAML, of which JSON is a part.
func write(t *rapid.T, name string, words any) {
	text, err := json.Marshal(words)
	if err == nil {
		err = os.WriteFile(name, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

type section map[string]any

func ruleWords(f promrule.File) section {
	var groups []section
	for _, g := range f.Groups {
		var rules []section
		for _, r := range g.Rules {
			if r.Record != "" {
				rules = append(rules, section{"record": r.Record, "expr": r.Expr, "labels": r.Labels})
				continue
			}
			rules = append(rules, section{
				"alert": r.Alert, "expr": r.Expr, "labels": r.Labels, "annotations": r.Annotations,
				"for": seconds(r.For), "keep_firing_for": seconds(r.KeepFiringFor),
			})
		}
		groups = append(groups, section{"name": g.Name, "rules": rules})
	}
	return section{"groups": groups}
}

func testWords(f File) section {
	var tests []section
	for _, t := range f.Tests {
		var series, fire, exprs []section
		for _, s := range t.InputSeries {
			series = append(series, section{"series": s.Series, "values": s.Values})
		}
		for _, a := range t.AlertRuleTest {
			var want []section
			for _, e := range a.ExpAlerts {
				want = append(want, section{"exp_labels": e.ExpLabels, "exp_annotations": e.ExpAnnotations})
			}
			fire = append(fire, section{"eval_time": seconds(a.EvalTime), "alertname": a.Alertname, "exp_alerts": want})
		}
		for _, e := range t.PromQLExprTest {
			var want []section
			for _, s := range e.ExpSamples {
				want = append(want, section{"labels": s.Labels, "value": s.Value})
			}
			exprs = append(exprs, section{"expr": e.Expr, "eval_time": seconds(e.EvalTime), "exp_samples": want})
		}
		tests = append(tests, section{
			"name": t.Name, "interval": seconds(t.Interval), "input_series": series, "alert_rule_test": fire, "promql_expr_test": exprs,
			"external_labels": t.ExternalLabels, "external_url": t.ExternalURL,
		})
	}
	return section{
		"rule_files": f.RuleFiles, "evaluation_interval": seconds(f.EvaluationInterval), "group_eval_order": f.GroupEvalOrder, "tests": tests,
	}
}

func seconds(d promrule.Duration) string {
	return fmt.Sprintf("%ds", time.Duration(d)/time.Second)
}
