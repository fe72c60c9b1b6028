package logstore

import (
	"errors"
	"maps"
	"slices"
	"time"
)

// retain drops whole directories: those that are too old, and the oldest
// until the rest fits. The newest day of what shares a bound always stays.
func (s *Store) retain(now time.Time) {
	s.diskMu.Lock()
	defer s.diskMu.Unlock()
	for _, k := range s.expired(now) {
		s.drop(k)
	}
}

// drop removes a directory, and reports whether its disk is free. One that
// cannot be removed is still searched. diskMu is held.
func (s *Store) drop(k key) bool {
	err := s.noteGone(k)
	aside := s.dirs.setAside(k, deadSuffix)
	if aside == nil {
		s.forget(k)
		aside = s.dirs.removeDead()
	}
	if err = errors.Join(err, aside); err != nil {
		s.o.Log.Error("day cannot be removed", "key", k.String(), "err", err)
	}
	return aside == nil
}

// expired lists what is to be dropped. Classes with a bound of their own have
// it to themselves, the others share the store's.
func (s *Store) expired(now time.Time) []key {
	keys, size := s.sizes()
	var drop []key
	budgets := map[string][]key{} // by class, "" for what is shared
	for _, k := range keys {
		c := s.o.Config.class(k.class)
		if k.day < dayOf(now.Add(-c.Retention)) {
			if !s.inUse(k) {
				drop = append(drop, k)
			}
			continue
		}
		if c.MaxBytes == 0 {
			c.Name = ""
		}
		budgets[c.Name] = append(budgets[c.Name], k)
	}
	for name, keys := range budgets {
		most := s.o.Config.MaxBytes
		if name != "" {
			most = s.o.Config.class(name).MaxBytes
		}
		drop = append(drop, s.beyond(keys, size, most)...)
	}
	return drop
}

// beyond lists the oldest of some directories, without which the others take
// no more than most. It spares those of the last day.
func (s *Store) beyond(keys []key, size map[key]int64, most int64) (drop []key) {
	total := int64(0)
	for _, k := range keys {
		total += size[k]
	}
	for _, k := range keys {
		if total <= most || k.day == keys[len(keys)-1].day {
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

// sizes are those of all directories, which come oldest first.
func (s *Store) sizes() (keys []key, size map[key]int64) {
	s.mu.Lock()
	chunks := s.chunks
	s.mu.Unlock()
	size = map[key]int64{}
	for _, c := range chunks {
		if _, ok := size[c.key]; !ok {
			keys = append(keys, c.key)
		}
		size[c.key] += c.header.DiskSize
	}
	return keys, size
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
	Marks       int       // kept
	MarksGone   int64     // forgotten, because they were too old or too many
	Oldest      time.Time // reception of the oldest message; zero if there is none
	Retention   time.Duration
	MaxBytes    int64
	Classes     []ClassStats // in order of their names
}

// ClassStats is what the store holds of one class.
type ClassStats struct {
	Name      string
	Messages  int64
	RawBytes  int64
	DiskBytes int64
	Chunks    int
	Oldest    time.Time // reception; zero if there is none
	Retention time.Duration
	MaxBytes  int64 // 0: it shares the store's
}

// Stats returns the figures of now.
func (s *Store) Stats() Stats {
	st := Stats{
		Quarantined: s.quarantined.Load(), Unreadable: s.unreadable.Load(), Dropped: s.dropped.Load(),
		TailLost: s.tails.lost.Load(), Retention: s.o.Config.Retention, MaxBytes: s.o.Config.MaxBytes,
	}
	st.Marks, st.MarksGone = s.marks.counts()
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Backlog = len(s.backlog)
	classes := map[string]*ClassStats{}
	for _, c := range s.chunks {
		x := s.classStats(classes, c.key)
		x.Chunks++
		x.DiskBytes += c.header.DiskSize
		x.add(int64(c.header.Rows), c.header.RawBytes, c.header.MinReceived)
	}
	for _, h := range s.allHeads() {
		if n := int64(h.builder.Len()); n > 0 {
			s.classStats(classes, h.key).add(n, h.builder.RawBytes(), h.received.min)
			st.Head += n
		}
	}
	for _, name := range slices.Sorted(maps.Keys(classes)) {
		x := *classes[name]
		st.Classes = append(st.Classes, x)
		st.Messages, st.RawBytes, st.DiskBytes, st.Chunks = st.Messages+x.Messages, st.RawBytes+x.RawBytes, st.DiskBytes+x.DiskBytes, st.Chunks+x.Chunks
		if st.Oldest.IsZero() || x.Oldest.Before(st.Oldest) {
			st.Oldest = x.Oldest
		}
	}
	return st
}

// classStats finds or makes the figures of a key's class.
func (s *Store) classStats(classes map[string]*ClassStats, k key) *ClassStats {
	x := classes[k.class]
	if x == nil {
		c := s.o.Config.class(k.class)
		x = &ClassStats{Name: k.class, Retention: c.Retention, MaxBytes: c.MaxBytes}
		classes[k.class] = x
	}
	return x
}

func (x *ClassStats) add(messages, raw, received int64) {
	x.Messages += messages
	x.RawBytes += raw
	if t := time.Unix(0, received).UTC(); x.Oldest.IsZero() || t.Before(x.Oldest) {
		x.Oldest = t
	}
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
