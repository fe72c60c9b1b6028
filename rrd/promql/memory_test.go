package promql

import (
	"context"
	"iter"
	"testing"
	"time"

	"rondo/rrd"
	"rondo/rrd/rrdtest"
)

// A memory is the store of the tests: rrdtest's, with a definition for each
// series, samples of any age, and failures.
type memory struct {
	*rrdtest.Mem
	tb   testing.TB
	defs map[rrd.Key]rrd.Definition
	fail error // what is given instead of an answer, if set
}

func newMemory(tb testing.TB) *memory {
	m := &memory{tb: tb, defs: map[rrd.Key]rrd.Definition{}}
	m.Mem = rrdtest.NewMem(rrdtest.Options{
		Define:     func(k rrd.Key, _ rrd.Type) rrd.Definition { return m.defs[k] },
		LateWindow: 10_000 * time.Hour, Future: 1_000_000 * time.Hour, Now: func() time.Time { return time.Unix(0, 0) },
	})
	return m
}

type point struct {
	t rrd.Time
	v float64
}

func (m *memory) add(key rrd.Key, def rrd.Definition, samples ...point) {
	m.tb.Helper()
	if _, known := m.defs[key]; !known {
		m.defs[key] = def
	}
	batch := make([]rrd.Sample, len(samples))
	for i, p := range samples {
		batch[i] = rrd.Sample{Key: key, Time: p.t, Value: p.v}
	}
	if err := m.Append(context.Background(), batch); err != nil {
		m.tb.Fatal(key, err)
	}
}

// Select implements rrd.Querier.
func (m *memory) Select(ctx context.Context, q rrd.Query) iter.Seq2[rrd.Series, error] {
	if m.fail != nil {
		return func(yield func(rrd.Series, error) bool) { yield(rrd.Series{}, m.fail) }
	}
	return m.Mem.Select(ctx, q)
}

// Find implements rrd.Index.
func (m *memory) Find(ctx context.Context, ms []rrd.Matcher, limit int) ([]rrd.Key, error) {
	keys, err := m.Mem.Find(ctx, ms, limit)
	return keys, or(m.fail, err)
}

// LabelNames implements rrd.Index.
func (m *memory) LabelNames(ctx context.Context, ms []rrd.Matcher) ([]string, error) {
	names, err := m.Mem.LabelNames(ctx, ms)
	return names, or(m.fail, err)
}

// LabelValues implements rrd.Index.
func (m *memory) LabelValues(ctx context.Context, name string, ms []rrd.Matcher) ([]string, error) {
	values, err := m.Mem.LabelValues(ctx, name, ms)
	return values, or(m.fail, err)
}

func or(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
