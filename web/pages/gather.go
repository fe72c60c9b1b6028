package pages

import (
	"context"
	"math"
	"slices"
	"time"

	"rondo/rrd"
)

// A grid is the steps that a graph is drawn on: slots that end at start+step,
// start+2*step ... end, aligned to the epoch as the archives' rows are.
type grid struct {
	start, end rrd.Time
	step       time.Duration
}

// newGrid lays at most about n steps over the range.
func newGrid(r Range, n int) grid {
	step := r.Step(n)
	return grid{start: rrd.At(r.Start).SlotEnd(step).Add(-step), end: rrd.At(r.End).SlotEnd(step), step: step}
}

func (g grid) len() int { return int(g.end.Sub(g.start) / g.step) }

// times are the ends of the steps, in seconds.
func (g grid) times() []int64 {
	out := make([]int64, g.len())
	for i := range out {
		out[i] = int64(g.start.Add(time.Duration(i+1)*g.step)) / int64(rrd.Second)
	}
	return out
}

// index is the step that holds t, or -1.
func (g grid) index(t rrd.Time) int {
	if t <= g.start || t > g.end {
		return -1
	}
	return int((t.SlotEnd(g.step).Sub(g.start))/g.step) - 1
}

// covered returns the steps from the one after a row's beginning to the one of
// its end: a row that is longer than a step answers for several.
func (g grid) covered(end rrd.Time, row time.Duration) (from, to int) {
	to = g.index(min(end.SlotEnd(row), g.end))
	if row <= g.step || to < 0 {
		return to, to
	}
	return max(0, to-int(row/g.step)+1), to
}

// unknowns is a curve without a point.
func unknowns(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.NaN()
	}
	return out
}

// columns are what a curve needs: the average with its band, and the running
// total that a counter's rate is made of.
var columns = []rrd.Column{rrd.ColAverage, rrd.ColMin, rrd.ColMax, rrd.ColTotal}

// curve lays a series on the grid: averages averaged, extremes kept. A counter
// becomes its rate per second.
func (g grid) curve(name string, s rrd.Series) Curve {
	n := g.len()
	c := Curve{Name: name, Avg: unknowns(n)}
	if isCounter(s) {
		g.rates(c.Avg, s)
		return c
	}
	c.Min, c.Max = unknowns(n), unknowns(n)
	seen := make([]float64, n)
	for i, t := range s.Times {
		from, to := g.covered(t, s.Row())
		for k := from; k <= to && k >= 0; k++ {
			merge(&c, seen, k, s, i)
		}
	}
	return c
}

// merge adds row i of s to step k.
func merge(c *Curve, seen []float64, k int, s rrd.Series, i int) {
	avg := s.Values[rrd.ColAverage][i]
	lo, hi := avg, avg
	// Archives that keep no extremes have a curve without a band.
	if v := s.Values[rrd.ColMin]; v != nil && !math.IsNaN(v[i]) {
		lo = v[i]
	}
	if v := s.Values[rrd.ColMax]; v != nil && !math.IsNaN(v[i]) {
		hi = v[i]
	}
	if seen[k]++; seen[k] == 1 {
		c.Avg[k], c.Min[k], c.Max[k] = avg, lo, hi
		return
	}
	c.Avg[k] += (avg - c.Avg[k]) / seen[k]
	c.Min[k], c.Max[k] = min(c.Min[k], lo), max(c.Max[k], hi)
}

func isCounter(s rrd.Series) bool {
	t := s.Definition.Type
	return (t == rrd.Counter || t == rrd.Derive || t == rrd.Absolute) && len(s.Values[rrd.ColTotal]) == len(s.Times)
}

// rates fills avg with the increase per second between neighbouring rows that
// are not further apart than the heartbeat and two rows.
func (g grid) rates(avg []float64, s rrd.Series) {
	total := s.Values[rrd.ColTotal]
	longest := max(s.Definition.Heartbeat, 2*s.Row())
	seen := make([]float64, len(avg))
	for i := 1; i < len(s.Times); i++ {
		d := s.Times[i].Sub(s.Times[i-1])
		if d <= 0 || d > longest {
			continue
		}
		v := (total[i] - total[i-1]) / d.Seconds()
		from, to := g.covered(s.Times[i], s.Row())
		for k := from; k <= to && k >= 0; k++ {
			if seen[k]++; seen[k] == 1 {
				avg[k] = v
				continue
			}
			avg[k] += (v - avg[k]) / seen[k]
		}
	}
}

// gathered is one series as read for a page.
type gathered struct {
	key    rrd.Key
	curve  Curve
	row    time.Duration
	rate   bool
	newest rrd.Time
}

// gather reads at most limit series, and says whether there were more.
func gather(ctx context.Context, q rrd.Querier, m []rrd.Matcher, g grid, limit int) (out []gathered, more bool, err error) {
	query := rrd.Query{
		Matchers: m, Start: g.start, End: g.end, Row: g.step, Limit: limit + 1,
		Columns: slices.Clone(columns),
	}
	for s, err := range q.Select(ctx, query) {
		if err != nil {
			return out, false, err
		}
		if len(out) == limit {
			return out, true, nil
		}
		one := gathered{key: s.Key, curve: g.curve(s.Key.String(), s), row: s.Row(), rate: isCounter(s)}
		if n := len(s.Times); n > 0 {
			one.newest = s.Times[n-1]
		}
		out = append(out, one)
	}
	return out, false, nil
}
