package file

import (
	"bytes"
	"container/list"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// overflowName is the file for messages that may not have one of their own.
const overflowName = "overflow.log"

// file is an open file.
type file struct {
	name    string // below the root
	f       *os.File
	info    fs.FileInfo // as opened, for its inode
	place   *list.Element
	round   int       // when its inode was last looked at
	period  time.Time // in which its lines were written
	buf     []byte    // lines not yet written
	size    int64     // as far as we know
	settled int64     // size up to which all is settled
	changed bool      // since the last commit
}

// openFiles are files by name, least recently used first.
type openFiles struct {
	byName map[string]*file
	order  list.List
}

func (o *openFiles) add(f *file) {
	f.place = o.order.PushBack(f)
	o.byName[f.name] = f
}

func (o *openFiles) close(f *file) {
	o.order.Remove(f.place)
	delete(o.byName, f.name)
	f.f.Close()
}

func (o *openFiles) closeAll() {
	for o.order.Len() > 0 {
		o.close(o.order.Front().Value.(*file))
	}
}

// file returns the file that s.name names, opened and rotated if need be.
func (s *session) file(now time.Time) (*file, error) {
	f := s.open.byName[string(s.name)]
	if f != nil && f.round != s.round {
		f.round = s.round
		if !s.inPlace(f) { // somebody else has rotated it
			if err := s.drop(f); err != nil {
				return nil, err
			}
			f = nil
		}
	}
	if f == nil {
		var err error
		if f, err = s.openFor(now); err != nil {
			return nil, err
		}
	}
	if s.due(f, now) {
		if err := s.rotate(f, now); err != nil {
			return nil, err
		}
		return s.openFor(now)
	}
	s.open.order.MoveToBack(f.place)
	return f, nil
}

// inPlace reports whether the file is still what its name names.
func (s *session) inPlace(f *file) bool {
	found, err := s.root.Stat(f.name)
	return err == nil && os.SameFile(f.info, found)
}

// drop settles all, and closes a file.
func (s *session) drop(f *file) error {
	if f.changed {
		if err := s.commit(); err != nil {
			return err
		}
	}
	s.open.close(f)
	return nil
}

// openFor opens the file that s.name names, or the one for overflow.
func (s *session) openFor(now time.Time) (*file, error) {
	f, err := s.openFile(string(s.name), now)
	if !errors.Is(err, errQuota) && !isOwnFault(err) {
		return f, err
	}
	s.tellOverflow(err, now)
	if f := s.open.byName[overflowName]; f != nil {
		return f, nil
	}
	return s.openFile(overflowName, now)
}

var errQuota = errors.New("too many new files in an hour")

// tellOverflow tells of messages that have no file of their own, not more often
// than each minute.
func (s *session) tellOverflow(err error, now time.Time) {
	s.overflowed++
	if now.Sub(s.told) < time.Minute {
		return
	}
	s.log.Warn("messages go to "+overflowName, "messages", s.overflowed, "file", string(s.name), "err", err)
	s.told, s.overflowed = now, 0
}

// isOwnFault reports whether a file cannot be opened for what lies in its
// place: the others can.
func isOwnFault(err error) bool {
	for _, e := range []error{syscall.EISDIR, syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG, syscall.ENXIO, errNotRegular} {
		if errors.Is(err, e) {
			return true
		}
	}
	// os.Root has no name for the error of a link that leads out of it.
	e, ok := errors.AsType[*fs.PathError](err)
	return ok && e.Err.Error() == "path escapes from parent"
}

// makeRoom closes the least recently used file if as many are open as may be.
func (s *session) makeRoom() error {
	if s.open.order.Len() < s.conf.MaxOpen {
		return nil
	}
	return s.drop(s.open.order.Front().Value.(*file))
}

// openFile opens a file for appending, or creates it.
func (s *session) openFile(name string, now time.Time) (*file, error) {
	const flags = os.O_RDWR | os.O_APPEND | syscall.O_NONBLOCK // which does not wait for the reader of a FIFO
	f, err := s.root.OpenFile(name, flags, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if f, err = s.create(name, flags, now); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	opened := &file{name: name, f: f, round: s.round}
	if err := s.begin(opened, now); err != nil {
		f.Close()
		return nil, err
	}
	if err := s.makeRoom(); err != nil {
		f.Close()
		return nil, err
	}
	s.open.add(opened)
	return opened, nil
}

// create creates a file and the directories above it.
func (s *session) create(name string, flags int, now time.Time) (*os.File, error) {
	if !s.made.left(now) && name != overflowName {
		return nil, errQuota
	}
	if err := s.makeDirs(path.Dir(name)); err != nil {
		return nil, err
	}
	f, err := s.root.OpenFile(name, flags|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	s.made.used++
	s.dirs[path.Dir(name)] = true
	if err := s.own(f, s.conf.Mode); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// own gives a new file or directory its owner and its mode.
func (s *session) own(f *os.File, mode Mode) error {
	if s.conf.uid >= 0 || s.conf.gid >= 0 {
		if err := f.Chown(s.conf.uid, s.conf.gid); err != nil {
			return err
		}
	}
	return f.Chmod(fs.FileMode(mode))
}

// makeDirs makes the directories of a path that are not there yet.
func (s *session) makeDirs(dir string) error {
	if dir == "." {
		return nil
	}
	err := s.root.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.makeDirs(path.Dir(dir)); err != nil {
			return err
		}
		err = s.root.Mkdir(dir, 0o700)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	s.dirs[path.Dir(dir)] = true
	d, err := s.root.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return s.own(d, s.conf.DirMode)
}

var errNotRegular = errors.New("it is no regular file")

// begin finds out where an open file stands.
func (s *session) begin(f *file, now time.Time) (err error) {
	if f.info, err = f.f.Stat(); err != nil {
		return err
	}
	if !f.info.Mode().IsRegular() {
		return errNotRegular
	}
	f.size, f.period = f.info.Size(), now
	if f.size > 0 {
		f.period = f.info.ModTime()
		if err := s.mend(f); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	f.period = s.conf.begins(f.period)
	f.settled = f.size
	return nil
}

// maxTorn is the longest piece of a line that is taken for what a crash left.
const maxTorn = 1 << 20

// mend makes a file end with a line end: it cuts off a piece of a line. One
// that is too long to be a line of ours is given an end instead.
func (s *session) mend(f *file) error {
	n := min(f.size, maxTorn)
	tail := make([]byte, min(n, 4096))
	if err := readEnd(f.f, tail, f.size); err != nil || tail[len(tail)-1] == '\n' {
		return err
	}
	tail = make([]byte, n)
	if err := readEnd(f.f, tail, f.size); err != nil {
		return err
	}
	at := bytes.LastIndexByte(tail, '\n')
	if at < 0 && n < f.size {
		s.log.Warn("a file did not end with a line end", "file", f.name)
		_, err := f.f.Write([]byte("\n"))
		f.size++
		return err
	}
	torn := n - int64(at+1)
	s.log.Warn("a piece of a line at the end of a file was cut off", "file", f.name, "bytes", torn)
	f.size -= torn
	return f.f.Truncate(f.size)
}

// readEnd fills b with the end of a file.
func readEnd(f *os.File, b []byte, size int64) error {
	_, err := f.ReadAt(b, size-int64(len(b)))
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // it has just become shorter
	}
	return err
}

// writeFile gives a file's buffer to the kernel.
func (s *session) writeFile(f *file) error {
	if len(f.buf) == 0 {
		return nil
	}
	n, err := s.put(f.f, f.buf)
	f.size += int64(n)
	f.buf = f.buf[:0]
	return err
}

// rollBack cuts off what was written since the last commit, unless somebody
// else has written too.
func (f *file) rollBack() error {
	f.buf = f.buf[:0]
	info, err := f.f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != f.size {
		return errors.New("its size is not what was written")
	}
	f.size = f.settled
	return f.f.Truncate(f.size)
}

// syncers is how many files are synced at the same time: a journal of a file
// system writes them down together.
const syncers = 16

// sync has all that changed on the device.
func (s *session) sync() error {
	var g errgroup.Group
	g.SetLimit(syncers)
	for _, f := range s.changed {
		g.Go(f.f.Sync)
	}
	for dir := range s.dirs {
		g.Go(func() error {
			d, err := s.root.Open(dir)
			if err != nil {
				return err
			}
			defer d.Close()
			return d.Sync()
		})
	}
	return g.Wait()
}
