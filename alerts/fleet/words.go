package fleet

import (
	"fmt"
	"time"
)

const (
	// quietFor is how long a host that drains must log nothing: longer than a line
	// is on its way, and than the log store takes to sync what nobody waits for.
	quietFor = 5 * time.Second
	// seldom is how long a host that logs at all is not silent: who has not logged
	// for so long has no line on its way.
	seldom = 10 * time.Minute
	// caughtUp is what an agent may hold that is up to date: it sends that within a
	// second, and when its machine shuts down before it ends.
	caughtUp = 256 << 10
	// reportsFor is how long an agent's word is taken: it gives one every 10 s.
	reportsFor = 45 * time.Second
)

// LastWords says what is still to come of the log of a host that drains since
// then, in few words; "" where all that it has said is stored. Who asks must have
// an end of waiting of his own.
//
// An agent says itself how much it holds that we have not. A host without one
// has said its last when no line came for some seconds. One that seldom logs, or
// never, is not waited for; but after a start of ours the silence of one that
// did log says nothing for a while, for what it sent may have gone nowhere. Of a
// host that nobody has heard of nothing can come.
func (f *Fleet) LastWords(host string, since time.Time) string {
	f.mu.RLock()
	defer f.mu.RUnlock()
	e := f.find(host)
	if e == nil {
		return ""
	}
	now := time.Now()
	if a := e.Agent; a != nil && now.Sub(a.Seen) < reportsFor {
		return a.lastWords(since)
	}
	last := e.view().LastLog
	switch quiet := now.Sub(later(last, since)); {
	case !last.IsZero() && !last.After(f.started) && now.Sub(f.started) < seldom:
		return fmt.Sprintf("no line of its log came since rondo's start %v ago", now.Sub(f.started).Round(time.Second))
	case last.Before(since.Add(-seldom)):
		return ""
	case quiet < quietFor:
		return fmt.Sprintf("its newest log line came %v ago, a silence of %v is awaited", now.Sub(last).Round(time.Second), quietFor)
	}
	return ""
}

// lastWords is what an agent that reports still holds.
func (a *Agent) lastWords(since time.Time) string {
	switch {
	case a.Seen.Before(since):
		return "its agent has yet to say what it holds"
	case a.Lag > caughtUp:
		return fmt.Sprintf("its agent holds %d kB of log lines that are not stored", a.Lag>>10)
	}
	return ""
}
