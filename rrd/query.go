package rrd

import (
	"context"
	"iter"
	"time"
)

// Column is one number that a row of an archive holds.
type Column uint8

// The columns of a row. Average is sum/count, made on reading. Total is the
// running total of a counter's increase: its difference between two rows is
// the increase between them, resets handled.
const (
	ColAverage Column = iota
	ColMin
	ColMax
	ColLast
	ColSum
	ColCount
	ColTotal
	NumColumns
)

var columnNames = [...]string{"average", "min", "max", "last", "sum", "count", "total"}

func (c Column) String() string { return columnNames[c] }

// MatchOp is how a Matcher compares.
type MatchOp uint8

// The ways to compare, as PromQL writes them: = != =~ !~. Regular expressions
// are anchored at both ends.
const (
	Equal MatchOp = iota
	NotEqual
	Regexp
	NotRegexp
)

// A Matcher is one condition on a label; a label that is absent is "".
type Matcher struct {
	Label string
	Op    MatchOp
	Value string
}

// A Query asks for rows of all series that match.
type Query struct {
	Matchers   []Matcher
	Start, End Time          // rows with Start < stamp <= End
	Columns    []Column      // which columns to fill
	Main       Column        // of Columns, the one that RRDtool's archives are chosen by, see Querier
	Row        time.Duration // 0: the finest archive that covers Start; else the coarsest whose row is not longer
	Limit      int           // most series in the answer; 0: no limit
	Newest     bool          // of each series only the newest row is wanted; others may come too
}

// A Series is one series' known rows out of one archive, oldest first.
// Unknown rows are left out. Times are the rows' ends, but for the open row,
// which carries its newest sample's time.
type Series struct {
	Key        Key
	Definition Definition
	Archive    int  // index in Definition.Archives
	Open       bool // the last row is still open
	Times      []Time
	Values     [NumColumns][]float64 // as long as Times where asked for, else nil
}

// Row is how long one row lasts.
func (s Series) Row() time.Duration { return s.Definition.Row(s.Archive) }

// A Querier reads archives. Series come sorted by Key; the slices belong to
// the caller. An error ends the sequence.
//
// A series without rows in the range is left out, with one exception: where
// two rows of its archive do not fit in the range, and it has a row in the two
// before it, it comes with no Times. It is not dead, its rows are just long, and
// the reader may ask again for a longer range.
//
// Our own archives have all columns. Of a set, each has that of its function
// only: AVERAGE has the average, and as a row is one sample sum and count; MAX,
// MIN and LAST have theirs; where a row is one step, every function has made the
// same of it, and any archive has all. A set's series is answered by the
// finest archive with the main column that covers Start, or else the one
// that reaches back furthest, never by another function's. Rows whose main
// column is unknown are left out, and columns that the archive lacks are NaN.
// Where no archive has the main column at all, averages answer for Min, Max
// and Last, which are NaN then: the reader must say so. Nothing answers for an average.
type Querier interface {
	Select(ctx context.Context, q Query) iter.Seq2[Series, error]
}

// An Index knows which series there are.
type Index interface {
	// Find returns the keys that match, sorted, at most limit (0: all).
	Find(ctx context.Context, m []Matcher, limit int) ([]Key, error)
	// LabelNames and LabelValues are sorted and cover the matching series.
	LabelNames(ctx context.Context, m []Matcher) ([]string, error)
	LabelValues(ctx context.Context, name string, m []Matcher) ([]string, error)
	// Heads yields each series that has a sample newer than since, with the
	// time of its newest sample.
	Heads(since Time) iter.Seq2[Key, Time]
}

// A Value is one series' value at an instant.
type Value struct {
	Labels Labels
	Time   Time
	Value  float64
}

// An Evaluator answers an expression at one instant (rrd/promql is one).
type Evaluator interface {
	Eval(ctx context.Context, expr string, at time.Time) ([]Value, error)
}
