package gelf

import (
	"bytes"
	"io"
)

// A Stream cuts a TCP stream into payloads: each ends with a NUL. Line ends
// around them are skipped, as some senders add them. What is longer than
// allowed comes cut, with an Err of TooLarge, and the rest of it is skipped.
type Stream struct {
	r   io.Reader
	max int

	buf        []byte // unread bytes are buf[start:end]
	start, end int
	skip       bool // to the next NUL
	err        error
}

// NewStream reads from r. Payloads longer than max bytes are cut; 0 means
// DefaultMaxBytes.
func NewStream(r io.Reader, max int) *Stream {
	return &Stream{r: r, max: orDefault(max, DefaultMaxBytes), buf: make([]byte, 4<<10)}
}

// Append reads until at least one payload is complete, and appends all that
// then are. They are valid until the next call. Like an io.Reader, it may
// return payloads together with an error; at the end of the stream, whatever
// it is, an unfinished one is returned as it stands.
func (s *Stream) Append(dst []Payload) ([]Payload, error) {
	for n := len(dst); len(dst) == n && s.err == nil; {
		s.fill()
		for s.start < s.end {
			var whole bool
			if dst, whole = s.scan(dst); !whole {
				break
			}
		}
	}
	return dst, s.err
}

// fill reads once, making room first: the buffer grows up to max.
func (s *Stream) fill() {
	s.end = copy(s.buf, s.buf[s.start:s.end])
	s.start = 0
	if s.end == len(s.buf) {
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	n, err := s.r.Read(s.buf[s.end:])
	s.end += n
	s.err = err
}

// scan takes the next payload, and reports whether there was a whole one.
func (s *Stream) scan(dst []Payload) ([]Payload, bool) {
	data := s.buf[s.start:s.end]
	n := bytes.IndexByte(data, 0)
	if n < 0 && s.err == nil && len(data) <= s.max && !s.skip {
		return dst, false
	}
	taken := n + 1
	if n < 0 {
		n, taken = len(data), len(data)
	}
	whole := taken > n // a NUL ended it
	skipped := s.skip
	s.skip = !whole && s.err == nil
	s.start += taken
	if skipped {
		return dst, whole
	}
	p := Payload{Data: bytes.Trim(data[:n], "\r\n")}
	if len(p.Data) > s.max {
		p.Data, p.Err = p.Data[:s.max], TooLarge
	}
	if len(p.Data) == 0 {
		return dst, whole
	}
	return append(dst, p), whole
}
