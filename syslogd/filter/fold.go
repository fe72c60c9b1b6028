package filter

import (
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Lower is the case folding of words and phrases: rune by rune, and never
// from beyond ASCII into it (as the Kelvin sign would go), so that an ASCII
// word can be compared byte by byte. Bytes that are not UTF-8 stay.
func Lower(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return s[:i] + lowerTail(s[i:])
		}
	}
	return s
}

func lowerTail(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if l := lowerRune(r); l != r {
			b.WriteRune(l)
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

func lowerRune(r rune) rune {
	if r < utf8.RuneSelf {
		return rune(lowerByte(byte(r)))
	}
	if l := unicode.ToLower(r); l >= utf8.RuneSelf {
		return l
	}
	return r
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// isTokenByte tells the bytes of words from those between them. Everything
// beyond ASCII counts as part of a word: no table, and no language is cut.
func isTokenByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c >= utf8.RuneSelf
}

// Tokens yields the words of a text as they stand: the runs of letters,
// digits, "_" and bytes from 0x80 on. An index of Lower(token) finds what a
// Word matches.
func Tokens(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := 0; i < len(s); {
			if !isTokenByte(s[i]) {
				i++
				continue
			}
			start := i
			for i < len(s) && isTokenByte(s[i]) {
				i++
			}
			if !yield(s[start:i]) {
				return
			}
		}
	}
}

// matchWord reports whether the lower-case word stands in s with no word
// going on at either end; with prefix, it may go on behind.
func matchWord(s, word string, prefix bool) bool {
	if word == "" {
		return prefix
	}
	first, last := isTokenByte(word[0]), isTokenByte(word[len(word)-1])
	for from := 0; from <= len(s); {
		start, end := indexFold(s[from:], word)
		if start < 0 {
			return false
		}
		start, end = start+from, end+from
		open := first && start > 0 && isTokenByte(s[start-1])
		goesOn := !prefix && last && end < len(s) && isTokenByte(s[end])
		if !open && !goesOn {
			return true
		}
		from = start + 1
	}
	return false
}

// indexFold finds the lower-case p in s, ignoring case; -1 if it is absent.
func indexFold(s, p string) (start, end int) {
	if p == "" {
		return 0, 0
	}
	if isASCII(p) {
		return indexFoldASCII(s, p)
	}
	for i := 0; i < len(s); {
		if n := prefixFold(s[i:], p); n >= 0 {
			return i, i + n
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		i += n
	}
	return -1, -1
}

// indexFoldASCII leaps from one possible first byte to the next with
// IndexByte, which is vectorised: most bytes are never looked at here.
func indexFoldASCII(s, p string) (start, end int) {
	lo := p[0]
	up := lo
	if 'a' <= lo && lo <= 'z' {
		up -= 'a' - 'A'
	}
	nextLo, nextUp := -1, -1
	for i := 0; i+len(p) <= len(s); i++ {
		if nextLo < i {
			nextLo = indexFrom(s, lo, i)
		}
		if nextUp < i {
			nextUp = indexFrom(s, up, i)
		}
		i = min(nextLo, nextUp)
		if i+len(p) > len(s) {
			break
		}
		if equalFoldASCII(s[i:i+len(p)], p) {
			return i, i + len(p)
		}
	}
	return -1, -1
}

// indexFrom is the index of c in s from i on, or len(s).
func indexFrom(s string, c byte, i int) int {
	if n := strings.IndexByte(s[i:], c); n >= 0 {
		return i + n
	}
	return len(s)
}

func equalFoldASCII(s, lower string) bool {
	for i := range len(lower) {
		if lowerByte(s[i]) != lower[i] {
			return false
		}
	}
	return true
}

// prefixFold returns how many bytes of s the lower-case p takes, or -1.
func prefixFold(s, p string) int {
	i := 0
	for j := 0; j < len(p); {
		if i == len(s) {
			return -1
		}
		n, k, ok := equalRune(s[i:], p[j:])
		if !ok {
			return -1
		}
		i, j = i+n, j+k
	}
	return i
}

// equalRune compares the first rune of s with that of the lower-case p, and
// returns their lengths. A byte that is not UTF-8 equals only itself.
func equalRune(s, p string) (n, k int, ok bool) {
	a, n := utf8.DecodeRuneInString(s)
	b, k := utf8.DecodeRuneInString(p)
	if n == 1 && k == 1 {
		return 1, 1, lowerByte(s[0]) == p[0]
	}
	if a == utf8.RuneError && n == 1 || b == utf8.RuneError && k == 1 {
		return n, k, false
	}
	return n, k, lowerRune(a) == b
}
