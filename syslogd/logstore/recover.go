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
	sealed := map[key]seglog.Pos{}
	for _, k := range keys {
		if err := s.loadDir(k, sealed); err != nil {
			s.quarantineDir(k, err)
		}
	}
	slices.SortFunc(s.chunks, compareChunks)
	s.dirs.sweep(0)
	return s.replay(sealed)
}

// loadDir reads the headers of one directory.
func (s *Store) loadDir(k key, sealed map[key]seglog.Pos) error {
	return s.dirs.use(k, false, func(db *badger.DB) error {
		return eachHeader(db, func(id uint64, b []byte) {
			s.nextID[k] = id + 1
			h, err := chunk.ParseHeader(b)
			if err != nil {
				s.quarantined.Add(1)
				s.o.Log.Error("chunk is corrupt, left out", "key", k.String(), "chunk", id, "err", err)
				return
			}
			s.chunks = append(s.chunks, &chunkInfo{key: k, id: id, header: h})
			// The newest chunk decides, not the furthest position: who moves
			// the log away begins again at 0.
			sealed[k] = 0
			if pos := seglog.Pos(h.End); pos <= s.log.End() {
				sealed[k] = pos
			}
		})
	})
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
		k, rest, err := readRecordKey(r.Data)
		if err == nil && r.End <= sealed[k] {
			continue
		}
		if err == nil {
			err = s.replayRecord(k, rest, r, now)
		}
		if err != nil {
			s.unreadable.Add(1)
			s.o.Log.Error("record of the log is left out", "at", uint64(r.Pos), "err", err)
		}
		if waiting := s.backlogLen(); waiting > 0 && !failed {
			failed = !s.sealBacklog() // sealLoop tries again
		}
	}
	return nil
}

func (s *Store) replayRecord(k key, rest *recordReader, r seglog.Record, now time.Time) error {
	batch, err := rest.messages()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(run{k, batch}, r.Pos, r.End, now)
	s.detachFull(k)
	return nil
}

func (s *Store) backlogLen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.backlog)
}
