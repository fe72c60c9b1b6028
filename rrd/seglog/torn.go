package seglog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

const (
	tornSuffix = ".torn"
	maxTorn    = 8 // files that are kept; the oldest goes
)

// setAside copies what stands between two positions of the last segment to a
// file of its own, durably, before it is cut off. Mostly it is an append that
// a crash interrupted and nobody will miss; but one flipped bit in the last
// record looks the same, and only a human can tell. Zeros alone are not kept.
// It returns the name of the file, "" if there is none.
func (l *Log) setAside(f File, base, from Pos, size int64) (name string, err error) {
	tail := io.NewSectionReader(f, int64(from-base), size)
	if empty, err := zeros(tail); err != nil || empty {
		return "", err
	}
	if err := l.dropTorn(); err != nil {
		return "", err
	}
	to, name, err := l.newTorn(from)
	if err != nil {
		return "", err
	}
	if _, err = tail.Seek(0, io.SeekStart); err == nil {
		_, err = io.Copy(io.NewOffsetWriter(to, 0), tail)
	}
	err = errors.Join(err, to.Sync(), to.Close(), l.o.FS.SyncDir(l.dir))
	return name, err
}

func zeros(r io.Reader) (bool, error) {
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		if slices.ContainsFunc(buf[:n], func(b byte) bool { return b != 0 }) {
			return false, nil
		}
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// newTorn makes the file for what is cut off at a position. Another one may
// have been cut off there before.
func (l *Log) newTorn(at Pos) (f File, name string, err error) {
	for n := range maxTorn {
		name = filepath.Join(l.dir, fmt.Sprintf("%016x-%d%s", uint64(at), n, tornSuffix))
		if f, err = l.o.FS.Open(name, true); !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	return f, name, err
}

// dropTorn makes room for one more file of what was cut off.
func (l *Log) dropTorn() error {
	names, err := l.o.FS.List(l.dir)
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, tornSuffix) })
	slices.Sort(names) // by position, which is by age
	for _, name := range names[:max(0, len(names)-maxTorn+1)] {
		if err := l.o.FS.Remove(filepath.Join(l.dir, name)); err != nil {
			return err
		}
	}
	return nil
}
