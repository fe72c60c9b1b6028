package filter

import (
	"fmt"
	"regexp"
	"strings"
)

// parser is a recursive descent over the grammar of the package's comment.
type parser struct {
	src   string
	pos   int
	depth int
	rows  bool // any name is that of a field
}

func (p *parser) errorf(pos int, format string, args ...any) error {
	return &SyntaxError{Offset: pos, Msg: fmt.Sprintf(format, args...)}
}

// parse reads a filter up to its end or to a bar outside of brackets.
func (p *parser) parse() (Expr, error) {
	if p.skipBlank(); p.pos == len(p.src) || p.src[p.pos] == '|' {
		return nil, nil
	}
	e, err := p.or()
	if err == nil && p.pos < len(p.src) && p.src[p.pos] != '|' {
		return nil, p.errorf(p.pos, "%q without an opening bracket", p.src[p.pos])
	}
	return e, err
}

func (p *parser) skipBlank() {
	for p.pos < len(p.src) && isBlank(p.src[p.pos]) {
		p.pos++
	}
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// endsWord reports whether c cannot stand in a word.
func endsWord(c byte) bool {
	return isBlank(c) || c == '"' || c == '(' || c == ')' || c == '|'
}

// run returns the characters of a word from the position on.
func (p *parser) run() string {
	end := p.pos
	for end < len(p.src) && !endsWord(p.src[end]) {
		end++
	}
	return p.src[p.pos:end]
}

// accept takes a keyword, in any case, if it is next.
func (p *parser) accept(keyword string) bool {
	if !strings.EqualFold(p.run(), keyword) {
		return false
	}
	p.pos += len(keyword)
	p.skipBlank()
	return true
}

// enter bounds the recursion; leave is its end.
func (p *parser) enter() error {
	if p.depth++; p.depth > MaxDepth {
		return p.errorf(p.pos, "nested deeper than %d", MaxDepth)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

func (p *parser) or() (Expr, error) {
	var terms []Expr
	for {
		e, err := p.and()
		if err != nil {
			return nil, err
		}
		if o, ok := e.(Or); ok {
			terms = append(terms, o.Terms...)
		} else {
			terms = append(terms, e)
		}
		if !p.acceptOr() {
			break
		}
	}
	if len(terms) == 1 {
		return terms[0], nil
	}
	return Or{terms}, nil
}

// acceptOr takes "or", or the bar that stands for it within brackets.
func (p *parser) acceptOr() bool {
	if p.depth > 0 && p.pos < len(p.src) && p.src[p.pos] == '|' {
		p.pos++
		p.skipBlank()
		return true
	}
	return p.accept("or")
}

func (p *parser) and() (Expr, error) {
	var terms []Expr
	for {
		e, err := p.unary()
		if err != nil {
			return nil, err
		}
		if a, ok := e.(And); ok {
			terms = append(terms, a.Terms...)
		} else {
			terms = append(terms, e)
		}
		p.skipBlank()
		if !p.accept("and") && p.atEndOfAnd() {
			break
		}
	}
	if len(terms) == 1 {
		return terms[0], nil
	}
	return And{terms}, nil
}

func (p *parser) atEndOfAnd() bool {
	if p.pos == len(p.src) || p.src[p.pos] == ')' || p.src[p.pos] == '|' {
		return true
	}
	return strings.EqualFold(p.run(), "or")
}

func (p *parser) unary() (Expr, error) {
	p.skipBlank()
	if p.pos < len(p.src) && p.src[p.pos] == '-' {
		p.pos++
	} else if !p.accept("not") {
		return p.primary()
	}
	e, err := p.primary()
	if err != nil {
		return nil, err
	}
	return Not{e}, nil
}

func (p *parser) primary() (Expr, error) {
	if p.pos == len(p.src) {
		return nil, p.errorf(p.pos, "the filter ends where a word, a field or a bracket is expected")
	}
	switch c := p.src[p.pos]; c {
	case '(':
		return p.group()
	case '"':
		text, err := p.quoted()
		if err == nil && text == "" {
			return nil, p.errorf(p.pos, "an empty phrase")
		}
		return Phrase{Lower(text)}, err
	case '/':
		return p.regex()
	case ')', '|':
		return nil, p.errorf(p.pos, "%q where a word, a field or a bracket is expected", c)
	}
	if name, op := p.fieldAhead(); op != "" {
		return p.field(name, op)
	}
	return p.word()
}

func (p *parser) group() (Expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	open := p.pos
	p.pos++
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.pos == len(p.src) || p.src[p.pos] != ')' {
		return nil, p.errorf(open, "a bracket that is not closed")
	}
	p.pos++
	return e, nil
}

// quoted reads a phrase; the position is on its opening quote.
func (p *parser) quoted() (string, error) {
	text, n, ok := QuotedPrefix(p.src[p.pos:])
	if !ok {
		return "", p.errorf(p.pos, "a quote that is not closed")
	}
	p.pos += n
	return text, nil
}

// regex reads an expression between slashes. A path looks the same, so it is
// told from one by what follows.
func (p *parser) regex() (Expr, error) {
	open := p.pos
	var b strings.Builder
	for i := open + 1; i < len(p.src); i++ {
		switch c := p.src[i]; {
		case c == '\\' && i+1 < len(p.src):
			i++
			if p.src[i] != '/' {
				b.WriteByte(c)
			}
			b.WriteByte(p.src[i])
		case c != '/':
			b.WriteByte(c)
		case b.Len() == 0 || i+1 < len(p.src) && !endsWord(p.src[i+1]):
			return nil, p.errorf(open, "not a regular expression; write a path in quotes")
		default:
			p.pos = i + 1
			re, err := regexp.Compile(b.String())
			if err != nil {
				return nil, p.errorf(open, "%v", err)
			}
			return Regex{re}, nil
		}
	}
	return nil, p.errorf(open, "a regular expression that is not closed by /; write a path in quotes")
}

func (p *parser) word() (Expr, error) {
	text := p.run()
	at := p.pos
	p.pos += len(text)
	if text == "*" {
		return Word{Prefix: true}, nil
	}
	if text == "" || text[0] == '-' || strings.EqualFold(text, "or") || strings.EqualFold(text, "and") || strings.EqualFold(text, "not") {
		return nil, p.errorf(at, "%q where a word is expected; write it in quotes to search for it", text)
	}
	word, prefix := strings.CutSuffix(text, "*")
	if strings.Contains(word, "*") {
		return nil, p.errorf(at, "%q: * stands at the end of a word only; use /a.*b/", text)
	}
	if strings.IndexFunc(word, func(r rune) bool { return r >= 0x80 || isTokenByte(byte(r)) }) < 0 {
		return nil, p.errorf(at, "%q has no letter or digit; write it in quotes", text)
	}
	return Word{Text: Lower(word), Prefix: prefix}, nil
}
