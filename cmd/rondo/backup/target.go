package backup

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"rondo/rrd/seglog"
)

// A Target keeps objects by name; a name is a path with slashes.
type Target interface {
	// Put stores an object, whole and durable or not at all.
	Put(ctx context.Context, name string, body io.Reader) error
	// Get opens an object; fs.ErrNotExist where there is none.
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	// List calls each with the objects whose names begin with a prefix.
	List(ctx context.Context, prefix string, each func(name string, size int64, changed time.Time) error) error
	// Delete removes an object. That it is not there is no error.
	Delete(ctx context.Context, name string) error
}

// Dir is a directory as a Target.
type Dir struct {
	root *os.Root
	path string
	lock io.Closer // nil: it is only read
}

// OpenDir opens a directory as a target. With create it is made, where it is
// not there yet, and held until Close: of two that write, the second gets
// ErrBusy. Its parent is never made, since that may be where a disk should be
// mounted.
func OpenDir(dir string, create bool) (*Dir, error) {
	if create {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("backup: %w", err)
		}
		if err := seglog.SyncDir(filepath.Dir(dir)); err != nil {
			return nil, fmt.Errorf("backup: %w", err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	d := &Dir{root: root, path: dir}
	if create {
		if err := d.hold(); err != nil {
			return nil, errors.Join(fmt.Errorf("backup: %w", err), root.Close())
		}
	}
	return d, nil
}

// ErrBusy: somebody else writes to a directory.
var ErrBusy = errors.New("another backup to this place is running")

func (d *Dir) hold() (err error) {
	d.lock, err = seglog.OS{}.Lock(d.path)
	switch locked, ok := errors.AsType[*seglog.LockedError](err); {
	case ok:
		return fmt.Errorf("%s: %w, in process %d", d.path, ErrBusy, locked.PID)
	case errors.Is(err, unix.ENOLCK) || errors.Is(err, unix.ENOTSUP):
		return nil // a network's file system without locks: as a bucket, it goes without
	}
	return err
}

// Close gives the directory back.
func (d *Dir) Close() error {
	if d.lock == nil {
		return d.root.Close()
	}
	return errors.Join(d.lock.Close(), d.root.Close())
}

// tmpDir holds files that are being written.
const tmpDir = "tmp"

// Put implements Target: a new file gets its name when it is on the device.
func (d *Dir) Put(ctx context.Context, name string, body io.Reader) error {
	tmp := path.Join(tmpDir, rand.Text())
	if err := d.write(ctx, tmp, body); err != nil {
		return errors.Join(fmt.Errorf("backup: %s: %w", d.path, err), ignoreMissing(d.root.Remove(tmp)))
	}
	err := d.makeDir(path.Dir(name))
	if err == nil {
		err = d.root.Rename(tmp, name)
	}
	if err == nil {
		err = d.sync(path.Dir(name))
	}
	if err != nil {
		return fmt.Errorf("backup: %s: %w", d.path, err)
	}
	return nil
}

func (d *Dir) write(ctx context.Context, name string, body io.Reader) error {
	if err := d.makeDir(tmpDir); err != nil {
		return err
	}
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, ctxReader{ctx, body})
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// makeDir makes a directory and its parents, durably.
func (d *Dir) makeDir(dir string) error {
	if st, err := d.root.Stat(dir); err == nil && st.IsDir() {
		return nil
	}
	parent := path.Dir(dir)
	if parent != "." {
		if err := d.makeDir(parent); err != nil {
			return err
		}
	}
	if err := d.root.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.sync(parent)
}

func (d *Dir) sync(dir string) error {
	f, err := d.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Get implements Target.
func (d *Dir) Get(_ context.Context, name string) (io.ReadCloser, error) { return d.root.Open(name) }

// List implements Target.
func (d *Dir) List(ctx context.Context, prefix string, each func(string, int64, time.Time) error) error {
	top := path.Clean(prefix)
	err := fs.WalkDir(d.root.FS(), top, func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.Type().IsRegular() {
			return ctx.Err()
		}
		var st fs.FileInfo
		if err == nil {
			st, err = e.Info()
		}
		if err != nil {
			return ignoreMissing(err)
		}
		return each(name, st.Size(), st.ModTime())
	})
	return ignoreMissing(err)
}

// Delete implements Target.
func (d *Dir) Delete(_ context.Context, name string) error { return ignoreMissing(d.root.Remove(name)) }

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// ctxReader ends when its context does.
type ctxReader struct {
	ctx context.Context //nolint:containedctx // lives as long as one copy
	r   io.Reader
}

func (c ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

// read returns a whole object, which may have so many bytes at most.
func read(ctx context.Context, t Target, name string, limit int64) ([]byte, error) {
	r, err := t.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var b bytes.Buffer
	if n, err := io.Copy(&b, io.LimitReader(r, limit+1)); err != nil || n > limit {
		return nil, errors.Join(err, tooLong(n, limit))
	}
	return b.Bytes(), nil
}

func tooLong(n, limit int64) error {
	if n > limit {
		return fmt.Errorf("longer than %d bytes", limit)
	}
	return nil
}
