package loki

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// parseState is a recursive descent over the grammar of the package's comment.
type parseState struct {
	lexer
	tok   token
	depth int
	terms int
}

func newParse(src string) (*parseState, error) {
	if len(src) > maxQuery {
		return nil, syntaxError(src, maxQuery, "the query is longer than %d bytes", maxQuery)
	}
	p := &parseState{lexer: lexer{src: src}}
	return p, p.advance()
}

func (p *parseState) errorf(at token, format string, args ...any) error {
	return syntaxError(p.src, at.pos, format, args...)
}

func (p *parseState) advance() (err error) {
	p.tok, err = p.next()
	return err
}

// is reports whether a token is next: an operator or a word, in any case.
func (p *parseState) is(text string) bool {
	return p.tok.kind == tokOp && p.tok.text == text || p.tok.kind == tokIdent && strings.EqualFold(p.tok.text, text)
}

// accept takes a token if it is next.
func (p *parseState) accept(text string) (bool, error) {
	if !p.is(text) {
		return false, nil
	}
	return true, p.advance()
}

// expect takes a token that must be next.
func (p *parseState) expect(text string) error {
	if ok, err := p.accept(text); ok || err != nil {
		return err
	}
	return p.errorf(p.tok, "unexpected %v, expecting %q", p.tok, text)
}

// take takes a token of a kind that must be next.
func (p *parseState) take(kind tokenKind, what string) (token, error) {
	t := p.tok
	if t.kind != kind {
		return t, p.errorf(t, "unexpected %v, expecting %s", t, what)
	}
	return t, p.advance()
}

// enter bounds the recursion; leave is its end.
func (p *parseState) enter() error {
	if p.depth++; p.depth > maxDepth {
		return p.errorf(p.tok, "nested deeper than %d", maxDepth)
	}
	return nil
}

func (p *parseState) leave() { p.depth-- }

// term counts what each line costs.
func (p *parseState) term() error {
	if p.terms++; p.terms > maxTerms {
		return p.errorf(p.tok, "more than %d matchers, filters and stages", maxTerms)
	}
	return nil
}

func (p *parseState) end() error {
	if p.tok.kind != tokEnd {
		return p.errorf(p.tok, "unexpected %v", p.tok)
	}
	return nil
}

// parseQuery reads any query: a *logQuery or an expr.
func parseQuery(src string) (any, error) {
	p, err := newParse(src)
	if err != nil {
		return nil, err
	}
	if p.is("{") {
		q, err := p.logQuery(true)
		if err != nil {
			return nil, err
		}
		return q, p.end()
	}
	e, err := p.expr(0)
	if err != nil {
		return nil, err
	}
	return e, p.end()
}

// parseSelector reads {a="b"} alone; {} and nothing at all select everything.
func parseSelector(src string) (*logQuery, error) {
	if strings.TrimSpace(src) == "" {
		return &logQuery{}, nil
	}
	p, err := newParse(src)
	if err != nil {
		return nil, err
	}
	matchers, err := p.selector()
	if err != nil {
		return nil, err
	}
	return &logQuery{matchers: matchers}, p.end()
}

// parseLabels reads the labels of a pushed stream: {a="b", c="d"}.
func parseLabels(src string) ([]label, error) {
	q, err := parseSelector(src)
	if err != nil {
		return nil, err
	}
	var labels []label
	for _, m := range q.matchers {
		if m.op != "=" {
			return nil, fmt.Errorf("label %s%s%q: want =", m.name, m.op, cut(m.value))
		}
		labels = append(labels, label{m.name, m.value})
	}
	return labels, nil
}

// logQuery reads a selector and its pipeline. Loki wants a matcher that does
// not match the empty value; strict holds users to it.
func (p *parseState) logQuery(strict bool) (*logQuery, error) {
	at := p.tok
	matchers, err := p.selector()
	if err != nil {
		return nil, err
	}
	if strict && !slices.ContainsFunc(matchers, func(m matcher) bool { return !m.matches(nil) }) {
		return nil, p.errorf(at, "queries require at least one regexp or equality matcher that does not have an empty-compatible value. For instance, app=~\".*\" does not meet this requirement, but app=~\".+\" will")
	}
	q := &logQuery{matchers: matchers}
	for {
		s, err := p.stage()
		if s == nil || err != nil {
			return q, err
		}
		if err := p.term(); err != nil {
			return nil, err
		}
		q.stages = append(q.stages, s)
	}
}

func (p *parseState) selector() ([]matcher, error) {
	if err := p.expect("{"); err != nil {
		return nil, err
	}
	var list []matcher
	for !p.is("}") {
		if len(list) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
			if p.is("}") {
				break
			}
		}
		name, err := p.take(tokIdent, "a label name or \"}\"")
		if err != nil {
			return nil, err
		}
		m, err := p.matcher(name)
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, p.expect("}")
}

// matcher reads what follows the name of a label.
func (p *parseState) matcher(name token) (matcher, error) {
	if err := p.term(); err != nil {
		return matcher{}, err
	}
	op := p.tok
	if !slices.Contains([]string{"=", "!=", "=~", "!~"}, op.text) || op.kind != tokOp {
		return matcher{}, p.errorf(op, "unexpected %v, expecting one of = != =~ !~", op)
	}
	if err := p.advance(); err != nil {
		return matcher{}, err
	}
	value, err := p.take(tokString, "a string")
	if err != nil {
		return matcher{}, err
	}
	m, err := newMatcher(name.text, op.text, value.text)
	if err != nil {
		return m, p.errorf(value, "invalid regular expression: %v", err)
	}
	return m, nil
}

// stage reads the next stage, nil where the pipeline ends.
func (p *parseState) stage() (stage, error) {
	if p.tok.kind != tokOp {
		return nil, nil
	}
	switch op := p.tok; op.text {
	case "|=", "!=", "|~", "!~":
		return p.lineFilter(op.text)
	case "|>", "!>":
		return nil, p.errorf(op, "pattern filters (%s) are not supported; use %s with a regular expression", op.text, strings.Replace(op.text, ">", "~", 1))
	case "|":
		if err := p.advance(); err != nil {
			return nil, err
		}
		return p.pipe()
	}
	return nil, nil
}

// lineFilter reads |= "a" or "b".
func (p *parseState) lineFilter(op string) (stage, error) {
	f := &lineFilter{op: op}
	for {
		if err := p.advance(); err != nil { // over the operator, or "or"
			return nil, err
		}
		if p.is("ip") {
			return nil, p.errorf(p.tok, "ip() is not supported")
		}
		text, err := p.take(tokString, "a string")
		if err != nil {
			return nil, err
		}
		if err := p.term(); err != nil {
			return nil, err
		}
		f.texts = append(f.texts, text.text)
		if op == "|~" || op == "!~" {
			re, err := regexp.Compile(text.text)
			if err != nil {
				return nil, p.errorf(text, "invalid regular expression: %v", err)
			}
			f.res = append(f.res, re)
		}
		if !p.is("or") {
			return f, nil
		}
	}
}

// pipe reads a stage behind its "|".
func (p *parseState) pipe() (stage, error) {
	name := p.tok
	if name.kind == tokIdent && !p.isFilter() {
		switch word := strings.ToLower(name.text); word {
		case "json", "logfmt":
			return p.parser(word)
		case "line_format":
			return p.lineFormat()
		case "drop", "keep":
			return p.pick(word == "keep")
		case "regexp", "pattern", "unpack", "unwrap", "label_format", "decolorize", "distinct":
			return nil, p.errorf(name, "the stage %s is not supported", word)
		}
	}
	return p.labelOr()
}

// isFilter reports whether the word that is next is compared with something,
// and so is a label, whatever its name.
func (p *parseState) isFilter() bool {
	ahead := p.lexer
	t, err := ahead.next()
	return err == nil && t.kind == tokOp && slices.Contains([]string{"=", "!=", "=~", "!~", "==", ">", ">=", "<", "<="}, t.text) &&
		!slices.Contains([]string{"json", "logfmt"}, strings.ToLower(p.tok.text))
}

// parser reads json or logfmt. Their parameters, which extract single fields,
// are none of ours.
func (p *parseState) parser(name string) (stage, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	for p.is("-") {
		return nil, p.errorf(p.tok, "flags of %s are not supported", name)
	}
	if p.tok.kind == tokIdent && !p.is("or") && !p.is("and") && !p.is("offset") {
		return nil, p.errorf(p.tok, "%s with chosen fields is not supported; %s alone extracts all", name, name)
	}
	return parser{name}, nil
}

// pick reads drop a, b.
func (p *parseState) pick(keep bool) (stage, error) {
	s := &pick{keep: keep}
	for {
		if err := p.advance(); err != nil { // over the word, or the comma
			return nil, err
		}
		name, err := p.take(tokIdent, "a label name")
		if err != nil {
			return nil, err
		}
		if p.tok.kind == tokOp && slices.Contains([]string{"=", "!=", "=~", "!~"}, p.tok.text) {
			return nil, p.errorf(p.tok, "drop and keep by value are not supported; name the label alone")
		}
		if err := p.term(); err != nil {
			return nil, err
		}
		s.names = append(s.names, name.text)
		if !p.is(",") {
			return s, nil
		}
	}
}

// lineFormat reads line_format "{{.a}} text". Of Go's templates it takes the
// names of labels only.
func (p *parseState) lineFormat() (stage, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	text, err := p.take(tokString, "a string")
	if err != nil {
		return nil, err
	}
	f := &format{}
	rest := text.text
	for {
		before, after, ok := strings.Cut(rest, "{{")
		f.parts = append(f.parts, part{text: before})
		if !ok {
			return f, nil
		}
		inside, after, ok := strings.Cut(after, "}}")
		name := strings.TrimSpace(strings.Trim(inside, "-"))
		field, isField := strings.CutPrefix(name, ".")
		if !ok || name != "__line__" && (!isField || !isLabelName(field)) {
			return nil, p.errorf(text, "line_format: {{%s}} is not supported; want {{.label}} or {{__line__}}", cut(inside))
		}
		f.parts = append(f.parts, part{label: name})
		if err := p.term(); err != nil {
			return nil, err
		}
		rest = after
	}
}
