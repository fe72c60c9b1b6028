package collectors

import (
	"log/slog"
	"sync"
	"time"
)

// NoticeEvery is how often the same complaint is logged.
const NoticeEvery = time.Minute

// A Notice logs the first of many like events, and then at most one a
// NoticeEvery, with the number of those it kept quiet about. The counters of
// Stats have them all.
type Notice struct {
	mu    sync.Mutex
	next  time.Time // nothing is logged before
	quiet int
}

// Warn logs msg, or only remembers that it was asked to.
func (n *Notice) Warn(log *slog.Logger, msg string, args ...any) {
	n.mu.Lock()
	now := time.Now()
	if now.Before(n.next) {
		n.quiet++
		n.mu.Unlock()
		return
	}
	quiet := n.quiet
	n.next, n.quiet = now.Add(NoticeEvery), 0
	n.mu.Unlock()
	if quiet > 0 {
		args = append(args, "suppressed", quiet)
	}
	log.Warn(msg, args...)
}
