package syslogd

import (
	"context"
	"errors"

	"rondo/syslogd/syslog"
)

// A Mark says how far a source has been taken: a sender that can read its
// source again asks where to go on, and so each of its messages is stored once,
// whichever side was killed.
type Mark struct {
	Source string // names the source for ever: who sends, and which of its files
	Pos    uint64 // all before it has been taken; only the sender knows its unit. At 0 a mark is as none, and is forgotten
}

// ImportMarks begins the sources of files that were imported. There can be very
// many, of which few are asked for again: where there are too many marks these
// are the first to be forgotten.
const ImportMarks = "import/"

// ErrMarked is returned for a batch or marks that are too large to be written
// at once: to send them again is in vain.
var ErrMarked = errors.New("syslogd: too much for one write with marks")

// A Marker is a Sink that keeps marks with messages.
type Marker interface {
	Sink
	// PutMarked is Put, and keeps the marks in the same write: after a crash
	// both are there or neither is. A mark replaces the last one of its source.
	// The batch may be empty. The error is ErrMarked if it is too large.
	PutMarked(ctx context.Context, batch []syslog.Message, marks []Mark) error
	// Marks are those whose source begins with prefix.
	Marks(prefix string) []Mark
}
