package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"rondo/alerts"
	"rondo/rrd"
	"rondo/syslogd/filter"
)

// Log is a rule over log messages: how many of those received in the last
// window match a filter, or a number that stands in them. It is one state, or
// one for each value of By.
type Log struct {
	Common   `yaml:",inline"`
	Filter   string          `yaml:"filter"`
	Window   time.Duration   `yaml:"window"`   // of reception; default 5m
	By       []string        `yaml:"by"`       // fields: host, app, sd.KEY ...
	Expect   string          `yaml:"expect"`   // whose silence counts: known (default), or fleet, all its hosts
	Number   *Number         `yaml:"number"`   // instead of counting
	Op       string          `yaml:"op"`       // above (default), or below for what must not fall silent
	Raise    float64         `yaml:"raise"`    // messages in the window, or the number; default 0: more than none
	Clear    *float64        `yaml:"clear"`    // default: as raise
	Warning  *Threshold      `yaml:"warning"`  // warning and critical instead of raise, for two levels
	Critical *Threshold      `yaml:"critical"` //
	For      time.Duration   `yaml:"for"`
	Missing  *alerts.Missing `yaml:"missing"` // default: no message is a count of 0, and no number is nothing wrong
	Text     string          `yaml:"text"`    // for people: {value}, any label

	role *Role // whose hosts' messages count; nil: all
}

// The values of Expect.
const (
	expectKnown = "known"
	expectFleet = "fleet"
)

// Bounds of one check.
const (
	maxBy       = 3       // fields
	maxGroups   = 1000    // values of them
	maxMessages = 200_000 // of which numbers are read
)

func (l Log) window() time.Duration {
	if l.Window == 0 {
		return 5 * time.Minute
	}
	return l.Window
}

func (l Log) validate() error {
	errs := []error{l.Common.validate(), checkWindow("window", l.window()), checkOp(l.Op), checkFields(l.By)}
	if _, err := filter.Parse(l.Filter); err != nil {
		errs = append(errs, err)
	}
	switch {
	case !slices.Contains([]string{"", expectKnown, expectFleet}, l.Expect):
		errs = append(errs, fmt.Errorf("expect %q: want known or fleet", l.Expect))
	case l.Expect == expectFleet && (l.Op != "below" || !slices.Equal(l.By, []string{"host"})):
		errs = append(errs, errors.New("expect: fleet goes with op: below and by: host"))
	}
	if l.Number != nil {
		_, err := l.Number.reader()
		errs = append(errs, err)
	}
	if (l.Warning != nil || l.Critical != nil) && (l.Raise != 0 || l.Clear != nil) {
		errs = append(errs, errors.New("raise stands beside warning or critical: want one or the other"))
	}
	return errors.Join(append(errs, l.policy().Validate())...)
}

func checkWindow(name string, d time.Duration) error {
	if d < time.Second || d > 7*24*time.Hour {
		return fmt.Errorf("%s %v: want 1s to 7 days", name, d)
	}
	return nil
}

func checkOp(op string) error {
	if op != "" && op != "above" && op != "below" {
		return fmt.Errorf("op %q: want above or below", op)
	}
	return nil
}

// checkFields says what is wrong with fields that states are kept by.
func checkFields(fields []string) error {
	var errs []error
	if len(fields) > maxBy {
		errs = append(errs, fmt.Errorf("by: %d fields: want at most %d", len(fields), maxBy))
	}
	var labels []string
	for _, f := range fields {
		if _, ok := filter.FieldName(f); !ok {
			errs = append(errs, fmt.Errorf("by: no field is called %q", f))
		}
		if slices.Contains(labels, labelOf(f)) {
			errs = append(errs, fmt.Errorf("by: %q is there twice", f))
		}
		labels = append(labels, labelOf(f))
	}
	return errors.Join(errs...)
}

// labelOf is the label that a field becomes.
func labelOf(field string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '_' || r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z') {
			return r
		}
		return '_'
	}, strings.TrimPrefix(field, "sd."))
}

func (l Log) policy() alerts.Policy {
	p := l.supervised(nil, "").Policy
	p.Below, p.For, p.MissingFor = l.Op == "below", l.For, l.For
	p.Warning, p.Critical = l.Warning.policy(), l.Critical.policy()
	p.WarningTimes, p.CriticalTimes = l.Warning.times(p), l.Critical.times(p)
	if l.Warning == nil && l.Critical == nil {
		l.level(&p, *(&Threshold{Raise: l.Raise, Clear: l.Clear}).policy())
	}
	// No message of a host that had some is a count of none.
	switch {
	case l.Missing != nil:
		p.Missing = *l.Missing
	case l.Number == nil && p.Below:
		p.Missing = alerts.MissingRaise
	default:
		p.Missing = alerts.MissingOK
	}
	return p
}

func (l Log) build(s Sources) (alerts.Supervised, error) {
	if s.Logs == nil {
		return alerts.Supervised{}, errors.New("there are no logs here to check")
	}
	if (l.Expect == expectFleet || l.role != nil) && s.Hosts == nil {
		return alerts.Supervised{}, errors.New("there are no hosts here to expect")
	}
	f, err := filter.Parse(l.Filter)
	if err != nil {
		return alerts.Supervised{}, err
	}
	r := &logRule{Log: l, parsed: f, logs: s.Logs, hosts: s.Hosts}
	if l.Number != nil {
		if r.number, err = l.Number.reader(); err != nil {
			return alerts.Supervised{}, err
		}
		// Every check reads the whole window.
		l.Interval = cmp.Or(l.Interval, min(max(l.window()/30, alerts.DefaultInterval), time.Minute))
	}
	out := l.supervised(r, fmt.Sprintf("%s in %v: %s", r.what(), l.window(), l.Filter))
	out.Policy, out.Filter, out.Keeps = l.policy(), l.Filter, func(rrd.Labels) bool { return r.young.Load() }
	for _, t := range []*alerts.Threshold{out.Policy.Warning, out.Policy.Critical} {
		if t != nil {
			r.enough = max(r.enough, t.Raise)
		}
	}
	return out, nil
}

type logRule struct {
	Log
	parsed *filter.Filter
	number *numberReader // nil: messages are counted
	logs   Logs
	hosts  Hosts
	enough float64     // of op: below, the least that is no problem
	young  atomic.Bool // see tooYoung
}

// ID implements alerts.Rule.
func (r *logRule) ID() string { return r.Name }

// what is what the rule looks at, for people.
func (r *logRule) what() string {
	if r.number == nil {
		return "messages"
	}
	return r.number.of + " of " + r.number.name
}

// Check implements alerts.Rule.
func (r *logRule) Check(ctx context.Context, now time.Time) ([]alerts.Reading, error) {
	found, err := r.find(ctx, now)
	if err != nil {
		return nil, err
	}
	r.young.Store(r.tooYoung(now))
	out := make([]alerts.Reading, 0, len(found))
	for _, g := range found {
		if r.young.Load() && g.value < r.enough {
			continue
		}
		labels := make(map[string]string, len(r.By))
		for i, f := range r.By {
			labels[labelOf(f)] = g.values[i]
		}
		ls := r.labelled(labels)
		text := r.text(g.value, ls)
		if !g.until.IsZero() {
			text = "nothing yet; its first message is due by " + g.until.UTC().Format(time.TimeOnly)
		}
		out = append(out, alerts.Reading{Labels: ls, Value: g.value, At: now, Text: text, Annotations: r.filled(short(g.value), ls)})
	}
	return out, nil
}

// tooYoung says that we have not listened for a whole window. Then silence may
// be ours: what is silent stays as it is.
func (r *logRule) tooYoung(now time.Time) bool {
	if r.Op != "below" || r.number != nil || r.hosts == nil {
		return false
	}
	listened := now.Sub(r.hosts.Started()) // below zero: the past is replayed
	return listened >= 0 && listened < r.window()
}

// A logGroup is what was found for one set of values of the fields.
type logGroup struct {
	values []string
	value  float64
	until  time.Time // a host that is new has until then for its first message
}

func (r *logRule) find(ctx context.Context, now time.Time) ([]logGroup, error) {
	from := now.Add(-r.window())
	if r.number != nil {
		return r.number.read(r.messagesOf(ctx, r.members(), from, now), r.By)
	}
	counts, err := r.countOf(ctx, r.members(), from, now)
	if err != nil {
		return nil, err
	}
	if len(counts) > maxGroups {
		return nil, tooManyGroups(r.By)
	}
	out := make([]logGroup, 0, len(counts))
	for _, c := range counts {
		out = append(out, logGroup{values: orDash(c.Values), value: float64(c.Messages)})
	}
	if len(r.By) == 0 && len(out) == 0 {
		out = append(out, logGroup{})
	}
	if r.Expect == expectFleet {
		out = r.expected(out, now)
	}
	return out, nil
}

// expected adds the hosts of the fleet that said nothing. One that is younger
// than a window has not had the time: of a role it is good until then, which
// shows that it is expected to speak.
func (r *logRule) expected(found []logGroup, now time.Time) []logGroup {
	heard := make(map[string]bool, len(found))
	for _, g := range found {
		heard[strings.ToLower(g.values[0])] = true
	}
	for _, h := range r.hosts.Hosts() {
		if !h.Withdrawn.IsZero() || heard[strings.ToLower(h.ID)] || r.role != nil && !r.role.Has(h) {
			continue
		}
		switch due := h.FirstSeen.Add(r.window()); {
		case !due.After(now):
			found = append(found, logGroup{values: []string{h.ID}})
		case r.role != nil:
			found = append(found, logGroup{values: []string{h.ID}, value: r.enough, until: due})
		}
	}
	return found
}

func tooManyGroups(by []string) error {
	return fmt.Errorf("%s have more than %d values in the window: narrow the filter", strings.Join(by, ", "), maxGroups)
}

// orDash writes what a message lacks as syslog does.
func orDash(values []string) []string {
	out := slices.Clone(values)
	for i, v := range out {
		if v == "" {
			out[i] = "-"
		}
	}
	return out
}

func (r *logRule) text(v float64, ls rrd.Labels) string {
	value := short(v)
	if r.number == nil {
		value = strconv.FormatFloat(v, 'f', -1, 64)
	}
	switch {
	case r.Text != "":
		return say(r.Text, value, ls)
	case r.number != nil:
		return fmt.Sprintf("%s is %s in %v, of %s", r.what(), value, r.window(), r.Filter)
	}
	return fmt.Sprintf("%s messages in %v match %s", value, r.window(), r.Filter)
}
