package logstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"rondo/rrd/seglog"
)

// checkTables reports damage of the tables in a directory that Badger would
// not report: it trusts the lengths at the end of a table, and follows them out
// of the file, in a goroutine of its own, which ends the process. All else
// there has checksums.
//
//	blocks | index | its length 4 | checksum of the index | its length 4
func checkTables(dir string) error {
	names, err := seglog.Find(dir, "*.sst")
	for _, name := range names {
		err = errors.Join(err, checkTable(name))
	}
	return err
}

func checkTable(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	end := info.Size()
	for range 2 {
		var length [4]byte
		if end < 4 {
			return fmt.Errorf("table %s is cut short", name)
		}
		if _, err := f.ReadAt(length[:], end-4); err != nil {
			return err
		}
		if end -= 4 + int64(binary.BigEndian.Uint32(length[:])); end < 0 {
			return fmt.Errorf("table %s has an impossible length at its end", name)
		}
	}
	return nil
}
