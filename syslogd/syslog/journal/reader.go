package journal

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"rondo/syslogd/syslog"
)

// Limits bound what a Reader holds of an entry. A zero means the default.
type Limits struct {
	Message int // bytes of MESSAGE; 64 KiB
	Field   int // bytes of any other value; 16 KiB
	Fields  int // in the structured data; 128
	Entry   int // bytes of all values but MESSAGE; 256 KiB
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		v         *int
		byDefault int
	}{{&l.Message, syslog.DefaultMaxMessage}, {&l.Field, 16 << 10}, {&l.Fields, 128}, {&l.Entry, 256 << 10}} {
		if *f.v <= 0 {
			*f.v = f.byDefault
		}
	}
	return l
}

// Stats counts what a Reader did.
type Stats struct {
	Entries   int64
	Skipped   int64 // fields over a limit
	Truncated int64 // values of MESSAGE that were cut
}

// An Error says where a stream ceased to be in the export format.
type Error struct {
	Entry  int64 // from 1
	Offset int64 // in bytes, of the line at fault
	Err    error
}

func (e *Error) Error() string {
	return fmt.Sprintf("journal: entry %d, offset %d: %v", e.Entry, e.Offset, e.Err)
}

// Unwrap returns what is wrong: a cause of this package, or an error of the
// underlying reader.
func (e *Error) Unwrap() error { return e.Err }

// What a stream can have wrong.
var (
	ErrName = errors.New("no name of a field")
	ErrLine = errors.New("a value does not end with its line")
)

// maxName is systemd's own limit for the names of fields.
const maxName = 64

// A Reader reads entries from a stream.
type Reader struct {
	r      *bufio.Reader
	sender netip.Addr
	limits Limits
	stats  Stats
	offset int64 // of the next byte
	line   int64 // where the line began that is being read
	entry  entry
	err    error

	name  [maxName]byte // of the field that is being read
	value []byte        // its value, likewise
}

// NewReader reads from r, what sender sent.
func NewReader(r io.Reader, sender netip.Addr, limits Limits) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 16<<10), sender: sender, limits: limits.withDefaults()}
}

// Stats says what was read so far.
func (r *Reader) Stats() Stats { return r.stats }

// Cursor names the entry that Next returned last, as journalctl
// --after-cursor takes it; "" if the entry has no such name.
func (r *Reader) Cursor() string { return r.entry.cursor }

// Next returns the next entry as a message, and io.EOF behind the last one.
// Any other error is an *Error and final; with it comes what was understood of
// its entry, in a message that is zero if that is nothing.
func (r *Reader) Next(received time.Time) (syslog.Message, error) {
	if r.err != nil {
		return syslog.Message{}, r.err
	}
	r.entry.reset(r.limits)
	for {
		more, err := r.field()
		if err == nil && more {
			continue
		}
		if err == nil && r.entry.empty {
			continue // further empty lines
		}
		if err != nil && err != io.EOF {
			err = &Error{Entry: r.stats.Entries + 1, Offset: r.line, Err: err}
		}
		r.err = err
		if r.entry.empty {
			return syslog.Message{}, err
		}
		if err == io.EOF {
			err = nil // an entry at the end needs no empty line
		}
		r.count()
		return r.entry.message(received, r.sender), err
	}
}

func (r *Reader) count() {
	r.stats.Entries++
	r.stats.Skipped += int64(r.entry.skipped)
	if r.entry.truncated {
		r.stats.Truncated++
	}
}

// field reads a field. There are no more behind an empty line.
func (r *Reader) field() (more bool, err error) {
	r.line = r.offset
	line, err := r.slice()
	if err == io.EOF && len(line) == 0 || err == nil && len(line) == 1 {
		return false, err
	}
	head, value, isText := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte("="))
	switch {
	case len(head) == 0, len(head) > maxName, !isName(head):
		return false, fmt.Errorf("%w: %q", ErrName, head[:min(len(head), maxName)])
	case !isText && err != nil:
		return false, unexpected(err)
	}
	name := append(r.name[:0], head...) // line is valid until the next read
	limit := r.entry.limit(name)
	var size uint64
	if isText {
		value, size, err = r.text(value, limit, err)
	} else {
		value, size, err = r.binary(limit)
	}
	r.entry.add(name, value, size)
	return true, unexpected(err)
}

// slice reads up to the line end, or as much as there is room for.
func (r *Reader) slice() ([]byte, error) {
	part, err := r.r.ReadSlice('\n')
	r.offset += int64(len(part))
	return part, err
}

// isName: journald itself allows no lower-case letters, others do not keep to
// that.
func isName(s []byte) bool {
	for _, c := range s {
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// text reads what follows the first part of a value, if err says that it was
// not all, and keeps at most limit bytes.
func (r *Reader) text(part []byte, limit int, err error) (value []byte, size uint64, _ error) {
	value = r.value[:0]
	for {
		size += uint64(len(part))
		value = append(value, part[:min(len(part), limit-len(value))]...)
		if err != bufio.ErrBufferFull {
			r.value = value
			return value, size, err
		}
		part, err = r.slice()
		part = bytes.TrimSuffix(part, []byte("\n"))
	}
}

// binary reads a value with its length in front.
func (r *Reader) binary(limit int) (value []byte, size uint64, err error) {
	var head [8]byte
	n, err := io.ReadFull(r.r, head[:])
	r.offset += int64(n)
	if err != nil {
		return nil, 0, err
	}
	size = binary.LittleEndian.Uint64(head[:])
	keep := int(min(size, uint64(limit)))
	// The buffer grows with what is there: the length is what a stranger says.
	buf := bytes.NewBuffer(r.value[:0])
	got, err := buf.ReadFrom(io.LimitReader(r.r, int64(keep)))
	r.value = buf.Bytes()
	value = r.value
	r.offset += got
	if err == nil && int(got) < keep {
		err = io.EOF
	}
	for left := size - uint64(keep); err == nil && left > 0; {
		var n int
		n, err = r.r.Discard(int(min(left, 1<<20)))
		r.offset += int64(n)
		left -= uint64(n)
	}
	if err != nil {
		return value, size, err
	}
	c, err := r.r.ReadByte()
	if err == nil && c != '\n' {
		err = ErrLine
	}
	r.offset++
	return value, size, err
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
