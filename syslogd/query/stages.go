package query

import (
	"cmp"
	"slices"

	"rondo/syslogd/extract"
	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

// each is a stage that changes, passes or drops single rows.
type each struct {
	next stage
	do   func(r *Row) (*Row, error) // nil: drop it
}

func (e *each) put(r *Row) error {
	r, err := e.do(r)
	if r == nil || err != nil {
		return err
	}
	return e.next.put(r)
}

func (e *each) end() error { return e.next.end() }

// limiter ends with the last row that is wanted, not with the one behind it,
// for which a store might search long.
type limiter struct {
	next stage
	left int
}

func (p Limit) start(next stage, _ *run) stage { return &limiter{next, p.N} }

func (l *limiter) put(r *Row) error {
	if l.left == 0 {
		return errDone
	}
	l.left--
	if err := l.next.put(r); err != nil || l.left > 0 {
		return err
	}
	return errDone
}

func (l *limiter) end() error { return l.next.end() }

func (p Fields) start(next stage, _ *run) stage {
	return &each{next, func(r *Row) (*Row, error) {
		out := &Row{cells: make([]cell, 0, len(p.Names))}
		for _, name := range p.Names {
			out.set(name, r.Get(name))
		}
		return out, nil
	}}
}

func (p Extract) start(next stage, _ *run) stage {
	return extracting(next, p.From, func(text string, yield extract.Yield) { p.Pattern.Each(text, yield) })
}

func (p JSON) start(next stage, _ *run) stage {
	return extracting(next, p.From, func(text string, yield extract.Yield) { extract.JSON(text, yield) })
}

func (p Logfmt) start(next stage, _ *run) stage {
	return extracting(next, p.From, func(text string, yield extract.Yield) { extract.Logfmt(text, yield) })
}

// extracting adds what is found in a column.
func extracting(next stage, from string, find func(string, extract.Yield)) stage {
	return &each{next, func(r *Row) (*Row, error) {
		find(r.Get(from).String(), func(name, value string) bool {
			r.set(name, textOf(value))
			return true
		})
		return r, nil
	}}
}

func (p Where) start(next stage, _ *run) stage {
	return &each{next, func(r *Row) (*Row, error) {
		if !matches(p.Filter.Root, r) {
			return nil, nil
		}
		return r, nil
	}}
}

// matches judges a filter over a row. Words, phrases and regular expressions
// look at the column message, and where there is none at all texts.
func matches(e filter.Expr, r *Row) bool {
	switch e := e.(type) {
	case filter.And:
		return !slices.ContainsFunc(e.Terms, func(t filter.Expr) bool { return !matches(t, r) })
	case filter.Or:
		return slices.ContainsFunc(e.Terms, func(t filter.Expr) bool { return matches(t, r) })
	case filter.Not:
		return !matches(e.Term, r)
	case *filter.Field:
		return matchesField(e, r)
	}
	if v := r.Get("message"); v.kind != None {
		return e.Match(&syslog.Message{Text: v.text})
	}
	for _, c := range r.cells {
		if c.value.kind == Text && e.Match(&syslog.Message{Text: c.value.text}) {
			return true
		}
	}
	return false
}

// matchesField compares one column: those of a message as the filter would.
func matchesField(f *filter.Field, r *Row) bool {
	if r.message != nil && !r.hides(f.Name) {
		if _, ok := filter.FieldName(f.Name); ok {
			return f.Match(r.message)
		}
	}
	v := r.Get(f.Name).String()
	switch f.Name {
	case "severity":
		s, err := syslog.ParseSeverity(v)
		return err == nil && f.Match(&syslog.Message{Severity: s})
	case "facility":
		n, err := syslog.ParseFacility(v)
		return err == nil && f.Match(&syslog.Message{Facility: n})
	case "sender":
		return f.Match(&syslog.Message{Sender: parseAddr(v)})
	}
	return f.MatchValue(v)
}

// sorter holds rows, and passes them on in order.
type sorter struct {
	*run
	next stage
	keys []Key
	best int // more are not wanted; 0: all are
	rows []*Row
}

func (p Sort) start(next stage, r *run) stage { return &sorter{run: r, next: next, keys: p.Keys} }

func (s *sorter) put(r *Row) error {
	// Of those that come first, twice as many are kept between two sorts.
	if s.best > 0 && s.best <= s.limits.Held/2 && len(s.rows) >= 2*s.best+64 {
		s.order()
		s.drop(s.best)
	}
	switch {
	case len(s.rows) >= s.limits.Held:
		s.status.cut("held", s.limits.Held, 1)
	case s.hold(r.bytes()):
		s.rows = append(s.rows, r)
	}
	return nil
}

// drop lets go of all rows from the n-th on.
func (s *sorter) drop(n int) {
	for _, r := range s.rows[n:] {
		s.run.bytes -= r.bytes()
	}
	clear(s.rows[n:])
	s.rows = s.rows[:n]
}

// order sorts by the keys; severities by how grave they are.
func (s *sorter) order() {
	slices.SortStableFunc(s.rows, func(a, b *Row) int {
		for _, k := range s.keys {
			c := compareColumn(k.Name, a.Get(k.Name), b.Get(k.Name))
			if k.Desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
}

func compareColumn(name string, a, b Value) int {
	if name == "severity" {
		x, err := syslog.ParseSeverity(a.text)
		y, err2 := syslog.ParseSeverity(b.text)
		if err == nil && err2 == nil {
			return cmp.Compare(x, y)
		}
	}
	return a.compare(b)
}

func (s *sorter) end() error {
	s.order()
	return pour(s.rows, s.next)
}
