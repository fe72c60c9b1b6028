package syslog

import (
	"strings"
	"time"
)

// bsd reads the format of RFC 3164 and its relatives: a time, a host or none,
// a tag or none, and the text. Without a time, nothing else is certain.
func (m *Message) bsd(s string) {
	front := skipSpaces(s)
	at := sequence(front)
	t, n := m.markedTime(front[at:])
	switch {
	case n > 0:
		m.Format, m.Time = RFC3164, t
		m.behindTime(front[at+n:])
	case !m.cisco(front):
		m.untimed(s, front[at:])
	}
}

// behindTime reads the host, the tag and the text.
func (m *Message) behindTime(rest string) {
	rest = skipBlanks(rest)
	if strings.HasPrefix(rest, ":") && !strings.HasPrefix(rest, "::") { // Cisco: no host behind the time
		m.tag(skipSpaces(rest[1:]))
		return
	}
	if !m.HasPRI {
		rest = m.writtenPRI(rest)
	}
	front := rest
	rest = m.host(rest)
	if !m.HasPRI {
		rest = m.writtenPRI(rest)
	}
	if rest != "" && isDigit(rest[0]) && m.cisco(rest) || m.tag(rest) {
		return
	}
	m.oddTag(rest)
	if m.App == "" && isLevel(m.Host) {
		m.Host, m.Text = "", front
	}
}

// oddTag reads the tags of two devices that put something in front of them:
// the NX-OS of the Nexus 7000 its context, "%$ VDC-1 %$", and F5 the severity.
func (m *Message) oddTag(s string) {
	if after, ok := strings.CutPrefix(s, "%$ "); ok {
		if _, tag, _ := strings.Cut(after, " %$ "); strings.HasPrefix(tag, "%") {
			m.tag(tag)
		}
		return
	}
	word, behind := token(s)
	if _, ok := severityNamed(word); !ok || behind == "" {
		return
	}
	if tag, _ := token(behind[1:]); strings.HasSuffix(tag, "]:") {
		m.tag(behind[1:])
	}
}

// isLevel reports whether what stands behind the time is no host, but the
// level of a logging library, or the stream of a container.
func isLevel(s string) bool {
	switch s {
	case "TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERROR", "SEVERE", "CRITICAL", "FATAL", "stdout", "stderr":
		return true
	}
	return false
}

// skipBlanks cuts blanks and tabs off the front.
func skipBlanks(s string) string {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	return s
}

// writtenPRI reads facility and severity in words, which stand in the files of
// log servers: "daemon.info", "<auth.info>" or AIX's "auth|security:info".
func (m *Message) writtenPRI(s string) (rest string) {
	end := strings.IndexAny(s, " \t")
	if end < 0 {
		return s
	}
	word := s[:end]
	if len(word) > 2 && word[0] == '<' && word[end-1] == '>' { // FreeBSD
		word = word[1 : end-1]
	}
	dot := strings.IndexAny(word, ".:")
	if dot < 0 {
		return s
	}
	facility, severity := word[:dot], word[dot+1:]
	facility, _, _ = strings.Cut(facility, "|")
	f, ok := facilityNamed(facility)
	if !ok {
		return s
	}
	v, ok := severityNamed(severity)
	if !ok {
		return s
	}
	m.Facility, m.Severity, m.HasPRI = f, v, true
	return skipBlanks(s[end:])
}

// markedTime reads a time, which Cisco marks if its clock is not right. A
// blank or a colon must follow it, or the end.
func (m *Message) markedTime(s string) (time.Time, int) {
	mark := 0
	if s != "" && (s[0] == '*' || s[0] == '.') {
		mark = 1
	}
	t, n := anyTime(s[mark:], m.Received)
	n += mark
	if n == mark || n < len(s) && s[n] != ' ' && s[n] != ':' && s[n] != '\t' {
		return time.Time{}, 0
	}
	return t, n
}

// untimed is a message without a time: its text is all of s, but for a tag
// that can be nothing else; front is s without what may stand before a tag.
func (m *Message) untimed(s, front string) {
	m.Text = strings.TrimPrefix(s, bom)
	if !m.HasPRI {
		return
	}
	head, _ := token(front)
	if strings.HasPrefix(head, "%") || strings.HasSuffix(head, "]:") {
		if text := m.Text; !m.tag(front) {
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
	if i := strings.IndexByte(head, '\t'); i > 0 { // Snare
		head, rest = s[:i], s[i+1:]
	}
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
	if name, ok := strings.CutPrefix(head, `("`); ok && strings.HasSuffix(name, `")`) { // UniFi
		m.Host = name[:len(name)-2]
		return behind
	}
	if !isHost(head) {
		return s
	}
	m.Host = value(head)
	return strings.TrimPrefix(behind, ": ")
}

// isHost reports whether s can be a host name or an address: relays write
// chains with "/" and "@", people write UTF-8. In brackets there can only be
// an address.
func isHost(s string) bool {
	if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' {
		return isAddress(s[1 : len(s)-1])
	}
	for i := range len(s) {
		if classes[s[i]]&hostByte == 0 {
			return false
		}
	}
	return s != "" && len(s) <= 255
}

// isAddress judges by the characters, and allows a zone.
func isAddress(s string) bool {
	s, _, _ = strings.Cut(s, "%")
	for i := range len(s) {
		if c := s[i] | 0x20; !isDigit(s[i]) && (c < 'a' || c > 'f') && s[i] != ':' && s[i] != '.' {
			return false
		}
	}
	return strings.Count(s, ":") >= 2 || strings.Count(s, ".") == 3
}

func isAlnum(c byte) bool { return classes[c]&alnum != 0 }

// isTagByte leaves out what begins data rather than names a program.
func isTagByte(c byte) bool { return classes[c]&tagByte != 0 }

// The classes of bytes.
const (
	alnum = 1 << iota
	hostByte
	tagByte
)

var classes = func() (table [256]uint8) {
	for i := range table {
		c := byte(i)
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c)
		if letter {
			table[i] |= alnum
		}
		if letter || c >= 0x80 || strings.IndexByte("-._:/@%~+", c) >= 0 {
			table[i] |= hostByte
		}
		if letter || c > ' ' && c != 0x7f && strings.IndexByte(":[]\"'`{}=<>,;", c) < 0 {
			table[i] |= tagByte
		}
	}
	return table
}()

// tag reads "program: " or "program[pid]:" off the front and leaves the rest
// as the text. It reports whether there is a tag. rsyslog leaves out the colon
// when it turns RFC 5424 into this format; then the pid must be a number.
func (m *Message) tag(s string) bool {
	s = strings.TrimPrefix(s, bom)
	m.Text = s
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
	// "http://host" is no tag; "su[77]:text" is, and "kernel:[ 12.345678]".
	blank := rest == "" || rest[0] == ' ' || rest[0] == '\t' || colon && rest[0] == '['
	if !colon && !(blank && isNumber(pid)) || end == i && (!blank || isNumeric(name)) {
		return false
	}
	m.App, m.PID = value(name), value(pid)
	m.Text = strings.TrimPrefix(strings.TrimPrefix(rest, " "), bom)
	return true
}

// isNumeric reports whether a tag without a pid is no name: 4624, 10.0.0.7.
func isNumeric(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) && s[i] != '.' {
			return false
		}
	}
	return isDigit(s[0])
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
