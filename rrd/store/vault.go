package store

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	badger "github.com/dgraph-io/badger/v4"

	"rondo/rrd"
	"rondo/rrd/seglog"
)

// A vault opens the epochs' Badger directories on demand and closes them when
// nobody has used them for a while: each open one costs a dozen file
// descriptors and goroutines, and its maps count as resident memory.
type vault struct {
	log  *slog.Logger
	mu   sync.Mutex
	free sync.Cond // an epoch was released
	open map[epochKey]*epoch
}

type epochKey struct {
	ring  *ring
	epoch uint32
}

// maxOpen is how many epochs stay open without being used; idleEpoch for how
// long.
const (
	maxOpen   = 40 // a query over all of one ring opens some twenty
	idleEpoch = 30 * time.Second
)

const (
	deadSuffix = ".dead" // being removed
	badSuffix  = ".bad"  // could not be opened; kept for a human
)

func newVault(log *slog.Logger) *vault {
	v := &vault{log: log, open: map[epochKey]*epoch{}}
	v.free.L = &v.mu
	return v
}

func epochDir(r *ring, n uint32) string {
	if n >= keptBase {
		return filepath.Join(r.dir, keptPrefix+strconv.FormatUint(uint64(n-keptBase), 10))
	}
	return filepath.Join(r.dir, strconv.FormatUint(uint64(n), 10))
}

// epochNumber is the inverse of epochDir.
func epochNumber(name string) (n uint32, ok bool) {
	digits, kept := strings.CutPrefix(name, keptPrefix)
	u, err := strconv.ParseUint(digits, 10, 32)
	if kept {
		u += keptBase
	}
	return uint32(u), err == nil && u>>32 == 0
}

// load finds the epochs of a ring, and finishes what a crash left: removals
// that had begun, and logs that only a read-write open can repair. An epoch
// that cannot be opened is set aside.
func (v *vault) load(r *ring, report func(error)) error {
	entries, err := os.ReadDir(r.dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), deadSuffix) {
			if err := os.RemoveAll(filepath.Join(r.dir, e.Name())); err != nil {
				return err
			}
			continue
		}
		n, ok := epochNumber(e.Name())
		if !ok {
			continue
		}
		dir := epochDir(r, n)
		if err := v.repair(dir); err != nil {
			report(fmt.Errorf("epoch %s: %w", dir, err))
			if seglog.InFiles(err) {
				if err := setAside(dir); err != nil {
					return err
				}
				continue
			}
		}
		r.note(n, true)
	}
	return nil
}

func (v *vault) repair(dir string) error {
	if err := seglog.DropEmpty(dir, "*.mem"); err != nil {
		return err
	}
	mems, err := seglog.Find(dir, "*.mem")
	if err != nil || len(mems) == 0 {
		return err
	}
	db, err := openBadger(dir, true, &complaints{log: v.log})
	if err != nil {
		return err
	}
	return db.Close()
}

// acquire opens an epoch, which the caller must release. It returns nil if
// there is no such epoch and it is only to be read.
func (v *vault) acquire(r *ring, n uint32, write bool) (*epoch, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	key := epochKey{r, n}
	for {
		if !write && !r.epochs[n] {
			return nil, nil
		}
		e := v.open[key]
		if e == nil {
			return v.openEpoch(key, write)
		}
		if e.leaving {
			v.free.Wait()
			continue
		}
		if e.writable || !write {
			e.refs++
			return e, nil
		}
		if e.refs > 0 { // Badger allows no writer beside a reader
			v.free.Wait()
			continue
		}
		if err := v.closeEpoch(e); err != nil {
			return nil, err
		}
	}
}

func (v *vault) openEpoch(key epochKey, write bool) (*epoch, error) {
	dir := epochDir(key.ring, key.epoch)
	if write && !key.ring.epochs[key.epoch] {
		if err := seglog.MakeDir(dir); err != nil {
			return nil, err
		}
	}
	c := &complaints{log: v.log.With("dir", dir)}
	db, err := openBadger(dir, write, c)
	if err != nil && !write && strings.Contains(err.Error(), badger.ErrTruncateNeeded.Error()) {
		// What a crash left could not be repaired at the start; it may be now.
		if err = v.repair(dir); err == nil {
			db, err = openBadger(dir, write, c)
		}
	}
	if err != nil {
		return nil, v.openFailed(key, err)
	}
	e := &epoch{key: key, db: db, writable: write, refs: 1, complain: c}
	key.ring.note(key.epoch, true)
	v.open[key] = e
	return e, nil
}

// openFailed sets an epoch aside if what is in it cannot be opened, so that
// the next try finds none.
func (v *vault) openFailed(key epochKey, err error) error {
	dir := epochDir(key.ring, key.epoch)
	err = fmt.Errorf("epoch %s: %w", dir, err)
	if !seglog.InFiles(err) {
		return err
	}
	if aside := setAside(dir); aside != nil {
		return errors.Join(err, aside)
	}
	key.ring.note(key.epoch, false)
	return err
}

func (v *vault) release(e *epoch) {
	v.mu.Lock()
	defer v.mu.Unlock()
	e.refs--
	e.used = time.Now()
	v.free.Broadcast()
	if len(v.open) > maxOpen {
		v.closeOldest()
	}
}

// closeOldest closes the epoch that was not used for the longest time.
func (v *vault) closeOldest() {
	var oldest *epoch
	for _, e := range v.open {
		if e.refs == 0 && (oldest == nil || e.used.Before(oldest.used)) {
			oldest = e
		}
	}
	if oldest != nil {
		if err := v.closeEpoch(oldest); err != nil {
			v.log.Error("closing an epoch failed", "err", err)
		}
	}
}

func (v *vault) closeEpoch(e *epoch) error {
	delete(v.open, e.key)
	return e.db.Close()
}

// closeIdle closes the epochs that were not used since.
func (v *vault) closeIdle(since time.Time) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var errs []error
	for _, e := range v.open {
		if e.refs == 0 && !e.used.After(since) {
			errs = append(errs, v.closeEpoch(e))
		}
	}
	return errors.Join(errs...)
}

// expire removes the epochs of a ring that lie wholly before a time, as many
// as it can.
func (v *vault) expire(r *ring, edge rrd.Time) (removed int, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var errs []error
	for n := range r.epochs {
		if !r.turned(n, edge) {
			continue
		}
		if e := v.open[epochKey{r, n}]; e != nil && e.refs > 0 {
			continue // next time
		}
		gone, err := v.removeEpoch(r, n)
		if gone {
			removed++
		}
		errs = append(errs, err)
	}
	return removed, errors.Join(errs...)
}

// removeEpoch removes an epoch that nobody uses.
func (v *vault) removeEpoch(r *ring, n uint32) (gone bool, err error) {
	if e := v.open[epochKey{r, n}]; e != nil {
		err = v.closeEpoch(e)
	}
	gone, removeErr := removeDir(epochDir(r, n))
	if gone {
		r.note(n, false)
	}
	return gone, errors.Join(err, removeErr)
}

// has says whether an epoch exists.
func (v *vault) has(r *ring, n uint32) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return r.epochs[n]
}

// removeDir removes a directory so that a crash leaves it whole or not at
// all: RemoveAll alone might leave a Badger directory with files missing. It
// is gone once it has another name; what cannot be removed then is left for
// the next start.
func removeDir(dir string) (gone bool, err error) {
	if err := ignoreMissing(os.Rename(dir, dir+deadSuffix)); err != nil {
		return false, err
	}
	if err := seglog.SyncDir(filepath.Dir(dir)); err != nil {
		return true, err
	}
	return true, os.RemoveAll(dir + deadSuffix)
}
