package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rondo/alerts"
	"rondo/alerts/fleet"
)

// Freshness is a rule over heartbeats: a host that sent samples before and is
// not withdrawn must not be silent for long. Every host is one state.
type Freshness struct {
	Common `yaml:",inline"`
	Silent time.Duration `yaml:"silent"` // the longest silence that is no problem
	Groups []string      `yaml:"groups"` // only hosts of these groups; default all
	AtOnce AtOnce        `yaml:"at_once"`
}

func (f Freshness) validate() error {
	err := f.Common.validate()
	if f.Silent < time.Second {
		err = errors.Join(err, fmt.Errorf("silent %v: want 1s or more", f.Silent))
	}
	return errors.Join(err, f.policy().Validate())
}

func (f Freshness) policy() alerts.Policy {
	p := f.supervised(nil, "").Policy
	f.level(&p, alerts.Threshold{Raise: f.Silent.Seconds(), Clear: f.Silent.Seconds() / 2})
	p.Missing = alerts.MissingOK // a host that left the list owes nothing
	return p
}

func (f Freshness) build(s Sources) (alerts.Supervised, error) {
	if s.Hosts == nil {
		return alerts.Supervised{}, errors.New("there are no hosts here to check")
	}
	out := f.supervised(&freshnessRule{f, s}, fmt.Sprintf("host silent for more than %v", f.Silent))
	out.Policy = f.policy()
	return out, nil
}

type freshnessRule struct {
	Freshness
	from Sources
}

// ID implements alerts.Rule.
func (r *freshnessRule) ID() string { return r.Name }

// expected are the hosts that owe a heartbeat.
func (r *freshnessRule) expected() []fleet.Host {
	return slices.DeleteFunc(r.from.Hosts.Hosts(), func(h fleet.Host) bool {
		return h.LastSeen.IsZero() || !h.Withdrawn.IsZero() || len(r.Groups) > 0 && !slices.Contains(r.Groups, h.Group)
	})
}

// since is from when on a host's silence counts. That is not before our own
// start: after a restart every host gets its time to speak. Nor is it before a
// new host of a group has had its time to boot, in which it may fall silent
// again.
func (r *freshnessRule) since(h fleet.Host) time.Time {
	since := h.LastSeen
	if started := r.from.Hosts.Started(); started.After(since) {
		since = started
	}
	if r.from.Boot != nil && h.Group != "" {
		if up := h.FirstSeen.Add(r.from.Boot(h.Group)); up.After(since) {
			since = up
		}
	}
	return since
}

// silence is for how long a host has been silent. One that has yet to be heard
// since our start is neither fine nor lost: between the thresholds, where states
// stay as they were, a restart ends no problem of a host that is still dead.
func (r *freshnessRule) silence(h fleet.Host, now time.Time) time.Duration {
	silent := max(now.Sub(r.since(h)), 0)
	if h.LastSeen.Before(r.from.Hosts.Started()) {
		silent = max(silent, r.Silent*3/4)
	}
	return silent
}

// Check implements alerts.Rule.
func (r *freshnessRule) Check(_ context.Context, now time.Time) ([]alerts.Reading, error) {
	var out []alerts.Reading
	for _, h := range r.expected() {
		labels := map[string]string{"host": h.ID}
		if h.Group != "" {
			labels["group"] = h.Group
		}
		out = append(out, alerts.Reading{
			Labels: r.labelled(labels), Value: r.silence(h, now).Seconds(), At: now,
			Text: fmt.Sprintf("newest sample came in %s, %v ago", h.LastSeen.UTC().Format(time.RFC3339), max(now.Sub(h.LastSeen), 0).Round(time.Second)),
		})
	}
	return out, nil
}
