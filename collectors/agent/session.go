package agent

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A session is an agent as its server sees it. One request of it is worked on
// at a time; enter and leave guard all but what mu does.
type session struct {
	busy chan struct{} // holds a token while a request is worked on

	id    string            // of the agent's process
	past  []string          // the processes whose place it took, newest last
	seq   uint64            // of the newest batch
	marks map[string]uint64 // nil: what is stored is not known

	conflictAt  time.Time
	conflictWho string

	mu   sync.Mutex
	last Contact
}

const (
	maxPast = 16
	silence = time.Minute // after which an agent's id is free for another
)

func newSession() *session { return &session{busy: make(chan struct{}, 1)} }

// enter waits for the request before; false if ctx ends first.
func (a *session) enter(ctx context.Context) bool {
	select {
	case a.busy <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (a *session) leave() { <-a.busy }

// begin begins a session where the store is.
func (a *session) begin(h *hello, marks []Mark, seq uint64) {
	if a.id != "" && a.id != h.Session {
		a.past = append(a.past, a.id)
		a.past = a.past[max(0, len(a.past)-maxPast):]
	}
	a.id = h.Session
	if !sameRun(a.seq, seq) || a.seq < seq {
		a.seq = seq
	}
	a.marks = make(map[string]uint64, len(marks))
	for _, m := range marks {
		a.marks[m.Source] = m.Pos
	}
}

// end makes the agent say hello again: what of it is stored is not known.
func (a *session) end() { a.marks = nil }

// open reports whether the process with a session may push. One whose place
// was taken may not: what it sends was on its way when it was killed.
func (a *session) open(session string) bool { return session == a.id && a.marks != nil }

// second reports whether a hello is that of a second agent with the same id. A
// process whose place another one took was killed before, so that it never says
// hello again. The one that came first has its way once the other is silent.
func (a *session) second(session string) bool {
	return session != a.id && slices.Contains(a.past, session) && time.Since(a.contact().Seen) < silence
}

// conflicted notes that a second agent was seen.
func (a *session) conflicted(addr string) {
	a.conflictAt, a.conflictWho = time.Now(), addr
}

// conflict says of whom there are two, if that was seen lately.
func (a *session) conflict(now time.Time) string {
	if a.conflictAt.IsZero() || now.Sub(a.conflictAt) > 10*time.Minute {
		return ""
	}
	return fmt.Sprintf("an agent at %s has the same id", a.conflictWho)
}

func (a *session) contact() Contact {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}
