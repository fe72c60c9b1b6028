package promrule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"rondo/alerts"
	"rondo/rrd"
)

// Options are what groups are evaluated with.
type Options struct {
	Metrics rrd.Evaluator
	// Recorded takes the series that recording rules make. The rules behind one
	// in its group must find there what was appended.
	Recorded       rrd.Appender
	Interval       time.Duration // of groups that name none; 0: a minute
	ExternalLabels map[string]string
	ExternalURL    string
}

// A Source is a rule file that was read.
type Source struct {
	Path string
	File File
}

// A Group is rules that are evaluated together: one behind the other, all at
// one time.
type Group struct {
	File     string // its path
	Name     string
	Interval time.Duration
	Rules    []*Rule

	Limit int // most alerts, or series, of one rule; 0: no limit

	offset time.Duration
	o      Options
	newest atomic.Pointer[Evaluation]
}

// An Evaluation is one of a group that an engine asked for.
type Evaluation struct {
	At       time.Time
	Outcomes []Outcome // by rule
}

// Newest is the newest evaluation of the group; nil before the first.
func (g *Group) Newest() *Evaluation { return g.newest.Load() }

// A Rule alerts or records.
type Rule struct {
	RuleConfig        // with the labels of its group
	ID         string // GROUP/ALERT, with #2 for the second one of a name

	labels, annotations map[string]text
}

// An Outcome is what one rule of a group came to.
type Outcome struct {
	Rule     *Rule
	Readings []alerts.Reading // of an alerting rule: the elements that are there
	Samples  []rrd.Sample     // of a recording rule: what was recorded
	Left     int              // of a recording rule: values that are no finite numbers, and not kept
	Err      error            // then there is nothing else but Took
	Took     time.Duration
}

// The errors of a rule whose labels do not keep its elements apart.
var errTwice = errors.New("two elements have the same labels after the rule's labels were applied")

// NewGroups makes the groups of valid files, in their order.
func NewGroups(files []Source, o Options) []*Group {
	ids := make(map[string]bool)
	var out []*Group
	for _, f := range files {
		for _, c := range f.File.Groups {
			out = append(out, newGroup(f.Path, c, o, ids))
		}
	}
	return out
}

// newGroup makes a group; ids are those that are taken.
func newGroup(path string, c GroupConfig, o Options, ids map[string]bool) *Group {
	g := &Group{
		File: path, Name: c.Name, offset: time.Duration(c.QueryOffset), Limit: c.Limit, o: o,
		Interval: cmp.Or(time.Duration(c.Interval), o.Interval, time.Minute),
	}
	for _, rc := range c.Rules {
		rc.Labels = merged(c.Labels, rc.Labels)
		r := &Rule{RuleConfig: rc, labels: parseTexts(rc.Labels), annotations: parseTexts(rc.Annotations)}
		r.ID = identity(c.Name+"/"+cmp.Or(rc.Alert, rc.Record), ids)
		g.Rules = append(g.Rules, r)
	}
	return g
}

// identity makes a name into the ID of an alerts.Rule: printable, bounded and
// not taken.
func identity(name string, ids map[string]bool) string {
	printable := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, name)
	if len(printable) > 180 {
		printable = strings.ToValidUTF8(printable[:180], "")
	}
	id := printable
	for n := 2; ids[id]; n++ {
		id = fmt.Sprintf("%s#%d", printable, n)
	}
	ids[id] = true
	return id
}

// Eval evaluates all rules at one time, each seeing what those before it have
// recorded. A rule that fails does not keep the others from being evaluated.
func (g *Group) Eval(ctx context.Context, at time.Time) []Outcome {
	return slices.Collect(g.Outcomes(ctx, at))
}

// Outcomes evaluates as Eval does, a rule when it is its turn: a rule finds
// also what the caller made of those before it.
func (g *Group) Outcomes(ctx context.Context, at time.Time) iter.Seq[Outcome] {
	at = at.Add(-g.offset).Truncate(time.Millisecond)
	return func(yield func(Outcome) bool) {
		for _, r := range g.Rules {
			began := time.Now()
			o := g.eval(ctx, r, at)
			if o.Err != nil {
				o = Outcome{Rule: r, Err: o.Err}
			}
			o.Took = time.Since(began)
			if !yield(o) {
				return
			}
		}
	}
}

func (g *Group) eval(ctx context.Context, r *Rule, at time.Time) Outcome {
	out := Outcome{Rule: r}
	values, err := g.o.Metrics.Eval(ctx, r.Expr, at)
	if err != nil {
		out.Err = err
		return out
	}
	if g.Limit > 0 && len(values) > g.Limit {
		out.Err = fmt.Errorf("%d elements are more than the group's limit of %d", len(values), g.Limit)
		return out
	}
	if r.Alert != "" {
		out.Readings, out.Err = g.alert(ctx, r, values, at)
		return out
	}
	out.Samples, out.Left, out.Err = g.record(r, values, at)
	if out.Err == nil && len(out.Samples) > 0 && g.o.Recorded != nil {
		out.Err = g.o.Recorded.Append(ctx, out.Samples)
	}
	return out
}

// alert makes a reading of every element.
func (g *Group) alert(ctx context.Context, r *Rule, values []rrd.Value, at time.Time) ([]alerts.Reading, error) {
	run := &run{ctx: ctx, group: g, at: at}
	labels, err := run.bind(r.labels)
	if err != nil {
		return nil, err
	}
	annotations, err := run.bind(r.annotations)
	if err != nil {
		return nil, err
	}
	out := make([]alerts.Reading, 0, len(values))
	seen := make(map[string]bool, len(values))
	for _, v := range values {
		s := subject{alerts.MapOf(v.Labels), g.o.ExternalLabels, g.o.ExternalURL, v.Value}
		ls := r.labelled(v.Labels, run.expandAll(labels, s))
		if seen[ls.String()] {
			return nil, fmt.Errorf("%w: %v", errTwice, ls)
		}
		seen[ls.String()] = true
		texts := run.expandAll(annotations, s)
		out = append(out, alerts.Reading{
			Labels: ls, Value: v.Value, At: at, Status: severity(ls.Get("severity")),
			Text: r.say(texts, v.Value), Annotations: texts,
		})
	}
	return out, nil
}

// labelled are an element's labels with those of the rule over them.
func (r *Rule) labelled(element rrd.Labels, own map[string]string) rrd.Labels {
	m := alerts.MapOf(element)
	delete(m, rrd.NameLabel)
	for name, value := range own {
		m[name] = value
		if value == "" {
			delete(m, name)
		}
	}
	m[alerts.RuleLabel] = r.Alert
	return alerts.NewLabels(m)
}

// say is the text for people: the annotation that is meant for them.
func (r *Rule) say(annotations map[string]string, v float64) string {
	for _, name := range []string{"summary", "message", "description"} {
		if s := annotations[name]; s != "" {
			return s
		}
	}
	return r.Alert + ": " + short(v)
}

// severity is what a rule's label severity means to us. What is unheard of
// is taken seriously.
func severity(label string) alerts.Status {
	switch strings.ToLower(label) {
	case "warning", "warn", "minor", "low", "notice", "info", "informational", "none", "debug":
		return alerts.Warning
	}
	return alerts.Critical
}

// record makes a sample of every element. The archives have no rows for what
// is not a finite number: it stays unknown.
func (g *Group) record(r *Rule, values []rrd.Value, at time.Time) (out []rrd.Sample, left int, err error) {
	seen := make(map[rrd.Key]bool, len(values))
	for _, v := range values {
		m := alerts.MapOf(v.Labels)
		delete(m, rrd.NameLabel)
		for name, t := range r.labels {
			m[name] = t.plain
		}
		key, err := rrd.NewKey(r.Record, alerts.NewLabels(m)...)
		if err != nil {
			return nil, 0, err
		}
		if seen[key] {
			return nil, 0, fmt.Errorf("%w: %v", errTwice, key)
		}
		seen[key] = true
		if math.IsNaN(v.Value) || math.IsInf(v.Value, 0) {
			left++
			continue
		}
		out = append(out, rrd.Sample{Key: key, Time: rrd.At(at), Value: v.Value})
	}
	return out, left, nil
}

// where names a group in texts.
func (g *Group) where() string { return filepath.Base(g.File) + ": group " + g.Name }
