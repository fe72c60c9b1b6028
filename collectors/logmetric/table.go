package logmetric

import (
	"strings"
	"time"

	"rondo/rrd"
	"rondo/syslogd/syslog"
)

// A rule is a Rule at work: what it has counted since the last flush, by
// series.
type rule struct {
	*matcher
	name      string
	kind      Type // "": a count
	labels    []string
	maxSeries int
	series    map[string]*series // by the values of the labels
	rest      *series            // those beyond maxSeries; nil until it is needed
	id        []byte
}

// A series is one label set of a rule.
type series struct {
	keys  []rrd.Key // what it is flushed as
	heard rrd.Time  // the newest slot with a message
	whole rrd.Time  // from this slot on there is a sample in each; 0: none yet
	open  []slot    // not flushed; nearly always one
}

// A slot is what came in one interval.
type slot struct {
	end                        rrd.Time
	count, sum, min, max, last float64
}

// tally counts what became of messages, until the next flush.
type tally struct{ matched, notNumber, other, cut, outside int }

func newRule(r Rule, maxSeries int) *rule {
	out := &rule{matcher: newMatcher(r), name: seriesName(r.Name), maxSeries: maxSeries, series: make(map[string]*series)}
	if !r.Count {
		out.kind = r.Type
		if out.kind == "" {
			out.kind = Gauge
		}
	}
	for _, l := range r.By {
		out.labels = append(out.labels, l.name)
	}
	return out
}

// take adds a message to its series, if the rule is about it.
func (r *rule) take(m *syslog.Message, w *window, t *tally) {
	groups, ok := r.match(m)
	if !ok {
		return
	}
	v, ok := r.number(m, groups)
	if !ok {
		t.notNumber++
		return
	}
	t.matched++
	end, ok := w.slotOf(m, r.byTime)
	if !ok {
		t.outside++
	}
	r.id = r.appendID(r.id[:0], m, groups, &t.cut)
	s := r.series[string(r.id)]
	if s == nil {
		if s = r.add(); s == nil {
			t.other++
			s = r.overflow()
		}
	}
	s.at(end).add(v)
	s.heard = max(s.heard, end)
}

// add makes the series of r.id, or returns nil where there are too many.
func (r *rule) add() *series {
	if len(r.series) >= r.maxSeries {
		return nil
	}
	id := string(r.id)
	labels := make([]rrd.Label, len(r.labels))
	rest := id
	for i, name := range r.labels {
		var value string
		value, rest, _ = strings.Cut(rest, string([]byte{separator}))
		labels[i] = rrd.Label{Name: name, Value: value}
	}
	s := r.newSeries(labels)
	r.series[id] = s
	return s
}

// overflow is the series of all that has no place of its own.
func (r *rule) overflow() *series {
	if r.rest == nil {
		labels := make([]rrd.Label, len(r.labels))
		for i, name := range r.labels {
			labels[i] = rrd.Label{Name: name, Value: other}
		}
		r.rest = r.newSeries(labels)
	}
	return r.rest
}

// summaryParts are the names that a summary is flushed as, in the order of
// slot.values.
var summaryParts = []string{"_count", "_sum", "_min", "_max"}

func (r *rule) newSeries(labels []rrd.Label) *series {
	parts := []string{""}
	if r.kind == Summary {
		parts = summaryParts
	}
	s := &series{}
	for _, part := range parts {
		// Names and labels are valid, and short: Validate and appendValue
		// see to that.
		if k, err := rrd.NewKey(r.name+part, labels...); err == nil {
			s.keys = append(s.keys, k)
		}
	}
	return s
}

// at returns the open slot with an end.
func (s *series) at(end rrd.Time) *slot {
	n := len(s.open)
	for i := n - 1; i >= 0; i-- {
		if s.open[i].end == end {
			return &s.open[i]
		}
	}
	s.open = append(s.open, slot{end: end})
	return &s.open[n]
}

func (c *slot) add(v float64) {
	if c.count == 0 {
		c.min, c.max = v, v
	}
	c.count++
	c.sum += v
	c.min, c.max, c.last = min(c.min, v), max(c.max, v), v
}

// flush appends the samples of all slots that have ended by at, or of all
// there are, and zeros of the counts of series without a message.
func (r *rule) flush(dst []rrd.Sample, w *window, at rrd.Time, expire time.Duration, all bool) []rrd.Sample {
	for id, s := range r.series {
		if len(s.open) == 0 && at.Sub(s.heard) > expire {
			delete(r.series, id)
			continue
		}
		dst = r.flushSeries(dst, s, w, at, all)
	}
	if r.rest != nil {
		dst = r.flushSeries(dst, r.rest, w, at, all)
	}
	return dst
}

func (r *rule) flushSeries(dst []rrd.Sample, s *series, w *window, at rrd.Time, all bool) []rrd.Sample {
	if s.whole == 0 {
		s.whole = max(at, s.heard)
	}
	kept, silent := s.open[:0], !all
	for _, c := range s.open {
		if c.end > at && !all {
			kept = append(kept, c)
			continue
		}
		if c.end <= s.whole {
			// rate() and increase() compare neighbouring rows: without a zero
			// in front of it, this count would be in neither. It lies where
			// window.stamp puts nothing.
			dst = r.append(dst, s, c.end.Add(-2*w.step)+1, &slot{}, true)
		}
		dst = r.append(dst, s, w.stamp(c.end, at), &c, false)
		silent = silent && c.end != at
	}
	s.open = kept
	if silent && s.whole <= at {
		dst = r.append(dst, s, at, &slot{}, true)
	}
	return dst
}

// append adds the samples of a slot. Of an empty one there are counts and sums
// only: nothing is known of no numbers but that.
func (r *rule) append(dst []rrd.Sample, s *series, at rrd.Time, c *slot, empty bool) []rrd.Sample {
	sample := func(i int, v float64, t rrd.Type) {
		if i < len(s.keys) && (t == rrd.Absolute || !empty) {
			dst = append(dst, rrd.Sample{Key: s.keys[i], Time: at, Value: v, Type: t})
		}
	}
	switch r.kind {
	case "":
		sample(0, c.count, rrd.Absolute)
	case Sum:
		sample(0, c.sum, rrd.Absolute)
	case Gauge:
		sample(0, c.last, rrd.Gauge)
	case Summary:
		sample(0, c.count, rrd.Absolute)
		sample(1, c.sum, rrd.Absolute)
		sample(2, c.min, rrd.Gauge)
		sample(3, c.max, rrd.Gauge)
	}
	return dst
}
