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
	Time      text  `json:"time"`
	Received  text  `json:"received"`
	Host      text  `json:"host"`
	App       text  `json:"app"`
	PID       text  `json:"pid"`
	MsgID     text  `json:"msgid"`
	Facility  text  `json:"facility"`
	Severity  text  `json:"severity"`
	Sender    text  `json:"sender"`
	SD        text  `json:"sd"`
	Message   *text `json:"message"`
	Raw       *text `json:"raw"`
	Format    text  `json:"format"`
	PRI       *bool `json:"pri"`
	Truncated bool  `json:"truncated"`
}

// text is a string whose bytes need not be UTF-8.
type text string

// UnmarshalJSON implements json.Unmarshaler. A number stands for its digits.
func (t *text) UnmarshalJSON(b []byte) error {
	if len(b) < 2 || b[0] != '"' {
		if b[0] == '{' || b[0] == '[' {
			return errors.New("want a string")
		}
		*t = text(b)
		return nil
	}
	*t = text(unquote(string(b[1 : len(b)-1])))
	return nil
}

var errNoMessage = errors.New("jsonl: the object has no member message")

// Parse reads an object that Append wrote. Members that are not there are
// empty, members that it does not know are passed over; without a message it is
// an error. Times are in UTC.
func Parse(line []byte) (syslog.Message, error) {
	var o object
	if err := json.Unmarshal(line, &o); err != nil {
		return syslog.Message{}, fmt.Errorf("jsonl: %w", err)
	}
	if o.Message == nil {
		return syslog.Message{}, errNoMessage
	}
	m := syslog.Message{
		Raw: string(*o.Message), Format: parseFormat(string(o.Format)), HasPRI: o.PRI == nil || *o.PRI,
		Facility: syslog.DefaultFacility, Severity: syslog.DefaultSeverity, Truncated: o.Truncated,
		Host: string(o.Host), App: string(o.App), PID: string(o.PID), MsgID: string(o.MsgID), SD: string(o.SD), Text: string(*o.Message),
	}
	if o.Raw != nil {
		m.Raw = string(*o.Raw)
	}
	return m, errors.Join(
		parseMember("time", o.Time, &m.Time, parseTime),
		parseMember("received", o.Received, &m.Received, parseTime),
		parseMember("facility", o.Facility, &m.Facility, parseFacility),
		parseMember("severity", o.Severity, &m.Severity, syslog.ParseSeverity),
		parseMember("sender", o.Sender, &m.Sender, netip.ParseAddr),
	)
}

// parseMember sets dst to what a member says, if it is there.
func parseMember[T any](name string, v text, dst *T, parse func(string) (T, error)) error {
	if v == "" {
		return nil
	}
	x, err := parse(string(v))
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
