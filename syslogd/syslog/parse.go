package syslog

import (
	"net/netip"
	"strings"
	"time"
)

const (
	bom    = "\ufeff"
	maxPRI = 191
)

// Parse reads one message, without its framing. It never fails, and
// allocates nothing: all strings of the message are parts of line. Raw is
// line, and Text is the end of it that the header does not explain. The
// location of received is that of times without a zone.
func Parse(line string, received time.Time, sender netip.Addr) Message {
	m := Message{
		Raw: line, Received: received, Sender: sender,
		Facility: DefaultFacility, Severity: DefaultSeverity,
	}
	rest, hasPRI := m.pri(strings.TrimPrefix(line, bom))
	if hasPRI {
		rest = strings.TrimPrefix(rest, bom)
	}
	if !hasPRI || !m.rfc5424(rest) {
		m.bsd(rest)
	}
	return m
}

// TrimTrailer cuts line ends and NULs off the end of a datagram: senders that
// share code with stream transports leave them there.
func TrimTrailer(s string) string { return strings.TrimRight(s, "\r\n\x00") }

// pri takes the PRI off s, if there is one. One above 191 is skipped: that it
// is there is certain, only its meaning is not.
func (m *Message) pri(s string) (rest string, ok bool) {
	v, n := number(s[min(1, len(s)):], 3)
	if n == 0 || s[0] != '<' || n+1 == len(s) || s[n+1] != '>' {
		return s, false
	}
	if v <= maxPRI {
		m.Facility, m.Severity, m.HasPRI = Facility(v/8), Severity(v%8), true
	}
	return s[n+2:], true
}

// number reads at most most digits and returns how many there are.
func number(s string, most int) (v, n int) {
	for n < len(s) && n < most && isDigit(s[n]) {
		v = 10*v + int(s[n]-'0')
		n++
	}
	return v, n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// skipSpaces cuts the blanks off the front.
func skipSpaces(s string) string {
	for len(s) > 0 && s[0] == ' ' {
		s = s[1:]
	}
	return s
}

// token cuts s at its first blank.
func token(s string) (head, rest string) {
	if i := strings.IndexByte(s, ' '); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// value is a header field, where "-" stands for none.
func value(s string) string {
	if s == "-" {
		return ""
	}
	return s
}

// rfc5424 reads VERSION and what follows, and reports whether s has that
// shape: without a version and a time that is understood it has not. Senders
// leave out fields, so MSGID or structured data may be missing.
func (m *Message) rfc5424(s string) bool {
	_, n := number(s, 3)
	if n == 0 || s[0] == '0' || n == len(s) || s[n] != ' ' {
		return false
	}
	stamp, rest := token(skipSpaces(s[n:]))
	if stamp != "-" {
		t, n := isoTime(stamp, m.Received.Location())
		if n == 0 || n != len(stamp) {
			return false
		}
		m.Time = t
	}
	m.Format = RFC5424
	m.Text = strings.TrimPrefix(rest, " ")
	var fields [4]string
	for i := range fields {
		if fields[i], rest = token(skipSpaces(rest)); fields[i] == "" {
			return true // no header: all that follows the time is text
		}
	}
	m.Host, m.App, m.PID, m.MsgID = value(fields[0]), value(fields[1]), value(fields[2]), value(fields[3])
	m.body(skipSpaces(rest))
	return true
}

// body reads structured data and the text behind it. Data that is absent or
// broken is text.
func (m *Message) body(s string) {
	switch {
	case s == "-":
		s = ""
	case strings.HasPrefix(s, "- "):
		s = s[2:]
	case strings.HasPrefix(s, "["):
		n := sdEnd(s)
		m.SD, s = s[:n], s[n:]
		if n > 0 {
			s = strings.TrimPrefix(s, " ")
		}
	}
	m.Text = strings.TrimPrefix(s, bom)
}
