package check

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"rondo/alerts"
	"rondo/alerts/check/plugin"
	"rondo/alerts/fleet"
	"rondo/rrd"
)

// maxTargets bounds the targets of one rule.
const maxTargets = 2000

// Targets says what a check is made on: what is listed, and the hosts of the
// fleet that belong to a group and neither drain nor are withdrawn. A host of the
// fleet is reached at the address that its agent has, else at the one that the
// cloud says, else by its name.
type Targets struct {
	Targets []plugin.Target `yaml:"targets"`
	Groups  []string        `yaml:"groups"`
}

func (t Targets) none() bool { return len(t.Targets) == 0 && len(t.Groups) == 0 }

func (t Targets) validate() error {
	var errs []error
	var seen []string
	for i, x := range t.Targets {
		if err := x.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("target number %d: %w", i+1, err))
		}
		ls := targetLabels(x).String()
		if slices.Contains(seen, ls) {
			errs = append(errs, fmt.Errorf("target number %d: another one has the same labels %s", i+1, ls))
		}
		seen = append(seen, ls)
	}
	if len(t.Targets) > maxTargets {
		errs = append(errs, fmt.Errorf("%d targets: want at most %d", len(t.Targets), maxTargets))
	}
	return errors.Join(errs...)
}

// neededBy says that there must be a target where texts speak of one.
func (t Targets) neededBy(texts ...string) error {
	if slices.ContainsFunc(texts, func(s string) bool {
		return strings.Contains(s, "{host}") || strings.Contains(s, "{address}") || strings.Contains(s, "{private_ip}")
	}) {
		return t.needed()
	}
	return nil
}

func (t Targets) needed() error {
	if t.none() {
		return errors.New("targets are missing: want targets: [{host: NAME, address: ADDRESS}], or groups of the fleet")
	}
	return nil
}

// of lists the targets of now. Without any configured it is one without a
// name: what the check itself names.
func (t Targets) of(hosts Hosts) []plugin.Target {
	if t.none() {
		return []plugin.Target{{}}
	}
	all := slices.Clone(t.Targets)
	if len(t.Groups) == 0 {
		return all
	}
	for _, h := range hosts.Hosts() {
		listed := func(x plugin.Target) bool { return x.Host == h.ID }
		if h.Withdrawn.IsZero() && !h.Leaving && slices.Contains(t.Groups, h.Group) && !slices.ContainsFunc(t.Targets, listed) {
			all = append(all, fleetTarget(h))
		}
	}
	return all
}

func fleetTarget(h fleet.Host) plugin.Target {
	t := plugin.Target{Host: h.ID, Address: h.PrivateIP, PrivateIP: h.PrivateIP, Labels: map[string]string{"group": h.Group}}
	if h.Agent != nil && h.Agent.Address != "" {
		t.Address = h.Agent.Address
	}
	return t
}

// find is the target of a host.
func (t Targets) find(hosts Hosts, host string) (plugin.Target, bool) {
	all := t.of(hosts)
	i := slices.IndexFunc(all, func(x plugin.Target) bool { return x.Host == host })
	if i < 0 || host == "" {
		return plugin.Target{}, false
	}
	return all[i], true
}

func targetLabels(t plugin.Target) rrd.Labels {
	m := maps.Clone(t.Labels)
	if m == nil {
		m = make(map[string]string, 1)
	}
	if t.Host != "" {
		m["host"] = t.Host
	}
	return alerts.NewLabels(m)
}

// targeted adds a target's labels to those of the rule.
func (c Common) targeted(t plugin.Target) rrd.Labels {
	return c.labelled(alerts.MapOf(targetLabels(t)))
}

// An activeRule checks its targets, all at the same time as far as bounds
// allow.
type activeRule struct {
	Common
	targets Targets
	hosts   Hosts
	service *Service
	boot    func(group string) time.Duration // nil: nobody knows of any
	probe   func(context.Context, plugin.Target) plugin.Result
	bounded bool // probe bounds itself
}

// ID implements alerts.Rule.
func (r *activeRule) ID() string { return r.Name }

// A finding is a result and what it is of.
type finding struct {
	Labels rrd.Labels
	plugin.Result
}

// Check implements alerts.Rule. A target that could not be checked is a
// finding too, never an error: that would concern all of them.
func (r *activeRule) Check(ctx context.Context, now time.Time) ([]alerts.Reading, error) {
	found, err := r.find(ctx)
	if err != nil {
		return nil, err
	}
	r.excuse(found, now)
	var batch []rrd.Sample
	out := make([]alerts.Reading, 0, len(found))
	for _, f := range found {
		out = append(out, f.reading(now))
		batch = appendPerf(batch, r.Name, f.Labels, f.Perf, now)
	}
	r.service.store(ctx, r.Name, batch)
	return out, nil
}

// excuse calls nothing wrong with hosts of groups that are still in their boot
// time: what they do not serve yet is no problem.
func (r *activeRule) excuse(found []finding, now time.Time) {
	bad := func(f finding) bool { return f.Status != alerts.OK }
	if r.boot == nil || len(r.targets.Groups) == 0 || !slices.ContainsFunc(found, bad) {
		return
	}
	hosts := fleet.NewDirectory(r.hosts.Hosts())
	for i := range found {
		f := &found[i]
		h, known := hosts.Find(f.Labels.Get("host"))
		if bad(*f) && known && slices.Contains(r.targets.Groups, h.Group) && h.FirstSeen.Add(r.boot(h.Group)).After(now) {
			f.Status, f.Text = alerts.OK, "starting: "+f.Text
		}
	}
}

// reading is what the engine gets of a finding: of the output the line for
// people, and of the performance values the first.
func (f finding) reading(at time.Time) alerts.Reading {
	rd := alerts.Reading{Labels: f.Labels, Status: f.Status, Text: f.Text, At: at}
	if len(f.Perf) > 0 {
		if v, _ := f.Perf[0].Base(); !math.IsNaN(v) && !math.IsInf(v, 0) {
			rd.Value = v
		}
	}
	return rd
}

// find checks all targets.
func (r *activeRule) find(ctx context.Context) ([]finding, error) {
	targets := r.targets.of(r.hosts)
	if len(targets) > maxTargets {
		return nil, fmt.Errorf("%d targets: want at most %d", len(targets), maxTargets)
	}
	out := make([]finding, len(targets))
	var wg sync.WaitGroup
	for i, t := range targets {
		out[i].Labels = r.targeted(t)
		if err := t.Validate(); err != nil && t.Host != "" { // what a machine says of itself
			out[i].Result = plugin.Say(alerts.Unknown, "not checked: %v", err)
			continue
		}
		wg.Go(func() { out[i].Result = r.one(ctx, t) })
	}
	wg.Wait()
	return out, nil
}

// one checks a target, when it has its place.
func (r *activeRule) one(ctx context.Context, t plugin.Target) plugin.Result {
	if r.bounded {
		return r.probe(ctx, t)
	}
	select {
	case r.service.probes <- struct{}{}:
		defer func() { <-r.service.probes }()
	case <-ctx.Done():
		return plugin.Say(alerts.Unknown, "not checked: %d probes are under way already, and none has ended in time", cap(r.service.probes))
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout())
	defer cancel()
	return r.probe(ctx, t)
}

// timeout is that of one target.
func (c Common) timeout() time.Duration {
	if c.Timeout > 0 {
		return c.Timeout
	}
	return 10 * time.Second
}

// allTime bounds how long a rule may take for all of its targets.
const allTime = 10 * time.Minute

// active makes a rule that waits for others. The timeout of the configuration
// is that of one target.
func (c Common) active(r *activeRule, s Sources, t Targets, expr string) (alerts.Supervised, error) {
	if s.Service == nil || len(t.Groups) > 0 && s.Hosts == nil {
		return alerts.Supervised{}, errors.New("there is no network here to check")
	}
	r.Common, r.targets, r.hosts, r.service, r.boot = c, t, s.Hosts, s.Service, s.Boot
	out := c.supervised(r, expr)
	out.Waits, out.Timeout = true, allTime
	out.Policy.Direct = true
	out.Policy.Missing = alerts.MissingOK // a target that left the list owes nothing
	return out, nil
}
