package stage

import (
	"fmt"
	"slices"
	"strings"

	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

// enterprise is the number of our SD-IDs: the one that IANA keeps for examples
// and documentation, so that nobody else's elements are called like it.
const enterprise = "@32473"

// The names of fields are those of filters, and text.
func fieldNames() []string {
	return []string{"host", "app", "program", "severity", "facility", "pid", "msgid", "sender", "text"}
}

// checkFields checks the names of fields under a key.
func checkFields(key string, names ...string) error {
	for _, name := range names {
		if sd, ok := strings.CutPrefix(name, "sd."); ok && sd != "" {
			continue
		}
		if known := fieldNames(); !slices.Contains(known, name) {
			return fmt.Errorf("%s: %w", key, unknown(name, append(known, "sd.KEY")))
		}
	}
	return nil
}

// appendValue appends a field as text. It allocates nothing for most fields.
func appendValue(dst []byte, m *syslog.Message, name string) []byte {
	switch {
	case name == "text":
		return append(dst, m.Text...)
	case name == "program":
		return append(dst, m.App...)
	case name == "sender" || name == "host" && m.Host == "":
		if m.Sender.IsValid() {
			return m.Sender.Unmap().AppendTo(dst)
		}
		return dst
	}
	return append(dst, filter.Value(m, name)...)
}

// value is a field as text, "" where the message has none.
func value(m *syslog.Message, name string) string {
	switch name {
	case "text":
		return m.Text
	case "program":
		return m.App
	}
	return filter.Value(m, name)
}

// appendKey appends the fields that a message is told apart by, so that no two
// lists of values give the same key.
func appendKey(dst []byte, m *syslog.Message, names []string) []byte {
	for _, name := range names {
		start := len(dst)
		dst = append(dst, 0, 0, 0, 0)
		dst = appendValue(dst, m, name)
		n := len(dst) - start - 4
		dst[start], dst[start+1], dst[start+2], dst[start+3] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
	}
	return dst
}

// addSD returns structured data with more parameters, as AppendSDParam writes
// them: at the end of the element of an ID, which is made where there is none.
func addSD(sd, id string, params []byte) string {
	at := 0
	for name, element := range syslog.SDElements(sd) {
		at += len(element)
		if name == id {
			at--
			return sd[:at] + string(params) + sd[at:]
		}
	}
	// What is not well formed stays behind it, as it was.
	var b strings.Builder
	b.Grow(len(sd) + len(id) + len(params) + 2)
	b.WriteString(sd[:at])
	b.WriteByte('[')
	b.WriteString(id)
	b.Write(params)
	b.WriteByte(']')
	b.WriteString(sd[at:])
	return b.String()
}

// texts are all of a message that reach the disk.
func texts(m *syslog.Message) [fieldCount]*string {
	return [...]*string{&m.Raw, &m.Host, &m.App, &m.PID, &m.MsgID, &m.SD, &m.Text}
}

const fieldCount = 7
