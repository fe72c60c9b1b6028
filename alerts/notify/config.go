package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"rondo/alerts"
	"rondo/alerts/state"
	"rondo/rrd"
)

// Config is the part of the section "alerts" that says who is told.
type Config struct {
	ExternalURL string    `yaml:"external_url"` // of our web pages, for links in messages
	Webhooks    []Webhook `yaml:"webhooks"`
	Exec        []Exec    `yaml:"exec"`
}

// Autoscale is the name of the target that wakes the autoscaler: it stands
// beside those of the configuration, so none of them may have it.
const Autoscale = "autoscale"

// DefaultConfig tells nobody.
func DefaultConfig() Config { return Config{} }

// Validate says all that is wrong with the receivers, by name.
func (c Config) Validate() error {
	var errs []error
	var seen []string
	check := func(kind, name string, err error) {
		if name == "" || len(name) > 100 || strings.ContainsAny(name, "/\x00\n") {
			err = errors.Join(err, errors.New("name: want 1 to 100 characters, without a slash"))
		}
		if name == Autoscale {
			err = errors.Join(err, errors.New("the name is taken by rondo itself: choose another one"))
		}
		if slices.Contains(seen, name) {
			err = errors.Join(err, errors.New("the name is taken by another receiver"))
		}
		seen = append(seen, name)
		if err != nil {
			errs = append(errs, fmt.Errorf("alerts: %s %q: %w", kind, name, err))
		}
	}
	for _, w := range c.Webhooks {
		check("webhook", w.Name, w.validate())
	}
	for _, x := range c.Exec {
		check("exec", x.Name, x.validate())
	}
	return errors.Join(errs...)
}

// Build makes the targets. The configuration must be valid. Marks of commands
// that ran are kept in the store.
func (c Config) Build(store state.Store, log *slog.Logger) ([]alerts.Target, error) {
	var out []alerts.Target
	for _, w := range c.Webhooks {
		a := NewWebhook(w, c.ExternalURL)
		out = append(out, alerts.Target{Name: w.Name, Action: matching(w.Match, a)})
	}
	for _, x := range c.Exec {
		a, err := NewExec(x, store, log)
		if err != nil {
			return nil, err
		}
		out = append(out, alerts.Target{Name: x.Name, Action: matching(x.Match, a)})
	}
	return out, nil
}

// A Secret is text that is never printed, logged or marshalled.
type Secret string

// String hides the secret.
func (Secret) String() string { return "<secret>" }

// GoString hides the secret from %#v.
func (Secret) GoString() string { return "<secret>" }

// MarshalText hides the secret.
func (Secret) MarshalText() ([]byte, error) { return []byte("<secret>"), nil }

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue("<secret>") }

// matching limits an action to transitions that meet all matchers. The label
// severity is the gravest status of the change, alertname the rule.
func matching(ms []alerts.Matcher, a alerts.Action) alerts.Action {
	if len(ms) == 0 {
		return a
	}
	return &filtered{ms, a}
}

type filtered struct {
	matchers []alerts.Matcher
	action   alerts.Action
}

// Act implements alerts.Action. A change from critical to warning concerns a
// receiver of either, or it would be left with a problem that stays open.
func (f *filtered) Act(ctx context.Context, t alerts.Transition) error {
	if f.match(t, t.From) || f.match(t, t.To) {
		return f.action.Act(ctx, t)
	}
	return nil
}

func (f *filtered) match(t alerts.Transition, severity alerts.Status) bool {
	if severity == alerts.OK {
		return false
	}
	ls := labelsOf(t, severity)
	return !slices.ContainsFunc(f.matchers, func(m alerts.Matcher) bool { return !m.Matches(t.Rule, ls) })
}

// labelsOf are a problem's labels as receivers see them.
func labelsOf(t alerts.Transition, severity alerts.Status) rrd.Labels {
	m := make(map[string]string, len(t.Labels)+2)
	for _, l := range t.Labels {
		m[l.Name] = l.Value
	}
	m[alerts.RuleLabel], m["severity"] = t.Rule, severity.String()
	return alerts.NewLabels(m)
}
