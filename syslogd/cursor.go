package syslogd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"rondo/rrd/seglog"
)

// A cursor says what of a queue has been delivered: everything before pos,
// and number is that of the next message.
type cursor struct {
	pos    seglog.Pos
	number uint64
}

// readCursor reads a cursor's file. One that is missing or unreadable means
// the beginning: rather twice than never.
func readCursor(path string) (c cursor, found bool, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return cursor{}, false, nil
	}
	if err != nil {
		return cursor{}, false, fmt.Errorf("cursor: %w", err)
	}
	var pos, number uint64
	if _, err := fmt.Sscanf(string(data), "%d %d\n", &pos, &number); err != nil {
		return cursor{}, false, nil
	}
	return cursor{seglog.Pos(pos), number}, true, nil
}

// write replaces the cursor's file, so that after a crash it is the old one
// or the new one.
func (c cursor) write(path string) error {
	tmp := path + ".new"
	if err := writeSynced(tmp, fmt.Appendf(nil, "%d %d\n", c.pos, c.number)); err != nil {
		return fmt.Errorf("cursor: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("cursor: %w", err)
	}
	if err := seglog.SyncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("cursor: %w", err)
	}
	return nil
}

func writeSynced(path string, data []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}
