package gelf

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The functions of this file read JSON that is known to be valid.

func skipSpace(s string) string { return strings.TrimLeft(s, " \t\r\n") }

// extent is the length of the value that s begins with.
func extent(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			for i++; s[i] != '"'; i++ {
				if s[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		default: // a number, a word, or what stands between values
			if depth > 0 {
				continue
			}
			if n := strings.IndexAny(s, ",}] \t\r\n"); n >= 0 {
				return n
			}
			return len(s)
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(s)
}

// unquote resolves the escapes of a string, which is without its quotes. Unlike
// encoding/json it keeps what is not UTF-8, such as Latin-1, as it is,
// and so it does with an escape for half a surrogate pair.
func unquote(s string) string {
	at := strings.IndexByte(s, '\\')
	if at < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for ; at >= 0; at = strings.IndexByte(s, '\\') {
		b.WriteString(s[:at])
		s = s[at+1:]
		const escapes, meanings = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
		if i := strings.IndexByte(escapes, s[0]); i >= 0 {
			b.WriteByte(meanings[i])
			s = s[1:]
			continue
		}
		r, n := unicodeEscape(s)
		if n == 0 {
			b.WriteByte('\\')
			b.WriteByte(s[0])
			s = s[1:]
			continue
		}
		b.WriteRune(r)
		s = s[n:]
	}
	b.WriteString(s)
	return b.String()
}

// unicodeEscape reads uXXXX, or a pair uXXXX\uXXXX, and its length.
func unicodeEscape(s string) (r rune, n int) {
	r, ok := hex4(s)
	switch {
	case !ok:
		return 0, 0
	case !utf16.IsSurrogate(r):
		return r, 5
	case len(s) < 6 || s[5] != '\\':
		return 0, 0
	}
	low, ok := hex4(s[6:])
	if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
		return 0, 0
	}
	return r, 11
}

func hex4(s string) (rune, bool) {
	if len(s) < 5 || s[0] != 'u' {
		return 0, false
	}
	v, err := strconv.ParseUint(s[1:5], 16, 16)
	return rune(v), err == nil
}
