package query

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/extract"
	"rondo/syslogd/filter"
)

// Bounds of what Parse accepts.
const (
	MaxLength = 8192 // bytes
	MaxPipes  = 32
	maxNames  = 32 // in a list
)

// A Query is a filter and the pipes behind it.
type Query struct {
	Filter *filter.Filter
	Pipes  []Pipe
	src    string
}

// A SyntaxError says what is wrong with a query, and where.
type SyntaxError struct {
	Offset int // bytes before the place
	Msg    string
}

// Error counts the position from 1, as people do.
func (e *SyntaxError) Error() string { return fmt.Sprintf("position %d: %s", e.Offset+1, e.Msg) }

// Parse reads a query; see the package's grammar. The error is a *SyntaxError.
func Parse(s string) (*Query, error) {
	if len(s) > MaxLength {
		return nil, &SyntaxError{MaxLength, fmt.Sprintf("longer than %d bytes", MaxLength)}
	}
	f, n, err := filter.ParsePrefix(s)
	if err != nil {
		return nil, shifted(err, 0)
	}
	q := &Query{Filter: f, src: s}
	p := parser{src: s, pos: n, schema: Schema{Columns: messageColumns()}, messages: true}
	for p.pos < len(s) {
		p.pos++ // the bar
		pipe, err := p.pipe()
		if err == nil {
			err = p.endOfPipe()
		}
		if err != nil {
			return nil, err
		}
		if q.Pipes = append(q.Pipes, pipe); len(q.Pipes) > MaxPipes {
			return nil, p.errorf(p.pos, "more than %d pipes", MaxPipes)
		}
		p.after(pipe)
	}
	return q, nil
}

// shifted is an error within a part of the query that begins at a position.
func shifted(err error, at int) error {
	if e, ok := errors.AsType[*filter.SyntaxError](err); ok {
		return &SyntaxError{at + e.Offset, e.Msg}
	}
	if e, ok := errors.AsType[*extract.PatternError](err); ok {
		return &SyntaxError{at + e.Offset, e.Msg}
	}
	return &SyntaxError{at, err.Error()}
}

// String returns the text that the query was parsed from.
func (q *Query) String() string { return q.src }

// Canonical returns the query in one spelling. Parse reads it back to the
// same query.
func (q *Query) Canonical() string {
	s := q.Filter.Canonical()
	for _, p := range q.Pipes {
		s = strings.TrimLeft(s+" | "+p.String(), " ")
	}
	return s
}

// Schema is what columns the rows have.
func (q *Query) Schema() Schema { return schemaOf(q.Pipes, Schema{Columns: messageColumns()}) }

// Messages reports whether the rows are still messages.
func (q *Query) Messages() bool {
	for _, p := range q.Pipes {
		if makesRows(p) {
			return false
		}
	}
	return true
}

// makesRows reports whether the rows of a pipe are its own.
func makesRows(p Pipe) bool {
	switch p.(type) {
	case Stats, Top, Patterns, Uniq, Fields:
		return true
	}
	return false
}

// parser reads pipes. It knows what columns there are, so that a misspelt
// name is an error and not a column without values.
type parser struct {
	src      string
	pos      int
	schema   Schema
	messages bool // rows are messages
}

func (p *parser) errorf(pos int, format string, args ...any) error {
	return &SyntaxError{pos, fmt.Sprintf(format, args...)}
}

func (p *parser) after(pipe Pipe) {
	p.schema = pipe.schema(p.schema)
	p.messages = p.messages && !makesRows(pipe)
}

func (p *parser) skipBlank() {
	for p.pos < len(p.src) && strings.IndexByte(" \t\r\n", p.src[p.pos]) >= 0 {
		p.pos++
	}
}

// peek is the next byte that is not blank, 0 at the end.
func (p *parser) peek() byte {
	if p.skipBlank(); p.pos < len(p.src) {
		return p.src[p.pos]
	}
	return 0
}

// take takes one byte if it is next.
func (p *parser) take(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.pos++
	return true
}

func isKeyword(s string) bool {
	switch strings.ToLower(s) {
	case "by", "as", "from", "asc", "desc":
		return true
	}
	return false
}

// word is the name that is next, without taking it; "" if there is none.
func (p *parser) word() string {
	p.skipBlank()
	return p.src[p.pos : p.pos+extract.NameLength(p.src[p.pos:])]
}

// accept takes a keyword, in any case, if it is next.
func (p *parser) accept(keyword string) bool {
	if !strings.EqualFold(p.word(), keyword) {
		return false
	}
	p.pos += len(keyword)
	return true
}

// name reads a name, in quotes or not.
func (p *parser) name() (string, error) {
	if p.peek() == '"' {
		return p.quoted()
	}
	w := p.word()
	if w == "" || isKeyword(w) {
		return "", p.errorf(p.pos, "a name is expected, such as host")
	}
	p.pos += len(w)
	return w, nil
}

// quoted reads a text in double quotes; the position is on the first.
func (p *parser) quoted() (string, error) {
	text, n, ok := filter.QuotedPrefix(p.src[p.pos:])
	if !ok {
		return "", p.errorf(p.pos, "a quote that is not closed")
	}
	p.pos += n
	return text, nil
}

// column reads the name of a column that there is.
func (p *parser) column() (string, error) {
	p.skipBlank()
	at := p.pos
	name, err := p.name()
	if err != nil {
		return "", err
	}
	return p.known(at, name)
}

// known resolves a name: fields of messages by all their names, and columns.
func (p *parser) known(at int, name string) (string, error) {
	if lists(p.schema.Columns, name) {
		return name, nil
	}
	if p.messages {
		if lower := strings.ToLower(name); lower == syslogd.Pattern || lists(messageColumns(), lower) {
			return lower, nil
		}
		if known, ok := filter.FieldName(name); ok {
			return known, nil
		}
	}
	if p.schema.Open {
		return name, nil
	}
	var names []string
	for _, c := range p.schema.Columns {
		names = append(names, c.Name)
	}
	hint := ""
	if len(names) > 0 {
		hint = fmt.Sprintf("; did you mean %s?", filter.Nearest(name, names))
	}
	return "", p.errorf(at, "no column %q here%s", name, hint)
}

// list reads names with commas between.
func (p *parser) list() ([]string, error) {
	var names []string
	for {
		name, err := p.column()
		if err != nil {
			return nil, err
		}
		if names = append(names, name); len(names) > maxNames {
			return nil, p.errorf(p.pos, "more than %d names", maxNames)
		}
		if !p.take(',') {
			return names, nil
		}
	}
}

// number reads a whole number from 1 on, if one is next.
func (p *parser) number() (int, bool, error) {
	p.skipBlank()
	end := p.pos
	for end < len(p.src) && '0' <= p.src[end] && p.src[end] <= '9' {
		end++
	}
	if end == p.pos {
		return 0, false, nil
	}
	n, err := strconv.Atoi(p.src[p.pos:end])
	if err != nil || n < 1 {
		return 0, false, p.errorf(p.pos, "%s: want a number from 1 on", p.src[p.pos:end])
	}
	p.pos = end
	return n, true, nil
}

// spanOf reads a time span up to a bracket.
func (p *parser) spanOf() (time.Duration, error) {
	p.skipBlank()
	end := strings.IndexByte(p.src[p.pos:], ')')
	if end < 0 {
		return 0, p.errorf(p.pos, "a bracket that is not closed")
	}
	text := strings.TrimSpace(p.src[p.pos : p.pos+end])
	d, err := syslogd.ParseSpan(text)
	if err != nil || d < time.Millisecond {
		return 0, p.errorf(p.pos, "%q: want a time span such as 10s, 5m, 1h or 1d", text)
	}
	p.pos += end + 1
	return d, nil
}

func (p *parser) endOfPipe() error {
	if c := p.peek(); c != 0 && c != '|' {
		return p.errorf(p.pos, "%q where the pipe should end, or go on with \"|\"", p.src[p.pos:min(p.pos+12, len(p.src))])
	}
	return nil
}
