package extract

import (
	"strconv"
	"strings"
)

// Logfmt yields the pairs key=value of a text; what stands between them is
// passed over. A value in double quotes may hold blanks and escapes. It
// reports whether there was any.
func Logfmt(text string, yield Yield) bool {
	yield = bounded(yield)
	found := false
	for {
		text = strings.TrimLeft(text, " \t\r\n,;")
		if text == "" {
			return found
		}
		n := NameLength(text)
		if n == 0 || n == len(text) || text[n] != '=' {
			text = skipWord(text, n)
			continue
		}
		key := text[:n]
		value, rest := logfmtValue(text[n+1:])
		found = true
		if !yield(key, value) {
			return true
		}
		text = rest
	}
}

// NameLength is how many bytes of a name s begins with: letters, digits and
// _ . - / @. Queries take the same without quotes, so that a key that Logfmt
// finds can be asked for as it stands there.
func NameLength(s string) int {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= 0x80
		if !letter && (i == 0 || !('0' <= c && c <= '9' || strings.IndexByte(".-/@", c) >= 0)) {
			return i
		}
	}
	return len(s)
}

// skipWord passes over what is no pair: its name, if any, and one byte more.
func skipWord(s string, n int) string { return s[min(n+1, len(s)):] }

func logfmtValue(s string) (value, rest string) {
	if q, err := strconv.QuotedPrefix(s); err == nil && q[0] == '"' {
		if v, err := strconv.Unquote(q); err == nil {
			return v, s[len(q):]
		}
	}
	end := strings.IndexAny(s, " \t\r\n,;")
	if end < 0 {
		end = len(s)
	}
	return s[:end], s[end:]
}
