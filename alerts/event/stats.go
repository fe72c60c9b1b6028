package event

import (
	"maps"
	"sync"
	"sync/atomic"
)

// stats counts. Sources are those of our own and of configured hooks, so they
// are few.
type stats struct {
	removed, lines, lineFailed atomic.Uint64

	mu      sync.Mutex
	taken   map[string]uint64 // by source
	known   uint64            // that brought no news
	refused map[string]uint64 // by reason
	dropped map[string]uint64 // by policy
}

func count(m *map[string]uint64, name string, n int) {
	if *m == nil {
		*m = map[string]uint64{}
	}
	(*m)[name] += uint64(n)
}

func (s *stats) take(source string, what Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if what == Added || what == Amended {
		count(&s.taken, source, 1)
		return
	}
	s.known++
}

func (s *stats) refuse(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	count(&s.refused, why, 1)
}

func (s *stats) drop(why string, n int) {
	if n == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	count(&s.dropped, why, n)
}

// Snapshot returns the counters: known (news that was none), removed, lines
// (written to the log), lines_failed, refused_REASON and dropped_POLICY.
func (s *Store) Snapshot() map[string]uint64 {
	st := &s.stats
	out := map[string]uint64{"removed": st.removed.Load(), "lines": st.lines.Load(), "lines_failed": st.lineFailed.Load()}
	st.mu.Lock()
	defer st.mu.Unlock()
	out["known"] = st.known
	for why, n := range st.refused {
		out["refused_"+why] = n
	}
	for why, n := range st.dropped {
		out["dropped_"+why] = n
	}
	return out
}

// Taken counts the events that were added or amended, by source.
func (s *Store) Taken() map[string]uint64 {
	s.stats.mu.Lock()
	defer s.stats.mu.Unlock()
	return maps.Clone(s.stats.taken)
}

// Len is how many events there are, the removed ones too.
func (s *Store) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.list)
}
