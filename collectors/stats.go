package collectors

import (
	"maps"
	"sync"
)

// Stats counts what a collector took and refused, by reason.
type Stats struct {
	mu     sync.Mutex
	counts map[string]uint64
}

// Add adds n to the counter of a reason such as "samples", "malformed" or an
// rrd.Refusal. Callers add once per batch, not per sample.
func (s *Stats) Add(reason string, n int) {
	if s == nil || n == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts == nil {
		s.counts = make(map[string]uint64)
	}
	s.counts[reason] += uint64(n)
}

// Snapshot returns a copy of all counters.
func (s *Stats) Snapshot() map[string]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}
