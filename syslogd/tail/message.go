package tail

import (
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"rondo/syslogd/extract"
	"rondo/syslogd/syslog"
)

// A form makes messages of the records of one file. What all messages of the
// file have in common is written once.
type form struct {
	in       *input
	split    splitter
	template syslog.Message // without time and text
	header   string         // its line, up to the text
	parts    [3]span        // of header: host, app, structured data
}

// A span is a part of a string; absent if begin is negative.
type span struct{ begin, end int }

func (s span) of(line, otherwise string) string {
	if s.begin < 0 {
		return otherwise
	}
	return line[s.begin:s.end]
}

// newForm is for a file that begins with head. Its path is structured data:
// [file@32473 path="/var/log/app.log"].
func newForm(in *input, path string, head []byte) *form {
	enc, _ := in.encoding.byMark(head)
	app := in.app
	if app == "" {
		app = strings.TrimSuffix(family(path), filepath.Ext(family(path)))
	}
	m := syslog.Message{
		Facility: in.facility, Severity: in.severity, HasPRI: true, Host: in.host, App: app,
		SD: string(syslog.AppendSDParam([]byte("[file@32473"), "path", path)) + "]",
	}
	f := &form{in: in, split: splitter{enc, in.maxLine, in.multi}}
	const text = "x"
	m.Text = text
	f.template = syslog.Compose(m)
	f.header = strings.TrimSuffix(f.template.Raw, text)
	from := 0
	for i, part := range []string{f.template.Host, f.template.App, f.template.SD} {
		f.parts[i] = span{-1, -1}
		if at := strings.Index(f.header[from:], part); at >= 0 && part != "" {
			f.parts[i] = span{from + at, from + at + len(part)}
			from += at + len(part)
		}
	}
	return f
}

// take makes messages of the complete records at the beginning of data, and
// returns how many bytes those have. The bytes stand at offset in the file.
func (t *Tailer) take(f *file, data []byte, offset int64, end ending, now time.Time) (taken int) {
	if f.form == nil {
		f.form = newForm(f.input, f.pos.first, f.content.head)
	}
	mark := 0
	if offset == f.content.lead {
		_, mark = f.input.encoding.byMark(data)
	}
	t.batch.messages, taken = f.form.cut(t.batch.messages, data[mark:], end, now, &t.scratch, t.stats)
	return mark + taken
}

// maxTurnLines bounds the messages of a turn.
const maxTurnLines = 2048

// scratch is room that is used again.
type scratch struct {
	lines []line
	text  []byte
}

// A line is a record within the text of a turn.
type line struct {
	begin, end int
	cut        bool
}

// cut appends messages of the complete records at the beginning of data, those
// that the filter lets through, and returns how many bytes the records have.
func (fm *form) cut(dst []syslog.Message, data []byte, end ending, now time.Time, s *scratch, stats *Stats) (_ []syslog.Message, taken int) {
	lines, text, empty := s.lines[:0], s.text[:0], 0
	for len(lines) < maxTurnLines {
		record, n, cut := fm.split.next(data[taken:], end)
		if n == 0 {
			break
		}
		taken += n
		if len(record) == 0 {
			empty++
			continue
		}
		from := len(text)
		text = append(text, fm.prefix()...)
		text = fm.split.encoding.appendText(text, record)
		lines = append(lines, line{from, len(text), cut})
	}
	s.lines, s.text = lines, text
	stats.add("empty", empty)
	left := 0
	for all := string(text); len(lines) > 0; lines = lines[1:] {
		dst = append(dst, fm.message(all[lines[0].begin:lines[0].end], now))
		m := &dst[len(dst)-1]
		m.Truncated = lines[0].cut
		if !fm.in.filter.Match(m) {
			dst = dst[:len(dst)-1]
			left++
		}
	}
	stats.add("filtered", left)
	return dst, taken
}

// prefix is what stands in front of each record in the text of a turn.
func (fm *form) prefix() string {
	if fm.in.parse == FormatPlain {
		return fm.header
	}
	return ""
}

func (fm *form) message(line string, now time.Time) syslog.Message {
	switch fm.in.parse {
	case FormatPlain:
		return fm.plain(line, now)
	case FormatJSON:
		if m, ok := fm.json(line, now); ok {
			return m
		}
	case FormatSyslog:
		return fm.syslog(syslog.Parse(line, now, netip.Addr{}))
	case FormatAuto:
		if m, ok := fm.json(line, now); ok {
			return m
		}
		if m := syslog.Parse(line, now, netip.Addr{}); !m.Time.IsZero() && m.Host != "" && m.App != "" {
			return fm.syslog(m)
		}
	}
	return fm.plain(fm.header+line, now)
}

// plain makes a message of a line with the header in front.
func (fm *form) plain(line string, now time.Time) syslog.Message {
	m := fm.template
	m.Raw, m.Received = line, now
	m.Host = fm.parts[0].of(line, m.Host)
	m.App = fm.parts[1].of(line, m.App)
	m.SD = fm.parts[2].of(line, m.SD)
	m.Text = line[len(fm.header):]
	if strings.HasPrefix(m.Text, "\ufeff") { // which would be taken for a mark
		return syslog.Compose(m)
	}
	return m
}

// syslog fills in what a line of a syslog daemon's file does not have.
func (fm *form) syslog(m syslog.Message) syslog.Message {
	if !m.HasPRI {
		m.Facility, m.Severity, m.HasPRI = fm.template.Facility, fm.template.Severity, true
	}
	if m.Host == "" {
		m.Host = fm.template.Host
	}
	if m.App == "" {
		m.App = fm.template.App
	}
	return m
}

// json reads an object. Its members are structured data, [json@32473 k="v"],
// but those that a message has a place for.
func (fm *form) json(line string, now time.Time) (syslog.Message, bool) {
	if !strings.HasPrefix(strings.TrimLeft(line, " \t"), "{") {
		return syslog.Message{}, false
	}
	m := fm.template
	m.Raw, m.Received, m.Text = "", now, ""
	sd := []byte("[json@32473")
	empty := len(sd)
	if !extract.JSON(line, func(name, value string) bool {
		if !own(&m, name, value) {
			sd = syslog.AppendSDParam(sd, name, value)
		}
		return true
	}) {
		return syslog.Message{}, false
	}
	if len(sd) > empty {
		m.SD = string(append(sd, ']')) + m.SD
	}
	if m.Text == "" {
		m.Text = line
	}
	return syslog.Compose(m), true
}

// own takes the members that a message has a place for, under the names that
// logging libraries give them. It reports whether it did.
func own(m *syslog.Message, name, value string) bool {
	switch name {
	case "msg", "message", "@message":
		if m.Text != "" {
			return false
		}
		m.Text = value
	case "level", "severity", "lvl", "log.level":
		s, err := syslog.ParseSeverity(levelWord(value))
		if err != nil {
			return false
		}
		m.Severity = s
	case "time", "timestamp", "ts", "@timestamp":
		at, ok := readTime(value)
		if !ok || !m.Time.IsZero() {
			return false
		}
		m.Time = at
	case "host", "hostname":
		m.Host = value
	case "app", "service", "logger_app":
		m.App = value
	case "pid":
		m.PID = value
	default:
		return false
	}
	return true
}

// levelWord is the severity that a word of a logging library stands for.
func levelWord(s string) string {
	switch strings.ToLower(s) {
	case "trace", "finest", "finer", "fine":
		return "debug"
	case "information":
		return "info"
	case "fatal", "dpanic":
		return "crit"
	}
	return s
}

// readTime reads RFC 3339, or seconds, milliseconds, microseconds or
// nanoseconds since 1970.
func readTime(s string) (time.Time, bool) {
	if at, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return at, true
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || v < 1e8 || v > 1e19 {
		return time.Time{}, false
	}
	for v > 1e11 {
		v /= 1000
	}
	whole := int64(v)
	return time.Unix(whole, int64((v-float64(whole))*1e9)).UTC(), true
}
