package jsonl

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendString appends the inside of a JSON string.
func appendString(dst []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' && c != 0x7f {
				i++
				continue
			}
			dst = appendEscape(append(dst, s[start:i]...), c)
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case n == 1: // no UTF-8
			dst = append(append(dst, s[start:i]...), `\udc`...)
			dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
			start = i + 1
		case r < 0xa0:
			dst = append(append(dst, s[start:i]...), `\u00`...)
			dst = append(dst, hexDigits[r>>4], hexDigits[r&15])
			start = i + n
		}
		i += n
	}
	return append(dst, s[start:]...)
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// unquote resolves the escapes of a valid JSON string, given without its
// quotes.
func unquote(s string) string {
	at := strings.IndexByte(s, '\\')
	if at < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for ; at >= 0; at = strings.IndexByte(s, '\\') {
		out = append(out, s[:at]...)
		s = s[at+1:]
		const escapes, meanings = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
		if i := strings.IndexByte(escapes, s[0]); i >= 0 {
			out = append(out, meanings[i])
			s = s[1:]
			continue
		}
		r := hex4(s)
		s = s[5:]
		switch low := hex4(strings.TrimPrefix(s, `\`)); {
		case 0xdc80 <= r && r <= 0xdcff:
			out = append(out, byte(r)) // the byte that stood here
		case utf16.IsSurrogate(r) && utf16.DecodeRune(r, low) != utf8.RuneError && s[0] == '\\':
			out = utf8.AppendRune(out, utf16.DecodeRune(r, low))
			s = s[6:]
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	return string(append(out, s...))
}

// hex4 reads uXXXX; -1 if it is something else.
func hex4(s string) rune {
	if len(s) < 5 || s[0] != 'u' {
		return -1
	}
	v, err := strconv.ParseUint(s[1:5], 16, 16)
	if err != nil {
		return -1
	}
	return rune(v)
}
