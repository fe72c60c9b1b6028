package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/table"
	"golang.org/x/sys/unix"

	"rondo/rrd/seglog"
)

// badInfix stands between the name of a store and the time when it was found
// damaged.
const badInfix = ".bad-"

// errDamaged is what Badger would not notice, or would repair by forgetting.
var errDamaged = errors.New("damaged")

// SetAside returns the directories of earlier stores that were found damaged
// in the place of the one in dir, oldest first, as long as nobody removes
// them: while there are any, what the store does not know may have been known.
func SetAside(dir string) ([]string, error) {
	return seglog.Find(filepath.Dir(dir), filepath.Base(dir)+badInfix+"*")
}

// setAside keeps a damaged store for a human, under a name that nothing opens.
func setAside(dir string, now time.Time) (to string, err error) {
	to = dir + badInfix + now.UTC().Format("20060102T150405.000000Z")
	return to, errors.Join(os.Rename(dir, to), seglog.SyncDir(filepath.Dir(dir)))
}

// inspect looks for damage of the list of tables, the MANIFEST. Badger cuts it
// off at what it takes for an interrupted write, and then removes the tables
// that are not on it any more. An interrupted write is of one table whose
// contents are somewhere else still; a table that is nowhere else may have
// been on the list.
func (d *Disk) inspect() error {
	unlock, err := lockDir(d.dir)
	if err != nil {
		return err
	}
	defer unlock()
	tables, err := seglog.Find(d.dir, "*.sst")
	if err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(d.dir, badger.ManifestFilename))
	if errors.Is(err, fs.ErrNotExist) && len(tables) == 0 {
		return nil // a new store
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: the MANIFEST is missing", errDamaged)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	manifest, end, err := badger.ReplayManifestFile(f, 0, d.options())
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if end == st.Size() {
		return d.inspectTables(manifest)
	}
	for _, path := range tables {
		id, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(path), ".sst"), 10, 64)
		if _, listed := manifest.Tables[id]; err == nil && !listed {
			return fmt.Errorf("%w: the MANIFEST ends in %d bytes that cannot be read, and table %d is not on it", errDamaged, st.Size()-end, id)
		}
	}
	return nil
}

// inspectTables looks at one table after the other. Badger opens several at
// once, panics over some damage, and over other damage closes tables that are
// just being opened; either ends the process, and would at each start.
func (d *Disk) inspectTables(manifest badger.Manifest) error {
	for id := range manifest.Tables {
		b, err := os.ReadFile(table.NewFilename(id, d.dir))
		if err == nil {
			err = inspectTable(id, b)
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: table %d is missing", errDamaged, id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func inspectTable(id uint64, b []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: table %d: it is no table", errDamaged, id)
		}
	}()
	t, err := table.OpenInMemoryTable(b, id, &table.Options{ReadOnly: true, Compression: options.None})
	if err == nil {
		err = t.VerifyChecksum()
	}
	if err != nil {
		return fmt.Errorf("%w: table %d: %w", errDamaged, id, err)
	}
	return nil
}

// lockDir takes the lock that Badger takes. A store that another process
// writes to looks damaged at times.
func lockDir(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, ErrInUse
		}
		return nil, &os.PathError{Op: "flock", Path: dir, Err: err}
	}
	return func() { f.Close() }, nil // which ends the lock
}
