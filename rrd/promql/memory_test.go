package promql

import (
	"cmp"
	"context"
	"iter"
	"math"
	"regexp"
	"slices"

	"rondo/rrd"
)

// A memory is a store for tests: it keeps all samples and consolidates them
// anew for every query, in slot mode, by the shortest code that can.
type memory struct {
	series []*memorySeries // sorted by key
	fail   error           // what Select gives instead, if set
}

type memorySeries struct {
	key     rrd.Key
	def     rrd.Definition
	samples []point
}

type point struct {
	t rrd.Time
	v float64
}

func (m *memory) add(key rrd.Key, def rrd.Definition, samples ...point) {
	i, found := slices.BinarySearchFunc(m.series, key, func(s *memorySeries, k rrd.Key) int { return cmp.Compare(s.key, k) })
	if !found {
		m.series = slices.Insert(m.series, i, &memorySeries{key: key, def: def})
	}
	m.series[i].samples = append(m.series[i].samples, samples...)
}

// Select implements rrd.Querier.
func (m *memory) Select(_ context.Context, q rrd.Query) iter.Seq2[rrd.Series, error] {
	return func(yield func(rrd.Series, error) bool) {
		if m.fail != nil {
			yield(rrd.Series{}, m.fail)
			return
		}
		n := 0
		for _, s := range m.series {
			if !matches(s.key, q.Matchers) {
				continue
			}
			if n++; q.Limit > 0 && n > q.Limit || !yield(s.read(q), nil) {
				return
			}
		}
	}
}

func matches(k rrd.Key, ms []rrd.Matcher) bool {
	for _, m := range ms {
		v, ok := k.Get(m.Label), false
		switch m.Op {
		case rrd.Equal:
			ok = v == m.Value
		case rrd.NotEqual:
			ok = v != m.Value
		case rrd.Regexp:
			ok = regexp.MustCompile("^(?s:" + m.Value + ")$").MatchString(v)
		case rrd.NotRegexp:
			ok = !regexp.MustCompile("^(?s:" + m.Value + ")$").MatchString(v)
		}
		if !ok {
			return false
		}
	}
	return true
}

// archive is the finest that covers start.
func (s *memorySeries) archive(start rrd.Time) int {
	newest := s.samples[len(s.samples)-1].t
	for a := range s.def.Archives {
		if start >= newest.SlotEnd(s.def.Row(a)).Add(-s.def.Span(a)) {
			return a
		}
	}
	return len(s.def.Archives) - 1
}

// read consolidates the samples into the rows that q asks for.
func (s *memorySeries) read(q rrd.Query) rrd.Series {
	out := rrd.Series{Key: s.key, Definition: s.def, Archive: s.archive(q.Start)}
	newest := s.samples[len(s.samples)-1].t
	oldest := newest.SlotEnd(out.Row()).Add(-s.def.Span(out.Archive))
	total := 0.0
	for i := 0; i < len(s.samples); {
		end := s.samples[i].t.SlotEnd(out.Row())
		row := [rrd.NumColumns]float64{rrd.ColMin: math.Inf(1), rrd.ColMax: math.Inf(-1)}
		for ; i < len(s.samples) && s.samples[i].t <= end; i++ {
			total += s.increase(i)
			v := s.samples[i].v
			row[rrd.ColSum] += v
			row[rrd.ColCount]++
			row[rrd.ColMin], row[rrd.ColMax], row[rrd.ColLast] = min(row[rrd.ColMin], v), max(row[rrd.ColMax], v), v
		}
		row[rrd.ColAverage], row[rrd.ColTotal] = row[rrd.ColSum]/row[rrd.ColCount], total
		stamp := end
		if i == len(s.samples) && newest < end {
			stamp, out.Open = newest, true
		}
		if stamp > max(q.Start, oldest) && stamp <= q.End {
			out.Times = append(out.Times, stamp)
			for _, c := range q.Columns {
				out.Values[c] = append(out.Values[c], row[c])
			}
		}
	}
	return out
}

// increase is what sample i adds to the running total.
func (s *memorySeries) increase(i int) float64 {
	v := s.samples[i].v
	switch {
	case s.def.Type == rrd.Absolute:
		return v
	case i == 0:
		return 0
	case v < s.samples[i-1].v && s.def.Type == rrd.Counter:
		return v // a reset
	}
	return v - s.samples[i-1].v
}

// Find implements rrd.Index.
func (m *memory) Find(_ context.Context, ms []rrd.Matcher, limit int) ([]rrd.Key, error) {
	var keys []rrd.Key
	for _, s := range m.series {
		if matches(s.key, ms) && (limit == 0 || len(keys) < limit) {
			keys = append(keys, s.key)
		}
	}
	return keys, m.fail
}

// LabelNames implements rrd.Index.
func (m *memory) LabelNames(_ context.Context, ms []rrd.Matcher) ([]string, error) {
	return m.labels(ms, func(l rrd.Label) (string, bool) { return l.Name, true })
}

// LabelValues implements rrd.Index.
func (m *memory) LabelValues(_ context.Context, name string, ms []rrd.Matcher) ([]string, error) {
	return m.labels(ms, func(l rrd.Label) (string, bool) { return l.Value, l.Name == name })
}

func (m *memory) labels(ms []rrd.Matcher, of func(rrd.Label) (string, bool)) ([]string, error) {
	var all []string
	for _, s := range m.series {
		if !matches(s.key, ms) {
			continue
		}
		for _, l := range s.key.Labels() {
			if v, ok := of(l); ok {
				all = append(all, v)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all), m.fail
}

// Heads implements rrd.Index.
func (m *memory) Heads(since rrd.Time) iter.Seq2[rrd.Key, rrd.Time] {
	return func(yield func(rrd.Key, rrd.Time) bool) {
		for _, s := range m.series {
			if t := s.samples[len(s.samples)-1].t; t > since && !yield(s.key, t) {
				return
			}
		}
	}
}

// Describe implements Describer.
func (m *memory) Describe(k rrd.Key) (rrd.Definition, bool) {
	for _, s := range m.series {
		if s.key == k {
			return s.def, true
		}
	}
	return rrd.Definition{}, false
}
