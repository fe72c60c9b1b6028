package relp

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
)

// The commands. A server that does not know one answers 500.
const (
	Open        = "open"
	Close       = "close"
	Syslog      = "syslog"
	Response    = "rsp"
	ServerClose = "serverclose" // from the server, unasked: the session ends
)

// MaxData is the longest DATA that is taken, if only to be cut.
const MaxData = 128 << 20

const (
	maxDigits  = 9
	maxCommand = 32
	firstBlock = 4 << 10
	largeBlock = 64 << 10 // holds the window of most clients
)

// What a Reader returns once the stream is no RELP. There is no way to find
// the next frame: the session is over.
var (
	ErrSyntax  = errors.New("relp: no frame")
	ErrTooLong = errors.New("relp: a frame is too long")
)

// A Frame is one command, or the answer to one.
type Frame struct {
	Txnr      int
	Command   string
	Data      string
	Truncated bool // Data was longer than the Reader takes; this is its beginning
}

// AppendFrame writes a frame.
func AppendFrame[T string | []byte](dst []byte, txnr int, command string, data T) []byte {
	dst = strconv.AppendInt(dst, int64(txnr), 10)
	dst = append(append(append(dst, ' '), command...), ' ')
	dst = strconv.AppendInt(dst, int64(len(data)), 10)
	if len(data) > 0 {
		dst = append(append(dst, ' '), data...)
	}
	return append(dst, '\n')
}

// A Reader cuts a stream into frames.
type Reader struct {
	r   io.Reader
	max int

	buf        []byte // unread bytes are buf[start:end]
	start, end int
	spans      []span // frames found by the last read
	skip       int    // octets of data to skip, of a frame that is too long
	skipping   bool   // that, or the line end behind it, is to come
	err        error
}

// span is a frame whose data lies in buf.
type span struct {
	frame    Frame
	from, to int
}

// NewReader reads from r. Data longer than max is cut.
func NewReader(r io.Reader, max int) *Reader {
	return &Reader{r: r, max: max, buf: make([]byte, firstBlock)}
}

// Append reads until at least one frame is complete, and appends all that
// then are: one allocation for the data of all of them. Like an io.Reader, it
// may return frames together with an error. A frame that the end of the
// stream cuts off is not returned: it has not been answered.
func (r *Reader) Append(dst []Frame) ([]Frame, error) {
	for r.err == nil {
		r.fill()
		r.spans = r.spans[:0]
		for r.scan() {
		}
		if len(r.spans) > 0 {
			return r.collect(dst), r.err
		}
	}
	return dst, r.err
}

// fill reads once, making room first. A client that fills the buffer gets a
// larger one. It stays bounded: scan takes all frames but the longest, and of
// that no more than max octets.
func (r *Reader) fill() {
	full := r.end == len(r.buf)
	if r.start > 0 {
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	if r.end == len(r.buf) || full && len(r.buf) < largeBlock {
		r.buf = append(r.buf, make([]byte, len(r.buf))...)
	}
	n, err := r.r.Read(r.buf[r.end:])
	r.end += n
	r.err = err
}

// collect turns the spans into frames that share one string.
func (r *Reader) collect(dst []Frame) []Frame {
	base := r.spans[0].from
	block := string(r.buf[base:r.spans[len(r.spans)-1].to])
	for _, s := range r.spans {
		s.frame.Data = block[s.from-base : s.to-base]
		dst = append(dst, s.frame)
	}
	return dst
}

// scan takes the next frame off the buffer, if it is complete.
func (r *Reader) scan() bool {
	if r.skipping && !r.skipRest() {
		return false
	}
	data := r.buf[r.start:r.end]
	h, whole, ok := parseHeader(data)
	switch {
	case !ok:
		return r.fail(ErrSyntax)
	case !whole:
		return false
	case h.length > MaxData:
		return r.fail(ErrTooLong)
	}
	if h.length > r.max {
		return r.scanLong(h, len(data))
	}
	end := h.size + h.length
	if len(data) <= end {
		return false
	}
	if data[end] != '\n' {
		return r.fail(ErrSyntax)
	}
	r.emit(h, h.length, false)
	r.start += end + 1
	return true
}

// scanLong takes the beginning of a frame that is too long.
func (r *Reader) scanLong(h header, have int) bool {
	if have < h.size+r.max {
		return false
	}
	r.emit(h, r.max, true)
	r.start += h.size + r.max
	r.skip, r.skipping = h.length-r.max, true
	return true
}

func (r *Reader) emit(h header, n int, truncated bool) {
	from := r.start + h.size
	r.spans = append(r.spans, span{Frame{Txnr: h.txnr, Command: h.command, Truncated: truncated}, from, from + n})
}

// skipRest passes over what is left of a frame that was too long.
func (r *Reader) skipRest() bool {
	n := min(r.skip, r.end-r.start)
	r.skip -= n
	r.start += n
	if r.start == r.end {
		return false
	}
	if r.buf[r.start] != '\n' {
		return r.fail(ErrSyntax)
	}
	r.start++
	r.skipping = false
	return true
}

// fail ends the stream.
func (r *Reader) fail(err error) bool {
	r.err = err
	return false
}

// header is what precedes the data of a frame.
type header struct {
	txnr    int
	command string
	length  int
	size    int // of the header itself
}

// parseHeader reads a header; ok is false for what cannot become one. One
// that is not whole needs more bytes.
func parseHeader(data []byte) (h header, whole, ok bool) {
	h.txnr, data, whole, ok = parseNumber(data, &h.size)
	if !whole {
		return h, whole, ok
	}
	n := bytes.IndexByte(data[:min(len(data), maxCommand+1)], ' ')
	if n < 0 {
		return h, false, len(data) <= maxCommand && isWord(data)
	}
	if n == 0 || !isWord(data[:n]) {
		return h, false, false
	}
	h.command = command(data[:n])
	h.size += n + 1
	data = data[n+1:]
	h.length, n = digits(data)
	switch {
	case n > maxDigits, n == 0 && len(data) > 0:
		return h, false, false
	case n == len(data):
		return h, false, true
	case data[n] == ' ':
		n++
	case data[n] != '\n' || h.length > 0: // only empty data needs no blank
		return h, false, false
	}
	h.size += n
	return h, true, true
}

// parseNumber reads TXNR and the blank behind it.
func parseNumber(data []byte, size *int) (v int, rest []byte, whole, ok bool) {
	v, n := digits(data)
	switch {
	case n > maxDigits:
		return 0, nil, false, false
	case n == len(data):
		return 0, nil, false, true
	case n == 0 || data[n] != ' ':
		return 0, nil, false, false
	}
	*size += n + 1
	return v, data[n+1:], true, true
}

// digits reads a number of at most maxDigits; n is one more where there are more.
func digits(data []byte) (v, n int) {
	for n < len(data) && n <= maxDigits && '0' <= data[n] && data[n] <= '9' {
		v = 10*v + int(data[n]-'0')
		n++
	}
	return v, n
}

func isWord(b []byte) bool {
	for _, c := range b {
		if c |= 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}

// command is a string of the name, without an allocation for what is frequent.
func command(name []byte) string {
	if string(name) == Syslog {
		return Syslog
	}
	return string(name)
}

// Version is that of the protocol.
const Version = "0"

// Offers is the data of open and its answer.
type Offers struct {
	Version  string
	Software string
	Commands []string
}

// ParseOffers reads offers; what it does not know it leaves out.
func ParseOffers(data string) Offers {
	var o Offers
	for line := range strings.Lines(data) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), "=")
		switch name {
		case "relp_version":
			o.Version = value
		case "relp_software":
			o.Software = value
		case "commands":
			o.Commands = strings.Split(value, ",")
		}
	}
	return o
}

// Has reports whether a command is offered.
func (o Offers) Has(command string) bool { return slices.Contains(o.Commands, command) }

func (o Offers) String() string {
	return "relp_version=" + o.Version + "\nrelp_software=" + o.Software + "\ncommands=" + strings.Join(o.Commands, ",")
}
