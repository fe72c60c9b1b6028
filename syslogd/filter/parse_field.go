package filter

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"rondo/syslogd/syslog"
)

// fieldAhead returns the name and the operator if a field is next, without
// taking them. A name begins with a letter: 12:30 and 10.0.0.1:80 are words.
func (p *parser) fieldAhead() (name string, op Op) {
	text := p.run()
	i := 0
	for i < len(text) && text[i] < 0x80 && (isTokenByte(text[i]) || strings.IndexByte(".-@/", text[i]) >= 0) {
		i++
	}
	if i == 0 || !isLetter(text[0]) || strings.ContainsAny(text[:i], "-@/") && !hasSDPrefix(text) {
		return "", ""
	}
	for _, op := range []Op{NotEqual, LessEqual, GreaterEqual, Is, Equal, Less, Greater} {
		if strings.HasPrefix(text[i:], string(op)) {
			return text[:i], op
		}
	}
	return "", ""
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// field reads name, operator and value, or a set of values in brackets.
func (p *parser) field(name string, op Op) (Expr, error) {
	at := p.pos
	known, ok := p.fieldName(name)
	if !ok {
		return nil, p.errorf(at, "unknown field %q; did you mean %s? To search for the text, write %q",
			name, nearest(name), p.run())
	}
	p.pos += len(name) + len(op)
	if p.pos < len(p.src) && p.src[p.pos] == '(' {
		return p.set(at, known, op)
	}
	return p.value(at, known, op)
}

// value reads the value of a field whose name is at a position.
func (p *parser) value(at int, name string, op Op) (Expr, error) {
	f := &Field{Name: name, Op: op}
	if p.pos < len(p.src) && p.src[p.pos] == '"' {
		v, err := p.quoted()
		if err != nil {
			return nil, err
		}
		f.Value, f.Quoted = v, true
	} else if f.Value = p.run(); f.Value == "" {
		return nil, p.errorf(p.pos, "%s%s without a value; write \"\" for the empty one", name, op)
	} else {
		p.pos += len(f.Value)
	}
	if err := f.compile(p.rows); err != nil {
		return nil, p.errorf(at, "%v", err)
	}
	return f, nil
}

// set reads values in brackets: name:(a or b) is (name:a or name:b), and
// name!=(a or b) is name!=a name!=b.
func (p *parser) set(at int, name string, op Op) (Expr, error) {
	if op.numeric() {
		return nil, p.errorf(p.pos, "%s%s compares with one value; use : or = or != with a set", name, op)
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	open := p.pos
	p.pos++
	var terms []Expr
	for {
		p.skipBlank()
		e, err := p.value(at, name, op)
		if err != nil {
			return nil, err
		}
		terms = append(terms, e)
		if p.skipBlank(); !p.acceptOr() {
			break
		}
	}
	if p.pos == len(p.src) || p.src[p.pos] != ')' {
		return nil, p.errorf(open, `a set of values is (a or "b c" or d*), closed by a bracket`)
	}
	p.pos++
	switch {
	case len(terms) == 1:
		return terms[0], nil
	case op == NotEqual:
		return And{terms}, nil
	}
	return Or{terms}, nil
}

// fieldName returns the canonical name of a field.
func (p *parser) fieldName(name string) (string, bool) {
	if known, ok := FieldName(name); ok || !p.rows {
		return known, ok
	}
	return name, true
}

// FieldName returns the name by which a field of a message is known: those of
// the package's grammar, in any case, and the aliases by what they stand for.
func FieldName(name string) (string, bool) {
	if hasSDPrefix(name) && len(name) > 3 {
		return "sd." + name[3:], true
	}
	name = strings.ToLower(name)
	if name == "program" {
		return "app", true
	}
	for _, known := range fieldNames() {
		if name == known {
			return known, true
		}
	}
	return "", false
}

func hasSDPrefix(s string) bool { return len(s) >= 3 && strings.EqualFold(s[:3], "sd.") }

func fieldNames() []string {
	return []string{"app", "host", "severity", "facility", "pid", "msgid", "sender"}
}

// compile checks the value against the field's kind. Fields of rows may be of
// any kind.
func (f *Field) compile(rows bool) error {
	var err error
	switch f.Name {
	case "severity":
		var s syslog.Severity
		s, err = syslog.ParseSeverity(f.Value)
		f.Number, f.Value, f.Quoted = float64(s), s.String(), false
		return err
	case "facility":
		var n syslog.Facility
		n, err = syslog.ParseFacility(f.Value)
		f.Number, f.Value, f.Quoted = float64(n), n.String(), false
	case "sender":
		if strings.Contains(f.Value, "/") {
			f.network, err = netip.ParsePrefix(f.Value)
		} else if a, aerr := netip.ParseAddr(f.Value); aerr == nil {
			f.Value = a.Unmap().String()
		}
	}
	if err != nil {
		return err
	}
	f.folded = Lower(f.Value)
	return f.compileNumber(rows)
}

func (f *Field) compileNumber(rows bool) error {
	if !f.Op.numeric() {
		return nil
	}
	if !rows && f.Name != "pid" && !strings.HasPrefix(f.Name, "sd.") {
		return fmt.Errorf("%s has no order; use : or = or !=", f.Name)
	}
	n, err := strconv.ParseFloat(f.Value, 64)
	if err != nil {
		return fmt.Errorf("%s%s%s: not a number", f.Name, f.Op, f.Value)
	}
	f.Number = n
	return nil
}

// nearest is the known field that is closest to a name.
func nearest(name string) string {
	return Nearest(name, append(fieldNames(), "program", "sd."+name))
}

// Nearest is the one of names that goes on where name ends, or else the one
// that is closest to it: what was probably meant. It is "" without names.
func Nearest(name string, names []string) string {
	best, bestDistance := "", 1<<30
	for _, known := range names {
		d := distance(strings.ToLower(name), known)
		if strings.HasPrefix(known, strings.ToLower(name)) {
			d = 0
		}
		if d < bestDistance {
			best, bestDistance = known, d
		}
	}
	return best
}

// distance is the number of characters to insert, delete, replace or swap
// with their neighbour that make a out of b (optimal string alignment).
func distance(a, b string) int {
	older, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], older[j-2]+1)
			}
		}
		older, prev, cur = prev, cur, older
	}
	return prev[len(b)]
}
