package syslog

import (
	"bytes"
	"io"
	"math"
)

const (
	// DefaultMaxMessage is the longest message, in bytes, unless a listener
	// says otherwise. RFC 5424 asks for 2048 at least.
	DefaultMaxMessage = 64 << 10

	firstBlock = 4 << 10
	largeBlock = 64 << 10
	// A count beyond this is no count: a sender that announces more than a
	// hundred of the longest messages has lost its way.
	countFactor = 100
	maxDigits   = 20
	maxHeader   = maxDigits + len(" "+bom+"<191>")
)

// A Frame is one message of a stream.
type Frame struct {
	Line      string // without framing
	Truncated bool   // it was longer than allowed; Line is its beginning
}

// FramerStats counts what a Framer had to put right.
type FramerStats struct {
	Truncated int64 // messages that were too long
	BadCounts int64 // octet counts that did not end at a message's end
}

// A Framer cuts a stream into messages (RFC 6587). Each may be framed in its
// own way: by octet counting, if it begins with a number and a blank, else up
// to a line end, which may be LF, CR LF or NUL LF, or a NUL between messages.
//
// It never gives up. A line end behind a counted message is skipped. A count
// that is wrong is noticed by what follows it, and the Framer goes on at the
// next line end or counted header. A message that is too long is cut and the
// rest of it skipped. Empty messages are left out.
type Framer struct {
	r   io.Reader
	max int

	buf        []byte // unread bytes are buf[start:end]
	start, end int
	spans      []span // messages found by the last read, in buf
	err        error  // of the reader, once it has one

	counted  bool  // this sender counts octets
	nulEnds  bool  // this sender ends messages by NUL
	skip     int64 // octets to skip, of a message that was too long
	skipLine bool  // skip to the line end, likewise
	stats    FramerStats
}

type span struct {
	from, to  int
	truncated bool
}

// NewFramer reads from r. Messages longer than max bytes are cut; 0 means
// DefaultMaxMessage.
func NewFramer(r io.Reader, max int) *Framer {
	if max <= 0 {
		max = DefaultMaxMessage
	}
	return &Framer{r: r, max: max, buf: make([]byte, min(firstBlock, max+maxDigits+2))}
}

// Stats says what had to be put right so far.
func (f *Framer) Stats() FramerStats { return f.stats }

// Append reads until at least one message is complete, and appends all that
// then are: one allocation for all of them. Like an io.Reader, it may return
// messages together with an error; at the end of the stream, whatever it is,
// an unfinished message is returned as it stands.
func (f *Framer) Append(dst []Frame) ([]Frame, error) {
	for f.err == nil {
		f.fill()
		f.spans = f.spans[:0]
		for f.scan() {
		}
		if len(f.spans) > 0 {
			return f.collect(dst), f.err
		}
	}
	return dst, f.err
}

// fill reads once, making room first. A sender that fills the buffer gets a
// larger one. It stays bounded: scan takes or skips more than max bytes.
func (f *Framer) fill() {
	full := f.end == len(f.buf)
	if f.start > 0 {
		f.end = copy(f.buf, f.buf[f.start:f.end])
		f.start = 0
	}
	if f.end == len(f.buf) || full && len(f.buf) < largeBlock {
		f.buf = append(f.buf, make([]byte, len(f.buf))...)
	}
	n, err := f.r.Read(f.buf[f.end:])
	f.end += n
	f.err = err
}

// collect turns the spans into strings that share one allocation.
func (f *Framer) collect(dst []Frame) []Frame {
	base := f.spans[0].from
	block := string(f.buf[base:f.spans[len(f.spans)-1].to])
	for _, s := range f.spans {
		dst = append(dst, Frame{Line: block[s.from-base : s.to-base], Truncated: s.truncated})
	}
	return dst
}

// scan takes the next message off the buffer, if it is complete.
func (f *Framer) scan() bool {
	if !f.skipRest() {
		return false
	}
	for f.start < f.end && isTrailer(f.buf[f.start]) {
		f.start++
	}
	data := f.buf[f.start:f.end]
	if len(data) == 0 {
		return false
	}
	size, digits := octetCount(data)
	counted, whole := f.isCount(size, data[digits:])
	switch {
	case digits == 0, whole && !counted, !whole && f.err != nil:
		return f.scanLine(data, 0)
	case !whole:
		return false
	case size == 0, size > int64(f.max)*countFactor:
		if !f.scanLine(data, digits+1) {
			return false
		}
		f.stats.BadCounts++
		return true
	}
	return f.scanCounted(data, digits+1, size)
}

// skipRest passes over what is left of a message that was too long.
func (f *Framer) skipRest() bool {
	n := min(f.skip, int64(f.end-f.start))
	f.skip -= n
	f.start += int(n)
	if !f.skipLine {
		return f.skip == 0
	}
	data := f.buf[f.start:f.end]
	if i := f.lineEnd(data); i < len(data) {
		f.start += i
		f.skipLine = false
		return true
	}
	// A header may have begun.
	f.start = max(f.start, f.end-maxHeader)
	if f.err != nil {
		f.start = f.end
	}
	return false
}

// isTrailer reports whether c can stand between messages.
func isTrailer(c byte) bool { return c == '\n' || c == '\r' || c == 0 }

// octetCount reads MSG-LEN. Zeros in front of it are against the RFC, and sent.
func octetCount(data []byte) (size int64, digits int) {
	for digits < len(data) && digits < maxDigits && isDigit(data[digits]) {
		size = min(10*size+int64(data[digits]-'0'), math.MaxInt32)
		digits++
	}
	return size, digits
}

// isCount reports whether a number followed by rest is a count; it is not
// known if rest is not whole. A line of text may begin with a number too, so
// a sender that has not counted before must show a PRI, and so must a zero.
func (f *Framer) isCount(size int64, rest []byte) (yes, whole bool) {
	if len(rest) == 0 {
		return false, false
	}
	if rest[0] != ' ' || f.counted && size > 0 {
		return rest[0] == ' ', true
	}
	return beginsPRI(rest[1:])
}

// scanCounted takes a message of size octets behind a header of head bytes.
func (f *Framer) scanCounted(data []byte, head int, size int64) bool {
	if size > int64(f.max) {
		return f.scanLong(data, head, size)
	}
	end := head + int(size)
	if len(data) < end && f.err == nil {
		return false
	}
	if len(data) < end || !beginsMessage(data[end:]) {
		return f.resync(data, head, end)
	}
	f.counted = true
	if at := headerBefore(data, end); at > head { // it counts its own digits too
		f.stats.BadCounts++
		f.emit(head, at-head, at-head, false)
		return true
	}
	f.emit(head, int(size), int(size), false)
	return true
}

// scanLong takes the beginning of a counted message that is too long, unless
// others begin within it: then the count is wrong.
func (f *Framer) scanLong(data []byte, head int, size int64) bool {
	if len(data) < head+f.max && f.err == nil {
		return false
	}
	n := min(f.max, len(data)-head)
	if next := nextHeader(data[head : head+n]); next < n {
		f.stats.BadCounts++
		f.emit(head, next, next, false)
		return true
	}
	f.counted = true
	f.skip = size - int64(n)
	f.emit(head, n, n, true)
	return true
}

// lineEnd is the offset of the end of a line, or the length of data. Behind
// a wrong count, the next counted header ends it too.
func (f *Framer) lineEnd(data []byte) int {
	if f.counted {
		return messageEnd(data)
	}
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i
	}
	return len(data)
}

// scanLine takes a message up to its line end, behind head bytes.
func (f *Framer) scanLine(data []byte, head int) bool {
	line := data[head:]
	n := f.lineEnd(line)
	n = f.nulEnd(line[:n])
	switch {
	case n < len(line):
		f.emit(head, min(n, f.max), n, n > f.max)
	case n > f.max:
		f.skipLine = true
		f.emit(head, f.max, n, true)
	case f.err != nil:
		f.emit(head, n, n, false)
	default:
		return false
	}
	return true
}

// nulEnd returns the offset of a NUL that ends a message: one in front of a
// PRI, or, once a sender has done that, one that is the last byte of all.
// Any other NUL belongs to the text.
func (f *Framer) nulEnd(line []byte) int {
	for at := 0; ; at++ {
		i := bytes.IndexByte(line[at:], 0)
		if i < 0 {
			return len(line)
		}
		at += i
		behind := line[at+1:]
		if len(behind) > 1 && behind[0] == '<' && isDigit(behind[1]) {
			f.nulEnds = true
			return at
		}
		if len(behind) == 0 && f.nulEnds {
			return at
		}
	}
}

// emit notes the message of n bytes behind the header of head bytes, and
// passes over taken bytes. Trailers are cut off its end.
func (f *Framer) emit(head, n, taken int, truncated bool) {
	from := f.start + head
	f.start = from + taken
	to := from + n
	for to > from && isTrailer(f.buf[to-1]) {
		to--
	}
	if truncated {
		f.stats.Truncated++
	}
	if to > from {
		f.spans = append(f.spans, span{from: from, to: to, truncated: truncated})
	}
}
