package filter

import (
	"regexp"
	"strings"

	"rondo/syslogd/syslog"
)

// And matches when all its terms do. Parse gives it two terms or more, none
// of them an And.
type And struct{ Terms []Expr }

// Or matches when one of its terms does. Parse gives it two terms or more,
// none of them an Or.
type Or struct{ Terms []Expr }

// Not matches when its term does not.
type Not struct{ Term Expr }

// Word matches whole words of the text, ignoring case.
type Word struct {
	Text   string // by Lower
	Prefix bool   // the last word may go on
}

// Phrase matches a substring of the text, ignoring case.
type Phrase struct{ Text string } // by Lower

// Regex matches the text, heeding case.
type Regex struct{ Regexp *regexp.Regexp }

// Match implements Expr.
func (e And) Match(m *syslog.Message) bool {
	for _, t := range e.Terms {
		if !t.Match(m) {
			return false
		}
	}
	return true
}

// Match implements Expr.
func (e Or) Match(m *syslog.Message) bool {
	for _, t := range e.Terms {
		if t.Match(m) {
			return true
		}
	}
	return false
}

// Match implements Expr.
func (e Not) Match(m *syslog.Message) bool { return !e.Term.Match(m) }

// Match implements Expr.
func (e Word) Match(m *syslog.Message) bool { return matchWord(m.Text, e.Text, e.Prefix) }

// Match implements Expr.
func (e Phrase) Match(m *syslog.Message) bool {
	start, _ := indexFold(m.Text, e.Text)
	return start >= 0
}

// Match implements Expr.
func (e Regex) Match(m *syslog.Message) bool { return e.Regexp.MatchString(m.Text) }

func (e And) String() string { return join(e.Terms, " ") }
func (e Or) String() string  { return join(e.Terms, " or ") }
func (e Not) String() string { return "-" + enclose(e.Term) }

func (e Word) String() string {
	if e.Prefix {
		return e.Text + "*"
	}
	return e.Text
}

func (e Phrase) String() string { return Quote(e.Text) }
func (e Regex) String() string {
	return "/" + strings.ReplaceAll(e.Regexp.String(), "/", `\/`) + "/"
}

func join(terms []Expr, sep string) string {
	parts := make([]string, len(terms))
	for i, t := range terms {
		parts[i] = enclose(t)
	}
	return strings.Join(parts, sep)
}

// enclose puts brackets around what would otherwise bind differently.
func enclose(e Expr) string {
	switch e.(type) {
	case And, Or, Not:
		if n, ok := e.(Not); ok {
			return "(" + n.String() + ")"
		}
		return "(" + e.String() + ")"
	}
	return e.String()
}
