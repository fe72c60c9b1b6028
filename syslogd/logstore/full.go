package logstore

import (
	"errors"
	"fmt"
	"time"

	"rondo/rrd/seglog"
)

// headroom is what a new directory takes at once for Badger's memory maps.
const headroom = 48 << 20

// checkSpace refuses before Badger would fail: a full disk is a SIGBUS in its
// memory-mapped files, which nothing can catch.
func (s *Store) checkSpace(size int64) error {
	if s.o.ReserveBytes < 0 {
		return nil
	}
	free, err := s.free()
	if err != nil {
		return err
	}
	if free < s.o.ReserveBytes+headroom+size {
		return fmt.Errorf("logstore: %w: %d bytes free in %s", seglog.ErrFull, free, s.dirs.root)
	}
	return nil
}

func (s *Store) free() (int64, error) {
	free, err := s.o.FS.Free(s.dirs.root)
	if err != nil {
		return 0, fmt.Errorf("logstore: %w", err)
	}
	return free, nil
}

// claim finds room for a chunk. diskMu is held.
func (s *Store) claim(size int64) error {
	err := s.checkSpace(size)
	if errors.Is(err, seglog.ErrFull) && s.dropOldest(size) {
		return s.checkSpace(size)
	}
	return err
}

// makeRoom drops the oldest days if the disk is full and Config.WhenFull says
// so. It reports whether there is room now.
func (s *Store) makeRoom() bool {
	s.diskMu.Lock()
	defer s.diskMu.Unlock()
	return s.dropOldest(0)
}

// Room reports whether messages would be taken now: the error is seglog.ErrFull
// if the disk is full. It makes room if it may.
func (s *Store) Room() error {
	err := s.log.Room()
	if errors.Is(err, seglog.ErrFull) && s.makeRoom() {
		err = s.log.Room()
	}
	if err != nil {
		return fmt.Errorf("logstore: %w", err)
	}
	return nil
}

// inVainPause is how long no day goes after one that gave no room: another
// program fills the disk, or a snapshot still holds the files.
const inVainPause = time.Minute

// dropOldest is makeRoom with diskMu held.
func (s *Store) dropOldest(size int64) bool {
	for s.o.Config.WhenFull == DropOldest && time.Since(s.inVain) > inVainPause {
		if err := s.checkSpace(size); !errors.Is(err, seglog.ErrFull) {
			return err == nil
		}
		k, ok := s.oldest()
		if !ok {
			return false
		}
		s.o.Log.Warn("disk full: the oldest day goes", "key", k.String())
		before, err := s.free()
		if err != nil || !s.drop(k) {
			return false // nor would the next one, and all days be gone in vain
		}
		if after, err := s.free(); err != nil || after <= before {
			s.o.Log.Error("disk full: the day that went has given no room; the others stay for now", "free_bytes", after, "pause", inVainPause)
			s.inVain = time.Now()
			return false
		}
	}
	return false
}

// oldest is the directory that goes first when the disk is full: never one of
// the last day, nor one that is still written to.
func (s *Store) oldest() (key, bool) {
	keys, _ := s.sizes()
	for _, k := range keys {
		if k.day == keys[len(keys)-1].day {
			break
		}
		if !s.inUse(k) {
			return k, true
		}
	}
	return key{}, false
}
