package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"rondo/alerts"
	"rondo/rrd"
	"rondo/syslogd/filter"
)

// Join is a rule over a metric and over logs at once: a problem where both
// conditions held within a time. It is one state for each set of values of On.
type Join struct {
	Common `yaml:",inline"`
	Metric JoinMetric    `yaml:"metric"`
	Log    JoinLog       `yaml:"log"`
	On     []string      `yaml:"on"`     // labels of the metric that are fields of messages: host, app
	Within time.Duration `yaml:"within"` // default 2m
	For    time.Duration `yaml:"for"`
	Text   string        `yaml:"text"` // for people: any label
}

// JoinMetric is the metric's condition.
type JoinMetric struct {
	Expr  string  `yaml:"expr"`
	Op    string  `yaml:"op"` // above (default) or below
	Raise float64 `yaml:"raise"`
}

// JoinLog is the logs' condition.
type JoinLog struct {
	Filter string        `yaml:"filter"`
	Window time.Duration `yaml:"window"` // of reception; default: within
	Raise  float64       `yaml:"raise"`  // messages in the window; default 0: more than none
}

// lookBacks is how often a rule that was just started looks back at the
// metric.
const lookBacks = 12

func (j Join) withDefaults() Join {
	j.Within = cmp.Or(j.Within, 2*time.Minute)
	j.Log.Window = cmp.Or(j.Log.Window, j.Within)
	return j
}

func (j Join) validate() error {
	errs := []error{j.Common.validate(), checkOp(j.Metric.Op), checkFields(j.On)}
	j = j.withDefaults()
	errs = append(errs, checkWindow("within", j.Within), checkWindow("log: window", j.Log.Window))
	if strings.TrimSpace(j.Metric.Expr) == "" {
		errs = append(errs, errors.New("metric: expr is missing: want PromQL"))
	}
	if strings.TrimSpace(j.Log.Filter) == "" {
		errs = append(errs, errors.New("log: filter is missing"))
	}
	if _, err := filter.Parse(j.Log.Filter); err != nil {
		errs = append(errs, fmt.Errorf("log: %w", err))
	}
	return errors.Join(append(errs, j.policy().Validate())...)
}

// policy takes the status as found. A set that neither side mentions any more
// is well.
func (j Join) policy() alerts.Policy {
	p := j.supervised(nil, "").Policy
	p.Direct, p.For, p.Missing = true, j.For, alerts.MissingOK
	return p
}

func (j Join) build(s Sources) (alerts.Supervised, error) {
	if s.Metrics == nil || s.Logs == nil {
		return alerts.Supervised{}, errors.New("there are no metrics or no logs here to join")
	}
	j = j.withDefaults()
	f, err := filter.Parse(j.Log.Filter)
	if err != nil {
		return alerts.Supervised{}, err
	}
	r := &joinRule{Join: j, sources: s, parsed: f}
	out := j.supervised(r, fmt.Sprintf("%s %s %s, and within %v: %s",
		j.Metric.Expr, cmp.Or(j.Metric.Op, "above"), short(j.Metric.Raise), j.Within, j.Log.Filter))
	out.Policy = j.policy()
	return out, nil
}

type joinRule struct {
	Join
	sources Sources
	parsed  *filter.Filter

	mu   sync.Mutex // guards held; an engine checks a rule once at a time
	held map[string]held
}

// held is when the metric's condition held last for one set of values.
type held struct {
	values []string
	at     time.Time
	value  float64
}

// ID implements alerts.Rule.
func (r *joinRule) ID() string { return r.Name }

// Check implements alerts.Rule. The metric's condition is remembered for as long
// as it counts; what held before we started is looked up.
func (r *joinRule) Check(ctx context.Context, now time.Time) ([]alerts.Reading, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fresh := r.held == nil
	if fresh {
		r.held = make(map[string]held)
	}
	for i := range lookBacks {
		at := now.Add(-r.Within * time.Duration(lookBacks-1-i) / (lookBacks - 1))
		if !fresh && i < lookBacks-1 {
			continue
		}
		if err := r.look(ctx, at); err != nil {
			r.held = nil
			return nil, err
		}
	}
	maps.DeleteFunc(r.held, func(_ string, h held) bool { return now.Sub(h.at) > r.Within })
	counts, err := r.sources.Logs.Count(ctx, r.parsed, r.On, now.Add(-r.Log.Window), now)
	if err != nil {
		return nil, err
	}
	if len(counts) > maxGroups {
		return nil, tooManyGroups(r.On)
	}
	return r.judge(counts, now), nil
}

// look notes where the metric's condition holds.
func (r *joinRule) look(ctx context.Context, at time.Time) error {
	values, err := r.sources.Metrics.Eval(ctx, r.Metric.Expr, at)
	if err != nil {
		return err
	}
	for _, v := range values {
		if bad := v.Value > r.Metric.Raise; r.Metric.Op == "below" && !(v.Value < r.Metric.Raise) || r.Metric.Op != "below" && !bad {
			continue
		}
		h := held{values: r.on(v.Labels), at: at, value: v.Value}
		key := joinKey(h.values)
		if _, known := r.held[key]; !known && len(r.held) >= maxGroups {
			return tooManyGroups(r.On)
		}
		r.held[key] = h
	}
	return nil
}

// on are the values of the labels that both sides share.
func (r *joinRule) on(ls rrd.Labels) []string {
	named := labelsOf(Common{}, ls, r.sources.Identify)
	values := make([]string, len(r.On))
	for i, f := range r.On {
		values[i] = named.Get(labelOf(f))
	}
	return orDash(values)
}

// joinKey compares hosts and their like as logs do: ignoring case.
func joinKey(values []string) string { return strings.ToLower(strings.Join(values, "\xff")) }

// judge makes a reading of every set of values that the metric mentions: bad
// where the logs do too.
func (r *joinRule) judge(counts []Count, now time.Time) []alerts.Reading {
	messages := make(map[string]int64, len(counts))
	for _, c := range counts {
		messages[joinKey(orDash(c.Values))] += c.Messages
	}
	out := make([]alerts.Reading, 0, len(r.held))
	for _, key := range slices.Sorted(maps.Keys(r.held)) {
		h, n := r.held[key], messages[key]
		labels := make(map[string]string, len(r.On))
		for i, f := range r.On {
			labels[labelOf(f)] = h.values[i]
		}
		rd := alerts.Reading{Labels: r.labelled(labels), Value: h.value, At: now}
		if float64(n) > r.Log.Raise {
			rd.Status = cmp.Or(r.Severity, alerts.Critical)
		}
		when := "now"
		if ago := now.Sub(h.at); ago > 0 {
			when = people(ago.Seconds()) + " ago"
		}
		rd.Text = fmt.Sprintf("the metric is %s (%s), and %d messages in %v match %s", short(h.value), when, n, r.Log.Window, r.Log.Filter)
		if r.Text != "" {
			rd.Text = say(r.Text, short(h.value), rd.Labels)
		}
		rd.Annotations = r.filled(short(h.value), rd.Labels)
		out = append(out, rd)
	}
	return out
}
