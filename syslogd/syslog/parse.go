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
	// Some devices put a blank behind PRI.
	if !m.rfc5424(skipSpaces(rest), hasPRI) {
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
		if front := unframed(s); len(front) < len(s) {
			if rest, ok = m.pri(front); ok {
				return rest, true
			}
		}
		return s, false
	}
	if v <= maxPRI {
		m.Facility, m.Severity, m.HasPRI = Facility(v/8), Severity(v%8), true
	}
	return s[n+2:], true
}

// unframed cuts what a sender for streams leaves in front of the PRI of a
// datagram: blanks and line ends, and an octet count, if it is right.
func unframed(s string) string {
	front := strings.TrimLeft(s, " \t\r\n\x00")
	if count, n := number(front, maxDigits); n > 0 && strings.HasPrefix(front[n:], " <") {
		behind := len(front) - n - 1 - count // line ends may be counted, and cut off since
		if behind > 0 || behind < -2 {
			return s
		}
		front = front[n+1:]
	}
	if !strings.HasPrefix(front, "<") {
		return s
	}
	return front
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

// token cuts s at its first blank. Most are short: a loop is faster than a
// call for them.
func token(s string) (head, rest string) {
	for i := range len(s) {
		if s[i] == ' ' {
			return s[:i], s[i:]
		}
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
// shape: without a version and a time that is understood it has not. Without
// a PRI, only version 1 and the time of the RFC will do.
func (m *Message) rfc5424(s string, hasPRI bool) bool {
	version, n := number(s, 3)
	if n == 0 || s[0] == '0' || n == len(s) || s[n] != ' ' || version > 1 && !hasPRI {
		return false
	}
	s = skipSpaces(s[n:])
	t, n := m.stamp(s)
	if n == 0 || !hasPRI && (n < 11 || s[10] != 'T') {
		return false
	}
	m.Time, m.Format = t, RFC5424
	m.Text = strings.TrimPrefix(s[n:], " ")
	m.header(s[n:])
	return true
}

// stamp reads TIMESTAMP, which may be "-". Some senders write a blank for the
// T, or the time of a BSD message.
func (m *Message) stamp(s string) (t time.Time, n int) {
	if strings.HasPrefix(s, "-") {
		n = 1
	} else if t, n = isoTime(s, m.Received.Location()); n == 0 {
		t, n = bsdTime(s, 0, m.Received)
	}
	if n == 0 || n < len(s) && s[n] != ' ' {
		return time.Time{}, 0
	}
	return t, n
}

// header reads HOSTNAME to MSGID, and the rest.
func (m *Message) header(s string) {
	host, rest := token(skipSpaces(s))
	app, rest := token(skipSpaces(rest))
	pid, rest := token(skipSpaces(rest))
	msgid, rest := token(skipSpaces(rest))
	rest = skipSpaces(rest)
	if msgid == "" || !beginsSD(rest) {
		m.oddHeader(s)
		return
	}
	m.Host, m.App, m.PID, m.MsgID = value(host), value(app), value(pid), value(msgid)
	m.body(rest)
}

// beginsSD reports whether s may be structured data and what follows.
func beginsSD(s string) bool {
	return s != "" && (s[0] == '[' || s[0] == '-' && (len(s) == 1 || s[1] == ' '))
}

// oddHeader reads a header that lacks something. Fields may be missing in
// front of structured data, or structured data may.
func (m *Message) oddHeader(s string) {
	var fields, from [4]string // the fields, and the line from each on
	for n := range fields {
		s = skipSpaces(s)
		if n > 0 && strings.HasPrefix(s, "[") && strings.IndexByte(s[:sdEnd(s)], ' ') > 0 {
			break // no field has a blank
		}
		from[n] = s
		if fields[n], s = token(s); fields[n] == "" {
			m.unstructured(&fields, &from)
			return
		}
	}
	s = skipSpaces(s)
	if !beginsSD(s) {
		m.unstructured(&fields, &from)
		return
	}
	m.Host, m.App, m.PID, m.MsgID = value(fields[0]), value(fields[1]), value(fields[2]), value(fields[3])
	m.body(s)
}

// unstructured is a message without structured data, so that nothing shows
// where its text begins. A field is believed if it looks like one: a word that
// stands in the text can still be found. Text is all that follows the time.
func (m *Message) unstructured(fields, from *[4]string) {
	host, app, pid, msgid := fields[0], fields[1], fields[2], fields[3]
	if !isHost(host) || app == "" {
		return
	}
	if strings.HasSuffix(app, ":") { // the tag of a BSD message
		m.Host = value(host)
		m.tag(from[1])
		return
	}
	if msgid == "" {
		return
	}
	m.Host = value(host)
	known := msgid == "-" || isIdentifier(msgid)
	switch {
	case !known && pid != "-" && !isNumber(pid):
		m.Text = from[1]
	case !known:
		m.App, m.PID, m.Text = value(app), value(pid), from[3]
	default:
		m.App, m.PID, m.MsgID = value(app), value(pid), value(msgid)
		m.Text = strings.TrimPrefix(strings.TrimPrefix(from[3][len(msgid):], " "), bom)
	}
}

// isIdentifier reports whether s looks like a MSGID, such as ID47, and not
// like a word.
func isIdentifier(s string) bool {
	return strings.ContainsAny(s, "0123456789") && 'A' <= s[0] && s[0] <= 'Z' && isHost(s)
}

// body reads structured data and the text behind it. Data that is broken is
// text.
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
