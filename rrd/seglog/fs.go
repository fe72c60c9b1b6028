package seglog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// FS is what the log needs of a file system. Tests give one that records what
// a crash could leave behind.
type FS interface {
	// MkdirAll makes dir and its parents, durably.
	MkdirAll(dir string) error
	// List returns the names in dir, in any order.
	List(dir string) ([]string, error)
	// Open opens a file for reading and writing; create makes it first.
	Open(name string, create bool) (File, error)
	Remove(name string) error
	// SyncDir makes the creation and removal of files in dir durable.
	SyncDir(dir string) error
	// Free returns how many bytes can still be written below dir.
	Free(dir string) (int64, error)
	// Lock takes the exclusive lock on dir until the Closer is closed.
	Lock(dir string) (io.Closer, error)
}

// File is an open file of an FS. Sync makes its data and size durable.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	Sync() error
}

// LockedError says which process has a data directory open.
type LockedError struct {
	Dir string
	PID int // 0: not known
}

func (e *LockedError) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = "process " + strconv.Itoa(e.PID)
	}
	return fmt.Sprintf("data directory %s in use by %s", e.Dir, who)
}

// MakeDir makes dir and those of its parents that are missing, durably.
func MakeDir(dir string) error {
	if st, err := os.Stat(dir); err == nil && st.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := MakeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return SyncDir(parent)
}

// SyncDir makes the creation, removal and renaming of files in dir durable.
func SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// Replace makes data the content of a file, in one step: after a crash it is
// the old content or the new one, and once Replace has returned it is the new
// one. Nobody else may read the file. There is one writer at a time, so that
// what a crash leaves beside it (PATH.new) is used again.
func Replace(path string, data []byte) error {
	part := path + ".new"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return SyncDir(filepath.Dir(path))
}

// Find returns the paths of what lies in dir and has a name that matches a
// pattern (path.Match), in order; none where there is no such directory. Unlike
// filepath.Glob it takes dir as it is, whatever characters it has.
func Find(dir, pattern string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		ok, err := path.Match(pattern, e.Name())
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, filepath.Join(dir, e.Name()))
		}
	}
	return found, nil
}

// DropEmpty removes the files in dir that match a pattern and hold no byte. A
// store that makes a file and then gives it its size leaves such a file behind
// when it is killed in between; Badger then refuses to open its directory, for
// the sake of a file that never held anything (its *.mem).
func DropEmpty(dir, pattern string) error {
	found, err := Find(dir, pattern)
	if err != nil {
		return err
	}
	for _, name := range found {
		st, err := os.Stat(name)
		if err == nil && st.Mode().IsRegular() && st.Size() == 0 {
			err = os.Remove(name)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// InFiles says whether Badger cannot open a directory because of what is in
// it. Good history must not vanish for a shortage that passes. What Badger
// finds wrong in its files it says in words of its own; everything else is an
// error number of the system, which Badger mostly wraps as text. Of those
// only a file that is missing, or empty and so cannot be mapped, is damage.
func InFiles(err error) bool {
	text := err.Error()
	for errno := syscall.Errno(1); errno < 134; errno++ { // EHWPOISON is the last
		if errno != syscall.ENOENT && errno != syscall.EINVAL && strings.Contains(text, errno.Error()) {
			return false
		}
	}
	return true
}

// FreeBytes returns how many bytes can still be written below dir by a
// process that is not root's.
func FreeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// OS is the real file system.
type OS struct{}

// MkdirAll implements FS.
func (OS) MkdirAll(dir string) error { return MakeDir(dir) }

// SyncDir implements FS.
func (OS) SyncDir(dir string) error { return SyncDir(dir) }

// Free implements FS.
func (OS) Free(dir string) (int64, error) { return FreeBytes(dir) }

// Remove implements FS.
func (OS) Remove(name string) error { return os.Remove(name) }

// List implements FS.
func (OS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

// Open implements FS.
func (OS) Open(name string, create bool) (File, error) {
	flag := os.O_RDWR
	if create {
		flag |= os.O_CREATE | os.O_EXCL
	}
	f, err := os.OpenFile(name, flag, 0o640)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Lock implements FS by flock, which the kernel releases however the process ends. The
// file holds the process id only for the error message.
func (OS) Lock(dir string) (io.Closer, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &os.PathError{Op: "flock", Path: f.Name(), Err: err}
		}
		b, _ := io.ReadAll(io.LimitReader(f, 32))
		pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
		return nil, &LockedError{Dir: dir, PID: pid}
	}
	if err := errors.Join(f.Truncate(0), writePID(f)); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func writePID(f *os.File) error {
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}
