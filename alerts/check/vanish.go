package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rondo/alerts"
)

// AtOnce says when silent hosts are one alarm about the cause, which is then
// more likely the network, or we, than each of the hosts:
//
//	hosts alive   _________
//	                       |  of those alive before, more than Share percent,
//	                       |  and more than 3, within Within
//	                       '--------
//	                       .      .      .
//	                  last heard  .   Silent: each host would be an alarm
//	                     Silent/2: the alarm is about them all
//
// The rule of it has the name of the hosts' rule and "-at-once", and is the
// parent of it: single hosts are unreachable, and not told, until the others
// are back. Those that stay silent then are told.
type AtOnce struct {
	Share  float64       `yaml:"share"`  // percent of the hosts; default 45
	Within time.Duration `yaml:"within"` // default: as silent
	Off    bool          `yaml:"off"`    // each host is an alarm, however many there are
}

const (
	fewHosts     = 3 // so many may fall silent by chance
	defaultShare = 45
	atOnceSuffix = "-at-once"
)

func (a AtOnce) validate() error {
	if a.Share < 0 || a.Share >= 100 {
		return fmt.Errorf("at_once: share %v: want a percentage from 1 to 99", a.Share)
	}
	if a.Within < 0 {
		return fmt.Errorf("at_once: within %v: want a positive duration", a.Within)
	}
	return nil
}

func (f Freshness) share() float64 {
	if f.AtOnce.Share == 0 {
		return defaultShare
	}
	return f.AtOnce.Share
}

func (f Freshness) within() time.Duration {
	if f.AtOnce.Within == 0 {
		return f.Silent
	}
	return f.AtOnce.Within
}

// dependency makes the rule about all hosts the parent of that about each.
func (f Freshness) dependency() (alerts.Dependency, error) {
	child, err := alerts.ParseMatcher(fmt.Sprintf("%s=%q", alerts.RuleLabel, f.Name))
	parent, failed := alerts.ParseMatcher(fmt.Sprintf("%s=%q", alerts.RuleLabel, f.Name+atOnceSuffix))
	return alerts.Dependency{Child: []alerts.Matcher{child}, Parent: []alerts.Matcher{parent}}, errors.Join(err, failed)
}

// atOnce is the rule about all hosts together. It must see them vanish before
// the first of them is an alarm, so it is checked at least so often.
func (f Freshness) atOnce(s Sources) alerts.Supervised {
	out := f.supervised(&atOnceRule{freshnessRule{f, s}}, fmt.Sprintf("more than %v %% of the hosts fell silent within %v", f.share(), f.within()))
	interval := f.Interval
	if interval == 0 {
		interval = alerts.DefaultInterval
	}
	out.Interval = max(min(interval, f.Silent/4), 100*time.Millisecond)
	f.level(&out.Policy, alerts.Threshold{Raise: f.share(), Clear: f.share() / 2})
	out.Policy.ClearFor, out.Policy.MaxAttempts, out.Policy.Missing = 0, 1, alerts.MissingOK
	return out
}

type atOnceRule struct{ freshnessRule }

// ID implements alerts.Rule.
func (r *atOnceRule) ID() string { return r.Name + atOnceSuffix }

// Check implements alerts.Rule.
func (r *atOnceRule) Check(_ context.Context, now time.Time) ([]alerts.Reading, error) {
	var silences []time.Duration
	for _, h := range r.expected() {
		silences = append(silences, now.Sub(r.since(h)))
	}
	v := vanished(silences, r.Silent/2, r.within())
	text := fmt.Sprintf("%d of %d hosts fell silent within %v", v.hosts, v.alive, r.within())
	if v.share() > r.share() {
		text += ": look for one cause, here or in the network, first"
	}
	return []alerts.Reading{{Labels: r.labelled(nil), Value: v.share(), At: now, Text: text}}, nil
}

// A wave is how many of the hosts that were alive fell silent at once.
type wave struct{ hosts, alive int }

// share is it in percent. A few hosts are none.
func (w wave) share() float64 {
	if w.hosts <= fewHosts {
		return 0
	}
	return 100 * float64(w.hosts) / float64(w.alive)
}

// vanished finds the greatest wave among hosts, of each of which it is told for
// how long it is silent. Who is silent for no longer than least, is not.
func vanished(silences []time.Duration, least, within time.Duration) (greatest wave) {
	slices.Sort(silences)
	slices.Reverse(silences) // the longest dead first
	greatest.alive = len(silences)
	first := 0
	for i, silent := range silences {
		if silent <= least {
			break
		}
		for silences[first]-silent > within {
			first++
		}
		if w := (wave{i - first + 1, len(silences) - first}); w.share() > greatest.share() {
			greatest = w
		}
	}
	return greatest
}

// AtOnce are the names of the rules that fire when many hosts fall silent at
// once.
func (c Config) AtOnce() (names []string) {
	for _, h := range c.Hosts {
		if !h.AtOnce.Off {
			names = append(names, h.Name+atOnceSuffix)
		}
	}
	return names
}
