package promql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"rondo/rrd"
)

// MaxPoints is how many points of one series a range query may ask for.
const MaxPoints = 11_000

// A Result is the answer to a range query.
type Result struct {
	Series   []RangeSeries // sorted by labels
	Answered []Answer      // one for each selector and archive
	Warnings []string      // the answer is not quite to the question
	Infos    []string      // what one should know to read it right
}

// A RangeSeries is one series of a result; instants without a value are left
// out.
type RangeSeries struct {
	Labels rrd.Labels
	Times  []rrd.Time
	Values []float64
}

// An Answer says which archive answered a selector, and how full it was.
type Answer struct {
	Selector string        // as the query has it
	Row      time.Duration // of the archive
	Span     time.Duration // how far the archive reaches back
	Archive  int           // 0 is the finest
	Series   int           // how many series it answered
	From, To time.Time     // what Filled and Expected count
	Filled   int           // known rows
	Expected int           // rows, were none unknown
	Gaps     int           // stretches without a known row that break the line
}

// Range answers an expression at start, start+step, ... up to end.
func (e *Engine) Range(ctx context.Context, expr string, start, end time.Time, step time.Duration) (Result, error) {
	if err := checkRange(start, end, step); err != nil {
		return Result{}, err
	}
	a, err := e.overRange(ctx, expr, start, end, step)
	if err != nil {
		return Result{}, err
	}
	defer a.close()
	matrix, ok := a.value.(promql.Matrix)
	if !ok {
		return Result{}, &Error{BadData, fmt.Errorf("the expression is a %s: want an instant vector or a scalar", parser.DocumentedType(a.value.Type()))}
	}
	res := Result{Series: make([]RangeSeries, len(matrix)), Answered: a.answered, Warnings: a.warnings, Infos: a.infos}
	for i, s := range matrix {
		r := RangeSeries{rrdLabels(s.Metric), make([]rrd.Time, len(s.Floats)), make([]float64, len(s.Floats))}
		for j, p := range s.Floats {
			r.Times[j], r.Values[j] = rrd.FromMillis(p.T), p.F
		}
		res.Series[i] = r
	}
	return res, nil
}

// checkRange refuses what Prometheus refuses, in its words.
func checkRange(start, end time.Time, step time.Duration) error {
	switch {
	case end.Before(start):
		return &Error{BadData, errors.New(`invalid parameter "end": end timestamp must not be before start time`)}
	case step < time.Millisecond: // the engine counts in milliseconds
		return &Error{BadData, errors.New(`invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer`)}
	case end.Sub(start)/step > MaxPoints:
		return &Error{BadData, errors.New("exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)")}
	}
	return nil
}

// answeredBy tells which archives answered the selectors.
func answeredBy(selectors []*selector, lookback time.Duration) []Answer {
	var all []Answer
	for _, s := range selectors {
		from, to := instant(s.start), instant(s.end)
		if s.matrix != nil || from == to {
			from = from.Add(-s.window(lookback))
		}
		var own []Answer
		for _, r := range s.rows {
			i := slices.IndexFunc(own, func(a Answer) bool {
				return a.Archive == r.Archive && a.Row == r.Row() && a.Span == r.Definition.Span(r.Archive)
			})
			if i < 0 {
				i = len(own)
				own = append(own, Answer{
					Selector: s.text, Archive: r.Archive, Row: r.Row(), Span: r.Definition.Span(r.Archive),
					From: from.Std(), To: to.Std(),
				})
			}
			own[i].count(r, from, to)
		}
		all = append(all, own...)
	}
	return all
}

// count adds the rows of one series that lie in (from, to].
func (a *Answer) count(r rrd.Series, from, to rrd.Time) {
	row := rrd.Time(a.Row.Microseconds())
	if row <= 0 {
		return
	}
	a.Series++
	a.Expected += int(to/row - from/row)
	last, limit := from, hold(r)
	for _, t := range r.Times {
		if t <= from || t > to {
			continue
		}
		a.Filled++
		if t-last > limit {
			a.Gaps++
		}
		last = t
	}
	if to-last > limit {
		a.Gaps++
	}
	if n := len(r.Times); r.Open && n > 0 && r.Times[n-1] > from && r.Times[n-1]%row != 0 && r.Times[n-1]/row == to/row {
		a.Expected++ // the row still being filled ends after to
	}
}

// Line is Range for who wants plain values: those of the one series that an
// expression gives, or of none.
func (e *Engine) Line(ctx context.Context, expr string, start, end time.Time, step time.Duration) ([]rrd.Value, error) {
	res, err := e.Range(ctx, expr, start, end, step)
	if err != nil || len(res.Series) == 0 {
		return nil, err
	}
	if n := len(res.Series); n > 1 {
		return nil, &Error{BadData, fmt.Errorf("the expression gives %d series, one is wanted", n)}
	}
	s := res.Series[0]
	out := make([]rrd.Value, len(s.Times))
	for i, t := range s.Times {
		out[i] = rrd.Value{Labels: s.Labels, Time: t, Value: s.Values[i]}
	}
	return out, nil
}
