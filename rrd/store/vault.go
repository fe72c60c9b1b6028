package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	badger "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

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

// An epoch is an open Badger directory.
//
//	key   = page (4, big endian) block (4, big endian)
//	value = a block, see rrd/codec
type epoch struct {
	key      epochKey
	db       *badger.DB
	writable bool
	refs     int
	used     time.Time
	complain *complaints
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
	return filepath.Join(r.dir, strconv.FormatUint(uint64(n), 10))
}

// badgerOptions are for directories that are written in few big batches, read
// by key, and dropped whole: no compaction, no cache, values in the value log.
func badgerOptions(dir string, writable bool, log badger.Logger) badger.Options {
	o := badger.DefaultOptions(dir)
	o.Logger, o.ReadOnly, o.SyncWrites = log, !writable, true
	o.DetectConflicts, o.MetricsEnabled = false, false
	o.Compression, o.BlockCacheSize, o.IndexCacheSize = options.None, 0, 0
	o.MemTableSize, o.BaseTableSize, o.NumMemtables = 256<<10, 256<<10, 1
	o.NumCompactors, o.NumLevelZeroTables, o.NumLevelZeroTablesStall = 0, 99_999, 100_000
	o.BlockSize, o.ValueThreshold, o.ValueLogFileSize = 4<<10, 1<<10, 16<<20
	o.NumVersionsToKeep, o.CompactL0OnClose, o.LmaxCompaction = 1, false, false
	return o
}

// complaints counts what Badger only logs, such as a value log that could not
// be synced although the write "succeeded".
type complaints struct {
	log *slog.Logger
	n   atomic.Int64
}

func (c *complaints) Errorf(f string, args ...any) {
	c.n.Add(1)
	c.log.Error("badger", "err", strings.TrimSpace(fmt.Sprintf(f, args...)))
}
func (c *complaints) Warningf(f string, args ...any) {
	c.log.Warn("badger", "msg", strings.TrimSpace(fmt.Sprintf(f, args...)))
}
func (c *complaints) Infof(string, ...any)  {}
func (c *complaints) Debugf(string, ...any) {}

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
		n, err := strconv.ParseUint(e.Name(), 10, 32)
		if err != nil {
			continue
		}
		dir := epochDir(r, uint32(n))
		if err := v.repair(dir); err != nil {
			report(fmt.Errorf("epoch %s: %w", dir, err))
			if damaged(err) {
				if err := setAside(dir); err != nil {
					return err
				}
				continue
			}
		}
		r.epochs[uint32(n)] = true
	}
	return nil
}

func (v *vault) repair(dir string) error {
	if err := seglog.DropEmpty(dir, "*.mem"); err != nil {
		return err
	}
	mems, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil || len(mems) == 0 {
		return err
	}
	db, err := badger.Open(badgerOptions(dir, true, &complaints{log: v.log}))
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
	db, err := badger.Open(badgerOptions(dir, write, c))
	if err != nil && !write && strings.Contains(err.Error(), badger.ErrTruncateNeeded.Error()) {
		// What a crash left could not be repaired at the start; it may be now.
		if err = v.repair(dir); err == nil {
			db, err = badger.Open(badgerOptions(dir, write, c))
		}
	}
	if err != nil {
		return nil, v.openFailed(key, err)
	}
	e := &epoch{key: key, db: db, writable: write, refs: 1, complain: c}
	key.ring.epochs[key.epoch] = true
	v.open[key] = e
	return e, nil
}

// openFailed sets an epoch aside if what is in it cannot be opened, so that
// the next try finds none.
func (v *vault) openFailed(key epochKey, err error) error {
	dir := epochDir(key.ring, key.epoch)
	err = fmt.Errorf("epoch %s: %w", dir, err)
	if !damaged(err) {
		return err
	}
	if aside := setAside(dir); aside != nil {
		return errors.Join(err, aside)
	}
	delete(key.ring.epochs, key.epoch)
	return err
}

// setAside keeps an epoch for a human, under a name that nothing opens.
func setAside(dir string) error {
	return errors.Join(os.Rename(dir, dir+badSuffix), seglog.SyncDir(filepath.Dir(dir)))
}

// damaged says whether Badger cannot open a directory because of what is in
// it. Good history must not vanish for a shortage that passes. What Badger
// finds wrong in its files it says in words of its own; everything else is an
// error number of the system, which Badger mostly wraps as text. Of those
// only a file that is missing, or empty and so cannot be mapped, is damage.
func damaged(err error) bool {
	text := err.Error()
	for errno := syscall.Errno(1); errno < 134; errno++ { // EHWPOISON is the last
		if errno != syscall.ENOENT && errno != syscall.EINVAL && strings.Contains(text, errno.Error()) {
			return false
		}
	}
	return true
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
		if r.epochEnd(n) > edge {
			continue
		}
		if e := v.open[epochKey{r, n}]; e != nil {
			if e.refs > 0 {
				continue // next time
			}
			errs = append(errs, v.closeEpoch(e))
		}
		gone, err := removeDir(epochDir(r, n))
		if gone {
			delete(r.epochs, n)
			removed++
		}
		errs = append(errs, err)
	}
	return removed, errors.Join(errs...)
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

func blockKey(page, block uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(make([]byte, 0, 8), page), block)
}

// get returns the bytes of a block, nil if it is not there.
func (e *epoch) get(page, block uint32) (value []byte, err error) {
	err = e.db.View(func(txn *badger.Txn) error {
		item, err := txn.Get(blockKey(page, block))
		if errors.Is(err, badger.ErrKeyNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		value, err = item.ValueCopy(nil)
		return err
	})
	return value, err
}

// A blockValue is one block on its way to disk.
type blockValue struct {
	page, block uint32
	value       []byte
}

// put writes blocks durably.
func (e *epoch) put(blocks []blockValue) error {
	before := e.complain.n.Load()
	batch := e.db.NewWriteBatch()
	defer batch.Cancel()
	for _, b := range blocks {
		if err := batch.Set(blockKey(b.page, b.block), b.value); err != nil {
			return err
		}
	}
	if err := batch.Flush(); err != nil {
		return err
	}
	if e.complain.n.Load() != before {
		return errors.New("badger reported an error while it wrote")
	}
	return nil
}
