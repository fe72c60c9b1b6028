package stage

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A view is a text with so many layers of escapes undone, and where each of
// its bytes stands in the text. A layer is what is undone in one pass: %XX of
// URLs, and the backslashes of JSON and of structured data, at once. So a
// secret is found in {"log":"{\"password\":\"p%40ss\"}"}, too.
type view struct {
	text  string
	at    []int32 // of each byte, and of the end; nil: where it is
	depth int
}

// maxDepth is how many layers are undone.
const maxDepth = 3

// origin is where a part of the view stands in the text.
func (v view) origin(sp span) span {
	if v.at == nil {
		return sp
	}
	to := sp.to
	for to < len(v.text) && to > 0 && v.at[to] == v.at[to-1] { // in the middle of an escape
		to++
	}
	return span{int(v.at[sp.from]), int(v.at[to])}
}

// decoded is the view with one layer less; false if there is none.
func (v view) decoded() (view, bool) {
	if v.depth == maxDepth || strings.IndexByte(v.text, '%') < 0 && strings.IndexByte(v.text, '\\') < 0 {
		return view{}, false
	}
	first := nextEscape(v.text, 0)
	if first == len(v.text) {
		return view{}, false
	}
	out := make([]byte, 0, len(v.text))
	at := make([]int32, 0, len(v.text)+1)
	place := func(i int) int32 {
		if v.at == nil {
			return int32(i)
		}
		return v.at[i]
	}
	for i := 0; i < len(v.text); {
		n := escapeLength(v.text[i:])
		start := len(out)
		if n == 0 {
			n = 1
			out = append(out, v.text[i])
		} else {
			out = appendEscaped(out, v.text[i:i+n])
		}
		for range len(out) - start {
			at = append(at, place(i))
		}
		i += n
	}
	return view{string(out), append(at, place(len(v.text))), v.depth + 1}, true
}

// nextEscape is where the next escape from i on begins, or the end.
func nextEscape(s string, i int) int {
	for ; i < len(s); i++ {
		if (s[i] == '%' || s[i] == '\\') && escapeLength(s[i:]) > 0 {
			return i
		}
	}
	return len(s)
}

// escapeLength is the length of the escape that s begins with, or 0.
func escapeLength(s string) int {
	switch {
	case len(s) < 2:
	case s[0] == '%':
		if len(s) >= 3 && isHex(s[1]) && isHex(s[2]) {
			return 3
		}
	case s[0] != '\\':
	case s[1] == 'u':
		return unicodeLength(s)
	case strings.IndexByte(`"\/]bfnrt`, s[1]) >= 0:
		return 2
	}
	return 0
}

// unicodeLength is that of \uXXXX, or of the two that make one character
// beyond 16 bits.
func unicodeLength(s string) int {
	r, ok := unicodeEscape(s)
	if !ok {
		return 0
	}
	if low, ok := unicodeEscape(s[6:]); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
		return 12
	}
	return 6
}

func unicodeEscape(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(n), err == nil
}

// appendEscaped appends what an escape stands for.
func appendEscaped(dst []byte, s string) []byte {
	switch {
	case s[0] == '%':
		return append(dst, unhex(s[1])<<4|unhex(s[2]))
	case len(s) == 12:
		high, _ := unicodeEscape(s)
		low, _ := unicodeEscape(s[6:])
		return utf8.AppendRune(dst, utf16.DecodeRune(high, low))
	case len(s) == 6:
		r, _ := unicodeEscape(s)
		return utf8.AppendRune(dst, r)
	}
	if i := strings.IndexByte("bfnrt", s[1]); i >= 0 {
		return append(dst, "\b\f\n\r\t"[i])
	}
	return append(dst, s[1])
}

// unescaped undoes all layers.
func unescaped(s string) string {
	v := view{text: s}
	for next, ok := v.decoded(); ok; next, ok = v.decoded() {
		v = next
	}
	return v.text
}

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
