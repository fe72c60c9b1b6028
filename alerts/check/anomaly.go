package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/rrd"
)

// Anomaly is a rule over sets with archives of the Holt-Winters family, as
// RRDtool makes them: every data source of a set is one state, a problem while
// its archive FAILURES says that too many readings lay outside the expected
// band. The archive computes; nothing is computed here.
type Anomaly struct {
	Common     `yaml:",inline"`
	Series     string         `yaml:"series"` // names of sets; * for any characters
	DS         string         `yaml:"ds"`     // only this data source; default all
	For        time.Duration  `yaml:"for"`
	Missing    alerts.Missing `yaml:"missing"` // unknown (default), ok, keep or raise
	MissingFor time.Duration  `yaml:"missing_for"`
	Text       string         `yaml:"text"` // for people: {value}, {series}, {ds}
}

// maxSets bounds the sets that one rule looks at.
const maxSets = 1000

// Sets are RRDtool's files; rrd.SetStore is one.
type Sets interface {
	ListSets(prefix string) []string
	DescribeSet(name string) (rrd.SetDefinition, rrd.SetState, error)
	FetchSet(ctx context.Context, q rrd.SetQuery) (rrd.SetRows, error)
}

func (a Anomaly) validate() error {
	errs := []error{a.Common.validate(), a.policy().Validate()}
	if a.Series == "" {
		errs = append(errs, errors.New("series is missing: want the name of a set, or a pattern with *"))
	}
	return errors.Join(errs...)
}

func (a Anomaly) policy() alerts.Policy {
	p := a.supervised(nil, "").Policy
	p.Direct, p.For, p.Missing, p.MissingFor = true, a.For, a.Missing, a.MissingFor
	return p
}

func (a Anomaly) build(s Sources) (alerts.Supervised, error) {
	if s.Sets == nil {
		return alerts.Supervised{}, errors.New("there are no sets here to check")
	}
	quoted := strings.ReplaceAll(regexp.QuoteMeta(a.Series), `\*`, ".*")
	match, err := regexp.Compile("^(?s:" + quoted + ")$")
	if err != nil {
		return alerts.Supervised{}, fmt.Errorf("series: %w", err)
	}
	out := a.supervised(&anomalyRule{a, s.Sets, match}, "FAILURES of "+a.Series)
	out.Policy = a.policy()
	return out, nil
}

type anomalyRule struct {
	Anomaly
	sets  Sets
	match *regexp.Regexp
}

// ID implements alerts.Rule.
func (r *anomalyRule) ID() string { return r.Name }

// Check implements alerts.Rule. Sets without an archive FAILURES are passed
// over.
func (r *anomalyRule) Check(ctx context.Context, now time.Time) ([]alerts.Reading, error) {
	prefix, _, _ := strings.Cut(r.Series, "*")
	names := slices.DeleteFunc(slices.Clone(r.sets.ListSets(prefix)), func(n string) bool { return !r.match.MatchString(n) })
	if len(names) > maxSets {
		return nil, fmt.Errorf("%d sets are called %s, more than %d: name fewer", len(names), r.Series, maxSets)
	}
	var out []alerts.Reading
	for _, name := range names {
		found, err := r.checkSet(ctx, name, now)
		if errors.Is(err, rrd.ErrNoSet) {
			continue // forgotten since it was listed
		}
		if err != nil {
			return nil, fmt.Errorf("set %s: %w", name, err)
		}
		out = append(out, found...)
	}
	return out, nil
}

func (r *anomalyRule) checkSet(ctx context.Context, name string, now time.Time) ([]alerts.Reading, error) {
	d, state, err := r.sets.DescribeSet(name)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(d.Archives, func(a rrd.SetArchive) bool { return a.CF == rrd.Failures && a.HoltWinters != nil })
	if i < 0 {
		return nil, nil
	}
	w, err := r.window(ctx, name, d, state.Last)
	if err != nil {
		return nil, err
	}
	var out []alerts.Reading
	for k, ds := range d.Sources {
		if r.DS != "" && ds.Name != r.DS {
			continue
		}
		out = append(out, r.reading(name, ds, w.newest(k), d.Archives[i].HoltWinters, d.Step, now))
	}
	return out, nil
}

// A bandWindow is the newest rows of a set's archives, by function.
type bandWindow map[rrd.CF]rrd.SetRows

// window reads the newest rows.
func (r *anomalyRule) window(ctx context.Context, name string, d rrd.SetDefinition, last rrd.Time) (bandWindow, error) {
	out := make(bandWindow)
	for _, cf := range []rrd.CF{rrd.Failures, rrd.Average, rrd.HWPredict, rrd.MHWPredict, rrd.DevPredict} {
		rows, err := r.sets.FetchSet(ctx, rrd.SetQuery{
			Name: name, CF: cf, Resolution: d.Step, End: last, Start: rrd.At(last.Std().Add(-3 * d.Step)),
		})
		if errors.Is(err, rrd.ErrNoArchive) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out[cf] = rows
	}
	return out, nil
}

// A band is what is known of a data source at a time. Its fields are NaN where
// they are not.
type band struct {
	at                               rrd.Time
	failed, value, predicted, spread float64
}

// newest is the newest row of FAILURES that is known for a data source.
func (w bandWindow) newest(source int) band {
	failures := w[rrd.Failures]
	b := band{failed: math.NaN(), value: math.NaN(), predicted: math.NaN(), spread: math.NaN()}
	for t := failures.Start; t < failures.End; {
		t = rrd.At(t.Std().Add(failures.Row))
		if v := w.value(rrd.Failures, source, t); !math.IsNaN(v) {
			b.at, b.failed = t, v
		}
	}
	b.value = w.value(rrd.Average, source, b.at)
	b.spread = w.value(rrd.DevPredict, source, b.at)
	if b.predicted = w.value(rrd.HWPredict, source, b.at); math.IsNaN(b.predicted) {
		b.predicted = w.value(rrd.MHWPredict, source, b.at)
	}
	return b
}

// value is that of the row that ends at a time.
func (w bandWindow) value(cf rrd.CF, source int, at rrd.Time) float64 {
	rows, ok := w[cf]
	if !ok || rows.Row <= 0 || at <= rows.Start || at > rows.End {
		return math.NaN()
	}
	i := int(at.Std().Sub(rows.Start.Std())/rows.Row) - 1
	if i = i*len(rows.Sources) + source; i < 0 || i >= len(rows.Values) {
		return math.NaN()
	}
	return rows.Values[i]
}

func (r *anomalyRule) reading(name string, ds rrd.DataSource, b band, hw *rrd.HoltWinters, step time.Duration, now time.Time) alerts.Reading {
	rd := alerts.Reading{
		Labels: r.labelled(map[string]string{"series": name, "ds": ds.Name}), Value: b.value, At: b.at.Std(),
	}
	low, high := b.predicted-hw.DeltaNeg*b.spread, b.predicted+hw.DeltaPos*b.spread
	switch {
	case math.IsNaN(b.failed) || now.Sub(b.at.Std()) > ds.Heartbeat+3*step:
		rd.Missing, rd.Text = true, "FAILURES has no row of late"
		return rd
	case b.failed > 0:
		rd.Status = cmp.Or(r.Severity, alerts.Critical)
		rd.Text = fmt.Sprintf("%d or more of %d readings were outside of what the season lets expect; ", hw.Threshold, hw.Window)
	}
	rd.Text += fmt.Sprintf("%s, expected %s to %s", short(b.value), short(low), short(high))
	if math.IsNaN(low) || math.IsNaN(high) {
		rd.Text = strings.TrimSuffix(rd.Text, fmt.Sprintf(", expected %s to %s", short(low), short(high)))
	}
	rd.Annotations = r.filled(short(b.value), rd.Labels)
	if r.Text != "" {
		rd.Text = say(r.Text, short(b.value), rd.Labels)
	}
	return rd
}
