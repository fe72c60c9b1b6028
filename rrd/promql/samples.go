package promql

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"rondo/rrd"
)

// maxTestSamples bounds what Samples hold, and so what x1000000 in a test costs.
const maxTestSamples = 5_000_000

// Samples are series in memory as Prometheus holds them, samples and not rows:
// what unit tests of rules are evaluated against, so that they come out as with
// promtool. Its methods may be called at once from many goroutines.
type Samples struct {
	engine *promql.Engine

	mu     sync.Mutex
	series map[rrd.Key]*series
	count  int
	until  int64 // milliseconds
}

var (
	_ rrd.Evaluator = (*Samples)(nil)
	_ rrd.Appender  = (*Samples)(nil)
)

// NewSamples holds no series yet. A subquery without a resolution takes
// interval.
func NewSamples(interval time.Duration) *Samples {
	return &Samples{
		series: make(map[rrd.Key]*series), until: math.MaxInt64,
		engine: promql.NewEngine(promql.EngineOpts{
			Logger: slog.New(slog.DiscardHandler), MaxSamples: 50_000_000, Timeout: time.Minute, LookbackDelta: minLookback,
			NoStepSubqueryIntervalFn: func(int64) int64 { return interval.Milliseconds() },
			EnableAtModifier:         true, EnableNegativeOffset: true, EnableDelayedNameRemoval: true, Parser: newParser(),
		}),
	}
}

// Load adds a series as promtool's tests write one, up{job="a"} and the values
// 0 1+2x5 _ stale, the first at start and one each step.
func (s *Samples) Load(name, values string, start time.Time, step time.Duration) error {
	if err := checkRepeats(values); err != nil {
		return &Error{BadData, err}
	}
	ls, sequence, err := newParser().ParseSeriesDesc(name + " " + values)
	if err != nil {
		return badQuery(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one := &series{labels: ls}
	for i, v := range sequence {
		if v.Histogram != nil {
			return &Error{BadData, errors.New("histograms cannot be samples: archives keep numbers")}
		}
		if s.count++; s.count > maxTestSamples {
			return &Error{BadData, fmt.Errorf("more than %d samples", maxTestSamples)}
		}
		if !v.Omitted {
			one.add(start.Add(time.Duration(i)*step).UnixMilli(), v.Value)
		}
	}
	key, err := keyOf(ls)
	if err != nil {
		return &Error{BadData, err}
	}
	if s.series[key] != nil {
		return &Error{BadData, fmt.Errorf("the series %s stands there twice", name)}
	}
	s.series[key] = one
	return nil
}

// repeats is the count of 1+2x5 or _x5.
var repeats = regexp.MustCompile(`x([0-9]+)`)

// checkRepeats refuses what the parser would take all memory for.
func checkRepeats(values string) error {
	total := 0
	for _, m := range repeats.FindAllStringSubmatch(values, -1) {
		n, err := strconv.Atoi(m[1])
		if total += n; err != nil || n > maxTestSamples || total > maxTestSamples {
			return fmt.Errorf("x%s makes more than %d samples", m[1], maxTestSamples)
		}
	}
	return nil
}

func keyOf(ls labels.Labels) (rrd.Key, error) {
	rest := labels.NewBuilder(ls).Del(rrd.NameLabel).Labels()
	return rrd.NewKey(ls.Get(rrd.NameLabel), rrdLabels(rest)...)
}

// Append implements rrd.Appender: what recording rules make. Samples must come
// in the order of time.
func (s *Samples) Append(_ context.Context, batch []rrd.Sample) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range batch {
		if s.count++; s.count > maxTestSamples {
			return &Error{BadData, fmt.Errorf("more than %d samples", maxTestSamples)}
		}
		s.at(one.Key).add(one.Time.Millis(), one.Value)
	}
	return nil
}

// End ends a series: from then on it is not there, until it has a sample again.
func (s *Samples) End(key rrd.Key, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at(key).add(at.UnixMilli(), math.Float64frombits(value.StaleNaN))
}

// Until hides what is later than a time, until it is called again: what was
// loaded has not come yet.
func (s *Samples) Until(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = at.UnixMilli()
}

func (s *Samples) at(key rrd.Key) *series {
	if s.series[key] == nil {
		s.series[key] = &series{labels: promLabels(key)}
	}
	return s.series[key]
}

// Eval implements rrd.Evaluator, with Prometheus' look back of 5 minutes.
func (s *Samples) Eval(ctx context.Context, expr string, at time.Time) ([]rrd.Value, error) {
	if err := checkLength(expr); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	query, err := s.engine.NewInstantQuery(ctx, s, nil, expr, at)
	if err != nil {
		return nil, badQuery(err)
	}
	defer query.Close()
	res := query.Exec(ctx)
	if res.Err != nil {
		return nil, engineError(res.Err)
	}
	return valuesOf(res.Value)
}

// Querier implements storage.Queryable.
func (s *Samples) Querier(from, to int64) (storage.Querier, error) {
	return selection{samples: s, from: from, to: min(to, s.until)}, nil
}

// A selection is the part of Samples that a query reads.
type selection struct {
	nothing
	samples  *Samples
	from, to int64
}

// Select implements storage.Querier.
func (q selection) Select(_ context.Context, _ bool, _ *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	var out []storage.Series
	for _, one := range q.samples.series {
		if slices.ContainsFunc(ms, func(m *labels.Matcher) bool { return !m.Matches(one.labels.Get(m.Name)) }) {
			continue
		}
		first, _ := slices.BinarySearch(one.times, q.from)
		end, _ := slices.BinarySearch(one.times, q.to+1)
		if first < end {
			out = append(out, &series{labels: one.labels, times: one.times[first:end], values: one.values[first:end]})
		}
	}
	slices.SortFunc(out, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	return &seriesSet{series: out, i: -1}
}

// A seriesSet walks series.
type seriesSet struct {
	series []storage.Series
	i      int
}

// Next implements storage.SeriesSet.
func (s *seriesSet) Next() bool { s.i++; return s.i < len(s.series) }

// At implements storage.SeriesSet.
func (s *seriesSet) At() storage.Series { return s.series[s.i] }

// Err implements storage.SeriesSet.
func (s *seriesSet) Err() error { return nil }

// Warnings implements storage.SeriesSet.
func (s *seriesSet) Warnings() annotations.Annotations { return nil }
