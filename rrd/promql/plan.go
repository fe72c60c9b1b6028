package promql

import (
	"cmp"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"rondo/rrd"
)

// A selector is one place of the expression that reads series, and what was
// read for it.
type selector struct {
	node   *parser.VectorSelector
	matrix *parser.MatrixSelector // around node; nil for a plain selector
	fn     string                 // the function whose window matrix is, else ""
	text   string                 // as the query has it

	// The instants at which it is evaluated, less its offset, in ms.
	start, end int64
	grid       grid // those instants, where they are regular and nothing but the newest point counts

	rows []rrd.Series
}

// findSelectors walks a prepared statement, in which offsets, durations and @
// are numbers already.
func findSelectors(stmt *parser.EvalStmt, expr string) []*selector {
	var found []*selector
	parser.Inspect(stmt.Expr, func(node parser.Node, path []parser.Node) error {
		vs, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		s := &selector{node: vs, text: slice(expr, vs)}
		s.start, s.end = instants(stmt, vs, path)
		if n := len(path); n > 0 {
			s.matrix, _ = path[n-1].(*parser.MatrixSelector)
		}
		if s.matrix != nil {
			s.text = slice(expr, s.matrix)
			s.fn = windowFunction(path)
		}
		if s.matrix == nil && vs.Timestamp == nil && !slices.ContainsFunc(path, isSubquery) {
			s.grid = grid{s.start, stmt.Interval.Milliseconds()}
		}
		found = append(found, s)
		return nil
	})
	return found
}

func isSubquery(n parser.Node) bool {
	_, ok := n.(*parser.SubqueryExpr)
	return ok
}

// slice cuts a node's text out of the query.
func slice(expr string, n parser.Node) string {
	r := n.PositionRange()
	if r.Start < 0 || int(r.End) > len(expr) || r.Start > r.End {
		return n.String()
	}
	return expr[r.Start:r.End]
}

// windowFunction names the function of the matrix selector at the end of path.
func windowFunction(path []parser.Node) string {
	for i := len(path) - 2; i >= 0; i-- {
		switch n := path[i].(type) {
		case *parser.ParenExpr, *parser.StepInvariantExpr:
		case *parser.Call:
			return n.Func.Name
		default:
			return ""
		}
	}
	return ""
}

// instants is the first and last instant at which a selector will be evaluated,
// less its offset. A subquery around it reaches back by its own range and
// offset, and an @ of a subquery or of the selector itself takes the place of the
// query's own times, but for what the engine makes of it (slip).
func instants(stmt *parser.EvalStmt, vs *parser.VectorSelector, path []parser.Node) (start, end int64) {
	start, end = stmt.Start.UnixMilli(), stmt.End.UnixMilli()
	var before, behind int64
	for _, node := range path {
		sub, ok := node.(*parser.SubqueryExpr)
		if !ok {
			continue
		}
		if sub.Timestamp != nil {
			start, end = *sub.Timestamp-before, *sub.Timestamp+behind
		}
		start -= (sub.OriginalOffset + sub.Range).Milliseconds()
		end -= sub.OriginalOffset.Milliseconds()
		lo, hi := slip(sub)
		before, behind = before+lo, behind+hi
	}
	if vs.Timestamp != nil {
		start, end = *vs.Timestamp-before, *vs.Timestamp+behind
	}
	offset := vs.OriginalOffset.Milliseconds()
	return start - offset, end - offset
}

// slip is how far before and behind an @ in a subquery the engine may look, in
// ms. It counts the subquery's offset in, and takes it out again only where the
// subquery begins at another instant than what is around it. As Prometheus
// answers so, the points must be there.
func slip(sub *parser.SubqueryExpr) (before, behind int64) {
	if sub.Timestamp != nil {
		return sub.Range.Milliseconds(), 0
	}
	if back := sub.OriginalOffset + sub.Range; back < 0 || back > cmp.Or(sub.Step, subqueryStep) {
		return 0, 0
	}
	offset := sub.OriginalOffset.Milliseconds()
	return max(0, -offset), max(0, offset)
}

// window is how far the selector looks back from each instant.
func (s *selector) window(lookback time.Duration) time.Duration {
	if s.matrix != nil {
		return s.matrix.Range
	}
	return lookback
}

// matchers translates the conditions of a selector.
func matchers(ms []*labels.Matcher) []rrd.Matcher {
	out := make([]rrd.Matcher, len(ms))
	for i, m := range ms {
		out[i] = rrd.Matcher{Label: m.Name, Value: m.Value, Op: matchOp(m.Type)}
	}
	return out
}

func matchOp(t labels.MatchType) rrd.MatchOp {
	switch t {
	case labels.MatchNotEqual:
		return rrd.NotEqual
	case labels.MatchRegexp:
		return rrd.Regexp
	case labels.MatchNotRegexp:
		return rrd.NotRegexp
	}
	return rrd.Equal
}

// replace puts f's result in the place of every node below e, innermost first,
// and returns what takes the place of e itself.
func replace(e parser.Expr, f func(parser.Expr) parser.Expr) parser.Expr {
	switch n := e.(type) {
	case *parser.AggregateExpr:
		n.Expr = replace(n.Expr, f)
		if n.Param != nil {
			n.Param = replace(n.Param, f)
		}
	case *parser.BinaryExpr:
		n.LHS, n.RHS = replace(n.LHS, f), replace(n.RHS, f)
	case *parser.Call:
		for i := range n.Args {
			n.Args[i] = replace(n.Args[i], f)
		}
	case *parser.ParenExpr:
		n.Expr = replace(n.Expr, f)
	case *parser.UnaryExpr:
		n.Expr = replace(n.Expr, f)
	case *parser.SubqueryExpr:
		n.Expr = replace(n.Expr, f)
	case *parser.StepInvariantExpr:
		n.Expr = replace(n.Expr, f)
	}
	return f(e)
}
