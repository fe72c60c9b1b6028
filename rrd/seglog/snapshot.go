package seglog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Snapshot makes dir a log that holds what lies between two positions of this
// one, of which end must be one that End has returned. It takes milliseconds
// and no disk to speak of, since segments that are not written any more are
// hard-linked; so dir must be on the same file system, and what is in it must
// not be written to. Nobody who appends waits for it.
//
// Segments that are cut meanwhile are left out, and all before them: the newest
// is taken first, so that none is missing in the middle.
func (l *Log) Snapshot(dir string, from, end Pos) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("seglog: snapshot: %w", err)
	}
	l.mu.Lock()
	segments := slices.Clone(l.segments)
	l.mu.Unlock()
	first, found := slices.BinarySearch(segments, from)
	if !found && first > 0 {
		first--
	}
	for i, base := range slices.Backward(segments) {
		path, to := l.path(base), filepath.Join(dir, segmentName(base))
		if i < first {
			break
		}
		if base >= end {
			continue // begun later
		}
		var err error
		if next := i + 1; next < len(segments) && segments[next] < end {
			err = os.Link(path, to)
		} else {
			err = copyFile(path, to, int64(end-base))
		}
		if errors.Is(err, fs.ErrNotExist) && base < l.First() {
			break // cut while we came
		}
		if err != nil {
			return fmt.Errorf("seglog: snapshot: %w", err)
		}
	}
	return nil
}

// A Clone says how a file gets into the clone of its directory.
type Clone int

// The ways to clone a file.
const (
	Leave Clone = iota // it does not
	Link               // by a hard link: it is never changed again
	Copy               // by its bytes of now
)

// CloneDir makes dst a directory with the files of src, each as how says of
// its name. Directories and special files are left. It is for snapshots of
// directories that nobody writes to meanwhile.
func CloneDir(src, dst string, how func(name string) Clone) error {
	entries, err := os.ReadDir(src)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dst, 0o750); err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		from, to := filepath.Join(src, e.Name()), filepath.Join(dst, e.Name())
		switch how(e.Name()) {
		case Link:
			err = linkFile(from, to)
		case Copy:
			err = copyFile(from, to, -1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// BadgerFiles says to [CloneDir] how the files of a closed Badger directory are
// copied. Tables and value logs are written once: even the last value log, since
// Badger begins a new one at each open. The lock is a process' own, and
// DISCARD, a mebibyte of nothing, is made anew by Badger: it counts for a
// collection of garbage that is never run.
func BadgerFiles(name string) Clone {
	switch filepath.Ext(name) {
	case ".sst", ".vlog":
		return Link
	}
	if name == "LOCK" || name == "DISCARD" {
		return Leave
	}
	return Copy
}

// smallFile is up to which size a file is copied instead of linked. Badger
// cuts a file to nothing before it removes it, and it removes value logs that
// hold only their header: a link would be cut as well.
const smallFile = 4 << 10

func linkFile(from, to string) error {
	st, err := os.Stat(from)
	if err != nil {
		return err
	}
	if st.Size() <= smallFile {
		return copyFile(from, to, -1)
	}
	return os.Link(from, to)
}

// copyFile copies the first n bytes of a file; all of them if n is negative.
func copyFile(from, to string, n int64) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	if n < 0 {
		_, err = io.Copy(out, in)
	} else {
		_, err = io.CopyN(out, in, n)
	}
	return errors.Join(err, out.Close())
}
