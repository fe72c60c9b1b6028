package check

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/alerts/fleet"
	"rondo/rrd"
	"rondo/rrd/promql"
)

// Metric is a rule over a PromQL expression: every series of its result is
// one state.
type Metric struct {
	Common     `yaml:",inline"`
	Expr       string         `yaml:"expr"`
	Op         string         `yaml:"op"`    // above (default) or below
	Raise      *float64       `yaml:"raise"` // threshold of severity
	Clear      *float64       `yaml:"clear"` // default: as raise
	Warning    *Threshold     `yaml:"warning"`
	Critical   *Threshold     `yaml:"critical"` // warning and critical instead of raise, for two levels
	For        time.Duration  `yaml:"for"`      // how long readings must be bad
	Missing    alerts.Missing `yaml:"missing"`  // unknown (default), ok, keep or raise
	MissingFor time.Duration  `yaml:"missing_for"`

	MissingLaunch    alerts.Missing `yaml:"missing_launch"`    // to who would launch, likewise; unknown launches nothing
	MissingTerminate alerts.Missing `yaml:"missing_terminate"` // to who would terminate; unknown terminates nothing

	Text string `yaml:"text"` // for people: {value}, {host}, any label
}

// A Threshold of one level.
type Threshold struct {
	Raise    float64        `yaml:"raise"`
	Clear    *float64       `yaml:"clear"`     // default: as raise
	For      *time.Duration `yaml:"for"`       // default: the rule's
	ClearFor *time.Duration `yaml:"clear_for"` // default: the rule's
}

func (t *Threshold) policy() *alerts.Threshold {
	if t == nil {
		return nil
	}
	out := &alerts.Threshold{Raise: t.Raise, Clear: t.Raise}
	if t.Clear != nil {
		out.Clear = *t.Clear
	}
	return out
}

// times are the level's own durations, or nil where it has none.
func (t *Threshold) times(p alerts.Policy) *alerts.Times {
	if t == nil || t.For == nil && t.ClearFor == nil {
		return nil
	}
	out := &alerts.Times{For: p.For, ClearFor: p.ClearFor}
	if t.For != nil {
		out.For = *t.For
	}
	if t.ClearFor != nil {
		out.ClearFor = *t.ClearFor
	}
	return out
}

func (m Metric) validate() error {
	errs := []error{m.Common.validate()}
	if strings.TrimSpace(m.Expr) == "" {
		errs = append(errs, errors.New("expr is missing: want PromQL"))
	}
	if m.Op != "" && m.Op != "above" && m.Op != "below" {
		errs = append(errs, fmt.Errorf("op %q: want above or below", m.Op))
	}
	switch levels := m.Warning != nil || m.Critical != nil; {
	case m.Raise == nil && !levels:
		errs = append(errs, errors.New("raise is missing: want the threshold, or warning and critical with one each"))
	case m.Raise != nil && levels:
		errs = append(errs, errors.New("raise stands beside warning or critical: want one or the other"))
	case m.Raise == nil && m.Clear != nil:
		errs = append(errs, errors.New("clear stands without raise"))
	default:
		errs = append(errs, m.policy().Validate())
	}
	return errors.Join(errs...)
}

func (m Metric) policy() alerts.Policy {
	p := m.supervised(nil, "").Policy
	p.Below, p.For, p.Missing, p.MissingFor = m.Op == "below", m.For, m.Missing, m.MissingFor
	p.MissingLaunch, p.MissingTerminate = m.MissingLaunch, m.MissingTerminate
	p.Warning, p.Critical = m.Warning.policy(), m.Critical.policy()
	p.WarningTimes, p.CriticalTimes = m.Warning.times(p), m.Critical.times(p)
	if m.Raise != nil {
		m.level(&p, *(&Threshold{Raise: *m.Raise, Clear: m.Clear}).policy())
	}
	return p
}

func (m Metric) build(s Sources) (alerts.Supervised, error) {
	if s.Metrics == nil {
		return alerts.Supervised{}, errors.New("there are no metrics here to check")
	}
	out := m.supervised(&metricRule{m, s.Metrics, s.Identify}, m.Expr)
	out.Policy, out.Query = m.policy(), m.Expr
	return out, nil
}

type metricRule struct {
	Metric
	eval     rrd.Evaluator
	identify func(rrd.Key) (fleet.Identity, bool)
}

// ID implements alerts.Rule.
func (r *metricRule) ID() string { return r.Name }

// Check implements alerts.Rule.
func (r *metricRule) Check(ctx context.Context, now time.Time) ([]alerts.Reading, error) {
	values, err := r.eval.Eval(ctx, r.Expr, now)
	if err != nil {
		return nil, err
	}
	out := make([]alerts.Reading, 0, len(values))
	seen := make(map[string]rrd.Labels, len(values))
	for _, v := range values {
		ls := labelsOf(r.Common, v.Labels, r.identify)
		key := ls.String()
		if other, twice := seen[key]; twice {
			return nil, fmt.Errorf("%v and %v have the same labels %s: aggregate, or keep apart, in the expression", other, v.Labels, key)
		}
		seen[key] = v.Labels
		out = append(out, alerts.Reading{
			Labels: ls, Value: v.Value, At: v.Time.Std(), Missing: math.IsNaN(v.Value), Text: r.text(v, ls),
			Annotations: r.filled(short(v.Value), ls),
		})
	}
	return out, nil
}

// Reads implements alerts.Reader.
func (r *metricRule) Reads() rrd.Watch {
	var thresholds []float64
	p := r.policy()
	for _, t := range []*alerts.Threshold{p.Warning, p.Critical} {
		if t != nil {
			thresholds = append(thresholds, t.Raise, t.Clear)
		}
	}
	w, err := promql.Reads(r.Expr, thresholds...)
	if err != nil {
		return rrd.Watch{} // each check says so
	}
	for i := range w.Selectors { // samples do not know their group: looks at those of others find nothing new
		w.Selectors[i] = slices.DeleteFunc(w.Selectors[i], func(m rrd.Matcher) bool { return m.Label == fleet.GroupLabel || m.Label == fleet.HostLabel })
	}
	return w
}

// labelsOf names the state of a series; see the package's text.
func labelsOf(c Common, ls rrd.Labels, identify func(rrd.Key) (fleet.Identity, bool)) rrd.Labels {
	m := make(map[string]string, len(ls)+2)
	for _, l := range ls {
		if l.Name != rrd.NameLabel {
			m[l.Name] = l.Value
		}
	}
	name := ls.Get(rrd.NameLabel)
	if !strings.Contains(name, ".") {
		return c.labelled(m)
	}
	if key, err := ls.Key(); err == nil && identify != nil {
		if id, ok := identify(key); ok && id.Prefix != "" {
			m["host"], m["group"], m["metric"] = id.Host, id.Group, id.Metric
			return c.labelled(m)
		}
	}
	m["series"] = name
	return c.labelled(m)
}

func (r *metricRule) text(v rrd.Value, ls rrd.Labels) string {
	if r.Text != "" {
		return say(r.Text, short(v.Value), ls)
	}
	what := v.Labels.Get(rrd.NameLabel)
	if m := ls.Get("metric"); m != "" {
		what = m
	}
	if what == "" {
		what = r.Name
	}
	return what + " is " + short(v.Value)
}
