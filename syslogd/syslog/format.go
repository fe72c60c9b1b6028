package syslog

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Lengths of the header's fields (RFC 5424, 6).
const (
	maxHost  = 255
	maxApp   = 48
	maxPID   = 128
	maxMsgID = 32
)

// AppendRFC5424 appends the message in the format of RFC 5424, without
// framing. Time and host are the original ones, or the reception's where the
// message has none. Fields that the format cannot hold are cut, and their
// forbidden bytes become "_"; the text is never touched.
func AppendRFC5424(dst []byte, m *Message) []byte {
	return appendRFC5424(dst, m, m.When(), m.Origin())
}

func appendRFC5424(dst []byte, m *Message, at time.Time, host string) []byte {
	dst = appendPRI(dst, m)
	dst = append(dst, "1 "...)
	if at = at.UTC(); at.IsZero() || at.Year() < 0 || at.Year() > 9999 {
		dst = append(dst, '-')
	} else {
		dst = at.AppendFormat(dst, "2006-01-02T15:04:05.000000Z07:00")
	}
	dst = appendField(dst, host, maxHost)
	dst = appendField(dst, m.App, maxApp)
	dst = appendField(dst, m.PID, maxPID)
	dst = appendField(dst, m.MsgID, maxMsgID)
	dst = append(dst, ' ')
	if m.SD != "" && sdEnd(m.SD) == len(m.SD) {
		dst = append(dst, m.SD...)
	} else {
		dst = append(dst, '-')
	}
	if m.Text == "" {
		return dst
	}
	dst = append(dst, ' ')
	return appendText(dst, m.Text)
}

// Compose completes a message that did not come as a line, such as a JSON
// object: Raw becomes the RFC 5424 line that says the same, and the fields
// become parts of it. One that such a line cannot hold exactly, such as a host
// name with a blank, keeps its value beside the line.
func Compose(m Message) Message {
	line := string(appendRFC5424(make([]byte, 0, 128+len(m.SD)+len(m.Text)), &m, m.Time, m.Host))
	c := Parse(line, m.Received, m.Sender)
	c.HasPRI, c.Time, c.Truncated = m.HasPRI, m.Time, m.Truncated
	given := m.fields()
	for i, f := range c.fields() {
		if *f != *given[i] {
			*f = strings.Clone(*given[i])
		}
	}
	return c
}

// AppendRFC3164 appends the message in the BSD format, without framing. Its
// time has no zone: it is that of the location of m.Received, as Parse reads
// it. MSGID and structured data have no place in it.
func AppendRFC3164(dst []byte, m *Message) []byte {
	dst = appendPRI(dst, m)
	dst = m.When().In(m.Received.Location()).AppendFormat(dst, time.Stamp)
	dst = appendField(dst, m.Origin(), maxHost)
	dst = append(dst, ' ')
	if m.App != "" {
		dst = appendTag(dst, m.App, maxApp)
		if m.PID != "" {
			dst = append(dst, '[')
			dst = appendTag(dst, m.PID, maxPID)
			dst = append(dst, ']')
		}
		dst = append(dst, ": "...)
	}
	return appendText(dst, m.Text)
}

func appendPRI(dst []byte, m *Message) []byte {
	v := int(m.Facility)*8 + int(m.Severity)
	dst = append(dst, '<')
	if v >= 100 {
		dst = append(dst, '0'+byte(v/100%10))
	}
	if v >= 10 {
		dst = append(dst, '0'+byte(v/10%10))
	}
	return append(dst, '0'+byte(v%10), '>')
}

// appendText marks a text that begins with a byte order mark by another one,
// because a parser takes one away.
func appendText(dst []byte, text string) []byte {
	if strings.HasPrefix(text, bom) {
		dst = append(dst, bom...)
	}
	return append(dst, text...)
}

// appendField appends a blank and a field of printable ASCII, "-" if empty.
func appendField(dst []byte, s string, most int) []byte {
	dst = append(dst, ' ')
	if s == "" {
		return append(dst, '-')
	}
	for i := range min(len(s), most) {
		c := s[i]
		if c <= ' ' || c >= utf8.RuneSelf-1 {
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}

// appendTag appends a part of a tag, without what would end it.
func appendTag(dst []byte, s string, most int) []byte {
	for i := range min(len(s), most) {
		c := s[i]
		if !isTagByte(c) {
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}
