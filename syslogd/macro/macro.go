package macro

import (
	"time"

	"rondo/syslogd/syslog"
)

// A Source is a template as it stands in a configuration.
type Source string

// Verbatim tells the decoder of the configuration that ${NAME} stays.
func (Source) Verbatim() {}

// Use is what a template's text is used for; it decides what becomes of
// characters in values that could do harm there.
type Use uint8

// The uses.
const (
	Text Use = iota // anything: values as they are
	Line            // lines of text: no value has a line end
	Path            // a relative path or the name of an object
)

// Options say how a template is to be understood.
type Options struct {
	Use  Use
	Zone *time.Location // of times; nil: UTC
}

// A Template makes text of messages. It is safe for concurrent use.
type Template struct {
	text  string
	use   Use
	zone  *time.Location
	parts []part
}

// part is a literal, or the value of a macro.
type part struct {
	literal  string
	value    func(dst []byte, m *syslog.Message) []byte
	clock    func(dst []byte, t time.Time) []byte // of a time, in place of value
	received bool                                 // the clock is that of the reception
	param    string                               // key of structured data, in place of value
	fallback string
	most     int // bytes, of a path
}

func (p *part) isLiteral() bool { return p.value == nil && p.clock == nil && p.param == "" }

// String is the template as written.
func (t *Template) String() string { return t.text }

// Append appends the text of a message. It allocates nothing but for dst.
func (t *Template) Append(dst []byte, m *syslog.Message) []byte {
	begin := len(dst)
	for i := range t.parts {
		p := &t.parts[i]
		if p.isLiteral() {
			dst = append(dst, p.literal...)
			continue
		}
		start := len(dst)
		if dst = t.appendValue(dst, p, m); len(dst) == start {
			dst = append(dst, p.fallback...)
		}
		switch t.use {
		case Line:
			dst = escapeControls(dst, start)
		case Path:
			dst = makeElement(dst, begin, start, p.most)
		}
	}
	if t.use == Path {
		maskDots(dst[begin:])
	}
	return dst
}

func (t *Template) appendValue(dst []byte, p *part, m *syslog.Message) []byte {
	switch {
	case p.value != nil:
		return p.value(dst, m)
	case p.clock == nil:
		return appendParam(dst, m.SD, p.param)
	case p.received:
		return p.clock(dst, m.Received.In(t.zone))
	}
	return p.clock(dst, m.When().In(t.zone))
}

// Longest is how long the text of a path can be, in bytes.
func (t *Template) Longest() int {
	n := 0
	for i := range t.parts {
		n += len(t.parts[i].literal) + t.parts[i].most
	}
	return n
}

// escapeControls writes control characters but tab in dst[start:] as # and
// three octal digits.
func escapeControls(dst []byte, start int) []byte {
	n := 0
	for _, c := range dst[start:] {
		if isControl(c) {
			n++
		}
	}
	if n == 0 {
		return dst
	}
	from := len(dst)
	for range n {
		dst = append(dst, "000"...)
	}
	to := len(dst)
	for from > start { // backwards, since it grows
		from--
		c := dst[from]
		if !isControl(c) {
			to--
			dst[to] = c
			continue
		}
		to -= 4
		dst[to], dst[to+1], dst[to+2], dst[to+3] = '#', '0'+c>>6, '0'+c>>3&7, '0'+c&7
	}
	return dst
}

func isControl(c byte) bool { return c < ' ' && c != '\t' || c == 0x7f }
