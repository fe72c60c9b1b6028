package syslogd

import (
	"context"
	"errors"
	"iter"
	"time"

	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

// A Query asks for messages by content and by time: that of the message
// (When), or by our own clock, which no sender can set wrong.
type Query struct {
	Filter   *filter.Filter // nil matches all
	From, To time.Time      // From <= When < To; zero: unbounded
	// ByReceived makes Received the time that From and To, the order and the
	// bins of a histogram go by.
	ByReceived bool
	Limit      int  // most messages; 0: no limit
	Oldest     bool // oldest first; newest first otherwise
}

// A Bin is the count of messages of one severity within [Start, Start+width).
type Bin struct {
	Start    time.Time
	Severity syslog.Severity
	Count    int64
}

// MaxBins is the most that a histogram may have, those of all severities
// counted.
const MaxBins = 100_000

// ErrTooManyBins is returned for a histogram of bins that are too narrow.
var ErrTooManyBins = errors.New("too many bins: ask for wider ones or a shorter time")

// A Facet is how many matching messages carry one value of a field.
type Facet struct {
	Value string
	Count int64
}

// A Searcher reads the log store. The messages it yields belong to the caller.
type Searcher interface {
	Search(ctx context.Context, q Query) iter.Seq2[syslog.Message, error]
	// Histogram counts all matches in bins of the width, by severity. Empty
	// bins are left out. Rather than more than MaxBins it returns
	// ErrTooManyBins.
	Histogram(ctx context.Context, q Query, width time.Duration) ([]Bin, error)
	// Facets counts all matches by a field (host, app, severity, facility),
	// most frequent first, at most limit.
	Facets(ctx context.Context, q Query, field string, limit int) ([]Facet, error)
	// Tail yields messages that match as they are stored, until ctx ends.
	// A reader that is too slow loses messages; dropped says how many so far.
	Tail(ctx context.Context, f *filter.Filter) iter.Seq2[syslog.Message, TailStatus]
}

// TailStatus says how a live tail keeps up.
type TailStatus struct{ Dropped int64 }
