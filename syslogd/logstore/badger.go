package logstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"rondo/rrd/seglog"
	"rondo/syslogd/logstore/chunk"
)

// A day's Badger is written in big values that are never changed, and dropped
// whole. So the value log does the work, nothing is ever compacted, and all
// caches are off: what is read is cached by the kernel.
func badgerOptions(dir string, readOnly bool, lg *badgerLog) badger.Options {
	o := badger.DefaultOptions(dir)
	o.Logger, o.ReadOnly, o.SyncWrites = lg, readOnly, true
	o.DetectConflicts, o.MetricsEnabled = false, false
	o.ChecksumVerificationMode = options.OnBlockRead // else damage of a table is a panic
	o.Compression, o.BlockCacheSize, o.IndexCacheSize = options.None, 0, 0
	o.MemTableSize, o.BaseTableSize, o.NumMemtables = 256<<10, 256<<10, 1
	o.NumCompactors, o.NumLevelZeroTables, o.NumLevelZeroTablesStall = 0, 99999, 100000
	o.BlockSize, o.ValueThreshold, o.ValueLogFileSize = 4<<10, 1<<10, 16<<20
	o.NumVersionsToKeep, o.CompactL0OnClose, o.LmaxCompaction = 1, false, false
	return o
}

// badgerLog passes Badger's complaints on, and remembers its errors: a failed
// msync of the value log is logged by Badger, but not returned.
type badgerLog struct {
	log *slog.Logger
	mu  sync.Mutex
	err error
}

func (l *badgerLog) text(format string, args ...any) string {
	return strings.TrimSpace(fmt.Sprintf(format, args...))
}

// Errorf implements badger.Logger.
func (l *badgerLog) Errorf(format string, args ...any) {
	s := l.text(format, args...)
	l.log.Error("badger", "err", s)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = errors.New("badger: " + s)
}

// Warningf implements badger.Logger.
func (l *badgerLog) Warningf(format string, args ...any) {
	l.log.Warn("badger", "err", l.text(format, args...))
}

// Infof implements badger.Logger.
func (l *badgerLog) Infof(string, ...any) {}

// Debugf implements badger.Logger.
func (l *badgerLog) Debugf(string, ...any) {}

func (l *badgerLog) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// The parts of a chunk; a key is the part and the chunk's number.
const (
	partHeader = 'h'
	partTypes  = 't'
	partFilter = 'f'
	partData   = 'd'
)

func partKey(part byte, id uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{part}, id)
}

// writeChunk stores all parts in one transaction; they are on the device when
// it returns.
func writeChunk(db *badger.DB, id uint64, p *chunk.Parts) error {
	return db.Update(func(t *badger.Txn) error {
		return errors.Join(
			t.Set(partKey(partHeader, id), p.Header), t.Set(partKey(partTypes, id), p.Types),
			t.Set(partKey(partFilter, id), p.Filter), t.Set(partKey(partData, id), p.Data))
	})
}

// writeHeader replaces the header of a chunk.
func writeHeader(db *badger.DB, id uint64, h *chunk.Header) error {
	return db.Update(func(t *badger.Txn) error { return t.Set(partKey(partHeader, id), h.Encode()) })
}

// isDamage reports whether the content of a directory is why it cannot be
// opened, and no shortage that passes.
func isDamage(err error) bool { return !errors.Is(err, seglog.ErrFull) && seglog.InFiles(err) }

// readPart returns a copy of a part.
func readPart(db *badger.DB, part byte, id uint64, buf []byte) (b []byte, err error) {
	err = db.View(func(t *badger.Txn) error {
		item, err := t.Get(partKey(part, id))
		if err != nil {
			return err
		}
		b, err = item.ValueCopy(buf)
		return err
	})
	return b, err
}

// viewPart calls f with a part, which f must not keep: it is the file itself.
func viewPart(db *badger.DB, part byte, id uint64, f func(b []byte)) error {
	return db.View(func(t *badger.Txn) error {
		item, err := t.Get(partKey(part, id))
		if err != nil {
			return err
		}
		return item.Value(func(b []byte) error { f(b); return nil })
	})
}

// eachHeader calls f with the headers in order of their numbers. A header
// that cannot be read is nil.
func eachHeader(db *badger.DB, f func(id uint64, b []byte)) error {
	return db.View(func(t *badger.Txn) error {
		o := badger.DefaultIteratorOptions
		o.Prefix, o.PrefetchValues = []byte{partHeader}, false
		it := t.NewIterator(o)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			k := it.Item().Key()
			if len(k) != 9 {
				continue
			}
			b, err := it.Item().ValueCopy(nil)
			if err != nil {
				b = nil
			}
			f(binary.BigEndian.Uint64(k[1:]), b)
		}
		return nil
	})
}
