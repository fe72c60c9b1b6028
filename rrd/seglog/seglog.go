package seglog

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Pos is a byte position in the log; it grows for ever, across segments.
type Pos uint64

// Errors for which a caller does something else.
var (
	ErrFull   = errors.New("disk full: free space is below the reserve")
	ErrClosed = errors.New("log is closed")
	ErrSize   = errors.New("record is empty or too large")
)

// Options of a Log. The zero value of each means its default.
type Options struct {
	SegmentBytes int64         // a segment is closed at about this size; 64 MiB
	MaxRecord    int           // largest record; 32 MiB
	Linger       time.Duration // how long a Commit waits for company; 1 ms. Negative: not at all
	Idle         time.Duration // how long nobody's records stay unsynced; 1 s
	ReserveBytes int64         // refuse to write below this much free space; 64 MiB. Negative: none
	FS           FS            // the real file system
	Log          *slog.Logger  // none
}

func (o Options) withDefaults() Options {
	set := func(v *int64, d int64) {
		if *v == 0 {
			*v = d
		}
	}
	set(&o.SegmentBytes, 64<<20)
	set(&o.ReserveBytes, 64<<20)
	set((*int64)(&o.Linger), int64(time.Millisecond))
	set((*int64)(&o.Idle), int64(time.Second))
	if o.MaxRecord == 0 {
		o.MaxRecord = 32 << 20
	}
	if o.FS == nil {
		o.FS = OS{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Stats are counts since the log was opened.
type Stats struct {
	Records, Bytes uint64 // appended
	Syncs          uint64 // fdatasync calls
	Dropped        int64  // bytes of a torn tail that Open cut off
}

// A Log is an open log. Its methods may be called concurrently.
//
// Three locks, always taken in this order: appendMu holds off other writers;
// syncMu is held during fdatasync, so that a segment is not closed under it;
// mu guards the fields below it and is held only for moments.
type Log struct {
	o      Options
	dir    string
	lock   io.Closer
	stop   chan struct{}
	want   chan struct{} // someone waits for a sync
	dirty  chan struct{} // the log is no longer all synced
	closed atomic.Bool
	wg     sync.WaitGroup

	appendMu sync.Mutex
	buf      []byte

	syncMu sync.Mutex

	mu       sync.Mutex
	segments []Pos // bases, ascending; the last is being written
	file     File  // of the last segment
	end      Pos
	synced   Pos
	turned   chan struct{} // closed and replaced when synced or err changes
	err      error         // not nil: the log takes nothing any more

	records, bytes, syncs atomic.Uint64
	dropped               int64
}

// Open opens the log in dir, or makes it. It cuts off a torn tail, of which it
// keeps a copy, and reports that to the logger and in Stats. The error is a *LockedError if another
// process has it open.
func Open(dir string, o Options) (*Log, error) {
	l := &Log{
		o: o.withDefaults(), dir: dir, stop: make(chan struct{}), want: make(chan struct{}, 1),
		dirty: make(chan struct{}, 1), turned: make(chan struct{}),
	}
	if err := l.open(); err != nil {
		if l.file != nil {
			l.file.Close()
		}
		if l.lock != nil {
			l.lock.Close()
		}
		return nil, fmt.Errorf("seglog: open: %w", err)
	}
	l.wg.Go(l.syncLoop)
	return l, nil
}

func (l *Log) open() (err error) {
	if err := l.o.FS.MkdirAll(l.dir); err != nil {
		return err
	}
	if l.lock, err = l.o.FS.Lock(l.dir); err != nil {
		return err
	}
	names, err := l.o.FS.List(l.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if base, ok := parseSegmentName(name); ok {
			l.segments = append(l.segments, base)
		}
	}
	slices.Sort(l.segments)
	if len(l.segments) == 0 {
		return l.addSegment(0)
	}
	return l.repair()
}

// repair opens the last segment, cuts off its torn tail and makes what is
// left durable: after kill -9 it may be in the page cache only.
func (l *Log) repair() error {
	base := l.segments[len(l.segments)-1]
	f, err := l.o.FS.Open(l.path(base), false)
	if err != nil {
		return err
	}
	l.file = f
	size, err := f.Size()
	if err != nil {
		return err
	}
	end, err := l.scan(f, base, size)
	if err != nil {
		return fmt.Errorf("%s: %w", l.path(base), err)
	}
	if l.dropped = max(0, size-int64(end-base)); l.dropped > 0 {
		kept, err := l.setAside(f, base, end, l.dropped)
		if err != nil {
			return fmt.Errorf("a torn tail at %d is not cut off before a copy of it is kept: %w", end, err)
		}
		l.o.Log.Warn("log had a torn tail", "dir", l.dir, "dropped_bytes", l.dropped, "at", uint64(end), "kept_as", kept)
	}
	if err := f.Truncate(int64(end - base)); err != nil {
		return err
	}
	if size < headerSize {
		if _, err := f.WriteAt(appendHeader(nil), 0); err != nil {
			return err
		}
	}
	l.end, l.synced = end, end
	return errors.Join(f.Sync(), l.o.FS.SyncDir(l.dir))
}

// scan returns the end of the last readable record of a segment.
func (l *Log) scan(f File, base Pos, size int64) (Pos, error) {
	end := base + headerSize
	if size < headerSize {
		return end, nil
	}
	r := &segmentReader{f: f, base: base, pos: end, end: base + Pos(size), maxRecord: l.o.MaxRecord}
	if err := r.header(); err != nil {
		return 0, err
	}
	for {
		rec, err := r.next()
		switch {
		case errors.Is(err, io.EOF):
			return end, nil
		case isDamage(err):
			continue
		case err != nil:
			return 0, err
		}
		end = rec.End
	}
}

// addSegment starts a segment at base and makes its existence durable.
func (l *Log) addSegment(base Pos) error {
	f, err := l.o.FS.Open(l.path(base), true)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(appendHeader(nil), 0); err != nil {
		return errors.Join(err, f.Close(), l.o.FS.Remove(l.path(base)))
	}
	if err := errors.Join(f.Sync(), l.o.FS.SyncDir(l.dir)); err != nil {
		return errors.Join(err, f.Close(), l.o.FS.Remove(l.path(base)))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.segments); n == 0 || l.segments[n-1] != base {
		l.segments = append(l.segments, base)
	}
	l.file, l.end = f, base+headerSize
	l.synced = l.end
	return nil
}

func (l *Log) path(base Pos) string { return filepath.Join(l.dir, segmentName(base)) }

// First is the position of the oldest byte that is still there.
func (l *Log) First() Pos {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.segments[0]
}

// Segments are the positions at which the segments begin, ascending: whoever
// looks for a place in a long log looks at the first record of each.
func (l *Log) Segments() []Pos {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.segments)
}

// End is the position after the newest record.
func (l *Log) End() Pos {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

// Synced is the position up to which all is on the device.
func (l *Log) Synced() Pos {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.synced
}

// Stats returns the counts so far.
func (l *Log) Stats() Stats {
	return Stats{Records: l.records.Load(), Bytes: l.bytes.Load(), Syncs: l.syncs.Load(), Dropped: l.dropped}
}

// AfterCut is what First would be after a Cut before the same position.
func (l *Log) AfterCut(before Pos) Pos {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, found := slices.BinarySearch(l.segments, before)
	if !found && i > 0 {
		i--
	}
	return l.segments[i]
}

// Cut removes the segments that lie wholly before a position. The last one
// always stays.
func (l *Log) Cut(before Pos) error {
	l.appendMu.Lock()
	defer l.appendMu.Unlock()
	for {
		base, ok := l.forget(before)
		if !ok {
			return nil
		}
		// One by one and oldest first, so that no crash leaves a gap.
		if err := errors.Join(l.o.FS.Remove(l.path(base)), l.o.FS.SyncDir(l.dir)); err != nil {
			l.remember(base)
			return fmt.Errorf("seglog: cut: %w", err)
		}
	}
}

// forget takes the oldest segment off the list if it lies wholly before a
// position. That comes before its removal: a reader that finds no file looks
// at the list to tell a cut from a loss.
func (l *Log) forget(before Pos) (base Pos, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.segments) < 2 || l.segments[1] > before {
		return 0, false
	}
	base = l.segments[0]
	l.segments = slices.Clone(l.segments[1:])
	return base, true
}

// remember puts a segment back that could not be removed, so that the next
// Cut tries again. One that is gone, though perhaps not durably, stays off.
func (l *Log) remember(base Pos) {
	f, err := l.o.FS.Open(l.path(base), false)
	if err != nil {
		return
	}
	f.Close() // only looked for
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segments = slices.Insert(l.segments, 0, base)
}

// Close syncs what was appended, stops the log and releases its lock.
func (l *Log) Close() error {
	if l.closed.Swap(true) {
		return ErrClosed
	}
	close(l.stop)
	l.wg.Wait()
	l.appendMu.Lock()
	defer l.appendMu.Unlock()
	err := l.sync()
	l.fail(ErrClosed)
	return errors.Join(err, l.file.Close(), l.lock.Close())
}
