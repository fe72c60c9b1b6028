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
}

// NewReader reads from r, what sender sent.
func NewReader(r io.Reader, sender netip.Addr, limits Limits) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 16<<10), sender: sender, limits: limits.withDefaults()}
}

// Stats says what was read so far.
func (r *Reader) Stats() Stats { return r.stats }

// Buffered is how many bytes were read and not used yet. While it is not 0,
// the next entry may be there already; at 0, Next has to wait for the sender.
func (r *Reader) Buffered() int { return r.r.Buffered() }

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
	head, end, err := r.name()
	if err != nil || head == "" {
		return false, err
	}
	limit := r.entry.limit(head)
	var value []byte
	var size uint64
	if end == '=' {
		value, size, err = r.text(limit)
	} else {
		value, size, err = r.binary(limit)
	}
	r.entry.add(head, value, size)
	return true, unexpected(err)
}

// name reads up to "=" or the line end.
func (r *Reader) name() (name string, end byte, err error) {
	var buf [maxName]byte
	for n := 0; ; n++ {
		c, err := r.r.ReadByte()
		if err != nil {
			if n > 0 {
				err = unexpected(err)
			}
			return "", 0, err
		}
		r.offset++
		switch {
		case c == '\n' && n == 0:
			return "", c, nil
		case (c == '=' || c == '\n') && n > 0:
			return string(buf[:n]), c, nil
		case n == maxName || !isNameByte(c):
			return "", 0, fmt.Errorf("%w: %q", ErrName, append(buf[:n:n], c))
		}
		buf[n] = c
	}
}

// isNameByte: journald itself allows no lower-case letters, others do not
// keep to it.
func isNameByte(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c == '.'
}

// text reads a value up to the line end and keeps at most limit bytes of it.
func (r *Reader) text(limit int) (value []byte, size uint64, err error) {
	for {
		part, err := r.r.ReadSlice('\n')
		r.offset += int64(len(part))
		line, ended := bytes.CutSuffix(part, []byte("\n"))
		size += uint64(len(line))
		value = append(value, line[:min(len(line), limit-len(value))]...)
		if ended || err != nil && err != bufio.ErrBufferFull {
			return value, size, err
		}
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
	keep := min(size, uint64(limit))
	// Not make: the length is what a stranger says.
	value, err = io.ReadAll(io.LimitReader(r.r, int64(keep)))
	r.offset += int64(len(value))
	if err == nil && uint64(len(value)) < keep {
		err = io.EOF
	}
	for left := size - keep; err == nil && left > 0; {
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
