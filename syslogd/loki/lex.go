package loki

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a query. They bound the work of parsing and of each line.
const (
	maxQuery = 16 << 10 // bytes; Grafana's lists of values can be long
	maxDepth = 32       // nested expressions
	maxTerms = 200      // stages, terms of filters and matchers, together
)

// A SyntaxError says what is wrong with a query, and where.
type SyntaxError struct {
	Line, Col int // from 1; Col in characters
	Msg       string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("parse error at line %d, col %d: %s", e.Line, e.Col, e.Msg)
}

// tokenKind is what a token is.
type tokenKind uint8

const (
	tokEnd tokenKind = iota
	tokIdent
	tokString
	tokNumber // 5, 1.5, 1e3, 5m, 10KB: the parser knows what it wants
	tokOp
)

// A token is the smallest part of a query.
type token struct {
	kind tokenKind
	text string // of a string its value
	pos  int
}

// String is how errors name a token.
func (t token) String() string {
	switch t.kind {
	case tokEnd:
		return "end of the query"
	case tokString:
		return "the string " + strconv.Quote(cut(t.text))
	}
	return strconv.Quote(cut(t.text))
}

// cut keeps errors short.
func cut(s string) string {
	if len(s) > 100 {
		return s[:100] + "..."
	}
	return s
}

// lexer cuts a query into tokens.
type lexer struct {
	src string
	pos int
}

func syntaxError(src string, pos int, format string, args ...any) *SyntaxError {
	before := src[:min(pos, len(src))]
	line := strings.Count(before, "\n")
	col := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	return &SyntaxError{Line: line + 1, Col: col + 1, Msg: fmt.Sprintf(format, args...)}
}

// operators, those that others begin with behind them.
func operators() []string {
	return []string{
		"|=", "|~", "|>", "!=", "!~", "!>", "=~", "==", ">=", "<=",
		"{", "}", "(", ")", "[", "]", ",", "|", "=", ">", "<", "+", "-", "*", "/", "%", "^", "@", ":", ".",
	}
}

// next returns the next token.
func (l *lexer) next() (token, error) {
	l.skipBlank()
	at := l.pos
	if at == len(l.src) {
		return token{kind: tokEnd, pos: at}, nil
	}
	c := l.src[at]
	switch {
	case c == '"' || c == '`':
		return l.quoted()
	case isLetter(c):
		return token{tokIdent, l.run(func(c byte) bool { return isLetter(c) || isDigit(c) }), at}, nil
	case isDigit(c) || c == '.' && at+1 < len(l.src) && isDigit(l.src[at+1]):
		return token{tokNumber, l.number(), at}, nil
	}
	for _, op := range operators() {
		if strings.HasPrefix(l.src[at:], op) {
			l.pos += len(op)
			return token{tokOp, op, at}, nil
		}
	}
	r, _ := utf8.DecodeRuneInString(l.src[at:])
	return token{}, syntaxError(l.src, at, "unexpected character %q", r)
}

func (l *lexer) skipBlank() {
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			l.pos++
		case c == '#':
			for l.pos < len(l.src) && l.src[l.pos] != '\n' {
				l.pos++
			}
		default:
			return
		}
	}
}

func (l *lexer) run(in func(c byte) bool) string {
	from := l.pos
	for l.pos < len(l.src) && in(l.src[l.pos]) {
		l.pos++
	}
	return l.src[from:l.pos]
}

// number takes a number and the unit that may stick to it: 5, 0.5, 1e-3, 1h30m,
// 10KB. The sign of an exponent belongs to it.
func (l *lexer) number() string {
	from := l.pos
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		sign := (c == '+' || c == '-') && l.pos > from && (l.src[l.pos-1] == 'e' || l.src[l.pos-1] == 'E')
		if !isLetter(c) && !isDigit(c) && c != '.' && !sign && c < utf8.RuneSelf {
			break
		}
		l.pos++
	}
	return l.src[from:l.pos]
}

// quoted takes a string: "..." with Go's escapes, or `...` as it stands.
func (l *lexer) quoted() (token, error) {
	at, q := l.pos, l.src[l.pos]
	for i := at + 1; i < len(l.src); i++ {
		switch {
		case l.src[i] == '\\' && q == '"':
			i++
		case l.src[i] == '\n' && q == '"':
			return token{}, syntaxError(l.src, at, "a string that is not closed on its line")
		case l.src[i] == q:
			l.pos = i + 1
			s := l.src[at+1 : i]
			if q == '"' {
				var err error
				if s, err = strconv.Unquote(l.src[at : i+1]); err != nil {
					return token{}, syntaxError(l.src, at, "invalid escape in a string")
				}
			}
			if !utf8.ValidString(s) {
				return token{}, syntaxError(l.src, at, "invalid UTF-8 in a string")
			}
			return token{tokString, s, at}, nil
		}
	}
	return token{}, syntaxError(l.src, at, "a string that is not closed")
}
