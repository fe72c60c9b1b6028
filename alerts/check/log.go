package check

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rondo/alerts"
	"rondo/syslogd/filter"
)

// Log is a rule over log messages: how many of those received in the last
// window match a filter. It is one state.
type Log struct {
	Common `yaml:",inline"`
	Filter string        `yaml:"filter"`
	Window time.Duration `yaml:"window"` // of reception; default 5m
	Op     string        `yaml:"op"`     // above (default), or below for what must not fall silent
	Raise  float64       `yaml:"raise"`  // messages in the window; default 0: more than none
	Clear  *float64      `yaml:"clear"`  // default: as raise
	For    time.Duration `yaml:"for"`
	Text   string        `yaml:"text"` // for people: {value}
}

func (l Log) window() time.Duration {
	if l.Window == 0 {
		return 5 * time.Minute
	}
	return l.Window
}

func (l Log) validate() error {
	errs := []error{l.Common.validate()}
	if _, err := filter.Parse(l.Filter); err != nil {
		errs = append(errs, err)
	}
	if l.window() < time.Second || l.window() > 7*24*time.Hour {
		errs = append(errs, fmt.Errorf("window %v: want 1s to 7 days", l.Window))
	}
	if l.Op != "" && l.Op != "above" && l.Op != "below" {
		errs = append(errs, fmt.Errorf("op %q: want above or below", l.Op))
	}
	return errors.Join(append(errs, l.policy().Validate())...)
}

func (l Log) policy() alerts.Policy {
	p := l.supervised(nil, "").Policy
	p.Below, p.For = l.Op == "below", l.For
	l.level(&p, *(&Threshold{Raise: l.Raise, Clear: l.Clear}).policy())
	return p
}

func (l Log) build(s Sources) (alerts.Supervised, error) {
	if s.Logs == nil {
		return alerts.Supervised{}, errors.New("there are no logs here to check")
	}
	f, err := filter.Parse(l.Filter)
	if err != nil {
		return alerts.Supervised{}, err
	}
	out := l.supervised(&logRule{l, f, s.Logs}, fmt.Sprintf("messages in %v: %s", l.window(), l.Filter))
	out.Policy = l.policy()
	return out, nil
}

type logRule struct {
	Log
	parsed *filter.Filter
	logs   Counter
}

// ID implements alerts.Rule.
func (r *logRule) ID() string { return r.Name }

// Check implements alerts.Rule.
func (r *logRule) Check(ctx context.Context, now time.Time) ([]alerts.Reading, error) {
	n, err := r.logs.Count(ctx, r.parsed, now.Add(-r.window()), now)
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("%d messages in %v match %s", n, r.window(), r.Filter)
	if r.Text != "" {
		text = say(r.Text, fmt.Sprint(n), nil)
	}
	return []alerts.Reading{{Labels: r.labelled(nil), Value: float64(n), At: now, Text: text}}, nil
}
