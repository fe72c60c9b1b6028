package logimport

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/syslog"
)

// A Portion is some messages of a file.
type Portion struct {
	Source   string // file and selection
	From, To uint64 // messages of the file that come before it, and up to its end
	Done     bool   // the file ends here
	Messages []syslog.Message
}

// A Target takes portions.
type Target interface {
	// Positions says how far files have been taken: those whose source begins
	// with a prefix.
	Positions(ctx context.Context, prefix string) ([]Position, error)
	// Put stores a portion; when it returns, that is on the device.
	Put(ctx context.Context, p Portion) error
}

// A Position is how far a file has been taken.
type Position struct {
	Source string `json:"source"`
	Taken  uint64 `json:"taken"` // messages of the file
	Done   bool   `json:"done"`
}

var (
	// ErrMoved is what Put returns for a portion that does not begin where the
	// one before it ended.
	ErrMoved = errors.New("logimport: somebody else imports this file now")
	// ErrOtherSelection is what an import returns for a file of which something
	// else was imported before.
	ErrOtherSelection = errors.New("something else of this file was imported before, with another --filter, --from or --to; --again imports it all the same")
)

// A Store is a log store.
type Store interface {
	syslogd.Marker
	// Keeps reports whether a message with this reception stays for now.
	Keeps(m *syslog.Message, now time.Time) bool
}

// Local is a Target that is the store itself.
type Local struct {
	store  Store
	redact func(batch []syslog.Message) []syslog.Message
	mu     sync.Mutex // between looking at a mark and moving it
}

// NewLocal makes a target of a store. redact returns a batch without its
// secrets; it does not change the batch that it gets.
func NewLocal(store Store, redact func(batch []syslog.Message) []syslog.Message) *Local {
	return &Local{store: store, redact: redact}
}

// doneBit marks, in a position, a file that was imported to its end.
const doneBit = 1 << 63

func position(m syslogd.Mark) Position {
	return Position{strings.TrimPrefix(m.Source, syslogd.ImportMarks), m.Pos &^ doneBit, m.Pos&doneBit != 0}
}

// Positions implements Target.
func (l *Local) Positions(_ context.Context, prefix string) ([]Position, error) {
	var all []Position
	for _, m := range l.store.Marks(syslogd.ImportMarks + prefix) {
		all = append(all, position(m))
	}
	return all, nil
}

// Put implements Target.
func (l *Local) Put(ctx context.Context, p Portion) error {
	if p.Source == "" || p.To < p.From || p.To >= doneBit {
		return fmt.Errorf("logimport: no portion: %q, %d to %d", p.Source, p.From, p.To)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at := Position{}
	for _, m := range l.store.Marks(syslogd.ImportMarks + p.Source) {
		if x := position(m); x.Source == p.Source {
			at = x
		}
	}
	if at.Taken != p.From || at.Done {
		return ErrMoved
	}
	now := time.Now()
	p.Messages = l.redact(p.Messages)
	for i := range p.Messages {
		if m := &p.Messages[i]; m.Received.After(now) || !l.store.Keeps(m, now) {
			m.Received = now
		}
	}
	mark := syslogd.Mark{Source: syslogd.ImportMarks + p.Source, Pos: p.To}
	if p.Done {
		mark.Pos |= doneBit
	}
	return l.store.PutMarked(ctx, p.Messages, []syslogd.Mark{mark})
}
