package direct

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/alerts/notify/hook"
	"rondo/alerts/notify/webhook"
	"rondo/alerts/state"
	"rondo/rrd"
)

// Config is the part of the section "alerts" that says who is told.
type Config struct {
	ExternalURL string    `yaml:"external_url"` // of our web pages, for links in messages
	Webhooks    []Webhook `yaml:"webhooks"`
	Exec        []Exec    `yaml:"exec"`
}

// Webhook is a webhook that is told single transitions.
type Webhook struct {
	Name    string           `yaml:"name"`
	Match   []alerts.Matcher `yaml:"match"` // only transitions that meet all; default every one
	Webhook webhook.Config   `yaml:",inline"`
}

// Exec is a command that is run for single transitions.
type Exec struct {
	Name  string           `yaml:"name"`
	Match []alerts.Matcher `yaml:"match"` // only transitions that meet all; default every one
	Exec  hook.Config      `yaml:",inline"`
}

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
		if name == notify.Autoscale {
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
		check("webhook", w.Name, w.Webhook.Validate())
	}
	for _, x := range c.Exec {
		check("exec", x.Name, x.Exec.Validate())
	}
	return errors.Join(errs...)
}

// Build makes the targets. The configuration must be valid. Marks of commands
// that ran are kept in the store.
func (c Config) Build(store state.Store, log *slog.Logger) ([]alerts.Target, error) {
	var out []alerts.Target
	for _, w := range c.Webhooks {
		s, err := webhook.New(w.Webhook)
		if err != nil {
			return nil, fmt.Errorf("alerts: webhook %q: %w", w.Name, err)
		}
		out = append(out, alerts.Target{Name: w.Name, Action: Matching(w.Match, sending{s, w.Name, c.ExternalURL})})
	}
	for _, x := range c.Exec {
		a, err := hook.New(x.Exec, x.Name, store, log)
		if err != nil {
			return nil, fmt.Errorf("alerts: %w", err)
		}
		out = append(out, alerts.Target{Name: x.Name, Action: Matching(x.Match, a)})
	}
	return out, nil
}

// Receivers are those that are told of an alert with these labels.
func (c Config) Receivers(ls rrd.Labels) (names []string) {
	add := func(name string, ms []alerts.Matcher) {
		if meets(ms, ls.Get(alerts.RuleLabel), ls) {
			names = append(names, name)
		}
	}
	for _, w := range c.Webhooks {
		add(w.Name, w.Match)
	}
	for _, x := range c.Exec {
		add(x.Name, x.Match)
	}
	return names
}

func meets(ms []alerts.Matcher, rule string, ls rrd.Labels) bool {
	return !slices.ContainsFunc(ms, func(m alerts.Matcher) bool { return !m.Matches(rule, ls) })
}

// sending tells each transition as a notice of its own.
type sending struct {
	sender         notify.Sender
	name, external string
}

// Act implements alerts.Action.
func (s sending) Act(ctx context.Context, t alerts.Transition) error {
	if err := s.sender.Send(ctx, notify.OfTransition(t, s.name, s.external)); err != nil {
		return fmt.Errorf("notify: %s: %w", s.name, err)
	}
	return nil
}

// Matching limits an action to transitions that meet all matchers. The label
// severity is the gravest status of the change, alertname the rule.
func Matching(ms []alerts.Matcher, a alerts.Action) alerts.Action {
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
	return meets(f.matchers, t.Rule, notify.Labels(t, severity))
}
