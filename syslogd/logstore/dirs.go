package logstore

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"

	"rondo/rrd/seglog"
)

// dirs opens the Badger directories of days when they are needed, and closes
// them soon after: an open one costs memory, goroutines and descriptors.
type dirs struct {
	root string
	log  *slog.Logger

	mu     sync.Mutex
	freed  *sync.Cond // a handle was released
	open   map[key]*handle
	closed bool
}

// handle is an open directory.
type handle struct {
	db       *badger.DB
	log      *badgerLog
	readOnly bool
	leaving  bool // is closed when nobody uses it any more; no new users
	users    int
	used     time.Time
	written  int64 // bytes
}

func newDirs(root string, log *slog.Logger) *dirs {
	d := &dirs{root: root, log: log, open: map[key]*handle{}}
	d.freed = sync.NewCond(&d.mu)
	return d
}

func (d *dirs) path(k key) string { return filepath.Join(d.root, k.String()) }

// use calls f with the directory open. Badger locks a directory that is open
// for writing against readers, so there is one handle for all.
func (d *dirs) use(k key, write bool, f func(*badger.DB) error) error {
	h, err := d.acquire(k, write)
	if err != nil {
		return fmt.Errorf("logstore: open %s: %w", d.path(k), err)
	}
	defer d.release(h)
	if err := f(h.db); err != nil {
		return fmt.Errorf("logstore: %s: %w", d.path(k), err)
	}
	if write {
		return h.log.failed()
	}
	return nil
}

// maxMapped is after how many bytes a directory that is written to is closed
// and opened again, in some milliseconds. Badger maps its files, and what was
// written counts as memory of the process until it unmaps them.
const maxMapped = 16 << 20

// wrote counts the bytes written to a directory.
func (d *dirs) wrote(k key, n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.open[k]
	if h == nil {
		return
	}
	if h.written += n; h.written < maxMapped || h.readOnly {
		return
	}
	if h.leaving = true; h.users == 0 {
		d.close(k, h)
	}
}

func (d *dirs) acquire(k key, write bool) (*handle, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		if d.closed {
			return nil, ErrClosed
		}
		h := d.open[k]
		if h == nil {
			break
		}
		if !h.leaving && (!write || !h.readOnly && h.log.failed() == nil) {
			h.users++
			return h, nil
		}
		if h.users == 0 {
			d.close(k, h)
			break
		}
		d.freed.Wait()
	}
	d.evict()
	h, err := d.openDir(k, write)
	if err != nil {
		return nil, err
	}
	h.users = 1
	d.open[k] = h
	return h, nil
}

func (d *dirs) release(h *handle) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h.users--
	h.used = time.Now()
	d.freed.Broadcast()
}

// openDir opens for reading only where it can: that is faster, and writes
// nothing. After a kill, Badger wants to repair first.
func (d *dirs) openDir(k key, write bool) (*handle, error) {
	dir := d.path(k)
	lg := &badgerLog{log: d.log.With("dir", dir)}
	if write {
		if err := seglog.MakeDir(dir); err != nil {
			return nil, err
		}
	} else if _, err := os.Stat(dir); err != nil {
		return nil, err // dropped; Badger would make it anew
	}
	for _, pattern := range []string{"*.mem", "*.vlog"} {
		if err := seglog.DropEmpty(dir, pattern); err != nil {
			return nil, err
		}
	}
	if err := checkTables(dir); err != nil {
		return nil, err
	}
	if left, err := seglog.Find(dir, "*.mem"); !write && err == nil && len(left) == 0 {
		if db, err := badger.Open(badgerOptions(dir, true, lg)); err == nil {
			return &handle{db: db, log: lg, readOnly: true}, nil
		}
	}
	db, err := badger.Open(badgerOptions(dir, false, lg))
	if err != nil {
		return nil, err
	}
	return &handle{db: db, log: lg}, nil
}

// evict closes the directory that was not used for longest, if many are open.
func (d *dirs) evict() {
	if len(d.open) < maxOpenDirs {
		return
	}
	var oldest key
	var found *handle
	for k, h := range d.open {
		if h.users == 0 && (found == nil || h.used.Before(found.used)) {
			oldest, found = k, h
		}
	}
	if found != nil {
		d.close(oldest, found)
	}
}

func (d *dirs) close(k key, h *handle) {
	delete(d.open, k)
	if err := h.db.Close(); err != nil {
		d.log.Warn("cannot close a day", "dir", d.path(k), "err", err)
	}
}

// sweep closes what nobody used for a while.
func (d *dirs) sweep(idle time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for k, h := range d.open {
		if h.users == 0 && time.Since(h.used) >= idle {
			d.close(k, h)
		}
	}
}

// closeAll waits for the users of all directories, and lets no more in.
func (d *dirs) closeAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for len(d.open) > 0 {
		for k, h := range d.open {
			if h.users == 0 {
				d.close(k, h)
			}
		}
		if len(d.open) > 0 {
			d.freed.Wait()
		}
	}
}

const (
	deadSuffix    = ".dead"    // is being removed, which is not atomic
	corruptSuffix = ".corrupt" // cannot be opened; kept for a person to look at
)

// setAside renames a directory that nobody will ask for again, when its last
// user is gone.
func (d *dirs) setAside(k key, suffix string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for h := d.open[k]; h != nil; h = d.open[k] {
		if h.users == 0 {
			d.close(k, h)
			break
		}
		d.freed.Wait()
	}
	name := d.path(k) + suffix
	for i := 1; ; i++ {
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			break
		}
		name = fmt.Sprintf("%s.%d%s", d.path(k), i, suffix)
	}
	if err := os.Rename(d.path(k), name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return seglog.SyncDir(d.root)
}

// removeDead removes what was renamed, also by an earlier process.
func (d *dirs) removeDead() error {
	dead, err := seglog.Find(d.root, "*"+deadSuffix)
	for _, dir := range dead {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// list returns the keys of all directories.
func (d *dirs) list() ([]key, error) {
	entries, err := os.ReadDir(d.root)
	if err != nil {
		return nil, err
	}
	var keys []key
	for _, e := range entries {
		if !e.IsDir() || strings.HasSuffix(e.Name(), deadSuffix) || strings.HasSuffix(e.Name(), corruptSuffix) {
			continue
		}
		k, err := parseKey(e.Name())
		if err != nil {
			d.log.Warn("unknown directory among the days", "dir", d.root, "err", err)
			continue
		}
		keys = append(keys, k)
	}
	return keys, nil
}
