package promql

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"rondo/rrd"
)

// minLookback is how far a plain selector looks back at least: Prometheus' default.
const minLookback = 5 * time.Minute

// A loader reads what the selectors of one query need, within its bounds.
type loader struct {
	querier rrd.Querier
	options Options
	points  int // held now
	notes   *notes
}

// load reads every selector and gives the lookback that the query needs.
//
// How far a selector must look back depends on the rows of the archive that
// answers, and which archive answers on how far back it must reach. So it is
// read, and read again from further back while two rows do not fit. Each
// turn needs a coarser archive than the last, which ends it.
func (l *loader) load(ctx context.Context, selectors []*selector) (time.Duration, error) {
	lookback := minLookback
	for _, s := range selectors {
		if s.matrix == nil {
			continue
		}
		if err := l.loadWindow(ctx, s); err != nil {
			return 0, err
		}
	}
	for again := true; again; {
		again = false
		need := lookback
		for _, s := range selectors {
			if s.matrix == nil {
				rows, err := l.readRows(ctx, s, lookback)
				if err != nil {
					return 0, err
				}
				need = max(need, 2*rows)
			}
		}
		if need > lookback {
			lookback, again = need, true
		}
	}
	return lookback, nil
}

// loadWindow reads a range selector, with its window widened to two rows.
func (l *loader) loadWindow(ctx context.Context, s *selector) error {
	asked := s.matrix.Range
	for {
		row, err := l.readRows(ctx, s, s.matrix.Range)
		if err != nil {
			return err
		}
		if s.matrix.Range >= 2*row {
			break
		}
		s.matrix.Range = 2 * row
	}
	if s.matrix.Range > asked {
		l.notes.warn(s.matrix, fmt.Sprintf("the window of %s was widened from %s to %s, two rows of the archive that answered",
			s.text, short(asked), short(s.matrix.Range)))
	}
	return nil
}

// readRows reads a selector and gives the longest row of the archives that
// answered. Series of which two rows do not fit come too, even where no row of
// them ends in the range: see rrd.Querier.
func (l *loader) readRows(ctx context.Context, s *selector, back time.Duration) (time.Duration, error) {
	err := l.read(ctx, s, back, columnsFor(s.fn), columnFor(s.fn, rrd.Gauge))
	return longest(s.rows), err
}

// longest is the longest row of the archives that answered.
func longest(rows []rrd.Series) time.Duration {
	var d time.Duration
	for _, r := range rows {
		d = max(d, r.Row())
	}
	return d
}

// drop forgets what was read for a selector.
func (l *loader) drop(s *selector) {
	for _, r := range s.rows {
		l.points -= len(r.Times)
	}
	s.rows = nil
}

// read asks for all rows that the selector looks at, in place of those it
// has. The data sources of RRDtool's sets are gauges, whatever they are to
// RRDtool: their rows are rates. So main is a gauge's column.
func (l *loader) read(ctx context.Context, s *selector, back time.Duration, columns []rrd.Column, main rrd.Column) error {
	l.drop(s)
	q := rrd.Query{
		Matchers: matchers(s.node.LabelMatchers),
		Start:    instant(s.start - back.Milliseconds()),
		End:      instant(s.end),
		Columns:  columns,
		Main:     main,
		Limit:    l.options.MaxSeries + 1,
		Newest:   s.matrix == nil && s.start == s.end,
	}
	for r, err := range l.querier.Select(ctx, q) {
		if err != nil {
			return storeError(err)
		}
		if err := ctx.Err(); err != nil {
			return contextError(err, "reading the archives")
		}
		s.rows = append(s.rows, r)
		if l.points += len(r.Times); l.points > l.options.MaxSamples {
			return &Error{Execution, promql.ErrTooManySamples("reading the archives")}
		}
		if len(s.rows) > l.options.MaxSeries {
			return &Error{Execution, fmt.Errorf("%s selects more than %d series", s.text, l.options.MaxSeries)}
		}
	}
	return nil
}

// instant converts the engine's milliseconds, holding times at the ends of
// what an rrd.Time can tell.
func instant(ms int64) rrd.Time {
	const limit = 9e15
	return rrd.FromMillis(min(max(ms, -limit), limit))
}

// hold is how long a known row stands for the time after it: two rows, or the
// heartbeat where that is longer.
func hold(s rrd.Series) rrd.Time {
	return rrd.Time(max(2*s.Row(), s.Definition.Heartbeat).Microseconds())
}

// short writes a duration as PromQL does.
func short(d time.Duration) string {
	return (&parser.NumberLiteral{Val: d.Seconds(), Duration: true}).String()
}
