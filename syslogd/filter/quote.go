package filter

import "strings"

// Quote writes a text as filters and queries read it: in double quotes, with a
// backslash before these and before backslashes. All else stands for itself.
func Quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// QuotedPrefix reads back what Quote has written at the beginning of s, of
// which that is n bytes. It reports whether the quote is closed.
func QuotedPrefix(s string) (text string, n int, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), i + 1, true
		case c == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, false
}
