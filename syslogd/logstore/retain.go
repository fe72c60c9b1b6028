package logstore

import (
	"slices"
	"time"
)

// retain drops whole directories: those that are too old, and the oldest
// until the rest fits. The newest day always stays.
func (s *Store) retain(now time.Time) {
	s.diskMu.Lock()
	defer s.diskMu.Unlock()
	for _, k := range s.expired(now) {
		s.forget(k)
		if err := s.dirs.drop(k); err != nil {
			s.o.Log.Error("day cannot be removed", "key", k.String(), "err", err)
		}
	}
}

// expired lists what is to be dropped.
func (s *Store) expired(now time.Time) []key {
	s.mu.Lock()
	chunks := s.chunks
	s.mu.Unlock()
	size, total := map[key]int64{}, int64(0)
	var keys []key // oldest first, as the chunks are
	for _, c := range chunks {
		if _, ok := size[c.key]; !ok {
			keys = append(keys, c.key)
		}
		size[c.key] += c.header.DiskSize
		total += c.header.DiskSize
	}
	oldest := dayOf(now.Add(-s.o.Config.Retention))
	var drop []key
	for i, k := range keys {
		if k.day >= oldest && (total <= s.o.Config.MaxBytes || i == len(keys)-1) {
			break
		}
		if s.inUse(k) {
			continue
		}
		total -= size[k]
		drop = append(drop, k)
	}
	return drop
}

// inUse reports whether messages of a key are still waiting to be sealed.
func (s *Store) inUse(k key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heads[k] != nil || slices.ContainsFunc(s.backlog, func(h *head) bool { return h.key == k })
}

// forget takes the chunks of a key out of the index.
func (s *Store) forget(k key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := int64(0)
	s.chunks = slices.DeleteFunc(slices.Clone(s.chunks), func(c *chunkInfo) bool {
		if c.key == k {
			rows += int64(c.header.Rows)
		}
		return c.key == k
	})
	delete(s.nextID, k)
	s.dropped.Add(rows)
	s.o.Log.Info("day dropped", "key", k.String(), "messages", rows)
}

// Stats is what the store holds and what happened to it since it was opened.
type Stats struct {
	Messages    int64     // kept, the open heads included
	RawBytes    int64     // of their lines
	DiskBytes   int64     // of the chunks
	Chunks      int       // sealed
	Head        int64     // messages in the open heads
	Backlog     int       // full heads that wait to be written
	Quarantined int64     // chunks or days that cannot be read
	Unreadable  int64     // records of the log that could not be replayed
	Dropped     int64     // messages removed by retention
	TailLost    int64     // messages that slow tails did not get
	Oldest      time.Time // reception of the oldest message; zero if there is none
	Retention   time.Duration
	MaxBytes    int64
}

// Stats returns the figures of now.
func (s *Store) Stats() Stats {
	st := Stats{
		Quarantined: s.quarantined.Load(), Unreadable: s.unreadable.Load(), Dropped: s.dropped.Load(),
		TailLost: s.tails.lost.Load(), Retention: s.o.Config.Retention, MaxBytes: s.o.Config.MaxBytes,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Chunks, st.Backlog = len(s.chunks), len(s.backlog)
	for _, c := range s.chunks {
		st.Messages += int64(c.header.Rows)
		st.RawBytes += c.header.RawBytes
		st.DiskBytes += c.header.DiskSize
		if t := time.Unix(0, c.header.MinReceived).UTC(); st.Oldest.IsZero() || t.Before(st.Oldest) {
			st.Oldest = t
		}
	}
	for _, h := range s.allHeads() {
		st.Head += int64(h.builder.Len())
		st.RawBytes += h.builder.RawBytes()
		if t := time.Unix(0, h.received.min).UTC(); h.builder.Len() > 0 && (st.Oldest.IsZero() || t.Before(st.Oldest)) {
			st.Oldest = t
		}
	}
	st.Messages += st.Head
	return st
}

// allHeads returns the heads in the order of their messages. s.mu is held.
func (s *Store) allHeads() []*head {
	all := slices.Clone(s.backlog)
	first := len(all)
	for _, h := range s.heads {
		all = append(all, h)
	}
	slices.SortFunc(all[first:], func(a, b *head) int { return a.key.compare(b.key) })
	return all
}
