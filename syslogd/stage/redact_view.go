package stage

import (
	"iter"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A view is a text with some layers of escapes undone. A layer is all %XX of a
// URL, or all backslashes of JSON and structured data. So a secret is found in
//
//	{"log":"{\"url\":\"/?password=p%40ss\"}"}
//
// too. Layers are undone in any order, maxDepth of them.
type view struct {
	text  string
	layer *layer // the one undone last; nil: none
	depth int
}

// A layer says where the bytes of a view stand in the view that it was made of.
type layer struct {
	of   view
	mark byte    // that escapes begin with
	at   []int32 // of each byte of the new view, and of the end; nil until it is asked for
}

const maxDepth = 3

// views yields a text, and then what is seen of it with fewer escapes, each
// once.
func views(text string) iter.Seq[view] {
	return func(yield func(view) bool) {
		v := view{text: text}
		if yield(v) && (strings.IndexByte(text, '\\') >= 0 || strings.IndexByte(text, '%') >= 0) {
			v.eachUndone(yield, map[string]bool{text: true})
		}
	}
}

// eachUndone yields the views with one layer less, and those of these.
func (v view) eachUndone(yield func(view) bool, seen map[string]bool) bool {
	for _, mark := range [...]byte{'\\', '%'} {
		next := v.undo(mark)
		if seen[next.text] {
			continue
		}
		seen[next.text] = true
		if !yield(next) || next.depth < maxDepth && !next.eachUndone(yield, seen) {
			return false
		}
	}
	return true
}

// forms are a secret and what it is without escapes.
func forms(secret string) []string {
	var all []string
	for v := range views(secret) {
		all = append(all, v.text)
	}
	return all
}

// undo is the view without the escapes of one kind.
func (v view) undo(mark byte) view {
	i := nextEscape(v.text, mark, 0)
	if i == len(v.text) {
		return v
	}
	out := append(make([]byte, 0, len(v.text)), v.text[:i]...)
	for i < len(v.text) {
		n := escapeLength(v.text[i:], mark)
		out = appendEscaped(out, v.text[i:i+n])
		next := nextEscape(v.text, mark, i+n)
		out = append(out, v.text[i+n:next]...)
		i = next
	}
	return view{string(out), &layer{of: v, mark: mark}, v.depth + 1}
}

// nextEscape is where the next escape from i on begins, or the end.
func nextEscape(s string, mark byte, i int) int {
	for i = indexFrom(s, mark, i); i < len(s) && escapeLength(s[i:], mark) == 0; {
		i = indexFrom(s, mark, i+1)
	}
	return i
}

// places makes the table of a layer, of a view of so many bytes.
func (l *layer) places(size int) []int32 {
	if l.at != nil {
		return l.at
	}
	l.at = make([]int32, 0, size+1)
	var buf [utf8.UTFMax]byte
	s := l.of.text
	for i := 0; i < len(s); {
		n, made := escapeLength(s[i:], l.mark), 1
		if n > 0 {
			made = len(appendEscaped(buf[:0], s[i:i+n]))
		}
		for range made {
			l.at = append(l.at, int32(i))
		}
		i += max(n, 1)
	}
	l.at = append(l.at, int32(len(s)))
	return l.at
}

// origin is where a part of the view stands in the text. It begins and ends
// between escapes.
func (v view) origin(sp span) span {
	if v.layer == nil {
		for _, mark := range [...]byte{'\\', '%'} {
			sp.from = escapeAround(v.text, sp.from, mark).from
			sp.to = escapeAround(v.text, sp.to, mark).to
		}
		return sp
	}
	at := v.layer.places(len(v.text))
	to := sp.to
	for to > 0 && to < len(v.text) && at[to] == at[to-1] { // in the middle of a character
		to++
	}
	return v.layer.of.origin(span{int(at[sp.from]), int(at[to])})
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
