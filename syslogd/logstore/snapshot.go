package logstore

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"rondo/rrd/seglog"
)

// Snapshot makes dir a copy of the store as a kill at this moment would leave
// it: [Open] of it finds every message that was put before. dir must be on the
// same file system and not exist yet; nothing may write to what is in it,
// since files that never change again are hard links, which is why it takes a
// moment and hardly any disk.
//
// Messages are taken meanwhile; what waits is the sealing of chunks, and
// searches of the day that is being written to.
func (s *Store) Snapshot(dir string) error {
	s.diskMu.Lock()
	defer s.diskMu.Unlock()
	if err := s.snapshot(dir); err != nil {
		return fmt.Errorf("logstore: snapshot: %w", err)
	}
	return nil
}

// snapshot copies the chunks first: whatever they do not have is in the log,
// which is not cut meanwhile.
func (s *Store) snapshot(dir string) error {
	if err := seglog.MakeDir(filepath.Join(dir, "chunks")); err != nil {
		return err
	}
	keys, err := s.dirs.list()
	if err != nil {
		return err
	}
	for _, k := range keys {
		if err := s.dirs.clone(k, filepath.Join(dir, "chunks", k.String())); err != nil {
			return err
		}
	}
	notes := func(string) seglog.Clone { return seglog.Copy }
	if err := seglog.CloneDir(s.gone(), filepath.Join(dir, "gone"), notes); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return s.log.Snapshot(filepath.Join(dir, "log"), 0, s.log.End())
}

// clone copies a directory that nobody opens to write meanwhile. A writer's
// handle is closed first, when its last user has gone: its files are mapped,
// longer than what is in them, and without the newest keys.
func (d *dirs) clone(k key, dst string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.freed.Broadcast()
	for h := d.open[k]; h != nil && !h.readOnly; h = d.open[k] {
		if h.users == 0 {
			d.close(k, h)
			break
		}
		h.leaving = true
		d.freed.Wait()
	}
	return seglog.CloneDir(d.path(k), dst, seglog.BadgerFiles)
}
