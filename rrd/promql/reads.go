package promql

import (
	"math"
	"slices"

	"github.com/prometheus/prometheus/promql/parser"

	"rondo/rrd"
)

// Reads returns the watch of those who want to know when the outcome of an
// expression may have changed by a sample. thresholds are what its values are
// compared with outside of it.
//
// Where the expression is one plain selector, perhaps scaled, shifted or compared by
// numbers, the watch has cuts: the values of the series at which a result
// crosses a threshold, comes or goes. What looks back on purpose, by offset or
// @, is not watched: samples of today do not move it today.
func Reads(expr string, thresholds ...float64) (rrd.Watch, error) {
	tree, err := parse(expr)
	if err != nil {
		return rrd.Watch{}, err
	}
	var w rrd.Watch
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		if vs, ok := node.(*parser.VectorSelector); ok && !looksBack(vs) {
			w.Selectors = append(w.Selectors, matchers(vs.LabelMatchers))
		}
		return nil
	})
	if cuts, ok := cutsOf(tree, slices.Clone(thresholds)); ok && len(cuts) > 0 {
		slices.Sort(cuts)
		w.Cuts = slices.Compact(cuts)
	}
	return w, nil
}

func looksBack(vs *parser.VectorSelector) bool {
	return vs.OriginalOffset > 0 || vs.OriginalOffsetExpr != nil || vs.Timestamp != nil || vs.StartOrEnd != 0
}

// cutsOf carries cuts of an expression's value down to those of the selector in
// it; false where it is not as simple as that.
func cutsOf(e parser.Expr, cuts []float64) ([]float64, bool) {
	switch n := e.(type) {
	case *parser.VectorSelector:
		return cuts, !looksBack(n) && n.OriginalOffset == 0 && !slices.ContainsFunc(cuts, notFinite)
	case *parser.ParenExpr:
		return cutsOf(n.Expr, cuts)
	case *parser.UnaryExpr:
		if n.Op == parser.SUB {
			cuts = each(cuts, func(c float64) float64 { return -c })
		}
		return cutsOf(n.Expr, cuts)
	case *parser.BinaryExpr:
		if k, ok := literal(n.RHS); ok {
			return cutsBefore(n, n.LHS, k, false, cuts)
		}
		if k, ok := literal(n.LHS); ok {
			return cutsBefore(n, n.RHS, k, true, cuts)
		}
	}
	return nil, false
}

// cutsBefore carries cuts through an operation of x with a number, which may
// stand on the left.
func cutsBefore(op *parser.BinaryExpr, x parser.Expr, k float64, left bool, cuts []float64) ([]float64, bool) {
	var back func(c float64) float64
	switch {
	case op.Op.IsComparisonOperator():
		if op.ReturnBool {
			cuts = nil // 0 or 1 comes out, by this alone
		}
		return cutsOf(x, append(cuts, k))
	case op.Op == parser.ADD:
		back = func(c float64) float64 { return c - k }
	case op.Op == parser.SUB && left:
		back = func(c float64) float64 { return k - c }
	case op.Op == parser.SUB:
		back = func(c float64) float64 { return c + k }
	case op.Op == parser.MUL && k != 0:
		back = func(c float64) float64 { return c / k }
	case op.Op == parser.DIV && !left && k != 0:
		back = func(c float64) float64 { return c * k }
	default:
		return nil, false
	}
	return cutsOf(x, each(cuts, back))
}

func each(cuts []float64, f func(float64) float64) []float64 {
	for i, c := range cuts {
		cuts[i] = f(c)
	}
	return cuts
}

func notFinite(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }

// literal reads an expression that is a number.
func literal(e parser.Expr) (float64, bool) {
	switch n := e.(type) {
	case *parser.NumberLiteral:
		return n.Val, true
	case *parser.ParenExpr:
		return literal(n.Expr)
	case *parser.UnaryExpr:
		v, ok := literal(n.Expr)
		if n.Op == parser.SUB {
			v = -v
		}
		return v, ok
	}
	return 0, false
}
