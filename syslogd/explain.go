package syslogd

import (
	"context"
	"errors"
	"time"

	"rondo/syslogd/syslog"
)

// A Plan is how a query was answered: what of the store was ruled out without
// reading it, and by what. Chunks = ByTime + BySeverity + ByFilter + ByTypes +
// Counted + Read + Unneeded + Damaged.
type Plan struct {
	Chunks     int `json:"chunks"`      // of the store, those still being filled included
	ByTime     int `json:"by_time"`     // outside the time asked for
	BySeverity int `json:"by_severity"` // without the severities asked for
	ByFilter   int `json:"by_filter"`   // without the words or hosts asked for, as the index says
	ByTypes    int `json:"by_types"`    // whose templates cannot match
	Counted    int `json:"counted"`     // whose messages were counted without reading them
	Read       int `json:"read"`        // read
	Unneeded   int `json:"unneeded"`    // left when the limit was reached
	Damaged    int `json:"damaged"`     // left out as corrupt
	// Rows is how many messages the chunks that were read hold; Rendered, how
	// many of these had to be put together and compared with the filter.
	Rows     int64         `json:"rows"`
	Rendered int64         `json:"rendered"`
	Matches  int64         `json:"matches"` // found, at most the limit
	Took     time.Duration `json:"took_ns"`
}

// An Explainer answers a query and tells how, instead of yielding messages.
type Explainer interface {
	// Explain searches, or, if the query has no limit, counts by fields and
	// bins as Searcher.Count does.
	Explain(ctx context.Context, q Query, by []string, bin time.Duration) (Plan, error)
}

// A Context is a message and its neighbours, all in order of reception.
type Context struct {
	Before  []syslog.Message
	Message syslog.Message
	After   []syslog.Message
}

// ErrNoMessage is returned for an ID that the store has no message of, since
// retention dropped it or it never was there.
var ErrNoMessage = errors.New("no message of this ID")

// MaxContext is the most messages before, and after, that Context returns.
const MaxContext = 1000

// A Locator finds a message again.
type Locator interface {
	// Context returns a message, with at most so many before and after it;
	// those of its own host only (Message.Origin), or of all.
	Context(ctx context.Context, id ID, before, after int, ownHost bool) (Context, error)
}
