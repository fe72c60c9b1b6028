package syslog

import (
	"iter"
	"strings"
)

// An SDParam is one parameter of structured data (RFC 5424, 6.3).
type SDParam struct {
	ID   string // SD-ID of its element
	Name string
	Raw  string // PARAM-VALUE as written, escapes included, without the quotes
}

// Value is the parameter's value without escapes.
func (p SDParam) Value() string {
	if strings.IndexByte(p.Raw, '\\') < 0 {
		return p.Raw
	}
	var b strings.Builder
	for i := 0; i < len(p.Raw); i++ {
		// Only these three are escapes; before anything else the backslash
		// is an ordinary character (RFC 5424, 6.3.3).
		if c := p.Raw[i]; c == '\\' && i+1 < len(p.Raw) && strings.IndexByte(`"\]`, p.Raw[i+1]) >= 0 {
			i++
		}
		b.WriteByte(p.Raw[i])
	}
	return b.String()
}

// SDParams yields the parameters of structured data in their order,
// duplicates included, as far as it is well formed.
func SDParams(sd string) iter.Seq[SDParam] {
	return func(yield func(SDParam) bool) {
		for len(sd) > 0 && sd[0] == '[' {
			id, rest, ok := sdName(sd[1:])
			for rest = skipSpaces(rest); ok && !strings.HasPrefix(rest, "]"); rest = skipSpaces(rest) {
				p := SDParam{ID: id}
				if p.Name, p.Raw, rest, ok = sdParam(rest); ok && !yield(p) {
					return
				}
			}
			if !ok {
				return
			}
			sd = rest[1:]
		}
	}
}

// SDElements yields the elements of structured data in their order, each with
// its SD-ID and as written, brackets included, as far as it is well formed.
func SDElements(sd string) iter.Seq2[string, string] {
	return func(yield func(id, element string) bool) {
		for len(sd) > 0 && sd[0] == '[' {
			n := elementEnd(sd)
			if n == 0 {
				return
			}
			if id, _, _ := sdName(sd[1:n]); !yield(id, sd[:n]) {
				return
			}
			sd = sd[n:]
		}
	}
}

// SDElement returns the parameters of the first element of an SD-ID, as they
// are written in well-formed structured data; "" if there is none.
func SDElement(sd, id string) string {
	for len(sd) > 0 && sd[0] == '[' {
		n := elementEnd(sd)
		if n == 0 {
			return ""
		}
		if name, rest, _ := sdName(sd[1 : n-1]); name == id {
			return skipSpaces(rest)
		}
		sd = sd[n:]
	}
	return ""
}

// WithoutElement is structured data without the elements of an SD-ID; what is
// not well formed stays as it is.
func WithoutElement(sd, id string) string {
	for at := 0; at < len(sd) && sd[at] == '['; {
		n := elementEnd(sd[at:])
		if n == 0 {
			break
		}
		if name, _, _ := sdName(sd[at+1:]); name == id {
			sd = sd[:at] + sd[at+n:]
		} else {
			at += n
		}
	}
	return sd
}

// AppendSDParam appends a blank and NAME="VALUE" to an element that is being
// written, such as "[meta". Bytes that a name cannot have become "_".
func AppendSDParam[T string | []byte](dst []byte, name, value T) []byte {
	dst = append(dst, ' ')
	if len(name) == 0 {
		dst = append(dst, '_')
	}
	for i := range len(name) {
		c := name[i]
		if c <= ' ' || c == '=' || c == ']' || c == '"' || c >= 0x7f {
			c = '_'
		}
		dst = append(dst, c)
	}
	dst = append(dst, '=', '"')
	for i := range len(value) {
		if c := value[i]; c == '"' || c == '\\' || c == ']' {
			dst = append(dst, '\\')
		}
		dst = append(dst, value[i])
	}
	return append(dst, '"')
}

// sdEnd returns the length of the well-formed structured data that s begins
// with, or 0. Names may have any length: senders with long ones exist.
func sdEnd(s string) int {
	n := 0
	for n < len(s) && s[n] == '[' {
		element := elementEnd(s[n:])
		if element == 0 {
			return 0
		}
		n += element
	}
	return n
}

// elementEnd returns the length of the well-formed element that s begins with,
// or 0.
func elementEnd(s string) int {
	_, rest, ok := sdName(s[1:])
	for rest = skipSpaces(rest); ok && !strings.HasPrefix(rest, "]"); rest = skipSpaces(rest) {
		_, _, rest, ok = sdParam(rest)
	}
	if !ok {
		return 0
	}
	return len(s) - len(rest) + 1
}

// sdName cuts an SD-NAME off s (RFC 5424, 6.3.2).
func sdName(s string) (name, rest string, ok bool) {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == '=' || c == ']' || c == '"' || c == 0x7f {
			return s[:i], s[i:], i > 0
		}
	}
	return "", s, false
}

// sdParam cuts PARAM-NAME="PARAM-VALUE" off s.
func sdParam(s string) (name, value, rest string, ok bool) {
	name, rest, ok = sdName(s)
	if !ok || len(rest) < 2 || rest[0] != '=' || rest[1] != '"' {
		return "", "", s, false
	}
	rest = rest[2:]
	for i := 0; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case '"':
			return name, rest[:i], rest[i+1:], true
		}
	}
	return "", "", s, false
}
