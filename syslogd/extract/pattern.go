package extract

import (
	"fmt"
	"strconv"
	"strings"
)

// A Pattern is constants with holes between them. It matches the first place
// in a text where the constants stand in this order.
//
//	<name>   what stands before the next constant; at the end of the pattern,
//	         what stands before the next blank. A value in double quotes is
//	         taken as a whole and unquoted.
//	<*name>  at the end only: all the rest of the text
//	<_>      a hole without a name
type Pattern struct {
	src   string
	first string // before the first hole
	holes []hole
}

// hole is a value and the constant behind it.
type hole struct {
	name string // "" for <_>
	rest bool
	then string
}

// A PatternError says what is wrong with a pattern, and where.
type PatternError struct {
	Offset int
	Msg    string
}

// Error counts the position from 1.
func (e *PatternError) Error() string {
	return fmt.Sprintf("extract: position %d: %s", e.Offset+1, e.Msg)
}

// Compile reads a pattern. The error is a *PatternError.
func Compile(s string) (*Pattern, error) {
	p := &Pattern{src: s}
	at := strings.IndexByte(s, '<')
	if at < 0 {
		return nil, &PatternError{0, "no <name> in it"}
	}
	p.first = s[:at]
	for at < len(s) {
		h, n, err := compileHole(s, at)
		if err != nil {
			return nil, err
		}
		p.holes = append(p.holes, h)
		if len(p.holes) > MaxFields {
			return nil, &PatternError{at, fmt.Sprintf("more than %d names", MaxFields)}
		}
		at += n
	}
	return p, nil
}

// compileHole reads a hole and the constant behind it; n is their length.
func compileHole(s string, at int) (h hole, n int, err error) {
	end := strings.IndexByte(s[at:], '>')
	if end < 0 {
		return h, 0, &PatternError{at, "< without >"}
	}
	h.name, h.rest = strings.CutPrefix(s[at+1:at+end], "*")
	if !isName(h.name) {
		return h, 0, &PatternError{at, fmt.Sprintf("<%s> is no name: want letters, digits, _ and .", s[at+1:at+end])}
	}
	if h.name == "_" {
		h.name = ""
	}
	h.then = s[at+end+1:]
	if next := strings.IndexByte(h.then, '<'); next >= 0 {
		h.then = h.then[:next]
		if next == 0 {
			return h, 0, &PatternError{at + end + 1, "two names with nothing between them"}
		}
	}
	n = end + 1 + len(h.then)
	if h.rest && at+n < len(s) || h.rest && h.then != "" {
		return h, 0, &PatternError{at, "<*name> stands at the end only"}
	}
	return h, n, nil
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (i == 0 || !('0' <= c && c <= '9' || c == '.')) {
			return false
		}
	}
	return s != ""
}

// String is the pattern as it was compiled.
func (p *Pattern) String() string { return p.src }

// Names are those of the holes, in order.
func (p *Pattern) Names() []string {
	var names []string
	for _, h := range p.holes {
		if h.name != "" {
			names = append(names, h.name)
		}
	}
	return names
}

// Each yields the values in a text that matches, and reports whether it does.
func (p *Pattern) Each(text string, yield Yield) bool {
	start := strings.Index(text, p.first)
	if start < 0 {
		return false
	}
	values := make([]string, len(p.holes))
	text = text[start+len(p.first):]
	for i, h := range p.holes {
		v, rest, ok := h.take(text)
		if !ok {
			return false
		}
		values[i], text = v, rest
	}
	for i, h := range p.holes {
		if h.name != "" && !yield(h.name, values[i]) {
			break
		}
	}
	return true
}

// take cuts the value of a hole, and the constant behind it, off a text.
func (h *hole) take(text string) (value, rest string, ok bool) {
	if h.rest {
		return text, "", true
	}
	if q, err := strconv.QuotedPrefix(text); err == nil && q[0] == '"' && strings.HasPrefix(text[len(q):], h.then) {
		if v, err := strconv.Unquote(q); err == nil {
			return v, text[len(q)+len(h.then):], true
		}
	}
	if h.then == "" {
		end := strings.IndexAny(text, " \t\r\n")
		if end < 0 {
			end = len(text)
		}
		return text[:end], text[end:], end > 0
	}
	value, rest, ok = strings.Cut(text, h.then)
	return value, rest, ok
}
