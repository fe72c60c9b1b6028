package macro

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"rondo/syslogd/filter"
)

// A SyntaxError says what is wrong with a template, and where.
type SyntaxError struct {
	Offset int // in bytes
	Text   string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("macro: character %d: %s", e.Offset+1, e.Text)
}

// Parse reads a template.
func Parse(s Source, o Options) (*Template, error) {
	t := &Template{text: string(s), use: o.Use, zone: o.Zone}
	if t.zone == nil {
		t.zone = time.UTC
	}
	p := parser{text: string(s)}
	if err := p.run(); err != nil {
		return nil, err
	}
	t.parts = p.parts
	if o.Use == Path {
		if err := t.bound(); err != nil {
			return nil, err
		}
	}
	return t, nil
}

type parser struct {
	text    string
	at      int
	literal []byte // since the last macro
	parts   []part
}

func (p *parser) run() error {
	for p.at < len(p.text) {
		switch c := p.text[p.at]; c {
		case '\\':
			if err := p.escape(); err != nil {
				return err
			}
		case '$':
			if err := p.dollar(); err != nil {
				return err
			}
		default:
			p.literal = append(p.literal, c)
			p.at++
		}
	}
	p.flush()
	return nil
}

func (p *parser) flush() {
	if len(p.literal) > 0 {
		p.parts = append(p.parts, part{literal: string(p.literal)})
		p.literal = nil
	}
}

func (p *parser) fail(at int, format string, args ...any) error {
	return &SyntaxError{at, fmt.Sprintf(format, args...)}
}

func (p *parser) escape() error {
	const escapes, meanings = `ntr\`, "\n\t\r\\"
	if p.at+1 < len(p.text) {
		if i := strings.IndexByte(escapes, p.text[p.at+1]); i >= 0 {
			p.literal = append(p.literal, meanings[i])
			p.at += 2
			return nil
		}
	}
	return p.fail(p.at, `\: want \n, \t, \r or \\`)
}

// dollar takes what stands behind a dollar: another one, or a macro.
func (p *parser) dollar() error {
	rest := p.text[p.at+1:]
	switch {
	case strings.HasPrefix(rest, "$"):
		p.literal = append(p.literal, '$')
		p.at += 2
		return nil
	case strings.HasPrefix(rest, "{"):
		end := strings.IndexByte(rest, '}')
		if end < 0 {
			return p.fail(p.at, "${ without }")
		}
		name, fallback, _ := strings.Cut(rest[1:end], ":-")
		return p.macro(name, fallback, end+2)
	}
	n := 0
	for n < len(rest) && ('A' <= rest[n] && rest[n] <= 'Z' || rest[n] == '_') {
		n++
	}
	if n == 0 {
		return p.fail(p.at, "want the name of a macro behind $, or $$ for a dollar")
	}
	return p.macro(rest[:n], "", n+1)
}

// macro adds the macro that size bytes of the template name.
func (p *parser) macro(name, fallback string, size int) error {
	m, ok := lookup(name)
	if !ok {
		return p.fail(p.at, "unknown macro ${%s}; did you mean ${%s}?", name, nearest(name))
	}
	p.flush()
	m.fallback = fallback
	p.parts = append(p.parts, m)
	p.at += size
	return nil
}

func lookup(name string) (part, bool) {
	for _, prefix := range []string{"sd.", ".sd.", ".SDATA."} {
		if key, ok := strings.CutPrefix(name, prefix); ok && key != "" {
			return part{param: key}, true
		}
	}
	if v := values[name]; v != nil {
		return part{value: v}, true
	}
	clock, received := strings.CutPrefix(name, "R_")
	if !received {
		clock = strings.TrimPrefix(name, "S_")
	}
	c := clocks[clock]
	return part{clock: c, received: received}, c != nil
}

// nearest is the name that was probably meant.
func nearest(name string) string {
	if strings.HasSuffix(name, ".") {
		return name + "KEY"
	}
	prefix := ""
	if upper := strings.ToUpper(name); strings.HasPrefix(upper, "S_") || strings.HasPrefix(upper, "R_") {
		prefix, name = upper[:2], name[2:]
	}
	var known []string // in lower case, which Nearest wants
	for n := range clocks {
		known = append(known, strings.ToLower(n))
	}
	if prefix == "" {
		for n := range values {
			known = append(known, strings.ToLower(n))
		}
	}
	slices.Sort(known)
	return prefix + strings.ToUpper(filter.Nearest(name, known))
}
