package check

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/alerts/fleet"
	"rondo/rrd"
	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

// Config is the part of the section "alerts" that says what is checked.
type Config struct {
	Metrics []Metric    `yaml:"metrics"`
	Hosts   []Freshness `yaml:"hosts"`
	Logs    []Log       `yaml:"logs"`
	Outside Outside     `yaml:",inline"`

	Joins     []Join     `yaml:"joins"`     // of a metric and of logs
	Forecasts []Forecast `yaml:"forecasts"` // of a metric
	Anomalies []Anomaly  `yaml:"anomalies"` // of sets that know their season
}

// DefaultConfig has one rule: a host is critical when it was silent for two
// minutes.
func DefaultConfig() Config {
	return Config{Hosts: []Freshness{{Common: Common{Name: "host-silent"}, Silent: 2 * time.Minute}}}
}

// Common is what every kind of rule may say.
type Common struct {
	Name        string            `yaml:"name"`           // unique among all rules; becomes alertname
	Interval    time.Duration     `yaml:"interval"`       // between checks; default 10s
	Timeout     time.Duration     `yaml:"timeout"`        // of one check; default 10s
	Severity    alerts.Status     `yaml:"severity"`       // of raise: warning or critical; default critical
	ClearFor    time.Duration     `yaml:"clear_for"`      // how long readings must be good before the problem is over
	MaxAttempts int               `yaml:"max_attempts"`   // bad readings before a problem is hard; default 1
	Retry       time.Duration     `yaml:"retry_interval"` // between two of them, and between checks meanwhile; default: every reading counts
	Of          alerts.Of         `yaml:"of"`             // 3/5: instead, three of the newest five readings must be bad
	Flap        alerts.Flap       `yaml:"flap"`           // low, high: percent of state change; default: nobody looks
	Labels      map[string]string `yaml:"labels"`         // added to those of the readings
	Annotations map[string]string `yaml:"annotations"`    // handed on to receivers: runbook, owner, impact; {value} and {LABEL} are filled in
}

func (c Common) validate() error {
	var errs []error
	if c.Name == "" {
		errs = append(errs, errors.New("name is missing"))
	}
	if c.Interval < 0 || c.Interval > 0 && c.Interval < 100*time.Millisecond {
		errs = append(errs, fmt.Errorf("interval %v: want 100ms or more", c.Interval))
	}
	if c.Timeout < 0 {
		errs = append(errs, fmt.Errorf("timeout %v: want a positive duration", c.Timeout))
	}
	if c.Severity == alerts.Unknown {
		errs = append(errs, errors.New("severity unknown: want warning or critical"))
	}
	return errors.Join(errs...)
}

// supervised is the common part of a rule; level puts the threshold where the
// severity wants it.
func (c Common) supervised(r alerts.Rule, expr string) alerts.Supervised {
	return alerts.Supervised{
		Rule: r, Interval: c.Interval, Timeout: c.Timeout, Expr: expr, Labels: c.Labels, Annotations: c.Annotations,
		Policy: alerts.Policy{ClearFor: c.ClearFor, MaxAttempts: c.MaxAttempts, Retry: c.Retry, Of: c.Of, Flap: c.Flap},
	}
}

func (c Common) level(p *alerts.Policy, t alerts.Threshold) {
	if c.Severity == alerts.Warning {
		p.Warning = &t
	} else {
		p.Critical = &t
	}
}

// labelled returns labels with the rule's own added; what a reading says of
// itself wins.
func (c Common) labelled(m map[string]string) rrd.Labels {
	all := maps.Clone(c.Labels)
	if all == nil {
		all = make(map[string]string, len(m))
	}
	maps.Copy(all, m)
	return alerts.NewLabels(all)
}

// Logs are messages that can be counted and read; a search over the log store
// is one. They go by when they were received, from <= received < to, whatever
// time they carry: the clock of a sender may be wrong, and a message may be late.
// By their own times, those of a host whose clock is slow by more than the window
// would never count.
type Logs interface {
	// Count counts the messages that match f by the values of fields, and
	// leaves out values without messages.
	Count(ctx context.Context, f *filter.Filter, by []string, from, to time.Time) ([]Count, error)
	// Messages yields the messages that match f, in any order.
	Messages(ctx context.Context, f *filter.Filter, from, to time.Time) iter.Seq2[syslog.Message, error]
}

// A Count is how many messages have some values in the fields that were asked
// for.
type Count struct {
	Values   []string
	Messages int64
}

// Hosts lists the hosts; fleet.Fleet is one.
type Hosts interface {
	Hosts() []fleet.Host
	// Started is since when hosts are listened to.
	Started() time.Time
}

// Sources is what rules are checked against. A nil one refuses rules that
// need it.
type Sources struct {
	Metrics rrd.Evaluator
	Ranges  Ranger
	Sets    Sets
	Logs    Logs
	Hosts   Hosts
	// Identify explains the name of a series; fleet.Fleet's Identify is one.
	Identify func(rrd.Key) (fleet.Identity, bool)
	// Service is what rules of the outside world share.
	Service *Service
	// Boot is how long a new host of a group may take until it works; 0 where
	// nobody knows the group. [0]
	Boot func(group string) time.Duration
}

// A kind is a rule as configured.
type kind interface {
	name() string
	validate() error
	build(s Sources) (alerts.Supervised, error)
}

func (c Common) name() string { return c.Name }

func (c Config) all() []kind {
	return slices.Concat(
		kindsOf(c.Metrics), kindsOf(c.Hosts), kindsOf(c.Logs), kindsOf(c.Joins), kindsOf(c.Forecasts), kindsOf(c.Anomalies),
		c.Outside.all(),
	)
}

// Names are those of all rules, which are their IDs too.
func (c Config) Names() []string {
	names := c.AtOnce()
	for _, k := range c.all() {
		names = append(names, k.name())
	}
	return names
}

// OfHosts are the names of the rules with a state for each host of the fleet,
// which have something new to say when one arrives.
func (c Config) OfHosts() (names []string) {
	for _, h := range c.Hosts {
		names = append(names, h.Name)
	}
	for _, l := range c.Logs {
		if l.Expect == expectFleet {
			names = append(names, l.Name)
		}
	}
	return names
}

func kindsOf[K kind](list []K) []kind {
	out := make([]kind, len(list))
	for i, k := range list {
		out[i] = k
	}
	return out
}

// Validate says all that is wrong with the rules, by rule. None may be named as
// one that is built in.
func (c Config) Validate(builtIn ...string) error {
	var errs []error
	var seen []string
	for i, k := range c.all() {
		err := k.validate()
		names := []string{k.name()}
		if f, ok := k.(Freshness); ok && !f.AtOnce.Off {
			names = append(names, f.Name+atOnceSuffix)
		}
		for _, name := range names {
			if slices.Contains(builtIn, name) {
				err = errors.Join(err, errors.New("the name is taken by rondo itself: choose another one"))
			}
			if slices.Contains(seen, name) {
				err = errors.Join(err, errors.New("the name is taken by another rule"))
			}
		}
		seen = append(seen, names...)
		if err != nil {
			errs = append(errs, fmt.Errorf("alerts: rule %s: %w", orNumber(k.name(), i), err))
		}
	}
	return errors.Join(errs...)
}

func orNumber(name string, i int) string {
	if name == "" {
		return "number " + strconv.Itoa(i+1)
	}
	return strconv.Quote(name)
}

// Build makes the rules. The configuration must be valid.
func (c Config) Build(s Sources) ([]alerts.Supervised, error) {
	var out []alerts.Supervised
	for _, k := range c.all() {
		r, err := k.build(s)
		if err != nil {
			return nil, fmt.Errorf("alerts: rule %q: %w", k.name(), err)
		}
		out = append(out, r)
	}
	for _, h := range c.Hosts {
		if !h.AtOnce.Off {
			out = append(out, h.atOnce(s))
		}
	}
	return out, nil
}

// Dependencies are which of the rules keep problems of others from being told.
// The configuration must be valid.
func (c Config) Dependencies() ([]alerts.Dependency, error) {
	var out []alerts.Dependency
	for _, h := range c.Hosts {
		if h.AtOnce.Off {
			continue
		}
		d, err := h.dependency()
		if err != nil {
			return nil, fmt.Errorf("alerts: rule %q: %w", h.Name, err)
		}
		out = append(out, d)
	}
	return out, nil
}

// say fills in a text: {value}, and the value of a label by its name.
func say(text, value string, ls rrd.Labels) string {
	pairs := []string{"{value}", value}
	for _, l := range ls {
		pairs = append(pairs, "{"+l.Name+"}", l.Value)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// filled are the annotations of a reading: those of the rule with value and
// labels filled in, or nil where there is nothing to fill in.
func (c Common) filled(value string, ls rrd.Labels) map[string]string {
	var out map[string]string
	for name, text := range c.Annotations {
		if said := say(text, value, ls); said != text {
			if out == nil {
				out = make(map[string]string)
			}
			out[name] = said
		}
	}
	return out
}

// short writes a value for people, with four digits.
func short(v float64) string {
	if v >= 1000 && v < 1e9 || v <= -1000 && v > -1e9 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}
