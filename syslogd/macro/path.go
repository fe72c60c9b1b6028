package macro

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxElement leaves room below the 255 bytes of a file's name for what
	// rotation adds.
	maxElement  = 200
	maxValue    = 128
	minValue    = 16 // less of a value than this would tell nothing
	maxElements = 16
)

// Split takes a path apart: dir is what stands before the element with the
// first macro, as written, and is trusted; rest is a template for Path. Without
// macros rest is the last element.
func Split(s Source) (dir string, rest Source) {
	text := string(s)
	end := len(text)
	if i := strings.IndexByte(text, '$'); i >= 0 {
		end = i
	}
	i := strings.LastIndexByte(text[:end], '/')
	return text[:i+1], Source(text[i+1:])
}

// makeElement makes the value dst[start:] of a path that begins at begin a part
// of one element, of at most most bytes. It never grows but from nothing.
func makeElement(dst []byte, begin, start, most int) []byte {
	value, to := dst[start:], start
	for len(value) > 0 && to < start+most {
		r, n := utf8.DecodeRune(value)
		switch {
		case !inName(r, n):
			dst[to] = '_'
			to++
		case to+n > start+most:
			value = value[len(value)-n:] // cut before a character that does not fit
		default:
			to += copy(dst[to:], value[:n])
		}
		value = value[n:]
	}
	if to == start {
		return append(dst[:start], '_')
	}
	atStart := start == begin || dst[start-1] == '/'
	if c := dst[start]; atStart && (c == '.' || c == '-') {
		dst[start] = '_'
	}
	return dst[:to]
}

// inName reports whether a character may stand in a path. What a shell, a
// terminal or a URL takes for something else may not.
func inName(r rune, size int) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.IndexByte("._-:@+,=", byte(r)) >= 0
	}
	return size > 1 && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// maskDots makes "_" of the elements that are nothing but dots: "." in a
// template and "." in a value may come together.
func maskDots(p []byte) {
	for start := 0; start < len(p); {
		end := start
		dots := true
		for end < len(p) && p[end] != '/' {
			dots = dots && p[end] == '.'
			end++
		}
		for i := start; dots && i < end; i++ {
			p[i] = '_'
		}
		start = end + 1
	}
}

// bound gives each macro of a path its share of its element, and refuses
// literal text that no path can have.
func (t *Template) bound() error {
	var shape strings.Builder // the path with a NUL for each macro
	for i := range t.parts {
		if p := &t.parts[i]; p.isLiteral() {
			shape.WriteString(p.literal)
		} else {
			shape.WriteByte(0)
			if strings.ContainsRune(p.fallback, '/') {
				return fmt.Errorf("macro: default %q: a / cannot stand in it", p.fallback)
			}
		}
	}
	text := shape.String()
	if text == "" || text[0] == '/' || path.Clean(text) != text || strings.HasPrefix(text+"/", "../") {
		return fmt.Errorf("macro: path %q: want elements between single slashes, neither . nor ..", t.text)
	}
	elements := strings.Split(text, "/")
	if len(elements) > maxElements {
		return fmt.Errorf("macro: path %q: more than %d elements", t.text, maxElements)
	}
	shares := make([]int, 0, len(t.parts))
	for _, e := range elements {
		macros := strings.Count(e, "\x00")
		if macros == 0 {
			if len(e) > maxElement {
				return fmt.Errorf("macro: path %q: an element is longer than %d bytes", t.text, maxElement)
			}
			continue
		}
		share := min(maxValue, (maxElement-len(e)+macros)/macros)
		if share < minValue {
			return fmt.Errorf("macro: path %q: too much in one element; want at most %d bytes", t.text, maxElement)
		}
		for range macros {
			shares = append(shares, share)
		}
	}
	for i := range t.parts {
		if p := &t.parts[i]; !p.isLiteral() {
			p.most, shares = shares[0], shares[1:]
		}
	}
	return nil
}

// Glob is a pattern of path.Match for what the template of a path can make,
// and for some more.
func (t *Template) Glob() string {
	var b strings.Builder
	for i := range t.parts {
		p := &t.parts[i]
		if !p.isLiteral() {
			b.WriteByte('*')
			continue
		}
		for j := range len(p.literal) {
			if strings.IndexByte(`*?[\`, p.literal[j]) >= 0 {
				b.WriteByte('\\')
			}
			b.WriteByte(p.literal[j])
		}
	}
	return b.String()
}

// Suffix is the fixed text that all texts of the template end with.
func (t *Template) Suffix() string {
	if n := len(t.parts); n > 0 {
		return t.parts[n-1].literal
	}
	return ""
}
