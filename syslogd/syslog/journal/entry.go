package journal

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"rondo/syslogd/syslog"
)

// entry collects the fields of one entry.
type entry struct {
	limits    Limits
	empty     bool
	size      int // bytes of all values that are kept, but MESSAGE
	skipped   int
	params    int
	truncated bool

	cursor              string
	text, host, msgid   string
	identifier, command string
	pid, claimedPID     string
	written, said       time.Time // __REALTIME_TIMESTAMP and that of the source
	hasText, hasPRI     bool
	facility            syslog.Facility
	severity            syslog.Severity
	sd                  []byte // the element "[journal", not closed
}

func (e *entry) reset(l Limits) {
	*e = entry{
		limits: l, empty: true, sd: append(e.sd[:0], "[journal"...),
		facility: syslog.DefaultFacility, severity: syslog.DefaultSeverity,
	}
}

// limit is how much may be kept of a value.
func (e *entry) limit(name []byte) int {
	if string(name) == "MESSAGE" && !e.hasText {
		return e.limits.Message
	}
	return min(e.limits.Field, e.limits.Entry-e.size)
}

// add takes a value, of which there may be less than its size.
func (e *entry) add(name, value []byte, size uint64) {
	e.empty = false
	cut := uint64(len(value)) < size
	if string(name) == "MESSAGE" && !e.hasText {
		e.text, e.hasText, e.truncated = string(value), true, cut
		return
	}
	if cut {
		e.skipped++
		return
	}
	e.size += len(value)
	if e.own(string(name), value) {
		return
	}
	if e.params == e.limits.Fields {
		e.skipped++
		return
	}
	e.params++
	e.sd = syslog.AppendSDParam(e.sd, name, value)
}

// own takes the fields that have a place in a message, and reports whether
// it did: each but once, and if its value makes sense.
func (e *entry) own(name string, v []byte) bool {
	switch name {
	case "_HOSTNAME":
		return setOnce(&e.host, v)
	case "SYSLOG_IDENTIFIER":
		return setOnce(&e.identifier, v)
	case "_PID":
		return setOnce(&e.pid, v)
	case "__CURSOR":
		return setOnce(&e.cursor, v)
	case "MESSAGE_ID":
		return setOnce(&e.msgid, v)
	case "__REALTIME_TIMESTAMP":
		return setTime(&e.written, v)
	case "_SOURCE_REALTIME_TIMESTAMP":
		return setTime(&e.said, v)
	case "PRIORITY":
		n, err := strconv.ParseUint(string(v), 10, 8)
		ok := err == nil && n <= uint64(syslog.Debug) && !e.hasPRI
		if ok {
			e.severity, e.hasPRI = syslog.Severity(n), true
		}
		return ok
	case "SYSLOG_FACILITY":
		n, err := strconv.ParseUint(string(v), 10, 8)
		ok := err == nil && n < 24
		if ok {
			e.facility = syslog.Facility(n)
		}
		return ok
	case "_COMM": // these two are kept in the structured data as well
		setOnce(&e.command, v)
		return false
	case "SYSLOG_PID":
		setOnce(&e.claimedPID, v)
		return false
	}
	return strings.HasPrefix(name, "__")
}

func setOnce(dst *string, v []byte) bool {
	if *dst != "" {
		return false
	}
	*dst = string(v)
	return true
}

// setTime reads microseconds since 1970.
func setTime(dst *time.Time, v []byte) bool {
	us, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil || us <= 0 || us > farFuture || !dst.IsZero() {
		return false
	}
	*dst = time.UnixMicro(us).UTC()
	return true
}

const farFuture = 253402300799e6 // the end of the year 9999

func (e *entry) message(received time.Time, sender netip.Addr) syslog.Message {
	m := syslog.Message{
		Facility: e.facility, Severity: e.severity, HasPRI: e.hasPRI,
		Time: e.said, Received: received, Sender: sender, Truncated: e.truncated,
		Host: e.host, App: e.identifier, PID: e.pid, MsgID: e.msgid, Text: e.text,
	}
	if m.Time.IsZero() {
		m.Time = e.written
	}
	if m.App == "" {
		m.App = e.command
	}
	if m.PID == "" {
		m.PID = e.claimedPID
	}
	if e.params > 0 {
		m.SD = string(append(e.sd, ']'))
	}
	return syslog.Compose(m)
}
