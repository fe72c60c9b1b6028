package rrd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// A SetImage is a whole .rrd: what was defined, what is remembered between
// readings, and the rings.
type SetImage struct {
	Definition SetDefinition
	State      SetState
	// Rings has the rows of each archive, oldest first, as many as the ring
	// holds, each with one value per data source; NaN where unknown. The last
	// row of an archive ends at the last boundary of rows that is not after
	// State.Last. It is nil for archives that are seasons: State has them.
	Rings [][]float64
}

// A SetUpdate is one update of a set: a text for each data source that is
// given from outside, in the order of the definition.
type SetUpdate struct {
	Name  string
	Time  Time
	Texts []string
}

// A SetQuery asks for rows as rrdfetch does.
type SetQuery struct {
	Name       string
	CF         CF
	Start, End Time
	Resolution time.Duration // the wanted length of a row; 0: the finest
	Sources    []string      // empty: all
	Limit      int64         // of the values of the answer; 0: MaxSetValues
}

// SetRows is the answer: (End-Start)/Row rows, the first ending at Start+Row,
// each with a value for each of Sources, which are in the order of the
// definition; NaN where unknown.
type SetRows struct {
	SetRange
	Sources []string
	Values  []float64
}

// MaxSetValues bounds the answer to a SetQuery: 64 MB, sixteen years of minutes
// or a hundred days of seconds.
const MaxSetValues = 1 << 23

// A SetValuesError refuses a SetQuery whose answer would have more values than
// its limit. Nothing was read then.
type SetValuesError struct{ Values, Limit int64 }

func (e *SetValuesError) Error() string {
	return fmt.Sprintf("the range has %d values, and an answer %d at most: ask for a shorter one, or for longer rows", e.Values, e.Limit)
}

// Admit returns a *SetValuesError where n rows of some data sources are more
// than anybody may have, or than q wants.
func (q *SetQuery) Admit(n int64, sources int) error {
	if n > math.MaxInt64/int64(sources) {
		return &SetValuesError{math.MaxInt64, MaxSetValues}
	}
	for _, limit := range []int64{MaxSetValues, q.Limit} {
		if n*int64(sources) > limit && limit > 0 {
			return &SetValuesError{n * int64(sources), limit}
		}
	}
	return nil
}

// Errors about sets as a whole.
var (
	ErrNoSet     = errors.New("no such set")
	ErrSetExists = errors.New("set exists already")
	ErrSetFuture = errors.New("time in the future")
)

// SetRefusal is the reason that stands for an error of an update.
func SetRefusal(err error) Refusal {
	_, late := errors.AsType[*LateError](err)
	switch {
	case errors.Is(err, ErrNoSet):
		return RefusedSet
	case late:
		return RefusedLate
	case errors.Is(err, ErrSetFuture):
		return RefusedFuture
	}
	return RefusedValue
}

// A SetStore keeps sets by name: RRDtool's files, exact to the last bit. A
// set's name is the path of its file without ".rrd"; its data sources are
// series {__name__="<name>", ds="<data source>"} to whoever queries. What has
// returned without an error is on disk.
type SetStore interface {
	// CreateSet makes a set whose time begins at start. Without replace it is
	// ErrSetExists where there is one of that name. Where the time is far ahead
	// of our clock it may be ErrSetFuture.
	CreateSet(ctx context.Context, name string, d SetDefinition, start Time, replace bool) error
	// ImportSet takes over a whole set, as CreateSet.
	ImportSet(ctx context.Context, name string, image *SetImage, replace bool) error
	// ExportSet returns a whole set, or ErrNoSet.
	ExportSet(ctx context.Context, name string) (*SetImage, error)
	// UpdateSets takes updates in their order. A *BatchError names those that
	// were refused, each in RRDtool's own words; the others were taken. RRDtool
	// takes any future time; here it may be ErrSetFuture, since one reading of a
	// wrong clock would empty every ring and refuse all that comes until then.
	// It must not retain the batch or its strings.
	UpdateSets(ctx context.Context, batch []SetUpdate) error
	// DescribeSet returns definition and state, or ErrNoSet.
	DescribeSet(name string) (SetDefinition, SetState, error)
	// FetchSet returns rows; ErrNoSet, ErrNoArchive, *SetValuesError.
	FetchSet(ctx context.Context, q SetQuery) (SetRows, error)
	// ListSets returns the names that begin with a prefix, sorted.
	ListSets(prefix string) []string
	// CountSets returns how many sets there are.
	CountSets() int
	// EditSet changes the definition of a set, which keeps its history; ErrNoSet.
	EditSet(ctx context.Context, name string, e *SetEdit) error
	// DropSet forgets a set and its history, or is ErrNoSet. A .rrd that was
	// written of it is no concern of the store's, and stays.
	DropSet(ctx context.Context, name string) error
	// Schema returns how a new series of that name would be kept: for clients
	// that update what was never created.
	Schema(name string) Definition
}
