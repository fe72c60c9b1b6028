package ruletest

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"rondo/alerts/promrule"
)

// maxEvaluations bounds a test: its last time by its interval.
const maxEvaluations = 1_000_000

// A File is a test file as it is written.
type File struct {
	RuleFiles          []string          `yaml:"rule_files"` // from the test file's folder on; patterns
	EvaluationInterval promrule.Duration `yaml:"evaluation_interval"`
	GroupEvalOrder     []string          `yaml:"group_eval_order"` // groups named here first, in this order
	FuzzyCompare       bool              `yaml:"fuzzy_compare"`    // values may differ in their last bit
	Tests              []Test            `yaml:"tests"`
}

// A Test is series, and what is expected of the rules over them.
type Test struct {
	Name           string            `yaml:"name"`
	Interval       promrule.Duration `yaml:"interval"` // between the values of the series; evaluation_interval where it is none
	InputSeries    []Series          `yaml:"input_series"`
	AlertRuleTest  []AlertTest       `yaml:"alert_rule_test"`
	PromQLExprTest []ExprTest        `yaml:"promql_expr_test"`
	ExternalLabels map[string]string `yaml:"external_labels"`
	ExternalURL    string            `yaml:"external_url"`
	StartTimestamp Timestamp         `yaml:"start_timestamp"` // of the first values; 1970 where it is none
}

// A Series is one of the input: 1+2x3 is 1 3 5 7, _ no sample, stale its end.
type Series struct {
	Series string `yaml:"series"`
	Values string `yaml:"values"`
}

// An AlertTest says which alerts of a name fire at a time.
type AlertTest struct {
	EvalTime  promrule.Duration `yaml:"eval_time"`
	Alertname string            `yaml:"alertname"`
	ExpAlerts []Alert           `yaml:"exp_alerts"`
}

// An Alert is one that is expected, with all its labels but alertname.
type Alert struct {
	ExpLabels      map[string]string `yaml:"exp_labels"`
	ExpAnnotations map[string]string `yaml:"exp_annotations"`
}

// An ExprTest says what an expression gives at a time.
type ExprTest struct {
	Expr       string            `yaml:"expr"`
	EvalTime   promrule.Duration `yaml:"eval_time"`
	ExpSamples []Sample          `yaml:"exp_samples"`
}

// A Sample is one value that is expected.
type Sample struct {
	Labels    string  `yaml:"labels"`
	Value     float64 `yaml:"value"`
	Histogram string  `yaml:"histogram"`
}

// A Timestamp is a time as RFC 3339 or as seconds since 1970.
type Timestamp struct{ time.Time }

// UnmarshalText reads either.
func (t *Timestamp) UnmarshalText(b []byte) error {
	at, err := time.Parse(time.RFC3339Nano, string(b))
	if err == nil {
		t.Time = at.UTC()
		return nil
	}
	seconds, err := time.ParseDuration(string(b) + "s")
	if err != nil {
		return fmt.Errorf("timestamp %q: want RFC 3339 or seconds since 1970", b)
	}
	t.Time = time.Unix(0, 0).Add(seconds).UTC()
	return nil
}

// Validate says what is wrong with a file.
func (f File) Validate() error {
	var errs []error
	if f.EvaluationInterval < 0 {
		errs = append(errs, errors.New("evaluation_interval: want more than 0"))
	}
	for i, t := range f.Tests {
		if err := t.validate(f.interval()); err != nil {
			errs = append(errs, fmt.Errorf("test %s: %w", cmp.Or(t.Name, fmt.Sprintf("number %d", i+1)), err))
		}
	}
	return errors.Join(errs...)
}

// interval is between two evaluations.
func (f File) interval() time.Duration {
	return cmp.Or(time.Duration(f.EvaluationInterval), time.Minute)
}

func (t Test) validate(interval time.Duration) error {
	for _, a := range t.AlertRuleTest {
		if a.Alertname == "" {
			return fmt.Errorf("an item under alert_rule_test misses its alertname, at eval_time %v", time.Duration(a.EvalTime))
		}
	}
	for _, e := range t.PromQLExprTest {
		for _, s := range e.ExpSamples {
			if s.Histogram != "" {
				return fmt.Errorf("expr %q: histograms cannot be compared: archives keep numbers", e.Expr)
			}
		}
	}
	if n := t.last() / interval; n > maxEvaluations {
		return fmt.Errorf("%d evaluations are more than %d", n, maxEvaluations)
	}
	return nil
}

// last is the last time that anything is asked of.
func (t Test) last() (last time.Duration) {
	for _, a := range t.AlertRuleTest {
		last = max(last, time.Duration(a.EvalTime))
	}
	for _, e := range t.PromQLExprTest {
		last = max(last, time.Duration(e.EvalTime))
	}
	return last
}

// start is the time of the first values.
func (t Test) start() time.Time {
	if t.StartTimestamp.IsZero() {
		return time.Unix(0, 0).UTC()
	}
	return t.StartTimestamp.Time
}
