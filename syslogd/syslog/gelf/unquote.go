package gelf

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// unquote resolves the escapes of a JSON string that is known to be one.
// Unlike encoding/json it keeps what is not UTF-8, such as Latin-1, as it is,
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
