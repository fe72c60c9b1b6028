package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"rondo/alerts"
	"rondo/alerts/check/plugin"
	"rondo/alerts/notify"
	"rondo/rrd"
)

// Passive is a rule whose results are sent to us, by a cron job, a backup, an
// agent. Who may send them holds rondo's token, or that of the rule, and is in
// a network of From.
//
// A host from which nothing came for Freshness is stale: then the command is
// run in its place, or, where there is none, its status is Stale. That counts
// as a result, so that there is one in each such time, as Nagios has it.
type Passive struct {
	Common    `yaml:",inline"`
	Targets   `yaml:",inline"` // of which results are taken
	Freshness time.Duration    `yaml:"freshness"` // 0: a result is good for ever
	Stale     alerts.Status    `yaml:"stale"`     // warning, critical or unknown (default)
	Command   []string         `yaml:"command"`   // as of Plugin
	Token     notify.Secret    `yaml:"token"`     // with which results of this rule alone may be sent
	From      []netip.Prefix   `yaml:"from"`      // networks of who may send; default: all
}

// minToken is the shortest token of a passive check, in bytes.
const minToken = 16

func (p Passive) validate() error {
	errs := []error{p.Common.validate(), p.Targets.validate(), p.needed()}
	if p.Freshness != 0 && p.Freshness < time.Second {
		errs = append(errs, fmt.Errorf("freshness %v: want 1s or more", p.Freshness))
	}
	if len(p.Command) > 0 {
		errs = append(errs, validateCommand(p.Command))
		if p.Freshness == 0 {
			errs = append(errs, errors.New("command stands without freshness: it would never be run"))
		}
	}
	if p.Token != "" && len(p.Token) < minToken {
		errs = append(errs, fmt.Errorf("token: want %d bytes or more", minToken))
	}
	return errors.Join(errs...)
}

// looks is how often freshness is looked at.
func (p Passive) looks() time.Duration {
	switch {
	case p.Interval > 0:
		return p.Interval
	case p.Freshness == 0:
		return time.Minute // for hosts that are no longer declared
	}
	return min(max(p.Freshness/10, time.Second), time.Minute)
}

func (p Passive) build(s Sources) (alerts.Supervised, error) {
	r := &passiveRule{config: p, last: make(map[string]time.Time)}
	words := "results that are sent to us"
	if p.Freshness > 0 {
		words += fmt.Sprintf(", each %v", p.Freshness)
	}
	if len(p.Command) > 0 {
		words += "; else " + strings.Join(p.Command, " ")
	}
	out, err := p.active(&r.activeRule, s, p.Targets, words)
	r.activeRule.bounded, r.activeRule.probe = true, s.Service.run(p.Common, p.Command, nil)
	out.Rule, out.Interval, out.Keeps = r, p.looks(), r.keeps
	if err == nil {
		r.stale(time.Now()) // of whom we know now, time is counted from now
	}
	return out, err
}

// A passiveRule takes results, and checks freshness.
type passiveRule struct {
	activeRule
	config Passive

	mu   sync.Mutex
	last map[string]time.Time // by host: its newest result, or when we first knew of it, by our clock
	at   map[string]time.Time // by host: when that was made, by its sender's

	declared map[string]bool // hosts, as the newest Check found them
}

// inherit goes on where another rule was.
func (r *passiveRule) inherit(old *passiveRule) {
	old.mu.Lock()
	defer old.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.Copy(r.last, old.last)
	r.at, old.at = old.at, nil
}

// keeps says whether results of a label set are taken. It is asked for every
// state after each Check, so it looks at the fleet only for hosts that are new.
func (r *passiveRule) keeps(ls rrd.Labels) bool {
	r.mu.Lock()
	known := r.declared[ls.Get("host")]
	r.mu.Unlock()
	if known {
		return true
	}
	_, ok := r.targets.find(r.hosts, ls.Get("host"))
	return ok
}

// stale takes out the targets that are, and counts their time anew. That of a
// host which is new to us begins now, and what is no host of ours is forgotten.
func (r *passiveRule) stale(now time.Time) (out []plugin.Target) {
	all := r.targets.of(r.hosts)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.declared = make(map[string]bool, len(all))
	for _, t := range all {
		r.declared[t.Host] = true
		if r.config.Freshness == 0 {
			continue
		}
		switch last, ok := r.last[t.Host]; {
		case !ok:
			r.last[t.Host] = now
		case now.Sub(last) > r.config.Freshness:
			r.last[t.Host] = now
			out = append(out, t)
		}
	}
	for _, m := range []map[string]time.Time{r.last, r.at} {
		maps.DeleteFunc(m, func(host string, _ time.Time) bool { return !r.declared[host] })
	}
	return out
}

// Check implements alerts.Rule. It has something to say of what is stale
// alone; all other states stay as the results left them.
func (r *passiveRule) Check(ctx context.Context, now time.Time) ([]alerts.Reading, error) {
	late := r.stale(now)
	if len(r.config.Command) == 0 {
		var out []alerts.Reading
		for _, t := range late {
			f := finding{r.targeted(t), plugin.Say(cmp.Or(r.config.Stale, alerts.Unknown), "no result for %v", r.config.Freshness)}
			out = append(out, f.reading(now))
		}
		return out, nil
	}
	instead := r.activeRule
	instead.targets, instead.hosts = Targets{Targets: late}, nil
	if len(late) == 0 {
		return nil, nil
	}
	return instead.Check(ctx, now)
}

// from says whether results may come from an address.
func (p Passive) from(addr netip.Addr) bool {
	return len(p.From) == 0 || slices.ContainsFunc(p.From, func(n netip.Prefix) bool { return n.Contains(addr.Unmap()) })
}

// errOlder says that a result was made before the newest one.
var errOlder = errors.New("a newer result of this host is here already")

// take notes that a result has come which was made at a time, by its sender's
// clock.
func (r *passiveRule) take(host string, at, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at.Before(r.at[host]) {
		return errOlder
	}
	if r.at == nil {
		r.at = make(map[string]time.Time)
	}
	r.at[host], r.last[host] = at, now
	return nil
}
