package push

import (
	"bytes"
	"encoding/json"
	"time"
	"unicode/utf8"

	"rondo/syslogd/syslog"
)

// objects writes messages as JSON objects, on a line each or in a list.
type objects struct {
	whole
	list   bool
	clock  Clock
	stamp  string // name of the member that is the time
	fields []field
	value  []byte // scratch
}

func newObjects(cfg *Config) (*objects, error) {
	fields, err := parseFields(cfg.Fields)
	return &objects{list: cfg.Format == JSONArray, clock: cfg.Time, stamp: "time", fields: fields}, err
}

func (*objects) path() string { return "/" }

func (o *objects) contentType() string {
	if o.list {
		return "application/json"
	}
	return "application/x-ndjson"
}

func (o *objects) append(dst []byte, m *syslog.Message, key string) (*stream, []byte) {
	return nil, append(o.object(dst, m, key), '\n')
}

// object appends a message as an object:
//
//	{"time": ..., "key": ..., "received": ..., "host": ..., "app": ..., "pid": ..., "msgid": ..., "facility": ..., "severity": ...,
//	 "sender": ..., "sd": {"ID": {"NAME": "VALUE"}}, "truncated": true, "message": ...}
//
// without what is empty; or, after the key, what the configuration says.
func (o *objects) object(dst []byte, m *syslog.Message, key string) []byte {
	at := m.When()
	if o.clock == Reception {
		at = m.Received
	}
	dst = append(dst, '{')
	dst = appendMember(dst, o.stamp, timeText(at))
	dst = appendMember(append(dst, ','), "key", key)
	if len(o.fields) == 0 {
		return append(appendUsual(dst, m), '}')
	}
	for _, f := range o.fields {
		if o.value = f.value.Append(o.value[:0], m); len(o.value) > 0 {
			dst = appendMember(append(dst, ','), f.name, string(o.value))
		}
	}
	return append(dst, '}')
}

func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func appendUsual(dst []byte, m *syslog.Message) []byte {
	sender := ""
	if m.Sender.IsValid() {
		sender = m.Sender.Unmap().String()
	}
	for _, p := range [...]pair{
		{"received", timeText(m.Received)}, {"host", m.Origin()}, {"app", m.App}, {"pid", m.PID}, {"msgid", m.MsgID},
		{"facility", m.Facility.String()}, {"severity", m.Severity.String()}, {"sender", sender},
	} {
		if p.value != "" {
			dst = appendMember(append(dst, ','), p.name, p.value)
		}
	}
	dst = appendSD(dst, m.SD)
	if m.Truncated {
		dst = append(dst, `,"truncated":true`...)
	}
	return appendMember(append(dst, ','), "message", m.Text)
}

// appendSD appends structured data as an object of objects. What an element
// says twice is a list.
func appendSD(dst []byte, sd string) []byte {
	type param struct {
		name   string
		values []string
	}
	type element struct {
		id     string
		params []*param
	}
	var elements []*element
	for p := range syslog.SDParams(sd) {
		e := find(elements, func(e *element) bool { return e.id == p.ID })
		if e == nil {
			e = &element{id: p.ID}
			elements = append(elements, e)
		}
		q := find(e.params, func(q *param) bool { return q.name == p.Name })
		if q == nil {
			q = &param{name: p.Name}
			e.params = append(e.params, q)
		}
		q.values = append(q.values, p.Value())
	}
	for i, e := range elements {
		dst = append(dst, separator(i, `,"sd":{`)...)
		dst = append(appendQuoted(dst, e.id), `:{`...)
		for j, q := range e.params {
			dst = append(dst, separator(j, "")...)
			dst = appendValues(append(appendQuoted(dst, q.name), ':'), q.values)
		}
		dst = append(dst, '}')
	}
	if len(elements) > 0 {
		dst = append(dst, '}')
	}
	return dst
}

func find[T any](list []*T, is func(*T) bool) *T {
	for _, x := range list {
		if is(x) {
			return x
		}
	}
	return nil
}

// separator stands before the i-th of a list.
func separator(i int, first string) string {
	if i == 0 {
		return first
	}
	return ","
}

func appendValues(dst []byte, values []string) []byte {
	if len(values) == 1 {
		return appendQuoted(dst, values[0])
	}
	dst = append(dst, '[')
	for i, v := range values {
		dst = appendQuoted(append(dst, separator(i, "")...), v)
	}
	return append(dst, ']')
}

func (o *objects) body(p *portion, items []item) []byte {
	var dst []byte
	for i, it := range items {
		if o.list {
			dst = append(dst, separator(i, "[")...)
		}
		dst = append(dst, p.data(it)...)
	}
	if o.list {
		dst = append(dst, ']')
	}
	return dst
}

func appendMember(dst []byte, name, value string) []byte {
	return appendQuoted(append(appendQuoted(dst, name), ':'), value)
}

// appendQuoted appends a string of JSON. Bytes that are not UTF-8 become
// U+FFFD.
func appendQuoted(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ' || c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += n - 1
		}
		i++
	}
	return append(dst, '"')
}

// compact is what an answer says in JSON, on one line.
func compact(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return b.String()
}
