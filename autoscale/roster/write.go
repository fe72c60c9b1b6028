package roster

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// MaxFile bounds what is written, and what is read of a file to be edited.
const MaxFile = 4 << 20

// A Target is a file that is replaced whole: a new one is written beside it,
// brought to disk and put in its place, so that nobody ever reads half of it.
// Where a symbolic link stands in its place it is refused, rather than followed
// or lost.
type Target struct {
	Path string
	Mode fs.FileMode // 0: as it is, or 0644 of one that is new; its owner stays in any case
}

// Read returns what the file holds; nothing if there is none.
func (t Target) Read() ([]byte, error) {
	f, err := os.OpenFile(t.Path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, syscall.ELOOP):
		return nil, fmt.Errorf("%s is a symbolic link: name the file that it leads to", t.Path)
	case err != nil:
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fmt.Errorf("%s is no plain file", t.Path))
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err == nil && len(text) > MaxFile {
		err = fmt.Errorf("%s has more than %d bytes", t.Path, MaxFile)
	}
	return text, err
}

// Replace puts a text into the file, unless it is there already: then it says
// that nothing was changed. What approve, which may be nil, says of the new file
// before it is in place decides whether it gets there.
func (t Target) Replace(text []byte, approve func(file string) error) (changed bool, err error) {
	before, err := t.Read()
	if err != nil {
		return false, err
	}
	info, err := os.Lstat(t.Path)
	if err == nil && bytes.Equal(before, text) {
		return false, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err != nil {
		info = nil
	}
	beside, err := t.write(text, info)
	if err != nil {
		return false, err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(beside)
		}
	}()
	if approve != nil {
		if err := approve(beside); err != nil {
			return false, err
		}
	}
	if err := os.Rename(beside, t.Path); err != nil {
		return false, err
	}
	return true, syncFolder(filepath.Dir(t.Path))
}

// write makes the new file, with the mode and owner of the one that it is to
// replace. One that a killed process has left behind makes room.
func (t Target) write(text []byte, old fs.FileInfo) (beside string, err error) {
	beside = filepath.Join(filepath.Dir(t.Path), "."+filepath.Base(t.Path)+".rondo")
	if err := os.Remove(beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	f, err := os.OpenFile(beside, os.O_CREATE|os.O_EXCL|os.O_WRONLY|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return "", err
	}
	mode := t.Mode
	if mode == 0 && old != nil {
		mode = old.Mode().Perm()
	}
	if mode == 0 {
		mode = 0o644
	}
	err = f.Chmod(mode)
	if err == nil && old != nil {
		if own, ok := old.Sys().(*syscall.Stat_t); ok && (int(own.Uid) != os.Geteuid() || int(own.Gid) != os.Getegid()) {
			err = f.Chown(int(own.Uid), int(own.Gid))
		}
	}
	if err == nil {
		_, err = f.Write(text)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(beside)
	}
	return beside, err
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
