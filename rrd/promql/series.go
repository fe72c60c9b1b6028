package promql

import (
	"math"
	"sort"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"rondo/rrd"
)

// A series is one column of a rrd.Series, as the engine wants it: points in
// milliseconds, with a stale marker after every run of known rows.
type series struct {
	labels labels.Labels
	times  []int64
	values []float64
	signed bool // a running total that may fall
	grid   grid
	until  int64 // the first instant of the grid at or after the newest point
}

// A grid is the instants at which a plain selector is evaluated, in
// milliseconds. Of the points between two of them the engine uses the newest
// only, and would walk over the others: 29 of 30, for 10 s rows at a step of
// 5 m. They are left out. The zero grid has every instant.
type grid struct{ start, step int64 }

// after is the first instant at or after a time.
func (g grid) after(ms int64) int64 {
	if ms <= g.start {
		return g.start
	}
	return g.start + (ms-g.start+g.step-1)/g.step*g.step
}

// points is about how many of n points between two times are kept.
func (g grid) points(n int, from, to int64) int {
	if g.step == 0 {
		return n
	}
	return min(n, int((to-max(from, g.start))/g.step)+3)
}

var _ storage.Series = (*series)(nil)

// Labels implements storage.Series.
func (s *series) Labels() labels.Labels { return s.labels }

// Iterator implements storage.Series.
func (s *series) Iterator(reuse chunkenc.Iterator) chunkenc.Iterator {
	it, ok := reuse.(*iterator)
	if !ok {
		it = new(iterator)
	}
	*it = iterator{series: s, i: -1}
	return it
}

// newSeries makes points of the known rows of a column. A marker stands where
// the run before it has been silent for hold, and after the last row; those
// behind the end of what the query looks at are harmless.
func newSeries(ls labels.Labels, times []rrd.Time, values []float64, hold rrd.Time, g grid) *series {
	s := &series{labels: ls, grid: g}
	if len(times) > 0 {
		n := max(0, g.points(len(times)+1, times[0].Millis(), times[len(times)-1].Millis()))
		s.times, s.values = make([]int64, 0, n), make([]float64, 0, n)
	}
	last := rrd.Time(math.MinInt64)
	for i, t := range times {
		if math.IsNaN(values[i]) {
			continue // not known in this column
		}
		if len(s.times) > 0 && t-last > hold {
			s.add((last + hold).Millis(), math.Float64frombits(value.StaleNaN))
		}
		s.add(t.Millis(), values[i])
		last = t
	}
	if len(s.times) > 0 {
		s.add((last + hold).Millis(), math.Float64frombits(value.StaleNaN))
	}
	return s
}

// add appends a point, or puts it in the place of one that no instant sees any
// more. Two times within one millisecond, as the open row and the row before it
// may have, become two neighbours: the engine needs times that ascend.
func (s *series) add(ms int64, v float64) {
	n := len(s.times)
	if n > 0 && ms <= s.times[n-1] {
		ms = s.times[n-1] + 1
	}
	if s.grid.step > 0 {
		if n > 0 && ms <= s.until {
			s.times[n-1], s.values[n-1] = ms, v
			return
		}
		s.until = s.grid.after(ms)
	}
	s.times, s.values = append(s.times, ms), append(s.values, v)
}

// falls says whether a value is below the one before it.
func (s *series) falls() bool {
	last := math.Inf(-1)
	for _, v := range s.values {
		if v < last {
			return true
		}
		if !math.IsNaN(v) {
			last = v
		}
	}
	return false
}

// clock is the series with its times, in seconds, as values.
func (s *series) clock() *series {
	c := &series{labels: s.labels, times: s.times, values: make([]float64, len(s.values))}
	for i, v := range s.values {
		c.values[i] = float64(s.times[i]) / 1000
		if math.IsNaN(v) {
			c.values[i] = v // a marker
		}
	}
	return c
}

// millis is the engine's time. As a name of its own it also tells go vet that
// Seek is not meant to be io.Seeker's.
type millis = int64

// An iterator walks a series as the engine asks.
type iterator struct {
	*series
	i int
}

var _ chunkenc.Iterator = (*iterator)(nil)

// Next implements chunkenc.Iterator.
func (it *iterator) Next() chunkenc.ValueType {
	it.i++
	return it.state()
}

// Seek implements chunkenc.Iterator: it never goes back.
func (it *iterator) Seek(t millis) chunkenc.ValueType {
	it.i = max(it.i, 0)
	if it.i < len(it.times) && it.times[it.i] < t {
		rest := it.times[it.i:]
		it.i += sort.Search(len(rest), func(j int) bool { return rest[j] >= t })
	}
	return it.state()
}

func (it *iterator) state() chunkenc.ValueType {
	if it.i >= len(it.times) {
		return chunkenc.ValNone
	}
	return chunkenc.ValFloat
}

// At implements chunkenc.Iterator.
func (it *iterator) At() (int64, float64) { return it.times[it.i], it.values[it.i] }

// AtT implements chunkenc.Iterator.
func (it *iterator) AtT() int64 { return it.times[it.i] }

// AtST implements chunkenc.Iterator: archives keep no start times.
func (it *iterator) AtST() int64 { return 0 }

// Err implements chunkenc.Iterator.
func (it *iterator) Err() error { return nil }

// AtHistogram implements chunkenc.Iterator: archives hold no histograms.
func (it *iterator) AtHistogram(*histogram.Histogram) (int64, *histogram.Histogram) { return 0, nil }

// AtFloatHistogram implements chunkenc.Iterator: archives hold no histograms.
func (it *iterator) AtFloatHistogram(*histogram.FloatHistogram) (int64, *histogram.FloatHistogram) {
	return 0, nil
}
