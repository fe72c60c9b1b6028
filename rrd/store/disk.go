package store

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"rondo/rrd/seglog"
)

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// allocated is what a file takes on disk: Badger's are sparse.
func allocated(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return info.Size()
}

// Room says whether samples would be refused because the disk has less than
// the reserve.
func (st *Store) Room() error { return st.log.Room() }

// room refuses to write a number of bytes that would leave less than half the
// reserve; the log, which stops at the whole reserve, is what fills the disk.
func (st *Store) room(size int64) error {
	if st.o.ReserveBytes < 0 {
		return nil
	}
	free, err := st.o.FS.Free(st.dir)
	if err != nil {
		return err
	}
	if free-size < st.o.ReserveBytes/2 {
		return fmt.Errorf("%w: %d bytes free", seglog.ErrFull, free)
	}
	return nil
}
