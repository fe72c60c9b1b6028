package check

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rondo/alerts"
	"rondo/alerts/check/plugin"
	"rondo/rrd"
)

// maxProbes bounds how many probes and NRPE queries run at once, over all
// rules; one more waits for its place. Plugins have a bound of their own,
// plugin.DefaultProcesses.
const maxProbes = 64

// PerfName is the series of performance values: with the labels of the
// reading, alertname, perf (the value's label) and unit.
const PerfName = "check_perf"

// FromChecks says whether a series is made of what checks find. Its samples
// are ours: they are no sign of life of the host that is checked.
func FromChecks(k rrd.Key) bool { return strings.HasPrefix(string(k), PerfName+"\xff") }

// A Service is what checks of the outside world share, over reloads: their
// bounds, where performance values go, and the passive checks that take
// results. It is safe for concurrent use.
type Service struct {
	log    *slog.Logger
	perf   rrd.Appender
	runner *plugin.Runner
	probes chan struct{} // holds a token per running probe

	refused map[string]*atomic.Uint64 // passive results, by reason
	stored  atomic.Uint64
	lost    atomic.Uint64
	failing atomic.Bool // the newest performance values were not stored

	mu     sync.Mutex
	rules  map[string]alerts.Supervised
	series map[string]map[rrd.Key]bool // of performance values, by rule
}

// NewService makes a service whose performance values go to perf; nil: nowhere.
func NewService(perf rrd.Appender, log *slog.Logger) *Service {
	s := &Service{
		log: log.With("component", "check"), perf: perf,
		runner: plugin.NewRunner(plugin.DefaultProcesses), probes: make(chan struct{}, maxProbes),
		rules: make(map[string]alerts.Supervised), series: make(map[string]map[rrd.Key]bool), refused: make(map[string]*atomic.Uint64),
	}
	for _, reason := range []string{refusedMalformed, refusedToken, refusedNetwork, refusedUndeclared, refusedFuture, refusedOlder, refusedFailed} {
		s.refused[reason] = new(atomic.Uint64)
	}
	return s
}

// Use makes these the present rules, which the engine has taken. Passive
// checks go on where those of their name were.
func (s *Service) Use(rules []alerts.Supervised) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next, series := make(map[string]alerts.Supervised, len(rules)), make(map[string]map[rrd.Key]bool)
	for _, r := range rules {
		next[r.Rule.ID()] = r
		if known := s.series[r.Rule.ID()]; known != nil {
			series[r.Rule.ID()] = known
		}
		p, passive := r.Rule.(*passiveRule)
		if old, was := s.rules[r.Rule.ID()].Rule.(*passiveRule); passive && was && p != old {
			p.inherit(old)
		}
	}
	s.rules, s.series = next, series
}

// rule finds a present rule.
func (s *Service) rule(name string) (alerts.Supervised, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.rules[name]
	return r, ok
}

// hint names the rules of rule files that receivers know by this name alone.
func (s *Service) hint(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []string
	for full := range s.rules {
		if strings.HasSuffix(full, "/"+name) {
			found = append(found, full)
		}
	}
	if len(found) == 0 {
		return ""
	}
	slices.Sort(found)
	return "; did you mean " + strings.Join(found, " or ") + "?"
}

// Snapshot returns the counters.
func (s *Service) Snapshot() map[string]uint64 {
	m := s.runner.Snapshot()
	m["perf_values"], m["perf_lost"] = s.stored.Load(), s.lost.Load()
	for reason, n := range s.refused {
		m["passive_refused_"+reason] = n.Load()
	}
	return m
}

// maxSeries bounds the series that one rule makes: a plugin that puts the time
// into its labels, or a sender of results, must not fill the store.
const maxSeries = 10_000

// admit leaves out the samples of series that are too many, which is counted.
func (s *Service) admit(rule string, batch []rrd.Sample) []rrd.Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.series[rule]
	if known == nil {
		known = make(map[rrd.Key]bool)
		s.series[rule] = known
	}
	return slices.DeleteFunc(batch, func(x rrd.Sample) bool {
		if !known[x.Key] && len(known) >= maxSeries {
			s.lost.Add(1)
			return true
		}
		known[x.Key] = true
		return false
	})
}

// store appends performance values of a rule. That they cannot be stored is no finding
// about what was checked: it is counted, and logged when it begins.
func (s *Service) store(ctx context.Context, rule string, batch []rrd.Sample) {
	if s.perf == nil {
		return
	}
	if batch = s.admit(rule, batch); len(batch) == 0 {
		return
	}
	err := s.perf.Append(ctx, batch)
	lost := len(batch)
	if e, some := errors.AsType[*rrd.BatchError](err); some {
		lost = len(e.Refused)
	} else if err == nil {
		lost = 0
	}
	s.stored.Add(uint64(len(batch) - lost))
	s.lost.Add(uint64(lost))
	if was := s.failing.Swap(err != nil); err != nil && !was {
		s.log.Warn("performance values are not stored", "err", err, "lost", lost)
	}
}

// appendPerf appends the performance values of a result as samples.
func appendPerf(batch []rrd.Sample, rule string, ls rrd.Labels, perfs []plugin.Perf, at time.Time) []rrd.Sample {
	m := alerts.MapOf(ls)
	m[alerts.RuleLabel] = rule
	for _, p := range perfs {
		v, unit := p.Base()
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue // it was not known
		}
		own := maps.Clone(m)
		own["perf"] = p.Label
		kind := rrd.Gauge
		if unit == "c" {
			kind = rrd.Counter
		} else if unit != "" {
			own["unit"] = unit
		}
		key, err := rrd.NewKey(PerfName, alerts.NewLabels(own)...)
		if err != nil {
			continue // a name that no series can have; the store would refuse it as well
		}
		batch = append(batch, rrd.Sample{Key: key, Time: rrd.At(at), Value: v, Type: kind})
	}
	return batch
}
