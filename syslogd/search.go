package syslogd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
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
	// bins of counts go by.
	ByReceived bool
	// Origin is where a bin of counts begins, and all others by their width
	// before and after it; zero is 1970.
	Origin time.Time
	Limit  int  // most messages; 0: no limit
	Oldest bool // oldest first; newest first otherwise
}

// A Searcher reads the log store. The messages it yields belong to the caller.
type Searcher interface {
	Search(ctx context.Context, q Query) iter.Seq2[syslog.Message, error]
	// Count counts all matches, exactly, by the values of fields and by time.
	// The fields are those of filters (filter.Value) and Pattern, at most
	// MaxBy. Bins begin at multiples of bin since Query.Origin; 0 counts
	// without time. Groups come in order of Start and Values; those without messages
	// are left out. Rather than more than MaxGroups it returns
	// ErrTooManyGroups.
	Count(ctx context.Context, q Query, by []string, bin time.Duration) ([]Group, error)
	// Tail yields messages that match as they are stored, until ctx ends.
	// A reader that is too slow loses messages; dropped says how many so far.
	Tail(ctx context.Context, f *filter.Filter) iter.Seq2[syslog.Message, TailStatus]
}

// TailStatus says how a live tail keeps up.
type TailStatus struct{ Dropped int64 }

// Pattern is the field of what is constant in the text of a message, with
// names in angle brackets for numbers, addresses, times and the like.
const Pattern = "pattern"

// Bounds of Searcher.Count.
const (
	MaxBy     = 8
	MaxGroups = 100_000
)

// ErrTooManyGroups is returned for counts by too narrow bins, or by fields of
// too many values.
var ErrTooManyGroups = errors.New("too many groups: ask for wider bins, fewer fields or a shorter time")

// A Group counts the messages of equal values.
type Group struct {
	Start  time.Time // of the bin; zero without bins
	Values []string  // of the fields, in the order in which they were asked for
	Count  int64
}

// A Bin is the count of messages of one severity within [Start, Start+width).
type Bin struct {
	Start    time.Time
	Severity syslog.Severity
	Count    int64
}

// Histogram counts all matches in bins of the width, by severity. Empty bins
// are left out.
func Histogram(ctx context.Context, s Searcher, q Query, width time.Duration) ([]Bin, error) {
	if width <= 0 {
		return nil, fmt.Errorf("syslogd: histogram: bins of %v: want a positive width", width)
	}
	groups, err := s.Count(ctx, q, []string{"severity"}, width)
	if err != nil {
		return nil, err
	}
	bins := make([]Bin, len(groups))
	for i, g := range groups {
		severity, err := syslog.ParseSeverity(g.Values[0])
		if err != nil {
			return nil, fmt.Errorf("syslogd: histogram: %w", err)
		}
		bins[i] = Bin{g.Start, severity, g.Count}
	}
	slices.SortFunc(bins, func(a, b Bin) int { return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Severity, b.Severity)) })
	return bins, nil
}

// A Facet is how many matching messages carry one value of a field.
type Facet struct {
	Value string
	Count int64
}

// Facets counts all matches by a field, most frequent first, at most limit.
func Facets(ctx context.Context, s Searcher, q Query, field string, limit int) ([]Facet, error) {
	groups, err := s.Count(ctx, q, []string{field}, 0)
	if err != nil {
		return nil, err
	}
	facets := make([]Facet, len(groups))
	for i, g := range groups {
		facets[i] = Facet{g.Values[0], g.Count}
	}
	slices.SortFunc(facets, func(a, b Facet) int { return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value)) })
	if limit > 0 && len(facets) > limit {
		facets = facets[:limit]
	}
	return facets, nil
}
