package syslogd

import (
	"maps"
	"sync"
)

// Stats counts messages and requests by what became of them. It is shared by
// the parts of a server.
type Stats struct {
	mu     sync.Mutex
	counts map[string]uint64
}

// NewStats starts all counts at zero.
func NewStats() *Stats { return &Stats{counts: map[string]uint64{}} }

// Add adds n to a count. Callers add once for a batch.
func (s *Stats) Add(reason string, n int) {
	if n == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[reason] += uint64(n)
}

// Snapshot returns all counts that are not zero. The comment of the package
// that counts has their names.
func (s *Stats) Snapshot() map[string]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}
