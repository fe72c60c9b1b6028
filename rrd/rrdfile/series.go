package rrdfile

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"rondo/rrd"
)

// FromSeries makes the file of a gauge without labels that is not of a set: a
// Graphite path, say. Its only data source is called "value", and each of its
// archives becomes one for each function; of those with one point per row
// rrdtool's fetch only asks the first, the average. What is newer than the last finished
// row of the finest archive is left out. It is rrd.ErrNoSet where there is no
// such series.
func FromSeries(ctx context.Context, q rrd.Querier, name string) (*rrd.SetImage, error) {
	finest, err := rowsOf(ctx, q, name, 1)
	if err != nil {
		return nil, err
	}
	d := &finest.Definition
	if d.Type != rrd.Gauge {
		return nil, fmt.Errorf("rrdfile: series %s is a %s: want a gauge", name, d.Type)
	}
	if len(finest.Times) == 0 {
		return nil, fmt.Errorf("rrdfile: series %s has no finished row", name)
	}
	last := finest.Times[len(finest.Times)-1]
	image := newImage(1, 0)
	image.Definition.Step = d.Step
	image.Definition.Sources[0] = rrd.DataSource{
		Name: "value", Type: rrd.Gauge, Heartbeat: max(d.Heartbeat.Truncate(time.Second), d.Step), Min: d.Min, Max: d.Max,
	}
	image.State.Last = last
	image.State.Sources[0] = rrd.SourceState{Text: "U", Value: math.NaN()}
	for a := range d.Archives {
		rows := finest
		if a > 0 {
			if rows, err = rowsOf(ctx, q, name, d.Row(a)); err != nil {
				return nil, err
			}
		}
		if rows.Archive != a {
			return nil, fmt.Errorf("rrdfile: series %s changes its archives just now", name)
		}
		addArchives(image, &rows, last)
	}
	return image, check(image)
}

// rowsOf reads the finished rows of the archive whose rows are that long; the
// finest has rows of any length.
func rowsOf(ctx context.Context, q rrd.Querier, name string, row time.Duration) (rrd.Series, error) {
	query := rrd.Query{
		Matchers: []rrd.Matcher{{Label: rrd.NameLabel, Op: rrd.Equal, Value: name}},
		End:      math.MaxInt64 / 2, Row: row,
		Columns: []rrd.Column{rrd.ColAverage, rrd.ColMin, rrd.ColMax, rrd.ColLast},
	}
	for s, err := range q.Select(ctx, query) {
		if err != nil {
			return rrd.Series{}, err
		}
		if s.Key != rrd.Key(name) {
			break // without labels it would come first
		}
		if s.Open && len(s.Times) > 0 {
			s.Times = s.Times[:len(s.Times)-1]
		}
		return s, nil
	}
	return rrd.Series{}, rrd.ErrNoSet
}

// addArchives adds one archive for each function of the rows. The points of
// the open row that are over are counted as unknown.
func addArchives(image *rrd.SetImage, rows *rrd.Series, last rrd.Time) {
	from := &rows.Definition.Archives[rows.Archive]
	cfs := from.CFs
	if len(cfs) == 0 {
		cfs = []rrd.CF{rrd.Average, rrd.Min, rrd.Max, rrd.Last}
	}
	width := rrd.Time(rows.Row().Microseconds())
	newest := last - last%width
	passed := int64(last-newest) / rows.Definition.Step.Microseconds()
	for _, cf := range cfs {
		values := rows.Values[column(cf)]
		ring := make([]float64, from.Rows)
		for i := range ring {
			ring[i] = math.NaN()
		}
		for i, end := range rows.Times {
			if age := int64((newest - end) / width); end <= newest && age < int64(from.Rows) {
				ring[int64(from.Rows)-1-age] = values[i]
			}
		}
		image.Definition.Archives = append(image.Definition.Archives, rrd.SetArchive{CF: cf, Steps: from.Steps, Rows: from.Rows, XFF: from.XFF})
		image.State.Cells = append(image.State.Cells, []rrd.CellState{{Value: math.NaN(), Unknown: passed}})
		image.Rings = append(image.Rings, ring)
	}
}

func column(cf rrd.CF) rrd.Column {
	switch cf {
	case rrd.Min:
		return rrd.ColMin
	case rrd.Max:
		return rrd.ColMax
	case rrd.Last:
		return rrd.ColLast
	}
	return rrd.ColAverage
}

// WithSeries is a store of sets that exports series as well, by FromSeries,
// where it has no set of that name.
type WithSeries struct {
	rrd.SetStore
	Querier rrd.Querier
}

// ExportSet implements rrd.SetStore.
func (w WithSeries) ExportSet(ctx context.Context, name string) (*rrd.SetImage, error) {
	image, err := w.SetStore.ExportSet(ctx, name)
	if errors.Is(err, rrd.ErrNoSet) {
		return FromSeries(ctx, w.Querier, name)
	}
	return image, err
}
