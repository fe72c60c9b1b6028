package loki

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// labelOr reads label filters: and, a comma and juxtaposition bind more
// tightly than or.
func (p *parseState) labelOr() (labelFilter, error) {
	f, err := p.labelAnd()
	for err == nil && p.is("or") {
		var b labelFilter
		if err = p.advance(); err == nil {
			b, err = p.labelAnd()
		}
		f = &labelOr{f, b}
	}
	return f, err
}

func (p *parseState) labelAnd() (labelFilter, error) {
	f, err := p.labelTerm()
	for err == nil && (p.is("and") || p.is(",")) {
		var b labelFilter
		if err = p.advance(); err == nil {
			b, err = p.labelTerm()
		}
		f = &labelAnd{f, b}
	}
	return f, err
}

func (p *parseState) labelTerm() (labelFilter, error) {
	if err := p.term(); err != nil {
		return nil, err
	}
	if p.is("(") {
		if err := p.enter(); err != nil {
			return nil, err
		}
		defer p.leave()
		if err := p.advance(); err != nil {
			return nil, err
		}
		f, err := p.labelOr()
		if err != nil {
			return nil, err
		}
		return f, p.expect(")")
	}
	name, err := p.take(tokIdent, "a stage or a label filter")
	if err != nil {
		return nil, err
	}
	return p.labelFilter(name)
}

// labelFilter reads what a label is compared with.
func (p *parseState) labelFilter(name token) (labelFilter, error) {
	op := p.tok
	ahead := p.lexer
	value, err := ahead.next()
	if err != nil {
		return nil, err
	}
	if value.kind == tokString {
		m, err := p.matcher(name)
		return &labelMatch{m}, err
	}
	if op.kind != tokOp || !slices.Contains([]string{"==", "=", "!=", ">", ">=", "<", "<="}, op.text) {
		return nil, p.errorf(op, "unexpected %v behind the label %s, expecting one of = != =~ !~ == > >= < <=", op, name.text)
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.is("ip") {
		return nil, p.errorf(p.tok, "ip() is not supported")
	}
	f := &labelNumber{name: name.text, op: op.text}
	sign, err := p.accept("-")
	if err != nil {
		return nil, err
	}
	n, err := p.take(tokNumber, "a string, number, duration or size")
	if err != nil {
		return nil, err
	}
	var ok bool
	if f.value, f.unit, ok = parseNumber(n.text); !ok {
		return nil, p.errorf(n, "%s is no number, duration or size", n)
	}
	if sign {
		f.value = -f.value
	}
	return f, nil
}

// parseNumber reads 5, 1.5e3; 250ms, 1h30m in seconds; 10KB, 1MiB in bytes.
func parseNumber(s string) (float64, unit, bool) {
	if v, err := strconv.ParseFloat(s, 64); err == nil {
		return v, plain, true
	}
	if d, ok := parseDuration(s); ok {
		return d.Seconds(), duration, true
	}
	if v, ok := parseSize(s); ok {
		return v, size, true
	}
	return 0, plain, false
}

// parseDuration reads a duration as Go or as Prometheus writes it: 1h30m, 1.5h,
// 2d, 1w, 1y.
func parseDuration(s string) (time.Duration, bool) {
	if d, err := time.ParseDuration(s); err == nil {
		return d, true
	}
	total, rest := time.Duration(0), s
	for rest != "" {
		n := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
		if n <= 0 {
			return 0, false
		}
		v, err := strconv.ParseInt(rest[:n], 10, 64)
		if err != nil {
			return 0, false
		}
		rest = rest[n:]
		one, name := durationUnit(rest)
		if one == 0 || v > int64(maxSpan/one) {
			return 0, false
		}
		if total += time.Duration(v) * one; total > maxSpan {
			return 0, false
		}
		rest = rest[name:]
	}
	return total, s != ""
}

// maxSpan keeps sums of times within what a Duration can tell.
const maxSpan = 100 * 365 * 24 * time.Hour

// durationUnit returns the unit that s begins with, and the length of its name.
func durationUnit(s string) (time.Duration, int) {
	if strings.HasPrefix(s, "ms") {
		return time.Millisecond, 2
	}
	if s == "" {
		return 0, 0
	}
	switch s[0] {
	case 's':
		return time.Second, 1
	case 'm':
		return time.Minute, 1
	case 'h':
		return time.Hour, 1
	case 'd':
		return 24 * time.Hour, 1
	case 'w':
		return 7 * 24 * time.Hour, 1
	case 'y':
		return 365 * 24 * time.Hour, 1
	}
	return 0, 0
}

// parseSize reads bytes with a unit: 512B, 10KB (by thousands), 1KiB (by 1024).
func parseSize(s string) (float64, bool) {
	n := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if n <= 0 {
		return 0, false
	}
	v, err := strconv.ParseFloat(s[:n], 64)
	if err != nil {
		return 0, false
	}
	name := strings.TrimSuffix(strings.ToUpper(s[n:]), "B")
	base := 1000.0
	if strings.HasSuffix(name, "I") {
		base, name = 1024, strings.TrimSuffix(name, "I")
	}
	if name == "" && base == 1000 {
		return v, strings.HasSuffix(strings.ToUpper(s), "B")
	}
	for _, prefix := range "KMGTP" {
		if v *= base; name == string(prefix) {
			return v, true
		}
	}
	return 0, false
}
