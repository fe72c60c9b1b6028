package seglog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
)

// A Record is one record as it was appended. Data is valid until the next
// step of the iteration.
type Record struct {
	Pos, End Pos // it begins at Pos, the next one at End
	Data     []byte
}

// DamageError says which part of the log could not be read.
type DamageError struct {
	From, To Pos
	Reason   string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("seglog: %d bytes at %d are damaged: %s", e.To-e.From, e.From, e.Reason)
}

func isDamage(err error) bool {
	_, ok := errors.AsType[*DamageError](err)
	return ok
}

// Records yields the records from a position to the end of the log, oldest
// first; from before First means from First. What cannot be read is yielded as
// a *DamageError, and the iteration goes on behind it. Any other error ends
// it. Records that are appended meanwhile are yielded too.
func (l *Log) Records(from Pos) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		r := l.NewReader()
		defer r.Close()
		r.Records(from)(yield)
	}
}

// A Reader is for those who read a log again and again, each time from where
// they stopped: it keeps the file and what it has read ahead. It is used by
// one goroutine at a time.
type Reader struct {
	l *Log
	r segmentReader
}

// NewReader returns a reader, which is to be closed.
func (l *Log) NewReader() *Reader {
	return &Reader{l, segmentReader{maxRecord: l.o.MaxRecord}}
}

// Close closes the reader's file.
func (r *Reader) Close() { r.r.close() }

// Records is as that of the Log.
func (r *Reader) Records(from Pos) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		r.r.stopped = false
		for pos := from; ; {
			base, end, more := r.l.segmentAt(pos)
			if !more {
				return
			}
			pos = max(pos, base+headerSize)
			if err := r.r.open(r.l, base, pos, end); err != nil {
				if errors.Is(err, fs.ErrNotExist) && base < r.l.First() {
					continue // cut while we came
				}
				yield(Record{}, fmt.Errorf("seglog: read: %w", err))
				return
			}
			if pos = r.r.each(yield); r.r.stopped {
				return
			}
		}
	}
}

// segmentAt finds the segment that holds the record at pos, or the first
// behind it, and where its readable part ends.
func (l *Log) segmentAt(pos Pos) (base, end Pos, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, found := slices.BinarySearch(l.segments, pos)
	if !found && i > 0 {
		i--
	}
	end = l.end
	if i+1 < len(l.segments) {
		end = l.segments[i+1]
	}
	return l.segments[i], end, pos < l.end && max(pos, l.segments[i]+headerSize) < l.end
}

// segmentReader reads the frames of one segment. It keeps its buffer when it
// is opened again.
type segmentReader struct {
	f         File
	base, pos Pos
	end       Pos // of what may be read
	maxRecord int
	stopped   bool // the consumer wants no more

	buf   []byte
	bufAt Pos
}

const readAhead = 256 << 10

func (r *segmentReader) open(l *Log, base, pos, end Pos) error {
	r.pos, r.end = pos, end
	if r.f != nil && r.base == base {
		return nil
	}
	r.close()
	f, err := l.o.FS.Open(l.path(base), false)
	if err != nil {
		return err
	}
	r.f, r.base, r.buf = f, base, r.buf[:0]
	return r.header()
}

func (r *segmentReader) close() {
	if r.f != nil {
		r.f.Close() // only read from
		r.f = nil
	}
}

func (r *segmentReader) header() error {
	var b [headerSize]byte
	n, err := r.f.ReadAt(b[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return checkHeader(b[:n])
}

// each yields what is left of the segment and returns where it stopped.
func (r *segmentReader) each(yield func(Record, error) bool) Pos {
	for {
		rec, err := r.next()
		if errors.Is(err, io.EOF) {
			return r.pos
		}
		if !yield(rec, err) || err != nil && !isDamage(err) {
			r.stopped = true
			return r.pos
		}
	}
}

// next returns the next record, a *DamageError for what it had to leave out,
// or io.EOF.
func (r *segmentReader) next() (Record, error) {
	if r.pos >= r.end {
		return Record{}, io.EOF
	}
	rec, reason, err := r.record(r.pos)
	if err != nil {
		return Record{}, fmt.Errorf("seglog: read: %w", err)
	}
	if reason == "" {
		r.pos = rec.End
		return rec, nil
	}
	from := r.pos
	if r.pos, err = r.search(from); err != nil {
		return Record{}, fmt.Errorf("seglog: read: %w", err)
	}
	return Record{}, &DamageError{from, r.pos, reason}
}

// record reads the frame at pos. A reason that is not empty says why it is
// no record.
func (r *segmentReader) record(pos Pos) (rec Record, reason string, err error) {
	head, err := r.read(pos, frameSize)
	if err != nil || head == nil {
		return Record{}, "frame is cut short", err
	}
	crc, length := frame(head)
	if length == 0 || int64(length) > int64(r.maxRecord) {
		return Record{}, "impossible length", nil
	}
	b, err := r.read(pos, frameSize+int(length))
	if err != nil || b == nil {
		return Record{}, "record is cut short", err
	}
	rec = Record{Pos: pos, End: pos + Pos(len(b)), Data: b[frameSize:]}
	if checksum(pos, b[4:]) != crc {
		return Record{}, "wrong checksum", nil
	}
	return rec, "", nil
}

// read returns n bytes at pos, or nil if the segment ends before.
func (r *segmentReader) read(pos Pos, n int) ([]byte, error) {
	if pos+Pos(n) > r.end {
		return nil, nil
	}
	if pos < r.bufAt || pos+Pos(n) > r.bufAt+Pos(len(r.buf)) {
		if err := r.fill(pos, n); err != nil {
			return nil, err
		}
	}
	off := int(pos - r.bufAt)
	if off+n > len(r.buf) {
		return nil, nil // the file is shorter than it should be
	}
	return r.buf[off : off+n : off+n], nil
}

func (r *segmentReader) fill(pos Pos, n int) error {
	want := min(max(n, readAhead), int(r.end-pos))
	if cap(r.buf) < want || cap(r.buf) > 8*readAhead && want <= readAhead {
		r.buf = make([]byte, want)
	}
	got, err := r.f.ReadAt(r.buf[:want], int64(pos-r.base))
	r.buf, r.bufAt = r.buf[:got], pos
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
