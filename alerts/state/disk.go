package state

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"rondo/rrd/seglog"
)

const (
	memTable = 4 << 20 // bytes; a batch must stay below 15 % of it
	// mergeAfter is how many bytes are written between merges of tables: it
	// bounds what superseded values occupy.
	mergeAfter = 16 << 20
	crcSize    = 4
	// DefaultReserve is smaller than what the stores of samples and logs leave
	// free, so that alerting still works when they have stopped for want of
	// room.
	DefaultReserve = 48 << 20
	// openReserve is what Badger may touch while it opens. It writes through
	// mapped memory, where a full disk is a signal that ends the process.
	openReserve = 4 << 20
)

// Options of a Disk. The zero value is good.
type Options struct {
	Log     *slog.Logger // nil: quiet
	Reserve int64        // bytes that must stay free on the file system; 0: DefaultReserve
}

// Disk is a Store in a directory.
type Disk struct {
	db      *badger.DB
	dir     string
	log     *slog.Logger
	reserve int64
	crc     *crc32.Table

	written atomic.Int64 // bytes since the last merge
	merging atomic.Bool

	mu     sync.Mutex // guards closed, and users against closed
	closed bool
	users  sync.WaitGroup
}

// Open opens or makes the store in dir. It returns ErrInUse where another
// process has it open. A store whose files are damaged is set aside, and an
// empty one begun in its place; see [SetAside].
func Open(dir string, o Options) (*Disk, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Reserve == 0 {
		o.Reserve = DefaultReserve
	}
	d := &Disk{dir: dir, log: o.Log.With("component", "state"), reserve: o.Reserve, crc: crc32.MakeTable(crc32.Castagnoli)}
	err := d.open()
	if err != nil && !errors.Is(err, ErrInUse) && !errors.Is(err, ErrDiskFull) && seglog.InFiles(err) {
		err = d.startOver(err)
	}
	switch {
	case errors.Is(err, ErrInUse):
		return nil, fmt.Errorf("%w: %s", ErrInUse, dir)
	case err != nil:
		return nil, fmt.Errorf("state: open %s: %w", dir, err)
	}
	d.merge()
	return d, nil
}

func (d *Disk) open() error {
	if err := d.inspect(); err != nil {
		return err
	}
	if err := wantFree(filepath.Dir(d.dir), openReserve); err != nil {
		return err
	}
	db, err := badger.Open(d.options())
	if err != nil && strings.Contains(err.Error(), "Create a new file") {
		// We had the directory's lock; an empty memory table, which a kill left
		// behind, was in the way.
		if err = seglog.DropEmpty(d.dir, "*.mem"); err == nil {
			db, err = badger.Open(d.options())
		}
	}
	if err != nil && strings.Contains(err.Error(), "Cannot acquire directory lock") { // Badger wraps no error here
		return ErrInUse
	}
	d.db = db
	return err
}

// startOver keeps what is damaged and begins an empty store.
func (d *Disk) startOver(cause error) error {
	to, err := setAside(d.dir, time.Now())
	if err != nil {
		return errors.Join(cause, err)
	}
	d.log.Error("the state is damaged: it was set aside as it is, and an empty one begun; alert states, acknowledgements, silences, "+
		"hosts and the autoscaling journal are gone from here, and autoscaling groups stay stopped until they are started by hand",
		"err", cause, "set_aside", to)
	return d.open()
}

// options keep Badger small and quiet: values in the tree, no compactors (they
// wake 20 times a second; see merge), no caches, every commit synced.
func (d *Disk) options() badger.Options {
	o := badger.DefaultOptions(d.dir)
	o.Logger = badgerLog{d.log}
	o.SyncWrites, o.DetectConflicts, o.MetricsEnabled = true, false, false
	o.Compression, o.BlockCacheSize, o.IndexCacheSize = options.None, 0, 0
	o.MemTableSize, o.BaseTableSize, o.NumMemtables = memTable, memTable, 2
	o.NumCompactors, o.NumLevelZeroTables, o.NumLevelZeroTablesStall = 0, 3, 1000
	o.ValueThreshold, o.ValueLogFileSize = MaxBatch, 1<<20
	o.NumVersionsToKeep, o.CompactL0OnClose = 1, false
	o.ChecksumVerificationMode = options.OnTableRead // tables are few and small
	return o
}

// enter registers a use of the store; Close waits until leave was called.
func (d *Disk) enter() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return ErrClosed
	}
	d.users.Add(1)
	return nil
}

func (d *Disk) leave() { d.users.Done() }

// Get implements Store.
func (d *Disk) Get(key string) ([]byte, error) {
	if err := d.enter(); err != nil {
		return nil, err
	}
	defer d.leave()
	var value []byte
	err := d.db.View(func(tx *badger.Txn) error {
		item, err := tx.Get([]byte(key))
		if err != nil {
			return err
		}
		value, err = d.unseal(key, item)
		return err
	})
	if errors.Is(err, badger.ErrKeyNotFound) || errors.Is(err, badger.ErrEmptyKey) {
		return nil, ErrNotFound
	}
	return value, err
}

// Write implements Store. It refuses to write when the disk is nearly full,
// because Badger writes to mapped files and a full disk would kill the
// process.
func (d *Disk) Write(ctx context.Context, changes ...Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := checkBatch(changes); err != nil {
		return err
	}
	if err := d.enter(); err != nil {
		return err
	}
	defer d.leave()
	if err := d.room(); err != nil {
		return err
	}
	err := d.db.Update(func(tx *badger.Txn) error { return d.apply(tx, changes) })
	if err != nil {
		return fmt.Errorf("state: write: %w", err)
	}
	if d.written.Load() > mergeAfter {
		d.merge()
	}
	return nil
}

func (d *Disk) apply(tx *badger.Txn, changes []Change) error {
	size := 0
	for _, c := range changes {
		var err error
		if c.Delete {
			err = tx.Delete([]byte(c.Key))
		} else {
			err = tx.Set([]byte(c.Key), d.seal(c))
		}
		if err != nil {
			return err
		}
		size += len(c.Key) + len(c.Value) + 32 // what Badger adds to each
	}
	d.written.Add(int64(size))
	return nil
}

// room says whether there is space left beyond the reserve.
func (d *Disk) room() error { return wantFree(d.dir, d.reserve) }

func wantFree(dir string, least int64) error {
	free, err := seglog.FreeBytes(dir)
	if err != nil {
		return fmt.Errorf("state: free space: %w", err)
	}
	if free < least {
		return fmt.Errorf("%w: %s has %d MiB free, want %d MiB", ErrDiskFull, dir, free>>20, least>>20)
	}
	return nil
}

// seal appends the checksum to a value.
func (d *Disk) seal(c Change) []byte {
	out := make([]byte, 0, len(c.Value)+crcSize)
	out = append(out, c.Value...)
	return binary.LittleEndian.AppendUint32(out, d.sum(c.Key, c.Value))
}

func (d *Disk) unseal(key string, item *badger.Item) ([]byte, error) {
	v, err := item.ValueCopy(nil)
	if err != nil {
		return nil, err
	}
	n := len(v) - crcSize
	if n < 0 || binary.LittleEndian.Uint32(v[n:]) != d.sum(key, v[:n]) {
		return nil, fmt.Errorf("%w: %q", ErrCorrupt, key)
	}
	return v[:n], nil
}

func (d *Disk) sum(key string, value []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte(key), d.crc), d.crc, value)
}

// Scan implements Store.
func (d *Disk) Scan(r Range) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if err := d.enter(); err != nil {
			yield(Entry{}, err)
			return
		}
		defer d.leave()
		stopped := false
		err := d.db.View(func(tx *badger.Txn) error {
			d.scan(tx, r, func(e Entry, err error) bool {
				stopped = !yield(e, err)
				return !stopped
			})
			return nil
		})
		if err != nil && !stopped {
			yield(Entry{}, err)
		}
	}
}

func (d *Disk) scan(tx *badger.Txn, r Range, yield func(Entry, error) bool) {
	o := badger.DefaultIteratorOptions
	o.Prefix, o.Reverse, o.PrefetchSize = []byte(r.Prefix), r.Reverse, 16
	it := tx.NewIterator(o)
	defer it.Close()
	for it.Seek(r.start()); it.Valid(); it.Next() {
		key := string(it.Item().KeyCopy(nil))
		if key == r.After {
			continue
		}
		value, err := d.unseal(key, it.Item())
		if !yield(Entry{key, value}, err) {
			return
		}
	}
}

// start is where Badger's iterator must begin: descending, at a key that is
// not below any with the prefix.
func (r Range) start() []byte {
	if r.After != "" {
		return []byte(r.After)
	}
	if r.Reverse {
		return append([]byte(r.Prefix), 0xff, 0xff, 0xff, 0xff)
	}
	return []byte(r.Prefix)
}

// merge rewrites the tables into one level in the background, which drops
// what was superseded or deleted. At most one runs.
func (d *Disk) merge() {
	if !d.merging.CompareAndSwap(false, true) {
		return
	}
	if err := d.enter(); err != nil {
		d.merging.Store(false)
		return
	}
	d.written.Store(0)
	go func() {
		defer d.leave()
		defer d.merging.Store(false)
		if err := d.room(); err != nil {
			d.log.Warn("tables not merged", "err", err)
			return
		}
		if err := d.db.Flatten(1); err != nil {
			d.log.Error("tables not merged", "err", err)
		}
	}()
}

// Close implements Store.
func (d *Disk) Close() error {
	d.mu.Lock()
	again := d.closed
	d.closed = true
	d.mu.Unlock()
	if again {
		return nil
	}
	d.users.Wait()
	if err := d.db.Close(); err != nil {
		return fmt.Errorf("state: close: %w", err)
	}
	return nil
}

// badgerLog passes on what Badger has to complain about, and nothing else.
type badgerLog struct{ log *slog.Logger }

func (l badgerLog) Errorf(f string, a ...any)   { l.log.Error("badger", "text", fmt.Sprintf(f, a...)) }
func (l badgerLog) Warningf(f string, a ...any) { l.log.Warn("badger", "text", fmt.Sprintf(f, a...)) }
func (l badgerLog) Infof(string, ...any)        {}
func (l badgerLog) Debugf(string, ...any)       {}
