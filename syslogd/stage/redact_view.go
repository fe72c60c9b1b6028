package stage

import (
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A view is a text with some layers of escapes undone, and where each of its
// bytes stands in the text. A layer is all %XX of a URL, or all backslashes of
// JSON and structured data. So a secret is found in
//
//	{"log":"{\"url\":\"/?password=p%40ss\"}"}
//
// too. Layers are undone in any order, maxDepth of them.
type view struct {
	text  string
	at    []int32 // of each byte, and of the end; nil: where it is
	depth int
}

const maxDepth = 3

// views yields a text, and then what is seen of it with fewer escapes.
func views(text string) iter.Seq[view] {
	return func(yield func(view) bool) { view{text: text}.each(yield) }
}

func (v view) each(yield func(view) bool) bool {
	if !yield(v) {
		return false
	}
	for _, mark := range [...]byte{'\\', '%'} {
		if v.depth == maxDepth || strings.IndexByte(v.text, mark) < 0 {
			continue
		}
		if next, ok := v.undo(mark); ok && !next.each(yield) {
			return false
		}
	}
	return true
}

// forms are a secret and what it is without escapes.
func forms(secret string) []string {
	var all []string
	for v := range views(secret) {
		if !slices.Contains(all, v.text) {
			all = append(all, v.text)
		}
	}
	return all
}

// undo is the view without the escapes of one kind; false if there are none.
func (v view) undo(mark byte) (view, bool) {
	first := strings.IndexByte(v.text, mark)
	for first < len(v.text) && escapeLength(v.text[first:], mark) == 0 {
		first = indexFrom(v.text, mark, first+1)
	}
	if first == len(v.text) {
		return view{}, false
	}
	out := make([]byte, 0, len(v.text))
	at := make([]int32, 0, len(v.text)+1)
	for i := 0; i < len(v.text); {
		start, n := len(out), 1
		if escape := escapeLength(v.text[i:], mark); escape > 0 {
			n = escape
			out = appendEscaped(out, v.text[i:i+n])
		} else {
			out = append(out, v.text[i])
		}
		for range len(out) - start {
			at = append(at, v.place(i))
		}
		i += n
	}
	return view{string(out), append(at, v.place(len(v.text))), v.depth + 1}, true
}

// place is where a byte of the view stands in the text.
func (v view) place(i int) int32 {
	if v.at == nil {
		return int32(i)
	}
	return v.at[i]
}

// origin is where a part of the view stands in the text. It begins and ends
// between escapes.
func (v view) origin(sp span) span {
	if v.at == nil {
		for _, mark := range [...]byte{'\\', '%'} {
			sp.from = escapeAround(v.text, sp.from, mark).from
			sp.to = escapeAround(v.text, sp.to, mark).to
		}
		return sp
	}
	for sp.to > 0 && sp.to < len(v.text) && v.at[sp.to] == v.at[sp.to-1] { // in the middle of a character
		sp.to++
	}
	return span{int(v.at[sp.from]), int(v.at[sp.to])}
}

// escapeAround is the escape that a place lies within, or the place itself.
func escapeAround(s string, i int, mark byte) span {
	const longest = 12
	for from := i - 1; from >= 0 && i-from < longest; from-- {
		if s[from] != mark {
			continue
		}
		if n := escapeLength(s[from:], mark); from+n > i && !isEscaped(s, from) {
			return span{from, from + n}
		}
	}
	return span{i, i}
}

// isEscaped reports whether the backslash at i is itself behind one that counts.
func isEscaped(s string, i int) bool {
	if s[i] != '\\' {
		return false
	}
	n := 0
	for i-n > 0 && s[i-n-1] == '\\' {
		n++
	}
	return n%2 == 1
}

// escapeLength is the length of the escape that s begins with, or 0.
func escapeLength(s string, mark byte) int {
	switch {
	case len(s) < 2 || s[0] != mark:
		return 0
	case mark == '%':
		if len(s) >= 3 && isHex(s[1]) && isHex(s[2]) {
			return 3
		}
		return 0
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

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
