package jsonl

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"rondo/syslogd/syslog"
)

// Append appends a message as an object, without a line end.
func Append(dst []byte, m *syslog.Message) []byte {
	dst = append(dst, '{')
	dst = appendTime(dst, `"time":"`, m.Time)
	dst = appendTime(dst, `"received":"`, m.Received)
	dst = appendMember(dst, `"host":"`, m.Host)
	dst = appendMember(dst, `"app":"`, m.App)
	dst = appendMember(dst, `"pid":"`, m.PID)
	dst = appendMember(dst, `"msgid":"`, m.MsgID)
	dst = appendMember(dst, `"facility":"`, m.Facility.String())
	dst = appendMember(dst, `"severity":"`, m.Severity.String())
	if m.Sender.IsValid() {
		dst = append(dst, `"sender":"`...)
		dst = append(m.Sender.AppendTo(dst), `",`...)
	}
	dst = appendMember(dst, `"sd":"`, m.SD)
	dst = append(dst, `"message":"`...)
	dst = append(appendString(dst, m.Text), `",`...)
	if m.Raw != m.Text {
		dst = append(dst, `"raw":"`...)
		dst = append(appendString(dst, m.Raw), `",`...)
	}
	if !m.HasPRI {
		dst = append(dst, `"pri":false,`...)
	}
	if m.Truncated {
		dst = append(dst, `"truncated":true,`...)
	}
	dst = append(dst, `"format":"`...)
	return append(append(dst, formatName(m.Format)...), `"}`...)
}

// appendTime appends a member that begins as head says, unless the time is
// none that RFC 3339 can write.
func appendTime(dst []byte, head string, t time.Time) []byte {
	if t = t.UTC(); t.IsZero() || t.Year() < 0 || t.Year() > 9999 {
		return dst
	}
	return append(t.AppendFormat(append(dst, head...), time.RFC3339Nano), `",`...)
}

func appendMember(dst []byte, head, v string) []byte {
	if v == "" {
		return dst
	}
	return append(appendString(append(dst, head...), v), `",`...)
}

func formatName(f syslog.Format) string {
	switch f {
	case syslog.RFC3164:
		return "rfc3164"
	case syslog.RFC5424:
		return "rfc5424"
	}
	return "raw"
}

func parseFormat(name string) syslog.Format {
	switch name {
	case "rfc3164":
		return syslog.RFC3164
	case "rfc5424":
		return syslog.RFC5424
	}
	return syslog.Raw
}

// object is what Parse takes of a line.
type object struct {
	time, received, host, app, pid, msgid, facility, severity, sender, sd, message, raw, format, pri, truncated member
}

// member returns the place of a member, or nil.
func (o *object) member(name string) *member {
	switch name {
	case "time":
		return &o.time
	case "received":
		return &o.received
	case "host":
		return &o.host
	case "app":
		return &o.app
	case "pid":
		return &o.pid
	case "msgid":
		return &o.msgid
	case "facility":
		return &o.facility
	case "severity":
		return &o.severity
	case "sender":
		return &o.sender
	case "sd":
		return &o.sd
	case "message":
		return &o.message
	case "raw":
		return &o.raw
	case "format":
		return &o.format
	case "pri":
		return &o.pri
	case "truncated":
		return &o.truncated
	}
	return nil
}

// member is the value of one: a string, or what a number or a word is written
// as.
type member struct {
	text  string
	given bool
}

// Parse reads an object that Append wrote. Members that are not there are
// empty, members that it does not know are passed over; without a message it is
// an error. Times are in UTC. The message's strings are parts of one that holds
// the line.
func Parse(line []byte) (syslog.Message, error) {
	if !json.Valid(line) {
		return syslog.Message{}, errNoJSON
	}
	var o object
	if err := o.scan(string(line)); err != nil {
		return syslog.Message{}, err
	}
	if !o.message.given {
		return syslog.Message{}, errNoMessage
	}
	m := syslog.Message{
		Raw: o.message.text, Format: parseFormat(o.format.text), HasPRI: o.pri.text != "false",
		Facility: syslog.DefaultFacility, Severity: syslog.DefaultSeverity, Truncated: o.truncated.text == "true",
		Host: o.host.text, App: o.app.text, PID: o.pid.text, MsgID: o.msgid.text, SD: o.sd.text, Text: o.message.text,
	}
	if o.raw.given {
		m.Raw = o.raw.text
	}
	return m, errors.Join(
		parseMember("time", o.time, &m.Time, parseTime),
		parseMember("received", o.received, &m.Received, parseTime),
		parseMember("facility", o.facility, &m.Facility, parseFacility),
		parseMember("severity", o.severity, &m.Severity, syslog.ParseSeverity),
		parseMember("sender", o.sender, &m.Sender, netip.ParseAddr),
	)
}

var (
	errNoJSON    = errors.New("jsonl: no JSON")
	errNoObject  = errors.New("jsonl: want an object")
	errNoMessage = errors.New("jsonl: the object has no member message")
)

// parseMember sets dst to what a member says, if it is there.
func parseMember[T any](name string, v member, dst *T, parse func(string) (T, error)) error {
	if v.text == "" {
		return nil
	}
	x, err := parse(v.text)
	if err != nil {
		return fmt.Errorf("jsonl: %s: %w", name, err)
	}
	*dst = x
	return nil
}

func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	return t.UTC(), err
}

// parseFacility also reads the numbers that have no name.
func parseFacility(s string) (syslog.Facility, error) {
	if n, err := strconv.ParseUint(s, 10, 8); err == nil {
		return syslog.Facility(n), nil
	}
	return syslog.ParseFacility(s)
}
