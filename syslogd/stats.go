package syslogd

import (
	"maps"
	"sync"
)

// Stats counts messages by what became of them. It is shared by the parts of
// a server.
type Stats struct {
	mu     sync.Mutex
	counts map[string]uint64
}

// NewStats starts all counts at zero.
func NewStats() *Stats { return &Stats{counts: map[string]uint64{}} }

// add adds n to a count. Callers add once for a batch.
func (s *Stats) add(reason string, n int) {
	if n == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[reason] += uint64(n)
}

// Snapshot returns all counts that are not zero:
//
//	received_udp received_tcp received_unix   messages
//	refused_network refused_strict            messages that were not taken
//	refused_connections                       by max_connections or allow
//	truncated bad_counts                      see syslog.FramerStats
//	discarded stored not_stored               by the Router
//	store_waits                               times that the disk was full
//	relay_NAME_filtered _queued _relayed      by a Relay; queued counts arrivals
//	relay_NAME_dropped_queue_full _dropped_disk_full _dropped_damaged
//	relay_NAME_connections _failures
func (s *Stats) Snapshot() map[string]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}
