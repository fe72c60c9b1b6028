package filter

import "rondo/syslogd/syslog"

// A Filter is a parsed filter. The nil Filter matches everything.
type Filter struct {
	src  string
	Root Expr // nil matches everything
}

// String returns the text that the filter was parsed from.
func (f *Filter) String() string {
	if f == nil {
		return ""
	}
	return f.src
}

// An Expr is a node of the filter's tree: And, Or, Not, Word, Phrase, Regex,
// or Field. The log store walks it to plan a search.
type Expr interface {
	Match(m *syslog.Message) bool
}
