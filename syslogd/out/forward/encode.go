package forward

import (
	"bytes"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"rondo/syslogd/syslog"
)

// An encoder writes messages as they go over the wire.
type encoder struct {
	format Format
	origin bool
	sd     []byte
	value  []byte
}

// A keyed message is one with what its key is made of.
type keyed struct {
	*syslog.Message
	log    string
	number uint64
}

// append writes a message without framing. It is never empty.
func (e *encoder) append(dst []byte, m keyed) []byte {
	switch {
	case e.format == RFC3164:
		return syslog.AppendRFC3164(dst, m.Message)
	case e.format == Raw && m.Raw != "":
		return append(dst, m.Raw...)
	case !e.origin:
		return syslog.AppendRFC5424(dst, m.Message)
	}
	marked := *m.Message
	marked.SD = e.withOrigin(m)
	return syslog.AppendRFC5424(dst, &marked)
}

const relayElement = "relay@32473"

// withOrigin is the structured data of a message, with where it came from.
// What a relay before us has said stays: it was nearer.
func (e *encoder) withOrigin(m keyed) string {
	sd := append(e.sd[:0], m.SD...)
	if m.Sender.IsValid() && !hasElement(m.SD, "origin") {
		sd = append(sd, "[origin"...)
		e.value = m.Sender.Unmap().AppendTo(e.value[:0])
		sd = append(syslog.AppendSDParam(sd, []byte("ip"), e.value), ']')
	}
	if !hasElement(m.SD, relayElement) {
		sd = append(sd, "["+relayElement...)
		e.value = m.Received.UTC().AppendFormat(e.value[:0], time.RFC3339Nano)
		sd = syslog.AppendSDParam(sd, []byte("received"), e.value)
		e.value = strconv.AppendUint(append(append(e.value[:0], m.log...), '-'), m.number, 10)
		sd = append(syslog.AppendSDParam(sd, []byte("key"), e.value), ']')
	}
	e.sd = sd
	return string(sd)
}

// hasElement errs on the side of yes, where a value looks like an element:
// there must not be two of a name (RFC 5424, 6.3.2).
func hasElement(sd, id string) bool { return strings.Contains(sd, "["+id) }

const maxCount = 24 // digits of an octet count and the blank, and more

// appendFramed writes a message of a stream.
func (e *encoder) appendFramed(dst []byte, m keyed, framing Framing) []byte {
	start := len(dst)
	dst = e.append(dst, m)
	if framing == Octets {
		var digits [maxCount]byte
		head := append(strconv.AppendInt(digits[:0], int64(len(dst)-start), 10), ' ')
		dst = append(dst, head...)
		copy(dst[start+len(head):], dst[start:])
		copy(dst[start:], head)
		return dst
	}
	return append(escapeEnds(dst, start), '\n')
}

// escapeEnds makes harmless what ends a message within one, in rsyslog's way:
// some receivers take a NUL for an end, too.
func escapeEnds(dst []byte, start int) []byte {
	if bytes.IndexByte(dst[start:], '\n') < 0 && bytes.IndexByte(dst[start:], 0) < 0 {
		return dst
	}
	message := bytes.Clone(dst[start:])
	dst = dst[:start]
	for _, c := range message {
		switch c {
		case '\n':
			dst = append(dst, "#012"...)
		case 0:
			dst = append(dst, "#000"...)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// cut shortens a message to at most max bytes, between two characters.
func cut(message []byte, max int) []byte {
	if len(message) <= max {
		return message
	}
	n := max
	for n > max-utf8.UTFMax && !utf8.RuneStart(message[n]) {
		n--
	}
	if !utf8.RuneStart(message[n]) {
		n = max // not UTF-8 at all
	}
	return message[:n]
}
