package macro

import (
	"strconv"
	"strings"
	"time"

	"rondo/syslogd/syslog"
	"rondo/syslogd/syslog/jsonl"
)

type (
	appendValue func(dst []byte, m *syslog.Message) []byte
	appendClock func(dst []byte, t time.Time) []byte
)

// values are the macros that are no times, by name.
var values = map[string]appendValue{
	"HOST":         appendHost,
	"SENDER":       appendSender,
	"SOURCEIP":     appendSender,
	"APP":          appendApp,
	"PROGRAM":      appendApp,
	"PID":          func(dst []byte, m *syslog.Message) []byte { return append(dst, m.PID...) },
	"MSGID":        func(dst []byte, m *syslog.Message) []byte { return append(dst, m.MsgID...) },
	"FACILITY":     func(dst []byte, m *syslog.Message) []byte { return append(dst, m.Facility.String()...) },
	"FACILITY_NUM": func(dst []byte, m *syslog.Message) []byte { return strconv.AppendUint(dst, uint64(m.Facility), 10) },
	"SEVERITY":     appendSeverity,
	"LEVEL":        appendSeverity,
	"PRIORITY":     appendSeverity,
	"SEVERITY_NUM": appendSeverityNumber,
	"LEVEL_NUM":    appendSeverityNumber,
	"PRI": func(dst []byte, m *syslog.Message) []byte {
		return strconv.AppendUint(dst, uint64(m.Facility)*8+uint64(m.Severity), 10)
	},
	"TEXT":    appendText,
	"MSG":     appendText,
	"MESSAGE": appendText,
	"MSGHDR":  appendHeader,
	"SDATA":   func(dst []byte, m *syslog.Message) []byte { return append(dst, m.SD...) },
	"RAWMSG":  func(dst []byte, m *syslog.Message) []byte { return append(dst, m.Raw...) },
	"RFC5424": syslog.AppendRFC5424,
	"RFC3164": syslog.AppendRFC3164,
	"JSON":    jsonl.Append,
}

func appendApp(dst []byte, m *syslog.Message) []byte { return append(dst, m.App...) }

func appendText(dst []byte, m *syslog.Message) []byte { return append(dst, m.Text...) }

func appendSeverity(dst []byte, m *syslog.Message) []byte {
	return append(dst, m.Severity.String()...)
}

func appendSeverityNumber(dst []byte, m *syslog.Message) []byte {
	return strconv.AppendUint(dst, uint64(m.Severity), 10)
}

// appendHost is Message.Origin without its allocation.
func appendHost(dst []byte, m *syslog.Message) []byte {
	switch {
	case m.Host != "":
		return append(dst, m.Host...)
	case m.Sender.IsValid():
		return appendSender(dst, m)
	}
	return append(dst, "localhost"...)
}

func appendSender(dst []byte, m *syslog.Message) []byte {
	if !m.Sender.IsValid() {
		return dst
	}
	return m.Sender.Unmap().AppendTo(dst)
}

func appendHeader(dst []byte, m *syslog.Message) []byte {
	if m.App == "" {
		return dst
	}
	dst = append(dst, m.App...)
	if m.PID != "" {
		dst = append(dst, '[')
		dst = append(dst, m.PID...)
		dst = append(dst, ']')
	}
	return append(dst, ": "...)
}

// appendParam appends the first parameter of structured data that a key names
// (filter.SDValue), without its escapes.
func appendParam(dst []byte, sd, key string) []byte {
	for p := range syslog.SDParams(sd) {
		if p.Name != key && !joined(key, p.ID, p.Name) {
			continue
		}
		for i := 0; i < len(p.Raw); i++ {
			if c := p.Raw[i]; c == '\\' && i+1 < len(p.Raw) && strings.IndexByte(`"\]`, p.Raw[i+1]) >= 0 {
				i++
			}
			dst = append(dst, p.Raw[i])
		}
		return dst
	}
	return dst
}

// joined reports whether key is id, a dot, and name; all may have dots.
func joined(key, id, name string) bool {
	return len(key) == len(id)+1+len(name) && strings.HasPrefix(key, id) && key[len(id)] == '.' && strings.HasSuffix(key, name)
}

// clocks are the macros of a time, by name.
var clocks = map[string]appendClock{
	"ISODATE":         layout("2006-01-02T15:04:05.000000Z07:00"),
	"DATE":            layout(time.Stamp),
	"STAMP":           layout(time.Stamp),
	"FULLDATE":        layout("2006 Jan _2 15:04:05"),
	"YEAR":            layout("2006"),
	"MONTH":           layout("01"),
	"DAY":             layout("02"),
	"HOUR":            layout("15"),
	"MIN":             layout("04"),
	"SEC":             layout("05"),
	"MSEC":            func(dst []byte, t time.Time) []byte { return appendDigits(dst, t.Nanosecond()/1e6, 100) },
	"USEC":            func(dst []byte, t time.Time) []byte { return appendDigits(dst, t.Nanosecond()/1e3, 100_000) },
	"UNIXTIME":        func(dst []byte, t time.Time) []byte { return strconv.AppendInt(dst, t.Unix(), 10) },
	"WEEK_DAY_ABBREV": layout("Mon"),
	"MONTH_ABBREV":    layout("Jan"),
	"YEAR_DAY":        layout("002"),
	"ISOWEEK":         appendWeek,
	"TZ":              layout("MST"),
	"TZOFFSET":        layout("-07:00"),
}

func layout(format string) appendClock {
	return func(dst []byte, t time.Time) []byte { return t.AppendFormat(dst, format) }
}

func appendWeek(dst []byte, t time.Time) []byte {
	_, week := t.ISOWeek()
	return appendDigits(dst, week, 10)
}

// appendDigits appends v with leading zeros; first is the value of the first
// digit.
func appendDigits(dst []byte, v, first int) []byte {
	for ; first > 0; first /= 10 {
		dst = append(dst, '0'+byte(v/first%10))
	}
	return dst
}
