package loki

import (
	"context"
	"maps"
	"slices"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

// windows are those that a range expression looks at: (t-width, t] for each
// instant t.
type windows struct {
	first int64 // the first instant, in Unix ns
	step  int64
	width int64
	n     int
}

func (e *evaluation) windows(x *rangeExpr) windows {
	return windows{e.start - int64(x.offset), e.step, int64(x.window), e.n}
}

// from and to bound all windows: from <= time < to.
func (w windows) from() int64 { return w.first - w.width + 1 }
func (w windows) to() int64   { return w.first + int64(w.n-1)*w.step + 1 }

// holding returns the windows that hold all times from a to b: those from lo
// to hi, hi not included.
func (w windows) holding(a, b int64) (lo, hi int) {
	l := ceilDiv(b-w.first, w.step)         // ends not before b
	h := ceilDiv(a-w.first+w.width, w.step) // begins before a
	return int(min(max(l, 0), int64(w.n))), int(min(max(h, 0), int64(w.n)))
}

func ceilDiv(a, b int64) int64 {
	q := a / b
	if a%b > 0 {
		q++
	}
	return q
}

// A counter adds up lines in windows. It keeps, for each series, where the sums
// change, so that a line costs the same however many windows hold it.
type counter struct {
	w      windows
	series map[string]*counted
	room   func(n int) error
}

type counted struct {
	labels []label
	lines  []float64 // changes at each instant
	bytes  []float64
}

// add counts n lines of some bytes, between the times a and b.
func (c *counter) add(labels []label, a, b int64, n, bytes float64) error {
	lo, hi := c.w.holding(a, b)
	if lo >= hi {
		return nil
	}
	key := labelsJSON(labels).key()
	s := c.series[key]
	if s == nil {
		if err := c.room(len(c.series) + 1); err != nil {
			return err
		}
		s = &counted{labels, make([]float64, c.w.n+1), make([]float64, c.w.n+1)}
		c.series[key] = s
	}
	s.lines[lo] += n
	s.lines[hi] -= n
	s.bytes[lo] += bytes
	s.bytes[hi] -= bytes
	return nil
}

// result sums up. Where a window holds no line its series has no value.
func (c *counter) result(x *rangeExpr) result {
	var out result
	for _, k := range slices.Sorted(maps.Keys(c.series)) {
		s := c.series[k]
		values := make([]float64, c.w.n)
		lines, bytes := 0.0, 0.0
		for i := range values {
			lines, bytes = lines+s.lines[i], bytes+s.bytes[i]
			switch {
			case lines == 0:
				values[i] = absent()
			case x.op == "count_over_time":
				values[i] = lines
			case x.op == "rate":
				values[i] = lines / x.window.Seconds()
			case x.op == "bytes_over_time":
				values[i] = bytes
			default:
				values[i] = bytes / x.window.Seconds()
			}
		}
		out.series = append(out.series, series{s.labels, values})
	}
	return out
}

// overTime counts lines in windows: by these labels, or by all of their
// streams. The store counts where its filter says all that the query does; else
// each line is read.
func (e *evaluation) overTime(ctx context.Context, x *rangeExpr, by *[]string) (result, error) {
	w := e.windows(x)
	from, to := time.Unix(0, w.from()).UTC(), time.Unix(0, w.to()).UTC()
	t, err := translate(x.query, lookupIn(ctx, e.logs, from, to))
	if err != nil {
		return result{}, err
	}
	c := &counter{w: w, series: map[string]*counted{}, room: e.room}
	f, ok := fieldsOf(by, t.labels)
	if ok && t.exact && (x.op == "count_over_time" || x.op == "rate") {
		err = e.count(ctx, c, t.filter, f)
	} else {
		err = e.read(ctx, c, x, t.filter, by)
	}
	return c.result(x), err
}

// read counts line by line.
func (e *evaluation) read(ctx context.Context, c *counter, x *rangeExpr, f *filter.Filter, by *[]string) error {
	q := syslogd.Query{Filter: f, From: time.Unix(0, c.w.from()).UTC(), To: time.Unix(0, c.w.to()).UTC(), Oldest: true}
	for m, err := range e.logs.Search(ctx, q) {
		if err != nil {
			return err
		}
		e.stats.saw(m.Text)
		r := x.query.run(&m)
		if r == nil {
			continue
		}
		if what := r.failed(); what != "" {
			return badQueryf("pipeline error: '%s' for series: use a label filter to intentionally skip this error. (e.g | __error__!=\"%s\")", what, what)
		}
		var labels []label
		if by == nil {
			labels = sorted(append(r.parsed(), r.stream()...))
		} else {
			labels = r.chosen(*by)
		}
		at := m.When().UnixNano()
		if err := c.add(labels, at, at, 1, float64(len(r.line))); err != nil {
			return err
		}
	}
	return nil
}

// chosen are the labels of some names.
func (r *record) chosen(names []string) []label {
	var labels []label
	for _, n := range names {
		if v := r.value(n); v != "" {
			labels = append(labels, label{n, v})
		}
	}
	return sorted(labels)
}

// countFields are what the store counts by, to make the labels of a series.
type countFields struct {
	by     []string // labels; nil: those of streams
	fields []string
}

// fieldsOf returns the fields that tell some labels; false if they cannot, or
// are too many. own says that stages make no labels and leave out none.
func fieldsOf(by *[]string, own bool) (countFields, bool) {
	if by == nil {
		return countFields{fields: []string{"host", "app", "severity", "facility", "sd." + labelsID}}, own
	}
	c := countFields{by: *by}
	if c.by == nil {
		c.by = []string{}
	}
	for _, name := range c.by {
		if !own && !always(name) {
			return c, false
		}
		for _, f := range labelFields(name) {
			if !slices.Contains(c.fields, f) {
				c.fields = append(c.fields, f)
			}
		}
	}
	return c, len(c.fields) <= syslogd.MaxBy
}

// labelFields are the fields that tell a label.
func labelFields(name string) []string {
	switch native(name) {
	case ofLevel, ofSeverity:
		return []string{"severity"}
	case ofFacility:
		return []string{"facility"}
	case ofSD:
		if k := alias(name); k != ofSD {
			return []string{"sd." + name, fieldName(k)}
		}
		return []string{"sd." + name}
	}
	return []string{fieldName(native(name))}
}

// labels makes the labels of a group.
func (c countFields) labels(values []string) []label {
	of := func(field string) string { return values[slices.Index(c.fields, field)] }
	if c.by == nil {
		return groupLabels(of("host"), of("app"), severityOf(of("severity")), of("facility"), "["+labelsID+" "+of("sd."+labelsID)+"]")
	}
	var labels []label
	for _, name := range c.by {
		v := ""
		for _, f := range labelFields(name) {
			if v == "" {
				v = of(f)
			}
		}
		if native(name) == ofLevel {
			v = level(severityOf(v))
		}
		if v != "" {
			labels = append(labels, label{name, v})
		}
	}
	return sorted(labels)
}

// severityOf reads the name of a severity, which the store has written.
func severityOf(name string) syslog.Severity {
	s, err := syslog.ParseSeverity(name)
	if err != nil {
		return syslog.DefaultSeverity
	}
	return s
}

// count lets the store count in bins that end where windows begin and end.
func (e *evaluation) count(ctx context.Context, c *counter, f *filter.Filter, by countFields) error {
	w := c.w
	bin := gcd(w.width, w.step)
	if w.n == 1 {
		bin = w.width
	}
	return e.countBins(ctx, c, f, by, bin, 0, (w.to()-w.from())/bin)
}

// countBins counts in the bins from lo to hi. Where these make too many groups
// it goes on in halves.
func (e *evaluation) countBins(ctx context.Context, c *counter, f *filter.Filter, by countFields, bin, lo, hi int64) error {
	origin := c.w.from()
	from, to := origin+lo*bin, origin+hi*bin
	q := syslogd.Query{Filter: f, From: time.Unix(0, from).UTC(), To: time.Unix(0, to).UTC(), Origin: time.Unix(0, origin).UTC()}
	groups, err := e.logs.Count(ctx, q, by.fields, time.Duration(bin))
	if isTooMany(err) && hi-lo > 1 {
		mid := lo + (hi-lo)/2
		if err := e.countBins(ctx, c, f, by, bin, lo, mid); err != nil {
			return err
		}
		return e.countBins(ctx, c, f, by, bin, mid, hi)
	}
	if err != nil {
		return err
	}
	for _, g := range groups {
		at := g.Start.UnixNano()
		if err := c.add(by.labels(g.Values), at, at+bin-1, float64(g.Count), 0); err != nil {
			return err
		}
		e.stats.Summary.TotalLinesProcessed += g.Count
	}
	return nil
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
