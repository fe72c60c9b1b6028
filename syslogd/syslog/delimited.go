package syslog

import (
	"bytes"
	"io"
	"strings"
)

// NewOctetFramer is NewFramer for senders that are known to count octets
// (RFC 6587, 3.4.1): a number and a blank are taken for a count whatever
// follows.
func NewOctetFramer(r io.Reader, max int) *Framer {
	f := NewFramer(r, max)
	f.counted = true
	return f
}

// A DelimitedFramer cuts a stream at one byte and nothing else: no octet
// counts, no other ends of messages. Empty messages are left out; a message
// that is too long is cut and the rest of it skipped.
type DelimitedFramer struct {
	r     io.Reader
	max   int
	delim byte

	buf        []byte // unread bytes are buf[start:end]
	start, end int
	skip       bool // up to the next delimiter, of a message that was too long
	stats      FramerStats
}

// NewDelimitedFramer reads from r. Messages longer than max bytes are cut; 0
// means DefaultMaxMessage.
func NewDelimitedFramer(r io.Reader, max int, delim byte) *DelimitedFramer {
	if max <= 0 {
		max = DefaultMaxMessage
	}
	return &DelimitedFramer{r: r, max: max, delim: delim, buf: make([]byte, min(firstBlock, max+1))}
}

// Stats says what had to be put right so far.
func (f *DelimitedFramer) Stats() FramerStats { return f.stats }

// Append is as Framer.Append: it reads until a message is complete.
func (f *DelimitedFramer) Append(dst []Frame) ([]Frame, error) {
	for n := len(dst); ; {
		read, err := f.r.Read(f.room())
		f.end += read
		dst = f.cut(dst, err != nil)
		if err != nil || len(dst) > n {
			return dst, err
		}
	}
}

// room makes room for the next read. The buffer stays bounded: cut takes or
// skips whatever is longer than max.
func (f *DelimitedFramer) room() []byte {
	if f.start > 0 {
		f.end = copy(f.buf, f.buf[f.start:f.end])
		f.start = 0
	}
	if f.end == len(f.buf) {
		f.buf = append(f.buf, make([]byte, len(f.buf))...)
	}
	return f.buf[f.end:]
}

// cut takes all that is complete, and what is left at the end of the stream:
// one string for all of it, of which the messages are parts.
func (f *DelimitedFramer) cut(dst []Frame, atEnd bool) []Frame {
	data := f.buf[f.start:f.end]
	whole := bytes.LastIndexByte(data, f.delim) + 1
	if atEnd {
		whole = len(data)
	}
	block := string(data[:whole])
	f.start += whole
	for len(block) > 0 {
		var line string
		if i := strings.IndexByte(block, f.delim); i >= 0 {
			line, block = block[:i], block[i+1:]
		} else {
			line, block = block, ""
		}
		dst = f.emit(dst, line)
		f.skip = false
	}
	if f.end-f.start > f.max {
		dst = f.emit(dst, string(f.buf[f.start:f.end]))
		f.start, f.skip = f.end, true
	}
	return dst
}

// emit appends a message, unless it is the rest of one that was cut.
func (f *DelimitedFramer) emit(dst []Frame, line string) []Frame {
	if f.skip {
		return dst
	}
	long := len(line) > f.max
	if long {
		line = line[:f.max]
		f.stats.Truncated++
	}
	if f.delim == '\n' {
		line = TrimTrailer(line)
	}
	if line == "" {
		return dst
	}
	return append(dst, Frame{Line: line, Truncated: long})
}
