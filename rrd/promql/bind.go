package promql

import (
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"rondo/rrd"
)

// bind gives every selector of the statement its series. A function that one
// column cannot answer is rewritten to those that can.
func bind(stmt *parser.EvalStmt, selectors []*selector, n *notes) {
	windows := make(map[*parser.MatrixSelector]*selector)
	for _, s := range selectors {
		s.node.Series = s.series(func(r rrd.Series) rrd.Column { return columnFor(s.fn, r.Definition.Type) }, n)
		n.counters(s)
		if s.matrix != nil {
			windows[s.matrix] = s
		}
	}
	stmt.Expr = replace(stmt.Expr, func(e parser.Expr) parser.Expr {
		call, ok := e.(*parser.Call)
		if !ok || len(call.Args) == 0 {
			return e
		}
		m, ok := call.Args[0].(*parser.MatrixSelector)
		if !ok {
			return e
		}
		switch s := windows[m]; s.fn {
		case "count_over_time":
			call.Func = parser.Functions["sum_over_time"]
		case "avg_over_time":
			return s.mean(call)
		}
		return e
	})
	for _, s := range selectors {
		s.rows = nil // the points of the columns in use have been copied
	}
}

// mean is avg_over_time over rows of many samples: the sum of the sums divided by
// the sum of the counts. Where each row holds one sample the call is
// right as it stands.
func (s *selector) mean(call *parser.Call) parser.Expr {
	if !slices.ContainsFunc(s.rows, manySamples) {
		return call
	}
	sumOf := func(c rrd.Column) parser.Expr {
		node, matrix, sum := *s.node, *s.matrix, *call
		node.Series = s.series(func(rrd.Series) rrd.Column { return c }, nil)
		matrix.VectorSelector = &node
		sum.Func = parser.Functions["sum_over_time"]
		sum.Args = parser.Expressions{&matrix}
		return &sum
	}
	return &parser.BinaryExpr{
		Op: parser.DIV, LHS: sumOf(rrd.ColSum), RHS: sumOf(rrd.ColCount),
		VectorMatching: &parser.VectorMatching{Card: parser.CardOneToOne},
	}
}

// manySamples says whether a row of r stands for other than one sample.
func manySamples(r rrd.Series) bool {
	counts := r.Values[rrd.ColCount]
	return known(counts) && slices.ContainsFunc(counts, func(c float64) bool { return c != 1 })
}

// series makes one engine series of every series that was read, from the column
// that col chooses. Never nil: that would tell the engine to select by itself.
func (s *selector) series(col func(rrd.Series) rrd.Column, n *notes) []storage.Series {
	out := make([]storage.Series, 0, len(s.rows))
	for _, r := range s.rows {
		want := col(r)
		values, got := column(r, want)
		if len(values) != len(r.Times) {
			continue
		}
		if n != nil {
			n.column(s, r, want, got)
		}
		if one := newSeries(promLabels(r.Key), r.Times, values, hold(r)); len(one.times) > 0 {
			out = append(out, one)
		}
	}
	return out
}

// promLabels are the labels of a key as the engine wants them.
func promLabels(k rrd.Key) labels.Labels {
	ls := k.Labels()
	b := labels.NewScratchBuilder(len(ls))
	for _, l := range ls {
		b.Add(l.Name, l.Value)
	}
	return b.Labels()
}

// rrdLabels are the engine's labels as ours; both are sorted by name.
func rrdLabels(ls labels.Labels) rrd.Labels {
	out := make(rrd.Labels, 0, ls.Len())
	ls.Range(func(l labels.Label) { out = append(out, rrd.Label{Name: l.Name, Value: l.Value}) })
	return out
}

// rows words how an archive's rows are long.
func rows(r rrd.Series) string { return fmt.Sprintf("%s rows", short(r.Row())) }
