package syslog

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Facility is the part of the program or system that speaks (RFC 5424, 6.2.1).
type Facility uint8

// Severity is how grave a message is; 0 is the gravest (RFC 5424, 6.2.1).
type Severity uint8

// The severities.
const (
	Emergency Severity = iota
	Alert
	Critical
	Error
	Warning
	Notice
	Informational
	Debug
)

// What a message without a PRI gets (RFC 3164, 4.3.3): user.notice.
const (
	DefaultFacility Facility = 1
	DefaultSeverity          = Notice
)

var (
	severityNames = [...]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}
	facilityNames = [...]string{
		"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news",
		"uucp", "cron", "authpriv", "ftp", "ntp", "audit", "console", "cron2",
		"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
	}
	severityAliases = map[string]Severity{ // what others write
		"panic": Emergency, "emergency": Emergency, "critical": Critical, "error": Error,
		"warn": Warning, "informational": Informational,
	}
)

func (s Severity) String() string {
	if int(s) < len(severityNames) {
		return severityNames[s]
	}
	return strconv.Itoa(int(s))
}

func (f Facility) String() string {
	if int(f) < len(facilityNames) {
		return facilityNames[f]
	}
	return strconv.Itoa(int(f))
}

// ParseSeverity reads a name, as logger(1) spells it, or a number.
func ParseSeverity(s string) (Severity, error) {
	if v, ok := severityNamed(s); ok {
		return v, nil
	}
	if len(s) == 1 && '0' <= s[0] && s[0] <= '7' {
		return Severity(s[0] - '0'), nil
	}
	return 0, fmt.Errorf("severity %q: want %s or 0-7", s, strings.Join(severityNames[:], ", "))
}

// severityNamed ignores case.
func severityNamed(s string) (Severity, bool) {
	for i, name := range severityNames {
		if strings.EqualFold(s, name) {
			return Severity(i), true
		}
	}
	for name, v := range severityAliases {
		if strings.EqualFold(s, name) {
			return v, true
		}
	}
	return 0, false
}

// ParseFacility reads a name, as logger(1) spells it, or a number.
func ParseFacility(s string) (Facility, error) {
	if f, ok := facilityNamed(s); ok {
		return f, nil
	}
	if n, err := strconv.ParseUint(s, 10, 8); err == nil && n < uint64(len(facilityNames)) {
		return Facility(n), nil
	}
	return 0, fmt.Errorf("facility %q: want a name such as kern, auth, local0, or 0-23", s)
}

// facilityNamed ignores case.
func facilityNamed(s string) (Facility, bool) {
	for i, name := range facilityNames {
		if strings.EqualFold(s, name) {
			return Facility(i), true
		}
	}
	return 0, false
}

// Format is how a message was written.
type Format uint8

// The formats that Parse tells apart.
const (
	Raw     Format = iota // neither: the whole line is the text
	RFC3164               // BSD syslog and its many relatives
	RFC5424
)

// A Message is one log record. All strings are parts of the one line it was
// parsed from, so that parsing allocates nothing; who keeps a Message beyond
// the call it was given in must Clone it.
type Message struct {
	Raw      string // the line as received, without framing; or the one that Compose made
	Format   Format
	Facility Facility
	Severity Severity
	HasPRI   bool      // the sender said facility and severity, or at least the severity
	Time     time.Time // what the message says; zero where it says nothing usable
	Received time.Time
	Sender   netip.Addr // peer address; the zero Addr for a unix socket
	Host     string     // HOSTNAME as written; "" where absent
	App      string     // APP-NAME, or the BSD tag without its pid
	PID      string     // PROCID
	MsgID    string
	SD       string // structured data as written, brackets included
	Text     string // the message proper; never less than what the header did not explain
	// Truncated says that the line was longer than the listener takes: Raw
	// and Text end where it was cut.
	Truncated bool
}

// When is the message's own time, or its reception where it has none.
func (m *Message) When() time.Time {
	if m.Time.IsZero() {
		return m.Received
	}
	return m.Time
}

// Origin names the host: HOSTNAME, else the sender's address, else "localhost".
func (m *Message) Origin() string {
	switch {
	case m.Host != "":
		return m.Host
	case m.Sender.IsValid():
		return m.Sender.Unmap().String()
	}
	return "localhost"
}

// Clone returns a copy that shares no memory with m's line.
func (m *Message) Clone() Message {
	c := *m
	c.Raw = strings.Clone(m.Raw)
	for _, f := range c.fields() {
		*f = strings.Clone(*f)
	}
	return c
}

// fields are those that are parts of the line, in its order.
func (m *Message) fields() [6]*string {
	return [...]*string{&m.Host, &m.App, &m.PID, &m.MsgID, &m.SD, &m.Text}
}
