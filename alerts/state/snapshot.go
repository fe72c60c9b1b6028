package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
)

// Snapshot makes dir a store with all that this one holds now. dir must not
// exist yet. Nobody waits for it: it reads one state of the store while others
// write. Values are copied with their checksums, damaged ones as they are.
func (d *Disk) Snapshot(dir string) error {
	if err := d.enter(); err != nil {
		return err
	}
	defer d.leave()
	if err := d.room(); err != nil {
		return err
	}
	o := d.options().WithDir(dir).WithValueDir(dir).WithSyncWrites(false)
	to, err := badger.Open(o)
	if err == nil {
		err = errors.Join(d.copyTo(to), to.Close())
	}
	if err == nil {
		// A mebibyte of nothing, which Badger makes anew: it counts for a
		// collection of garbage that is never run.
		err = os.Remove(filepath.Join(dir, "DISCARD"))
	}
	if err != nil {
		return fmt.Errorf("state: snapshot: %w", err)
	}
	return nil
}

func (d *Disk) copyTo(to *badger.DB) error {
	batch := to.NewWriteBatch()
	defer batch.Cancel()
	err := d.db.View(func(tx *badger.Txn) error {
		it := tx.NewIterator(badger.DefaultIteratorOptions)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			value, err := it.Item().ValueCopy(nil)
			if err == nil {
				err = batch.Set(it.Item().KeyCopy(nil), value)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return batch.Flush()
}
