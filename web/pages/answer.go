package pages

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"rondo/syslogd/filter"
	"rondo/syslogd/query"
)

const (
	maxRows   = 500             // shown; the rest is in /api/logs
	maxRead   = 20_000          // rows that a graph is drawn of
	pageTime  = budget * 8 / 10 // of a query; what it found until then is shown
	slow      = time.Second     // a page that took longer is not made again by itself
	shortCell = 32              // bytes of a text that is not broken
	maxCells  = 24              // columns shown
)

// An Answer is the rows of a query with pipes.
type Answer struct {
	Columns    []AnswerColumn
	Rows       [][]Cell
	Total      int64 // rows, shown or not
	More       bool  // messages that nobody counted
	Figures    []Figure
	Incomplete string
	Notes      []string
	Err        string
	Took       time.Duration
	CSV        bool // it can be had as CSV
}

// An AnswerColumn is the head of a column.
type AnswerColumn struct {
	Name   string
	Number bool
}

// A Cell is one value of a row; a link leads to the messages behind it.
type Cell struct {
	Text, URL string
	Number    bool
	Wide      bool // a text that may be long
	Short     bool // not to be broken
}

// Words say how many rows there are.
func (a *Answer) Words() string {
	n := int64(len(a.Rows))
	if a.More {
		return "newest " + count(n) + " rows"
	}
	if n < a.Total {
		return "first " + count(n) + " of " + count(a.Total) + " rows"
	}
	if a.Total == 1 {
		return "1 row"
	}
	return count(a.Total) + " rows"
}

// rows runs a query for the page; its graphs have these marks.
func (p *Pages) rows(ctx context.Context, q *query.Query, r Range, ms []Mark) *Answer {
	begin := time.Now()
	schema := q.Schema()
	a := &Answer{CSV: !schema.Open}
	if q.Messages() {
		q = q.With(query.Limit{N: maxRows + 1}) // as with lines, the newest will do
	}
	var rows []*query.Row
	o := query.Options{From: r.Start, To: r.End, Limits: query.Limits{Rows: maxRead, Time: pageTime}}
	status, err := q.Run(ctx, p.deps.Logs, o, func(row *query.Row) error {
		rows = append(rows, row)
		return nil
	})
	a.Took = time.Since(begin)
	if err != nil {
		a.Err = p.failed("The answer", err)
		return a
	}
	a.Total, a.Notes, a.Incomplete = status.Rows, status.Notes, status.Words()
	a.More = q.Messages() && len(rows) > maxRows
	if bin := binOf(q); bin > 0 {
		a.Figures = figures(schema, rows, bin, r)
		for i := range a.Figures {
			a.Figures[i].Marks = ms
		}
	}
	t := tabled{q: q, r: r, columns: shownColumns(q, schema, rows[:min(len(rows), maxRows)])}
	for _, c := range t.columns {
		a.Columns = append(a.Columns, AnswerColumn{c.Name, c.Type == query.Number.String()})
	}
	for _, row := range rows[:min(len(rows), maxRows)] {
		a.Rows = append(a.Rows, t.cells(row))
	}
	return a
}

// binOf is the width of the bins that rows are of; 0 if they are of none.
func binOf(q *query.Query) (bin time.Duration) {
	for _, p := range q.Pipes {
		switch p := p.(type) {
		case query.Stats:
			bin = p.Bin
		case query.Top, query.Patterns, query.Uniq:
			bin = 0
		}
	}
	return bin
}

// shownColumns are the columns of a table: of messages, what a line shows,
// with what was extracted between.
func shownColumns(q *query.Query, s query.Schema, rows []*query.Row) []query.Column {
	if !q.Messages() {
		if s.Open {
			s.Columns = appendNew(s.Columns, rows)
		}
		return s.Columns[:min(len(s.Columns), maxCells)]
	}
	var head, more []query.Column
	for _, c := range appendNew(s.Columns, rows) {
		switch c.Name {
		case "time", "host", "severity", "app":
			head = append(head, c)
		case "received", "facility", "pid", "msgid", "sd", "sender", "message", "id":
		default:
			more = append(more, c)
		}
	}
	more = more[:min(len(more), maxCells)]
	return append(append(head, more...), query.Column{Name: "message", Type: query.Text.String()})
}

// appendNew appends the columns that only rows have.
func appendNew(columns []query.Column, rows []*query.Row) []query.Column {
	seen := map[string]bool{}
	for _, c := range columns {
		seen[c.Name] = true
	}
	for _, row := range rows {
		for name := range row.Each {
			if !seen[name] {
				seen[name] = true
				columns = append(slices.Clip(columns), query.Column{Name: name, Type: query.Text.String()})
			}
		}
	}
	return columns
}

// tabled makes cells of rows.
type tabled struct {
	q       *query.Query
	r       Range
	columns []query.Column
}

func (t tabled) cells(row *query.Row) []Cell {
	out := make([]Cell, len(t.columns))
	for i, c := range t.columns {
		v := row.Get(c.Name)
		out[i] = Cell{Text: v.String(), Number: v.Kind() == query.Number, Wide: c.Name == "message" || c.Name == "pattern"}
		if len(out[i].Text) > maxText {
			out[i].Text = strings.ToValidUTF8(out[i].Text[:maxText], "") + " … cut"
		}
		if n, ok := v.Number(); ok && out[i].Number && n == math.Trunc(n) && math.Abs(n) < 1e15 {
			out[i].Text = count(int64(n))
		}
		out[i].Short = len(out[i].Text) <= shortCell
		switch {
		case v.Kind() == query.Time:
			out[i].Text = v.At().UTC().Format("01-02 15:04:05")
			if bin := binOf(t.q); bin >= time.Second {
				out[i].URL = logsURL(t.q.Filter.String(), absolute(v.At(), v.At().Add(bin)))
			}
		case v.Kind() == query.Text:
			out[i].URL = t.link(c.Name, v.String())
		}
	}
	return out
}

// link leads to the messages that have a value; "" where no filter finds them.
func (t tabled) link(column, value string) string {
	term := ""
	if column == "pattern" {
		term = patternTerms(value)
	} else if known, ok := filter.FieldName(column); ok && known == column && len(value) < 500 {
		term = fieldTerm(column, value)
	}
	if term == "" {
		return ""
	}
	if _, err := filter.Parse(term); err != nil {
		return "" // a column of this name, but not of these values
	}
	return logsURL(strings.TrimSpace(bracketed(t.q.Filter)+" "+term), t.r)
}

// slotName is what stands in patterns for what differs.
var slotName = regexp.MustCompile(`<(n|ip|mac|hex|time|\*|\.\.\.)>`)

// patternTerms finds the texts of a pattern: its constants, as phrases.
func patternTerms(pattern string) string {
	var terms []string
	for _, s := range slotName.Split(pattern, -1) {
		s = strings.TrimSpace(s)
		if len(s) >= 3 && len(s) < 500 && strings.ContainsFunc(s, isLetter) && len(terms) < 6 {
			terms = append(terms, filter.Quote(s))
		}
	}
	return strings.Join(terms, " ")
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= 0x80 }

// A Plan is how a query was answered, for people.
type Plan struct {
	Steps, Lines []string
	Err          string
}

// plan runs the query once more, to tell how.
func (p *Pages) plan(ctx context.Context, q *query.Query, r Range) *Plan {
	e, err := q.Explain(ctx, p.deps.Logs, query.Options{From: r.Start, To: r.End}, maxLines)
	if err != nil {
		return &Plan{Err: p.failed("The plan", err)}
	}
	return &Plan{Steps: e.Steps, Lines: e.Lines()}
}

// servePlan answers with the plan of a query as a part of the page.
func (p *Pages) servePlan(w http.ResponseWriter, r *http.Request) {
	q, err := query.Parse(r.URL.Query().Get("q"))
	span, rangeErr := ParseRange(r.URL.Query(), "", time.Now())
	if err := cmp.Or(err, rangeErr); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if p.deps.Logs == nil {
		http.Error(w, "no log store is configured", http.StatusNotFound)
		return
	}
	p.renderPart(w, "logs", "plan", p.plan(r.Context(), q, span))
}
