package promql

import (
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"rondo/rrd"
)

// Within narrows an expression: each of its selectors gets one more matcher, so
// that it answers as if there were only the series that match it. Selectors in
// subqueries, on both sides of operators and in arguments are all narrowed;
// what is not a selector (literals, scalars, time()) stays.
//
// [absent] makes labels of a selector's equalities. A matcher that is none,
// such as =~, changes nothing there.
//
// [absent]: https://prometheus.io/docs/prometheus/latest/querying/functions/#absent
func Within(expr string, m rrd.Matcher) (string, error) {
	tree, err := parse(expr)
	if err != nil {
		return "", err
	}
	more, err := labels.NewMatcher(matchType(m.Op), m.Label, m.Value)
	if err != nil {
		return "", badQuery(err)
	}
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		if vs, ok := node.(*parser.VectorSelector); ok {
			vs.LabelMatchers = append(vs.LabelMatchers, more)
		}
		return nil
	})
	return tree.String(), nil
}

// matchType is the parser's word for ours.
func matchType(op rrd.MatchOp) labels.MatchType {
	switch op {
	case rrd.NotEqual:
		return labels.MatchNotEqual
	case rrd.Regexp:
		return labels.MatchRegexp
	case rrd.NotRegexp:
		return labels.MatchNotRegexp
	case rrd.Equal:
	}
	return labels.MatchEqual
}
