package stage

import (
	"strings"

	"rondo/syslogd/syslog"
)

const rewriteID = "rewrite" + enterprise // where parameters go that are new

// assign sets a field, and reports whether that changed it. A severity or
// facility that is none is not taken.
func assign(m *syslog.Message, field, v string) bool {
	if key, ok := strings.CutPrefix(field, "sd."); ok {
		return assignSD(m, key, v)
	}
	switch field {
	case "severity":
		s, err := syslog.ParseSeverity(v)
		return err == nil && replaced(&m.Severity, s)
	case "facility":
		f, err := syslog.ParseFacility(v)
		return err == nil && replaced(&m.Facility, f)
	case "host":
		return replaced(&m.Host, v)
	case "app", "program":
		return replaced(&m.App, v)
	case "pid":
		return replaced(&m.PID, v)
	case "msgid":
		return replaced(&m.MsgID, v)
	case "text":
		return replaced(&m.Text, v)
	}
	return false
}

func replaced[T comparable](field *T, v T) bool {
	old := *field
	*field = v
	return old != v
}

// assignSD sets the first parameter that a key names, or adds it. The key of a
// new one may say its element: ID.NAME.
func assignSD(m *syslog.Message, key, v string) bool {
	found := false
	is := editSD(m, func(p syslog.SDParam) (string, string, bool) {
		if !found && (p.Name == key || p.ID+"."+p.Name == key) {
			found = true
			return p.Name, v, true
		}
		return p.Name, p.Value(), true
	})
	if found {
		return is
	}
	id, name := rewriteID, key
	if dot := strings.LastIndexByte(key, '.'); dot > 0 && strings.Contains(key[:dot], "@") {
		id, name = key[:dot], key[dot+1:]
	}
	m.SD = addSD(m.SD, id, syslog.AppendSDParam(nil, name, v))
	return true
}

// lastPart is the name of the parameter in a key.
func lastPart(key string) string {
	if dot := strings.LastIndexByte(key, '.'); dot > 0 && strings.Contains(key[:dot], "@") {
		return key[dot+1:]
	}
	return key
}

// editSD passes all parameters to a function that says what they are from now
// on, or that they go, and reports whether anything changed. An element that
// has lost all its parameters goes too. What is not well formed stays.
func editSD(m *syslog.Message, f func(p syslog.SDParam) (name, value string, keep bool)) bool {
	var out []byte
	at, changed := 0, false
	for id, element := range syslog.SDElements(m.SD) {
		start := len(out)
		at += len(element)
		out = append(append(out, '['), id...)
		had, left := 0, 0
		for p := range syslog.SDParams(element) {
			had++
			name, value, keep := f(p)
			if keep {
				left++
				out = syslog.AppendSDParam(out, name, value)
			}
			changed = changed || !keep || name != p.Name || value != p.Value()
		}
		out = append(out, ']')
		if had > 0 && left == 0 {
			out = out[:start]
		}
	}
	if changed {
		m.SD = string(out) + m.SD[at:]
	}
	return changed
}

// deleteElement leaves out the elements of an SD-ID.
func deleteElement(m *syslog.Message, id string) bool {
	var out strings.Builder
	at := 0
	for name, element := range syslog.SDElements(m.SD) {
		at += len(element)
		if name != id {
			out.WriteString(element)
		}
	}
	if out.Len() == at {
		return false
	}
	out.WriteString(m.SD[at:])
	m.SD = out.String()
	return true
}
