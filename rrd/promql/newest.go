package promql

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

// Newest returns when the newest sample was taken that an expression can see at
// an instant. Where it has several selectors, that of the selector whose newest is
// the oldest; one that finds nothing counts not, nor does offset or @. An
// expression that reads no series is as new as at.
//
// The times of an answer cannot tell: those of all but a plain selector are the
// instant itself, also while the samples behind it are those of a host that died.
func (e *Engine) Newest(ctx context.Context, expr string, at time.Time) (time.Time, error) {
	tree, err := parse(expr)
	if err != nil {
		return time.Time{}, err
	}
	var selectors []string
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		if vs, ok := node.(*parser.VectorSelector); ok {
			plain := parser.VectorSelector{Name: vs.Name, LabelMatchers: vs.LabelMatchers}
			selectors = append(selectors, plain.String())
		}
		return nil
	})
	newest := at
	for i, s := range selectors {
		found, err := e.Eval(ctx, "max(timestamp("+s+"))", at)
		if err != nil {
			return time.Time{}, err
		}
		if len(found) == 0 {
			continue
		}
		t := time.UnixMilli(int64(found[0].Value * 1000))
		if i == 0 || t.Before(newest) {
			newest = t
		}
	}
	return newest, nil
}
