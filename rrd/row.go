package rrd

import "math"

// A Row is what an archive keeps of the samples in (End-row, End]. A row
// without samples, or with too many unknown primary points, does not exist.
type Row struct {
	End   Time
	Count int64
	Sum   float64 // the true sum, rounded once
	Min   float64
	Max   float64
	Last  float64
	// Total is the running total of a counter's increase after the row's last
	// sample; 0 for gauges.
	Total float64
}

// Column returns one column of the row; the average is made here.
func (r *Row) Column(c Column) float64 {
	switch c {
	case ColAverage:
		return r.Sum / float64(r.Count)
	case ColMin:
		return r.Min
	case ColMax:
		return r.Max
	case ColLast:
		return r.Last
	case ColSum:
		return r.Sum
	case ColCount:
		return float64(r.Count)
	case ColTotal:
		return r.Total
	}
	return math.NaN()
}
