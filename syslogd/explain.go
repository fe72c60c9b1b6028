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
	Chunks     int // of the store, those still being filled included
	ByTime     int // outside the time asked for
	BySeverity int // without the severities asked for
	ByFilter   int // without the words or hosts asked for, as the index says
	ByTypes    int // whose templates cannot match
	Counted    int // whose messages were counted without reading them
	Read       int // read
	Unneeded   int // left when the limit was reached
	Damaged    int // left out as corrupt
	// Rows is how many messages the chunks that were read hold; Rendered, how
	// many of these had to be put together and compared with the filter.
	Rows, Rendered int64
	Matches        int64 // found, at most the limit
	Took           time.Duration
}

// An Explainer answers a query and tells how, instead of yielding messages.
type Explainer interface {
	Explain(ctx context.Context, q Query) (Plan, error)
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
