package promql

import (
	"math"
	"slices"

	"rondo/rrd"
)

// cumulative says whether readings of type t add up: their increase is what
// counts, not their level.
func cumulative(t rrd.Type) bool { return t == rrd.Counter || t == rrd.Derive || t == rrd.Absolute }

// columnFor is the column of a series of type t that the function fn reads;
// fn is "" for a plain selector.
func columnFor(fn string, t rrd.Type) rrd.Column {
	switch fn {
	case "rate", "irate", "increase":
		if cumulative(t) {
			return rrd.ColTotal
		}
		return rrd.ColAverage
	case "delta", "idelta", "deriv":
		if cumulative(t) && t != rrd.Absolute {
			return rrd.ColTotal
		}
		return rrd.ColAverage
	case "min_over_time":
		return rrd.ColMin
	case "max_over_time":
		return rrd.ColMax
	case "last_over_time":
		return rrd.ColLast
	case "sum_over_time":
		return rrd.ColSum
	case "count_over_time":
		return rrd.ColCount
	case "avg_over_time":
		return rrd.ColAverage
	}
	if t == rrd.Counter || t == rrd.Derive {
		return rrd.ColLast // the raw reading, which a sum of readings is not
	}
	return rrd.ColAverage
}

// columnsFor are the columns that must be read for fn before the types of the
// series are known, with what stands in for a column that an archive lacks.
func columnsFor(fn string) []rrd.Column {
	cols := []rrd.Column{rrd.ColAverage, columnFor(fn, rrd.Gauge), columnFor(fn, rrd.Counter)}
	switch {
	case fn == "avg_over_time":
		cols = append(cols, rrd.ColSum, rrd.ColCount)
	case slices.Contains(cols, rrd.ColTotal):
		cols = append(cols, rrd.ColLast)
	}
	slices.Sort(cols)
	return slices.Compact(cols)
}

// column returns the values of a column and the column they are of: archives
// that were told to keep some consolidation functions only, or RRDtool's exact
// ones, which keep no sums, answer with their averages instead.
func column(s rrd.Series, c rrd.Column) ([]float64, rrd.Column) {
	v := s.Values[c]
	switch {
	case known(v) && c == rrd.ColTotal:
		return fromReading(v, s.Values[rrd.ColLast]), c
	case known(v):
		return v, c
	case c == rrd.ColCount:
		return slices.Repeat([]float64{1}, len(s.Times)), c
	case c == rrd.ColTotal && known(s.Values[rrd.ColAverage]):
		return integral(s), c
	}
	return s.Values[rrd.ColAverage], rrd.ColAverage
}

// known says whether a column holds anything.
func known(v []float64) bool {
	return slices.ContainsFunc(v, func(f float64) bool { return !math.IsNaN(f) })
}

// fromReading shifts a running total so that it starts at the counter's own
// reading. Only differences of a total mean anything; but rate() extrapolates a
// series that begins inside its window no further than to where it would have
// been zero, and must see the level that Prometheus would have seen.
func fromReading(total, last []float64) []float64 {
	if len(last) == 0 || math.IsNaN(last[0]) || math.IsNaN(total[0]) {
		return total
	}
	shift := last[0] - total[0]
	out := make([]float64, len(total))
	for i, v := range total {
		out[i] = v + shift
	}
	return out
}

// integral is the running total of a series whose archive keeps rates, as
// RRDtool's do for all types but gauge: seconds times rate, row by row.
func integral(s rrd.Series) []float64 {
	out, sum := make([]float64, len(s.Times)), 0.0
	row := s.Row()
	for i, v := range s.Values[rrd.ColAverage] {
		length := row
		if i > 0 {
			length = min(row, s.Times[i].Sub(s.Times[i-1]))
		}
		if !math.IsNaN(v) {
			sum += v * length.Seconds()
		}
		out[i] = sum
	}
	return out
}
