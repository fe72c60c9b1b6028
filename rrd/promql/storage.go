package promql

import (
	"context"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// nothing is the storage that the engine is given: every selector has its
// series before the engine runs, so there is nothing left to select.
type nothing struct{}

var (
	_ storage.Queryable = nothing{}
	_ storage.Querier   = nothing{}
)

// Querier implements storage.Queryable.
func (nothing) Querier(int64, int64) (storage.Querier, error) { return nothing{}, nil }

// Select implements storage.Querier.
func (nothing) Select(context.Context, bool, *storage.SelectHints, ...*labels.Matcher) storage.SeriesSet {
	return storage.EmptySeriesSet()
}

// LabelValues implements storage.Querier.
func (nothing) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

// LabelNames implements storage.Querier.
func (nothing) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

// Close implements storage.Querier.
func (nothing) Close() error { return nil }
