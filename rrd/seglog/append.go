package seglog

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Append writes records behind all others, in one write, and returns the
// position after the last. They are then in the page cache; see Commit. On
// error none of them was appended. ErrFull goes away by itself when there is
// room again.
func (l *Log) Append(recs ...[]byte) (Pos, error) {
	size := int64(0)
	for _, r := range recs {
		if len(r) == 0 || len(r) > l.o.MaxRecord {
			return 0, fmt.Errorf("seglog: append: %w: %d bytes, at most %d", ErrSize, len(r), l.o.MaxRecord)
		}
		size += int64(frameSize + len(r))
	}
	l.appendMu.Lock()
	defer l.appendMu.Unlock()
	end, err := l.append(recs, size)
	if err != nil {
		return 0, fmt.Errorf("seglog: append: %w", err)
	}
	l.records.Add(uint64(len(recs)))
	l.bytes.Add(uint64(size))
	return end, nil
}

func (l *Log) append(recs [][]byte, size int64) (Pos, error) {
	if err := l.broken(); err != nil {
		return 0, err
	}
	if size == 0 {
		return l.End(), nil
	}
	if err := l.room(size); err != nil {
		return 0, err
	}
	if err := l.roll(size); err != nil {
		return 0, err
	}
	base, end := l.segments[len(l.segments)-1], l.end // only writers change them
	l.buf = l.buf[:0]
	for _, r := range recs {
		l.buf = appendFrame(l.buf, end+Pos(len(l.buf)), r)
	}
	if _, err := l.file.WriteAt(l.buf, int64(end-base)); err != nil {
		return 0, l.undo(base, end, err)
	}
	if cap(l.buf) > 4<<20 {
		l.buf = nil // do not keep what one huge batch needed
	}
	return l.advance(end + Pos(size)), nil
}

// advance makes what was written visible, and wakes the sync loop if it was
// idle.
func (l *Log) advance(end Pos) Pos {
	l.mu.Lock()
	idle := l.end == l.synced
	l.end = end
	l.mu.Unlock()
	if idle {
		l.poke(l.dirty)
	}
	return end
}

// undo takes back a write that failed half-way.
func (l *Log) undo(base, end Pos, cause error) error {
	if err := l.file.Truncate(int64(end - base)); err != nil {
		return l.fail(errors.Join(cause, err))
	}
	return full(cause)
}

// full marks the kernel's ways of saying that the disk is full.
func full(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// room refuses a write that would leave less than the reserve. It asks each
// time: that costs a microsecond, and other programs write to the disk too.
func (l *Log) room(size int64) error {
	if l.o.ReserveBytes < 0 {
		return nil
	}
	free, err := l.o.FS.Free(l.dir)
	if err != nil {
		return err
	}
	if free-size < l.o.ReserveBytes {
		return fmt.Errorf("%w: %d bytes free in %s, reserve %d", ErrFull, free, l.dir, l.o.ReserveBytes)
	}
	return nil
}

// Room says whether the next record would be refused for want of space.
func (l *Log) Room() error { return l.room(0) }

// roll starts a new segment if the current one would grow too long. The old
// one is synced first, so that only the last segment can ever be torn.
func (l *Log) roll(size int64) error {
	base := l.segments[len(l.segments)-1]
	used := int64(l.end - base)
	if used <= headerSize || used+size <= l.o.SegmentBytes {
		return nil
	}
	if err := l.sync(); err != nil {
		return err
	}
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	old := l.file
	if err := l.addSegment(l.end); err != nil {
		return full(err)
	}
	l.turn()
	return old.Close()
}
