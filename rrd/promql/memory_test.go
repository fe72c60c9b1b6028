package promql

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"testing"
	"time"

	"rondo/rrd"
	"rondo/rrd/rrdtest"
	"rondo/rrd/store"
)

// A memory is the store of the tests: rrdtest's, with a definition for each
// series, samples of any age, and failures.
type memory struct {
	*rrdtest.Mem
	tb   testing.TB
	defs map[rrd.Key]rrd.Definition
	fail error        // what is given instead of an answer, if set
	sets *store.Store // answers instead, once there is a set
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
	if m.sets != nil {
		m.update(key, samples)
		return
	}
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
	if m.sets != nil {
		return m.sets.Select(ctx, q)
	}
	return m.Mem.Select(ctx, q)
}

// addSet reads "set NAME STEP RRA...".
func (m *memory) addSet(text string) (err error) {
	words := strings.Fields(text)
	if len(words) < 4 {
		return errors.New("too few words")
	}
	if m.sets == nil {
		if m.sets, err = store.Open(m.tb.TempDir(), store.Options{}); err != nil {
			return err
		}
		m.tb.Cleanup(func() {
			if err := m.sets.Close(); err != nil {
				m.tb.Error(err)
			}
		})
	}
	step := duration(words[2])
	source := fmt.Sprintf("DS:a:GAUGE:%d:U:U", int(2*step.Seconds()))
	d, err := rrd.ParseSetDefinition(step, append([]string{source}, words[3:]...))
	if err != nil {
		return err
	}
	return m.sets.CreateSet(m.tb.Context(), words[1], d, zero.Add(-step), false)
}

// update gives the set of a key its readings.
func (m *memory) update(key rrd.Key, readings []point) {
	m.tb.Helper()
	batch := make([]rrd.SetUpdate, len(readings))
	for i, p := range readings {
		batch[i] = rrd.SetUpdate{Name: key.Name(), Time: p.t, Texts: []string{strconv.FormatFloat(p.v, 'g', -1, 64)}}
	}
	if err := m.sets.UpdateSets(m.tb.Context(), batch); err != nil {
		m.tb.Fatal(key, err)
	}
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
