package logstore

import (
	"errors"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"rondo/rrd/seglog"
	"rondo/syslogd/logstore/chunk"
)

// recover reads the headers of all chunks and replays the log.
func (s *Store) recover() error {
	if err := s.dirs.removeDead(); err != nil {
		s.o.Log.Warn("cannot remove a dropped day", "err", err)
	}
	keys, err := s.dirs.list()
	if err != nil {
		return err
	}
	sealed, err := s.readGone()
	if err != nil {
		return err
	}
	for _, k := range keys {
		err := s.loadDir(k, sealed)
		if err != nil && !isDamage(err) {
			return err // it may be good: starting without it would look like a loss
		}
		if err != nil {
			s.quarantineDir(k, err)
			delete(sealed, k) // what is still in the log is not in chunks any more
		}
	}
	slices.SortFunc(s.chunks, compareChunks)
	s.dirs.sweep(0)
	return s.replay(sealed)
}

// loadDir reads the headers of one directory, and notes up to where the log is
// in its chunks.
func (s *Store) loadDir(k key, sealed map[key]seglog.Pos) error {
	var newest *chunkInfo
	err := s.dirs.use(k, false, func(db *badger.DB) error {
		return eachHeader(db, func(id uint64, b []byte) {
			s.nextID[k] = id + 1
			h, err := chunk.ParseHeader(b)
			if err != nil {
				s.quarantined.Add(1)
				s.o.Log.Error("chunk is corrupt, left out", "key", k.String(), "chunk", id, "err", err)
				return
			}
			newest = &chunkInfo{key: k, id: id, header: h}
			for n := len(s.chunks); n > 0 && s.chunks[n-1].key == k && s.chunks[n-1].id >= id-h.Replaces; n-- {
				s.chunks = s.chunks[:n-1]
			}
			s.chunks = append(s.chunks, newest)
		})
	})
	if err != nil || newest == nil {
		return err
	}
	if seglog.Pos(newest.header.End) > s.log.End() {
		if err := s.detachFromLog(newest); err != nil {
			return err
		}
	}
	// The newest chunk decides, not the furthest position, for the same
	// reason.
	sealed[k] = seglog.Pos(newest.header.End)
	return nil
}

// detachFromLog makes a chunk name the beginning of the log. It named a
// position that the log has not reached, as when somebody moved the log away
// and a new one began: once that is long enough, the position would hide what
// is written before it.
func (s *Store) detachFromLog(c *chunkInfo) error {
	s.o.Log.Warn("chunk belongs to another log", "key", c.key.String(), "chunk", c.id, "end", c.header.End, "log_end", uint64(s.log.End()))
	if err := s.checkSpace(0); err != nil {
		return err
	}
	c.header.End = 0
	return s.dirs.use(c.key, true, func(db *badger.DB) error { return writeHeader(db, c.id, c.header) })
}

// quarantineDir puts a directory aside that Badger cannot open.
func (s *Store) quarantineDir(k key, cause error) {
	s.quarantined.Add(1)
	s.o.Log.Error("day is corrupt, left out", "key", k.String(), "err", cause)
	if err := s.dirs.setAside(k, corruptSuffix); err != nil {
		s.o.Log.Error("day cannot be set aside", "key", k.String(), "err", err)
	}
	s.chunks = slices.DeleteFunc(s.chunks, func(c *chunkInfo) bool { return c.key == k })
	delete(s.nextID, k)
}

// replay puts the messages that are in no chunk back into heads.
func (s *Store) replay(sealed map[key]seglog.Pos) error {
	now, failed := time.Now(), false
	for r, err := range s.log.Records(s.log.First()) {
		if err != nil {
			if _, damaged := errors.AsType[*seglog.DamageError](err); !damaged {
				return err
			}
			s.unreadable.Add(1)
			s.o.Log.Error("part of the log is damaged, left out", "err", err)
			continue
		}
		if err := s.replayRecord(r, string(r.Data), sealed, now); err != nil {
			s.unreadable.Add(1)
			s.o.Log.Error("record of the log is left out", "at", uint64(r.Pos), "err", err)
		}
		if waiting := s.backlogLen(); waiting > 0 && !failed {
			failed = !s.sealBacklog() // sealLoop tries again
		}
	}
	return nil
}

// replayRecord replays data, which is a record of the log or in one.
func (s *Store) replayRecord(at seglog.Record, data string, sealed map[key]seglog.Pos, now time.Time) error {
	switch {
	case isProbe(data):
		return nil
	case isMarked(data):
		return s.replayMarked(at, data, sealed, now)
	}
	k, rest, err := readRecordKey(data)
	if err != nil || at.End <= sealed[k] {
		return err
	}
	batch, err := readMessages(rest)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(run{k, batch}, at.Pos, at.End, now)
	s.detachFull(k)
	return nil
}

// replayMarked replays a record with marks, and those of messages in it.
func (s *Store) replayMarked(at seglog.Record, data string, sealed map[key]seglog.Pos, now time.Time) error {
	marks, records, err := readMarked(data)
	if err != nil {
		return err
	}
	s.marks.set(marks, at.Pos)
	for _, r := range records {
		if isMarked(r) {
			return errRecord
		}
		if err := s.replayRecord(at, r, sealed, now); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) backlogLen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.backlog)
}
