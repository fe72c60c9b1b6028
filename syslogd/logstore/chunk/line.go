package chunk

import (
	"strings"

	"rondo/syslogd/syslog"
)

// line appends the key and the values of a message to the scanner.
func (s *scanner) line(m *syslog.Message) {
	s.key = append(s.key[:0], byte(m.Format), byte(m.Facility), byte(m.Severity), lineFlags(m))
	s.values = s.values[:0]
	rest := s.priority(m.Raw)
	rest = s.host(rest, m.Host)
	var apart [fields]bool
	for f := range fields {
		v := *field(m, f)
		if v == "" {
			continue
		}
		i := position(rest, v, f)
		if apart[f] = i < 0; apart[f] {
			continue
		}
		s.scan(rest[:i])
		s.field(f, v)
		rest = rest[i+len(v):]
	}
	s.scan(rest)
	if apart == [fields]bool{} {
		return
	}
	s.key = append(s.key, markRawEnds)
	for f := range fields {
		if apart[f] {
			s.field(f, *field(m, f))
		}
	}
}

func lineFlags(m *syslog.Message) (f byte) {
	if m.HasPRI {
		f |= flagPRI
	}
	if m.Time.IsZero() {
		f |= flagNoTime
	}
	if m.Truncated {
		f |= flagCut
	}
	return f
}

// priority writes "<PRI>" as it is: it belongs to the type anyway.
func (s *scanner) priority(raw string) (rest string) {
	if len(raw) < 3 || raw[0] != '<' || s.coarse {
		return raw
	}
	n := 1
	for n < min(len(raw), 5) && isDigit(raw[n]) {
		n++
	}
	if n == 1 || n == len(raw) || raw[n] != '>' {
		return raw
	}
	s.key = append(s.key, raw[:n+1]...)
	return raw[n+1:]
}

// host marks the host's name, which is kept in the row's origin.
func (s *scanner) host(raw, host string) (rest string) {
	if host == "" {
		return raw
	}
	i := strings.Index(raw, host)
	if i < 0 {
		return raw
	}
	s.scan(raw[:i])
	s.key = append(s.key, markHost)
	return raw[i+len(host):]
}

// position finds a field in what is left of the line. The first place will
// do: what matters is only that the bytes are the same.
func position(rest, v string, f int) int {
	if f == fieldText && strings.HasSuffix(rest, v) {
		return len(rest) - len(v)
	}
	return strings.Index(rest, v)
}

// field writes one field with its marks.
func (s *scanner) field(f int, v string) {
	if f == fieldApp && len(v) <= maxAppLen && !(s.coarse && s.nameless) {
		s.key = append(append(s.key, markApp, byte(len(v))), v...)
		return
	}
	s.key = append(s.key, markField+byte(f))
	if f == fieldPID && isCanonical(v) {
		s.key = append(s.key, slotPID)
		s.values = append(s.values, number(v))
	} else {
		s.indexed = f == fieldText
		s.scan(v)
		s.indexed = false
	}
	s.key = append(s.key, markEnd)
}

// isCanonical reports whether v is a number as strconv would write it.
func isCanonical(v string) bool {
	if len(v) > 10 || v[0] == '0' {
		return false
	}
	for i := range len(v) {
		if !isDigit(v[i]) {
			return false
		}
	}
	return true
}
