package syslog

import (
	"strings"
	"time"
)

// bsd reads the format of RFC 3164 and its relatives: a time, a host or none,
// a tag or none, and the text. Without a time, nothing else is certain.
func (m *Message) bsd(s string) {
	at := sequence(s)
	t, n := m.markedTime(s[at:])
	var origin string
	if n == 0 && at > 0 { // Cisco's "logging origin-id"
		if head, rest, ok := strings.Cut(s[at:], ": "); ok && isHost(head) {
			if t, n = m.markedTime(rest); n > 0 {
				origin, at = head, at+len(head)+2
			}
		}
	}
	if n == 0 {
		m.untimed(s, at)
		return
	}
	m.Format, m.Time, m.Host = RFC3164, t, origin
	rest := s[at+n:]
	if strings.HasPrefix(rest, ":") { // Cisco: no host behind the time
		m.tag(skipSpaces(rest[1:]))
		return
	}
	m.tag(m.host(skipSpaces(rest)))
}

// sequence is the length of the number that IOS ("45: ") and NX-OS (": ") put
// in front of the time.
func sequence(s string) int {
	_, n := number(s, 10)
	if strings.HasPrefix(s[n:], ": ") {
		return n + 2
	}
	return 0
}

// markedTime reads a time, which Cisco marks if its clock is not right.
func (m *Message) markedTime(s string) (time.Time, int) {
	if s == "" || s[0] != '*' && s[0] != '.' {
		return anyTime(s, m.Received)
	}
	t, n := anyTime(s[1:], m.Received)
	if n > 0 {
		n++
	}
	return t, n
}

// untimed is a message without a time: its text is all of it, but for a tag
// that can be nothing else.
func (m *Message) untimed(s string, at int) {
	m.Text = strings.TrimPrefix(s, bom)
	if !m.HasPRI {
		return
	}
	head, _ := token(s[at:])
	if strings.HasPrefix(head, "%") || strings.HasSuffix(head, "]:") {
		if text := m.Text; !m.tag(s[at:]) {
			m.Text = text
			return
		}
		m.Format = RFC3164
	}
}

// host reads the host off the front, if there is one: programs that write to
// /dev/log leave it out, and so do people.
func (m *Message) host(s string) (rest string) {
	const aix = "Message forwarded from "
	if strings.HasPrefix(s, aix) {
		if host, rest, ok := strings.Cut(s[len(aix):], ": "); ok && isHost(host) {
			m.Host = host
			return rest
		}
	}
	head, rest := token(s)
	behind := skipSpaces(rest)
	if rest == "" || strings.HasPrefix(s, "last message repeated ") {
		return s
	}
	if name, ok := strings.CutSuffix(head, ":"); ok && !strings.HasSuffix(name, ":") {
		// A tag, but for the ASA, which puts a colon behind its name. An
		// IPv6 address may end in two colons.
		if !strings.HasPrefix(behind, "%") || !isHost(name) {
			return s
		}
		head = name
	}
	if !isHost(head) {
		return s
	}
	m.Host = value(head)
	return strings.TrimPrefix(behind, ": ")
}

// isHost reports whether s can be a host name or an address: relays write
// chains with "/" and "@", people write UTF-8.
func isHost(s string) bool {
	if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' {
		s = s[1 : len(s)-1]
	}
	for i := range len(s) {
		c := s[i]
		if !isAlnum(c) && c < 0x80 && strings.IndexByte("-._:/@%~+", c) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= 255
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c)
}

// isTagByte leaves out what begins data rather than names a program.
func isTagByte(c byte) bool {
	return isAlnum(c) || c > ' ' && c != 0x7f && strings.IndexByte(":[]\"'`{}=<>,;", c) < 0
}

// tag reads "program: " or "program[pid]:" off the front and leaves the rest
// as the text. It reports whether there is a tag. rsyslog leaves out the colon
// when it turns RFC 5424 into this format; then the pid must be a number.
func (m *Message) tag(s string) bool {
	m.Text = strings.TrimPrefix(s, bom)
	i := 0
	for i < len(s) && isTagByte(s[i]) {
		i++
	}
	if i == 0 || i == len(s) {
		return false
	}
	name, pid, end := s[:i], "", i
	if s[i] == '[' {
		n := strings.IndexByte(s[i:], ']')
		if n < 0 || !isPID(s[i+1:i+n]) {
			return false
		}
		pid, end = s[i+1:i+n], i+n+1
	}
	rest, colon := strings.CutPrefix(s[end:], ":")
	// "http://host" is no tag; "su[77]:text" is.
	blank := rest == "" || rest[0] == ' '
	if !colon && !(blank && isNumber(pid)) || end == i && !blank {
		return false
	}
	m.App, m.PID = value(name), value(pid)
	m.Text = strings.TrimPrefix(strings.TrimPrefix(rest, " "), bom)
	return true
}

func isNumber(s string) bool {
	_, n := number(s, len(s))
	return n > 0 && n == len(s)
}

// isPID allows names of threads and queues too.
func isPID(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return false
		}
	}
	return len(s) <= 128
}
