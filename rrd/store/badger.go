package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	badger "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"rondo/rrd/seglog"
)

// An epoch is an open Badger directory.
//
//	key   = page (4, big endian) block (4, big endian)
//	value = a block, see rrd/codec
type epoch struct {
	key      epochKey
	db       *badger.DB
	writable bool
	leaving  bool // is closed when nobody uses it any more; no new users
	refs     int
	used     time.Time
	complain *complaints
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
	o.ChecksumVerificationMode = options.OnTableAndBlockRead
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

// openBadger opens a directory. A kill between the making of a file and the
// first byte leaves an empty one, which Badger refuses; it goes first.
func openBadger(dir string, writable bool, log badger.Logger) (*badger.DB, error) {
	for _, pattern := range []string{"*.mem", "*.vlog"} {
		if err := seglog.DropEmpty(dir, pattern); err != nil {
			return nil, err
		}
	}
	return badger.Open(badgerOptions(dir, writable, log))
}

// setAside keeps an epoch for a human, under a name that nothing opens.
func setAside(dir string) error {
	return errors.Join(os.Rename(dir, dir+badSuffix), seglog.SyncDir(filepath.Dir(dir)))
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

// keys calls f with each block there is, in order.
func (e *epoch) keys(f func(page, block uint32)) error {
	return e.db.View(func(txn *badger.Txn) error {
		o := badger.DefaultIteratorOptions
		o.PrefetchValues = false
		it := txn.NewIterator(o)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			if k := it.Item().Key(); len(k) == 8 {
				f(binary.BigEndian.Uint32(k), binary.BigEndian.Uint32(k[4:]))
			}
		}
		return nil
	})
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
