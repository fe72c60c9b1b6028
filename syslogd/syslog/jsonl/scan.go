package jsonl

import (
	"fmt"
	"strings"
)

// The functions of this file read JSON that is known to be valid.

// scan takes the members of an object.
func (o *object) scan(s string) error {
	if s = skipSpace(s); s[0] != '{' {
		return errNoObject
	}
	for s = skipSpace(s[1:]); s[0] != '}'; s = skipSpace(strings.TrimPrefix(s, ",")) {
		n := stringEnd(s)
		name := unquote(s[1 : n-1])
		s = skipSpace(skipSpace(s[n:])[1:]) // the colon
		n = valueEnd(s)
		if m := o.member(name); m != nil {
			if s[0] == '{' || s[0] == '[' {
				return fmt.Errorf("jsonl: %s: want a string", name)
			}
			m.set(s[:n])
		}
		s = skipSpace(s[n:])
	}
	return nil
}

// set takes a value as written.
func (m *member) set(v string) {
	switch {
	case v[0] == '"':
		*m = member{unquote(v[1 : len(v)-1]), true}
	case v != "null":
		*m = member{v, true}
	}
}

func skipSpace(s string) string { return strings.TrimLeft(s, " \t\r\n") }

// stringEnd is the length of the string that s begins with.
func stringEnd(s string) int {
	i := 1
	for ; s[i] != '"'; i++ {
		if s[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// valueEnd is the length of the value that s begins with.
func valueEnd(s string) int {
	depth := 0
	for i := 0; i < len(s); {
		switch s[i] {
		case '"':
			i += stringEnd(s[i:])
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			depth--
			i++
		default: // a number, a word, or what stands between values
			if depth == 0 {
				return i + strings.IndexAny(s[i:], ",} \t\r\n")
			}
			i++
			continue
		}
		if depth == 0 {
			return i
		}
	}
	return len(s)
}
