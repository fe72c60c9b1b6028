package syslog

import (
	"strings"
	"time"
)

// Cisco's devices put some of these in front of the mnemonic, and some others
// in front of the time:
//
//	45: *Oct 11 22:14:15.003: %SYS-5-CONFIG_I: ...            IOS, its clock not set
//	45: router1: 000045: .Oct 11 22:14:15.003 CEST: %SYS-...  IOS, with its name and two numbers
//	45: 1w2d: %SYS-...     45: 00:00:46: %SYS-...             IOS, the time since it started
//	45: router1 RP/0/RSP0/CPU0:Oct 11 22:14:15 : bgp[1052]: %ROUTING-...  IOS XR
//	WLC1: *Dot1x_NW_MsgTask_4: Oct 11 22:14:15.003: %DOT1X-.. a wireless controller
//	: 2026 Oct 11 22:14:15 UTC: %ETHPORT-...                  NX-OS
//	:Oct 11 22:14:15 UTC: %ASA-...                            ASA, EMBLEM

// sequence is the length of the number and the colon in front of the time.
func sequence(s string) int {
	_, n := number(s, 10)
	switch {
	case strings.HasPrefix(s[n:], ": "):
		return n + 2
	case n == 0 && strings.HasPrefix(s, ":"):
		return 1
	}
	return 0
}

// cisco reads a message that has more than a sequence number in front of the
// time, or the time since the start. A colon must follow it, and something
// must show that it is Cisco's: a mnemonic behind, or, if it is a time of day
// and year, a number in front or a node. All else may be a text.
func (m *Message) cisco(s string) bool {
	first := sequence(s)
	s = s[first:]
	s = s[sequence(s):]
	var origin string
	certain := first > 1
	t, n := m.ciscoTime(s)
	if n == 0 && !strings.HasPrefix(s, "%") {
		name, isNode, end := ciscoOrigin(s)
		origin, s = name, s[end:]
		s = s[sequence(s):]
		certain = certain || isNode
		t, n = m.ciscoTime(s)
	}
	if n == 0 && strings.HasPrefix(s, "*") { // a task of a wireless controller
		_, s, _ = strings.Cut(s, ": ")
		t, n = m.ciscoTime(s)
	}
	rest, colon := strings.CutPrefix(skipSpaces(s[n:]), ":")
	rest = skipSpaces(rest)
	switch {
	case n > 0 && colon && (certain && !t.IsZero() || strings.HasPrefix(rest, "%")):
	case n == 0 && certain && strings.HasPrefix(s, "%"): // it has no time
	default:
		return false
	}
	m.Format = RFC3164
	if !t.IsZero() {
		m.Time = t
	}
	if origin != "" {
		m.Host = origin
	}
	m.tag(rest)
	return true
}

// ciscoTime reads a time, or the time since the device started, which is no
// time of ours.
func (m *Message) ciscoTime(s string) (time.Time, int) {
	if t, n := m.markedTime(s); n > 0 {
		return t, n
	}
	head, _, ok := strings.Cut(s, ":")
	if ok && isUptime(head) {
		return time.Time{}, len(head)
	}
	if _, n := readClock(s); n > 0 {
		return time.Time{}, n
	}
	return time.Time{}, 0
}

// isUptime reads 1w2d, 3d21h or 1y5w.
func isUptime(s string) bool {
	units := 0
	for ; s != ""; units++ {
		_, n := number(s, 5)
		if n == 0 || n == len(s) || strings.IndexByte("ywdhms", s[n]) < 0 {
			return false
		}
		s = s[n+1:]
	}
	return units > 0
}

// ciscoOrigin reads the name of the device and the length of all in front of
// the time: "router1: ", "router1 RP/0/RSP0/CPU0:" or, where the node is all
// there is, "RP/0/RSP0/CPU0:".
func ciscoOrigin(s string) (name string, isNode bool, n int) {
	i := strings.IndexByte(s, ':')
	if i <= 0 {
		return "", false, 0
	}
	name, node := token(s[:i])
	if strings.Contains(s[:i], "/CPU") && isHost(name) && (node == "" || isHost(node[1:])) {
		return name, true, i + 1
	}
	if isHost(s[:i]) && strings.HasPrefix(s[i:], ": ") {
		return s[:i], false, i + 2
	}
	return "", false, 0
}
