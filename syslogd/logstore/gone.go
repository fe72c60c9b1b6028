package logstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"rondo/rrd/seglog"
)

// gone is where the notes are that dropped directories leave behind: files
// with the position up to which the log was in their chunks. The log is cut by
// whole segments, so a replay may still meet records of such a directory, which
// must not come back.
func (s *Store) gone() string { return filepath.Join(filepath.Dir(s.dirs.root), "gone") }

// noteGone writes the note of a directory that is about to be dropped.
func (s *Store) noteGone(k key) error {
	end := seglog.Pos(0)
	s.mu.Lock()
	for _, c := range s.chunks {
		if c.key == k {
			end = seglog.Pos(c.header.End) // the newest counts, which is the last
		}
	}
	s.mu.Unlock()
	if end <= s.log.First() {
		return nil
	}
	if err := seglog.MakeDir(s.gone()); err != nil {
		return err
	}
	name := filepath.Join(s.gone(), k.String())
	if err := os.WriteFile(name, fmt.Appendf(nil, "%d\n", uint64(end)), 0o600); err != nil {
		return err
	}
	return errors.Join(syncFile(name), seglog.SyncDir(s.gone()))
}

func syncFile(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// readGone returns what the notes say, and removes those that are of no use
// any more. A note that cannot be read is as none.
func (s *Store) readGone() (map[key]seglog.Pos, error) {
	gone := map[key]seglog.Pos{}
	entries, err := os.ReadDir(s.gone())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		name := filepath.Join(s.gone(), e.Name())
		k, err := parseKey(e.Name())
		if err != nil {
			continue // none of ours
		}
		var end uint64
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		_, err = fmt.Sscan(string(b), &end)
		if p := seglog.Pos(end); err == nil && p > s.log.First() && p <= s.log.End() {
			gone[k] = p
			continue
		}
		if err := os.Remove(name); err != nil {
			return nil, err
		}
	}
	return gone, nil
}
