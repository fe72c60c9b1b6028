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
		case "rate", "irate", "increase":
			return s.signed(call)
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
	return s.quotient(
		s.call(call, "sum_over_time", s.series(func(rrd.Series) rrd.Column { return rrd.ColSum }, nil)),
		s.call(call, "sum_over_time", s.series(func(rrd.Series) rrd.Column { return rrd.ColCount }, nil)),
	)
}

// signed is rate and its kin where totals fall, as those of a derive source may:
// the engine would take each fall for a reset. Such series are answered by
// delta, which is the same but for that.
func (s *selector) signed(call *parser.Call) parser.Expr {
	var rise, fall, seconds []storage.Series
	for _, one := range s.node.Series {
		if own, ok := one.(*series); ok && own.signed && own.falls() {
			fall, seconds = append(fall, own), append(seconds, own.clock())
		} else {
			rise = append(rise, one)
		}
	}
	if len(fall) == 0 {
		return call
	}
	var change parser.Expr
	switch call.Func.Name {
	case "irate":
		change = s.quotient(s.call(call, "idelta", fall), s.call(call, "idelta", seconds))
	case "rate":
		change = s.quotient(s.call(call, "delta", fall), &parser.NumberLiteral{Val: s.matrix.Range.Seconds(), PosRange: call.PosRange})
	default:
		change = s.call(call, "delta", fall)
	}
	return &parser.BinaryExpr{
		Op: parser.LOR, LHS: s.call(call, call.Func.Name, rise), RHS: change,
		VectorMatching: &parser.VectorMatching{Card: parser.CardManyToMany},
	}
}

// call is a copy of a call, of another function over other series.
func (s *selector) call(like *parser.Call, fn string, over []storage.Series) parser.Expr {
	node, matrix, call := *s.node, *s.matrix, *like
	if over == nil {
		over = []storage.Series{} // nil would be selected anew
	}
	node.Series, matrix.VectorSelector = over, &node
	call.Func, call.Args = parser.Functions[fn], parser.Expressions{&matrix}
	return &call
}

func (s *selector) quotient(a, b parser.Expr) parser.Expr {
	q := &parser.BinaryExpr{Op: parser.DIV, LHS: a, RHS: b}
	if b.Type() == parser.ValueTypeVector {
		q.VectorMatching = &parser.VectorMatching{Card: parser.CardOneToOne}
	}
	return q
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
		one := newSeries(promLabels(r.Key), r.Times, values, hold(r), s.grid)
		one.signed = r.Definition.Type == rrd.Derive && got == rrd.ColTotal
		if len(one.times) > 0 {
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
