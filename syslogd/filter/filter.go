package filter

import (
	"fmt"
	"strings"

	"rondo/syslogd/syslog"
)

// Limits of what Parse accepts. They bound the work of a match, since filters
// arrive over HTTP too.
const (
	MaxLength = 4096 // bytes
	MaxDepth  = 64   // nested brackets and negations
)

// A Filter is a parsed filter. The nil Filter matches everything. It is
// immutable once parsed and may be used by several goroutines.
type Filter struct {
	src  string
	Root Expr // nil matches everything
}

// Parse reads a filter; see the package's grammar. The error is a
// *SyntaxError.
func Parse(s string) (*Filter, error) {
	f, n, err := ParsePrefix(s)
	if err == nil && n < len(s) {
		return nil, &SyntaxError{Offset: n, Msg: `a pipe stands in queries only; to match either, write "or", or (a|b)`}
	}
	return f, err
}

// ParsePrefix reads a filter up to the first "|" outside of brackets, where a
// query (package query) goes on with its pipes, or up to the end. n is how
// many bytes it took.
func ParsePrefix(s string) (f *Filter, n int, err error) { return parsePrefix(&parser{src: s}) }

// ParseRows is ParsePrefix of a filter over rows that a query has made: any
// name is that of a field, and every field has an order. Match knows the
// fields of messages only; who has rows walks the tree.
func ParseRows(s string) (f *Filter, n int, err error) {
	return parsePrefix(&parser{src: s, rows: true})
}

func parsePrefix(p *parser) (*Filter, int, error) {
	root, err := p.parse()
	if err == nil && p.pos > MaxLength {
		err = p.errorf(MaxLength, "longer than %d bytes", MaxLength)
	}
	if err != nil {
		return nil, 0, err
	}
	return &Filter{src: strings.TrimRight(p.src[:p.pos], " \t\r\n"), Root: root}, p.pos, nil
}

// Match reports whether m passes the filter.
func (f *Filter) Match(m *syslog.Message) bool {
	return f == nil || f.Root == nil || f.Root.Match(m)
}

// String returns the text that the filter was parsed from.
func (f *Filter) String() string {
	if f == nil {
		return ""
	}
	return f.src
}

// Canonical returns the filter in one spelling for all equal filters. Parse
// reads it back to the same tree.
func (f *Filter) Canonical() string {
	if f == nil || f.Root == nil {
		return ""
	}
	return f.Root.String()
}

// UnmarshalText parses a filter in a configuration file.
func (f *Filter) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*f = *parsed
	return nil
}

// MarshalText returns the text that the filter was parsed from.
func (f *Filter) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// A SyntaxError says what is wrong with a filter, and where.
type SyntaxError struct {
	Offset int    // bytes before the place
	Msg    string // what is wrong, and what would be right
}

// Error counts the position from 1, as people do.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("filter: position %d: %s", e.Offset+1, e.Msg)
}

// An Expr is a node of the filter's tree: And, Or, Not, Word, Phrase, Regex,
// or Field. The log store walks it to plan a search.
type Expr interface {
	Match(m *syslog.Message) bool
	String() string // canonical
}
