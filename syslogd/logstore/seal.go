package logstore

import (
	"context"
	"slices"
	"time"
)

// sealRetry is how long the store waits after it could not write a chunk.
const sealRetry = 5 * time.Second

// sealLoop writes full heads as chunks, one after the other, so that chunks of
// a key are numbered in the order of the log.
func (s *Store) sealLoop() {
	for {
		if s.sealBacklog() {
			select {
			case <-s.stop:
				return
			case <-s.wake:
			}
			continue
		}
		select {
		case <-s.stop:
			return
		case <-time.After(sealRetry):
		}
	}
}

// sealBacklog seals all that waits; false means that it could not.
func (s *Store) sealBacklog() bool {
	for {
		s.mu.Lock()
		var h *head
		if len(s.backlog) > 0 && !s.closed {
			h = s.backlog[0]
		}
		s.mu.Unlock()
		if h == nil {
			return true
		}
		if !s.sealHead(h) {
			return false
		}
	}
}

// sealHead makes a chunk of a head, and cuts the log.
func (s *Store) sealHead(h *head) bool {
	s.diskMu.Lock()
	defer s.diskMu.Unlock()
	info, err := s.seal(h)
	s.sealDone(h, info, err)
	if err != nil {
		return false
	}
	if err := s.cut(); err != nil {
		s.o.Log.Warn("log cannot be cut", "err", err)
	}
	s.o.step("after the cut of the log")
	if err := s.mergeTail(h.key); err != nil {
		s.o.Log.Warn("small chunks cannot be merged", "key", h.key.String(), "err", err)
	}
	return true
}

// sealDone replaces the head by its chunk, in one step for searches.
func (s *Store) sealDone(h *head, info *chunkInfo, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if s.sealErr == nil {
			s.o.Log.Error("chunk cannot be written, trying again", "key", h.key.String(), "err", err)
		}
		s.sealErr = err
		close(s.sealed) // writers that wait are told
		s.sealed = make(chan struct{})
		return
	}
	s.sealErr = nil
	s.backlog = slices.Clone(s.backlog[1:])
	s.addChunk(info)
	close(s.sealed)
	s.sealed = make(chan struct{})
}

// addChunk puts a chunk into the index. s.mu is held.
func (s *Store) addChunk(c *chunkInfo) {
	i, _ := slices.BinarySearchFunc(s.chunks, c, compareChunks)
	s.chunks = slices.Insert(slices.Clip(s.chunks), i, c)
}

func compareChunks(a, b *chunkInfo) int {
	if c := a.key.compare(b.key); c != 0 {
		return c
	}
	switch {
	case a.id < b.id:
		return -1
	case a.id > b.id:
		return 1
	}
	return 0
}

// seal encodes a head and makes it durable.
func (s *Store) seal(h *head) (*chunkInfo, error) {
	// The log first: a chunk that names a position which a power cut takes
	// back would hide what is written there later. The log ends only after
	// the loop that seals, so this wait ends.
	if err := s.log.Commit(context.Background(), h.end); err != nil {
		return nil, err
	}
	s.mu.Lock()
	id := s.nextID[h.key]
	s.mu.Unlock()
	info, err := s.writeSealed(h.key, id, h.builder, uint64(h.end), nil)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.nextID[h.key] = id + 1
	s.mu.Unlock()
	return info, nil
}

// cut removes what is in chunks from the log. It ends: what it waits for is a
// log that is synced or closed.
func (s *Store) cut() error {
	s.mu.Lock()
	before := s.log.End()
	for _, h := range s.heads {
		before = min(before, h.start)
	}
	for _, h := range s.backlog {
		before = min(before, h.start)
	}
	s.mu.Unlock()
	// Not further than the marks were moved: to move them may begin a segment
	// at before, so that Cut would take another one.
	first, err := s.moveMarks(context.Background(), before)
	if err != nil {
		return err
	}
	s.o.step("before the cut of the log")
	return s.log.Cut(first)
}

// tickLoop does what time asks for.
func (s *Store) tickLoop() {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-s.stop:
			return
		case now := <-t.C:
			s.sealOld(now)
			s.dirs.sweep(dirIdle)
			s.retain(now)
			s.marks.expire(now)
			s.makeRoom()
		}
	}
}

// sealOld queues the heads that waited long enough for more.
func (s *Store) sealOld(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.heads {
		if now.Sub(h.touched) >= s.o.SealIdle || now.Sub(h.opened) >= s.o.SealAge {
			s.detach(h)
		}
	}
}

// Seal makes chunks of all that was stored so far and waits until they are on
// the device. It is for backups and for tests; Put needs no help.
func (s *Store) Seal() error {
	s.mu.Lock()
	for _, h := range s.heads {
		s.detach(h)
	}
	s.mu.Unlock()
	for {
		s.mu.Lock()
		left, sealed, err, closed := len(s.backlog), s.sealed, s.sealErr, s.closed
		s.mu.Unlock()
		switch {
		case left == 0:
			s.diskMu.Lock() // until the last one may have been merged with others
			defer s.diskMu.Unlock()
			return nil
		case closed:
			return ErrClosed
		case err != nil:
			return err
		}
		select {
		case <-sealed:
		case <-s.stop:
			return ErrClosed
		}
	}
}
