package extract

import "strings"

// These find where the parts of JSON (RFC 8259) end. They return -1 where it is
// not well formed.

// maxNesting bounds the stack; what is deeper is no object.
const maxNesting = 1000

// valueEnd is where the value ends that begins at i.
func valueEnd(s string, i, depth int) int {
	if i >= len(s) || depth > maxNesting {
		return -1
	}
	switch s[i] {
	case '{':
		return objectEnd(s, i, depth)
	case '[':
		return listEnd(s, i, depth)
	case '"':
		return stringEnd(s, i)
	case 't':
		return wordEnd(s, i, "true")
	case 'f':
		return wordEnd(s, i, "false")
	case 'n':
		return wordEnd(s, i, "null")
	}
	return numberEnd(s, i)
}

func objectEnd(s string, i, depth int) int {
	i = skipSpace(s, i+1)
	if i < len(s) && s[i] == '}' {
		return i + 1
	}
	for {
		if i = stringEnd(s, i); i < 0 {
			return -1
		}
		if i = skipSpace(s, i); i == len(s) || s[i] != ':' {
			return -1
		}
		if i = valueEnd(s, skipSpace(s, i+1), depth+1); i < 0 {
			return -1
		}
		if i = skipSpace(s, i); i == len(s) {
			return -1
		}
		switch s[i] {
		case '}':
			return i + 1
		case ',':
			i = skipSpace(s, i+1)
		default:
			return -1
		}
	}
}

func listEnd(s string, i, depth int) int {
	i = skipSpace(s, i+1)
	if i < len(s) && s[i] == ']' {
		return i + 1
	}
	for {
		if i = valueEnd(s, i, depth+1); i < 0 {
			return -1
		}
		if i = skipSpace(s, i); i == len(s) {
			return -1
		}
		switch s[i] {
		case ']':
			return i + 1
		case ',':
			i = skipSpace(s, i+1)
		default:
			return -1
		}
	}
}

func stringEnd(s string, i int) int {
	if i >= len(s) || s[i] != '"' {
		return -1
	}
	for i++; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i + 1
		case c < ' ':
			return -1
		case c == '\\':
			n := escapeLength(s[i:])
			if n == 0 {
				return -1
			}
			i += n - 1
		}
	}
	return -1
}

// escapeLength is the length of the escape that s begins with, or 0.
func escapeLength(s string) int {
	switch {
	case len(s) < 2:
	case strings.IndexByte(`"\/bfnrt`, s[1]) >= 0:
		return 2
	case s[1] == 'u' && len(s) >= 6 && isHex(s[2]) && isHex(s[3]) && isHex(s[4]) && isHex(s[5]):
		return 6
	}
	return 0
}

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func wordEnd(s string, i int, word string) int {
	if !strings.HasPrefix(s[i:], word) {
		return -1
	}
	return i + len(word)
}

func numberEnd(s string, i int) int {
	if s[i] == '-' {
		i++
	}
	switch whole := digits(s, i); {
	case whole == i:
		return -1
	case s[i] == '0':
		i++ // and no other digit
	default:
		i = whole
	}
	if i < len(s) && s[i] == '.' {
		start := i + 1
		if i = digits(s, start); i == start {
			return -1
		}
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		start := i + 1
		if start < len(s) && (s[start] == '+' || s[start] == '-') {
			start++
		}
		if i = digits(s, start); i == start {
			return -1
		}
	}
	return i
}

// digits is where the digits from i on end.
func digits(s string, i int) int {
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return i
}

func skipSpace(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t' || s[i] == '\n' || s[i] == '\r') {
		i++
	}
	return i
}
