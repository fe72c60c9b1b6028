package ruletest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/alerts/promrule"
	"rondo/rrd"
	"rondo/rrd/promql"
)

// A Failure is an expectation that was not met, or what kept a test from
// running.
type Failure struct {
	Test string // its name, or number
	What string // for people; several lines
}

// Run runs the tests of a valid file over rule files that were read.
func Run(ctx context.Context, f File, rules []promrule.Source) []Failure {
	var out []Failure
	for i, t := range f.Tests {
		name := cmp.Or(t.Name, fmt.Sprintf("number %d", i+1))
		r, err := newRun(f, t, rules)
		if err == nil {
			err = r.all(ctx)
		}
		if err != nil {
			out = append(out, Failure{name, err.Error()})
			continue
		}
		for _, what := range r.failures {
			out = append(out, Failure{name, what})
		}
	}
	return out
}

// A run is one test that runs.
type run struct {
	test     Test
	file     File
	samples  *promql.Samples
	groups   []*promrule.Group
	states   map[*promrule.Rule]map[string]*element
	made     map[*promrule.Rule]map[rrd.Key]bool // at the evaluation before
	failures []string
}

// An element is an alert of a rule: pending, firing or neither.
type element struct {
	state   alerts.State
	reading alerts.Reading
}

func newRun(f File, t Test, rules []promrule.Source) (*run, error) {
	r := &run{
		test: t, file: f, samples: promql.NewSamples(f.interval()),
		states: make(map[*promrule.Rule]map[string]*element), made: make(map[*promrule.Rule]map[rrd.Key]bool),
	}
	step := cmp.Or(time.Duration(t.Interval), f.interval())
	for _, s := range t.InputSeries {
		if err := r.samples.Load(s.Series, s.Values, t.start(), step); err != nil {
			return nil, fmt.Errorf("series %s: %w", s.Series, err)
		}
	}
	r.groups = promrule.NewGroups(rules, promrule.Options{
		Metrics: r.samples, Recorded: r.samples, Interval: step, ExternalLabels: t.ExternalLabels, ExternalURL: t.ExternalURL,
	})
	order := func(g *promrule.Group) int {
		if i := slices.Index(f.GroupEvalOrder, g.Name); i >= 0 {
			return i
		}
		return len(f.GroupEvalOrder)
	}
	slices.SortStableFunc(r.groups, func(a, b *promrule.Group) int { return cmp.Compare(order(a), order(b)) })
	return r, nil
}

// all evaluates, and compares at the times that were asked for: alerts at the
// evaluation before, expressions at the time itself.
func (r *run) all(ctx context.Context) error {
	wanted := slices.Clone(r.test.AlertRuleTest)
	slices.SortStableFunc(wanted, func(a, b AlertTest) int { return cmp.Compare(a.EvalTime, b.EvalTime) })
	for at := time.Duration(0); at <= r.test.last(); at += r.file.interval() {
		if err := r.evaluate(ctx, r.test.start().Add(at)); err != nil {
			return err
		}
		for len(wanted) > 0 && time.Duration(wanted[0].EvalTime) < at+r.file.interval() {
			r.compareAlerts(wanted[0])
			wanted = wanted[1:]
		}
	}
	for _, e := range r.test.PromQLExprTest {
		r.compareSamples(ctx, e)
	}
	return nil
}

// evaluate evaluates all groups once. What a rule makes or ends is seen by the
// rules behind it.
func (r *run) evaluate(ctx context.Context, at time.Time) error {
	r.samples.Until(at)
	for _, g := range r.groups {
		for o := range g.Outcomes(ctx, at) {
			if o.Err != nil {
				return fmt.Errorf("rule %s at %s: %w", o.Rule.ID, at.Sub(r.test.start()), o.Err)
			}
			made := o.Samples
			if o.Rule.Alert != "" {
				var err error
				if made, err = r.step(o, at); err != nil {
					return err
				}
				if err := r.samples.Append(ctx, made); err != nil {
					return err
				}
			}
			r.end(o.Rule, made, at)
		}
	}
	return nil
}

// end ends the series that a rule makes no more.
func (r *run) end(rule *promrule.Rule, made []rrd.Sample, at time.Time) {
	now := make(map[rrd.Key]bool, len(made))
	for _, s := range made {
		now[s.Key] = true
	}
	for key := range r.made[rule] {
		if !now[key] {
			r.samples.End(key, at)
		}
	}
	r.made[rule] = now
}

// step brings the alerts of a rule forward, and makes their ALERTS series.
func (r *run) step(o promrule.Outcome, at time.Time) ([]rrd.Sample, error) {
	elements := r.states[o.Rule]
	if elements == nil {
		elements = make(map[string]*element)
		r.states[o.Rule] = elements
	}
	there := make(map[string]bool, len(o.Readings))
	for _, reading := range o.Readings {
		name := reading.Labels.String()
		there[name] = true
		if elements[name] == nil {
			elements[name] = new(element)
		}
		elements[name].reading = reading
	}
	series := make(map[rrd.Key]rrd.Sample)
	for name, e := range elements {
		reading := e.reading
		if !there[name] {
			reading = alerts.Reading{Labels: e.reading.Labels, Value: math.NaN(), At: at, Missing: true}
		}
		e.state, _ = alerts.Step(o.Rule.Policy(), e.state, reading, at)
		if e.state.Status == alerts.OK {
			continue
		}
		key, err := e.series(o.Rule)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", o.Rule.ID, err)
		}
		series[key] = rrd.Sample{Key: key, Time: rrd.At(at), Value: 1}
	}
	return slices.Collect(maps.Values(series)), nil
}

// stateLabel is the label of ALERTS that says pending or firing.
const stateLabel = "alertstate"

// series is the key of an alert's ALERTS series. A label whose
// template comes to nothing stands there as it is written: Prometheus' way.
func (e *element) series(rule *promrule.Rule) (rrd.Key, error) {
	all := maps.Clone(rule.Labels)
	if all == nil {
		all = make(map[string]string)
	}
	for _, l := range e.reading.Labels {
		all[l.Name] = l.Value
	}
	all[stateLabel] = "firing"
	if e.state.Soft() {
		all[stateLabel] = "pending"
	}
	return rrd.NewKey("ALERTS", alerts.NewLabels(all)...)
}

// compareAlerts compares what fires with what should.
func (r *run) compareAlerts(t AlertTest) {
	var got, want []string
	for rule, elements := range r.states {
		for _, e := range elements {
			if rule.Alert == t.Alertname && e.state.Hard != alerts.OK {
				got = append(got, alert(e.reading.Labels, e.reading.Annotations))
			}
		}
	}
	for _, a := range t.ExpAlerts {
		ls := map[string]string{alerts.RuleLabel: t.Alertname}
		for name, value := range a.ExpLabels {
			ls[name] = value
		}
		want = append(want, alert(alerts.NewLabels(ls), a.ExpAnnotations))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		r.fail(fmt.Sprintf("alertname: %s, time: %s", t.Alertname, time.Duration(t.EvalTime)), want, got)
	}
}

func alert(ls rrd.Labels, annotations map[string]string) string {
	return fmt.Sprintf("Labels:%v Annotations:%v", ls, alerts.NewLabels(annotations))
}

// compareSamples compares what an expression gives with what it should.
func (r *run) compareSamples(ctx context.Context, t ExprTest) {
	what := fmt.Sprintf("expr: %q, time: %s", t.Expr, time.Duration(t.EvalTime))
	values, err := r.samples.Eval(ctx, t.Expr, r.test.start().Add(time.Duration(t.EvalTime)))
	if err != nil {
		r.failures = append(r.failures, what+": "+err.Error())
		return
	}
	want := make([]rrd.Value, len(t.ExpSamples))
	for i, s := range t.ExpSamples {
		ls, err := promql.Metric(s.Labels)
		if err != nil {
			r.failures = append(r.failures, fmt.Sprintf("%s: labels %q: %v", what, s.Labels, err))
			return
		}
		want[i] = rrd.Value{Labels: ls, Value: s.Value}
	}
	byLabels := func(a, b rrd.Value) int { return strings.Compare(a.Labels.String(), b.Labels.String()) }
	slices.SortFunc(values, byLabels)
	slices.SortFunc(want, byLabels)
	if !slices.EqualFunc(values, want, func(a, b rrd.Value) bool { return byLabels(a, b) == 0 && r.same(a.Value, b.Value) }) {
		r.fail(what, words(want), words(values))
	}
}

// same compares two values; in a fuzzy way where the file says so.
func (r *run) same(a, b float64) bool {
	return a == b || math.IsNaN(a) && math.IsNaN(b) ||
		r.file.FuzzyCompare && (math.Nextafter(a, math.Inf(1)) == b || math.Nextafter(a, math.Inf(-1)) == b)
}

func words(values []rrd.Value) (out []string) {
	for _, v := range values {
		out = append(out, fmt.Sprintf("%v %v", v.Labels, v.Value))
	}
	return out
}

func (r *run) fail(what string, want, got []string) {
	list := func(lines []string) string {
		return "[" + strings.Join(lines, ",\n         ") + "]"
	}
	r.failures = append(r.failures, fmt.Sprintf("%s,\n    exp: %s\n    got: %s", what, list(want), list(got)))
}
