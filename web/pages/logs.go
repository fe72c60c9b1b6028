package pages

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/filter"
	"rondo/syslogd/query"
	"rondo/syslogd/syslog"
)

const (
	maxLines  = 200
	maxFacets = 8
	maxText   = 4000 // bytes of one line on a page; the rest is in /api/logs
)

// A LogLine is one message for a page.
type LogLine struct {
	At       time.Time
	Band     string
	Severity string
	Facility string
	Host     string
	HostURL  string // narrows the search to the host
	App      string
	AppURL   string
	PID      string
	Text     string
	Cut      bool
	URL      string // shows the line alone, with its neighbours
	Marked   bool   // it is the line that was asked for
}

// newLogLine copies what it keeps: m's strings are parts of its line.
func newLogLine(m *syslog.Message, r Range) LogLine {
	c := m.Clone()
	l := LogLine{
		At: c.When(), Band: bands[band(c.Severity)].class, Severity: c.Severity.String(), Facility: c.Facility.String(),
		Host: c.Origin(), App: c.App, PID: c.PID, Text: c.Text, URL: lineURL(syslogd.IDOf(m), r),
	}
	if len(l.Text) > maxText {
		l.Text, l.Cut = strings.ToValidUTF8(l.Text[:maxText], ""), true
	}
	l.HostURL = logsURL("host:"+quoteField(l.Host), r)
	l.AppURL = logsURL("app:"+quoteField(l.App), r)
	return l
}

// Time is the line's time to the millisecond.
func (l LogLine) Time() string { return l.At.UTC().Format("01-02 15:04:05.000") }

func logsURL(query string, r Range) string {
	return "/logs?q=" + url.QueryEscape(query) + "&" + r.Query()
}

// A Facet is a field with its most frequent values.
type Facet struct {
	Field  string
	Values []FacetValue
	Err    string
}

// A FacetValue narrows the search when followed.
type FacetValue struct {
	Value    string
	Count    int64
	Share    float64 // of the most frequent value
	With     string  // link that adds the value to the search
	Without  string  // link that excludes it
	Selected bool
}

// A View is a way to look at what matches: a link to the same filter with
// other pipes.
type View struct {
	Label, URL string
	Current    bool
}

// A QueryError shows where a query is wrong.
type QueryError struct {
	Text              string
	Before, At, After string // the query, around the place
}

type logsView struct {
	Frame
	Query    string
	Filter   string // of the query, without pipes
	QueryErr *QueryError
	HasLogs  bool
	Hist     Histogram
	Views    []View
	Facets   []Facet
	List     LogList
	Answer   *Answer // of a query with pipes; nil without
	Plan     *Plan
	PlanURL  string
	Examples []Example
}

// logs searches the log store.
func (p *Pages) logs(w http.ResponseWriter, r *http.Request) {
	if id := r.URL.Query().Get("line"); id != "" && p.deps.Logs != nil {
		p.line(w, r, syslogd.ID(id))
		return
	}
	f := p.frame(r, "logs", "Logs", "q", "marks")
	v := logsView{Frame: f, Query: strings.TrimSpace(r.URL.Query().Get("q")), HasLogs: p.deps.Logs != nil}
	v.Examples = logExamples(f.Range)
	q, err := query.Parse(v.Query)
	if err != nil {
		v.QueryErr = queryError(v.Query, err)
		p.render(w, http.StatusOK, "logs", v)
		return
	}
	if !v.HasLogs {
		p.render(w, http.StatusOK, "logs", v)
		return
	}
	v.Filter = q.Filter.String()
	v.Views = views(q, f.Range)
	v.Hist = p.histogram(r.Context(), q.Filter, v.Query, f.Range, 2*histBins)
	v.Hist.Marks = marks(marked(p.events(f.Range), choose(r.URL.Query(), quietOnPictures()), p.subjectOfFilter(q.Filter)), f.Range)
	if len(q.Pipes) > 0 {
		v.Answer = p.rows(r.Context(), q, f.Range, v.Hist.Marks)
		v.Still = v.Answer.Took > slow
	} else {
		v.Facets = p.facets(r.Context(), q.Filter, f.Range)
		v.List = p.logList(r.Context(), v.Query, f.Range, maxLines)
	}
	v.PlanURL = "/ui/plan?q=" + url.QueryEscape(v.Query) + "&" + f.Range.Query()
	if r.URL.Query().Has("plan") {
		v.Plan = p.plan(r.Context(), q, f.Range)
	}
	p.render(w, http.StatusOK, "logs", v)
}

// queryError cuts a query where it is wrong.
func queryError(text string, err error) *QueryError {
	out := &QueryError{Text: err.Error(), Before: text}
	e, ok := errors.AsType[*query.SyntaxError](err)
	if !ok || e.Offset > len(text) {
		return out
	}
	end := e.Offset + wordLength(text[e.Offset:])
	out.Before, out.At, out.After = text[:e.Offset], text[e.Offset:end], text[end:]
	if out.At == "" {
		out.At = " "
	}
	return out
}

// wordLength is how far a word goes, at least one character.
func wordLength(s string) int {
	for i, c := range s {
		if i > 0 && strings.ContainsRune(" \t\"()|,", c) {
			return i
		}
	}
	return len(s)
}

func logExamples(r Range) []Example {
	var out []Example
	for _, q := range []string{
		"severity<=err", "host:(web* or db1)", "app:sshd failed", `"timed out" -"health check"`, "/HTTP\\/1.. 5[0-9][0-9]/",
		"severity<=err | top 10 app", "| patterns 20", `app:nginx | stats count() by host, bin(1m)`,
	} {
		out = append(out, Example{q, logsURL(q, r)})
	}
	return out
}

// views are other looks at what a query's filter finds.
func views(q *query.Query, r Range) []View {
	rate := func(field string) string {
		return query.Stats{Aggs: []query.Agg{{Func: "count", As: "count"}}, By: []string{field}, Bin: r.Step(60)}.String()
	}
	var out []View
	now := q.Canonical()
	for _, x := range []struct{ label, pipe string }{
		{"Lines", ""}, {"Patterns", "patterns 100"}, {"Hosts", "top 50 host"}, {"Programs", "top 50 app"},
		{"Hosts over time", rate("host")}, {"Programs over time", rate("app")},
	} {
		text, canonical := q.Filter.String(), q.Filter.Canonical()
		if x.pipe != "" {
			text, canonical = strings.TrimSpace(text+" | "+x.pipe), strings.TrimSpace(canonical+" | "+x.pipe)
		}
		out = append(out, View{x.label, logsURL(text, r), canonical == now})
	}
	return out
}

// facets counts all matches by each field.
func (p *Pages) facets(ctx context.Context, flt *filter.Filter, r Range) []Facet {
	var out []Facet
	for _, field := range []string{"severity", "host", "app", "facility"} {
		got, err := syslogd.Facets(ctx, p.deps.Logs, syslogd.Query{Filter: flt, From: r.Start, To: r.End}, field, maxFacets)
		fc := Facet{Field: field, Err: p.failed("Counts by "+field, err)}
		for _, g := range got {
			fc.Values = append(fc.Values, newFacetValue(field, g, got[0].Count, flt, r))
		}
		out = append(out, fc)
	}
	return out
}

func newFacetValue(field string, f syslogd.Facet, most int64, flt *filter.Filter, r Range) FacetValue {
	term := fieldTerm(field, f.Value)
	v := FacetValue{Value: f.Value, Count: f.Count, Share: float64(f.Count) / float64(max(most, 1))}
	rest, had := without(flt.String(), term)
	v.Selected = had
	if !had {
		rest = bracketed(flt)
	}
	v.With = logsURL(strings.TrimSpace(rest+" "+term), r)
	v.Without = logsURL(strings.TrimSpace(rest+" -"+term), r)
	if had {
		v.With = logsURL(rest, r) // following a selected value again lets it go
	}
	return v
}

// fieldTerm is the filter that finds one value of a field.
func fieldTerm(field, value string) string {
	if field == "severity" || field == "facility" {
		return field + "=" + value
	}
	return field + ":" + quoteField(value)
}

// bracketed is a filter's text, to which more terms can be added.
func bracketed(f *filter.Filter) string {
	if _, or := f.Root.(filter.Or); or {
		return "(" + f.String() + ")"
	}
	return f.String()
}

// without takes a term out of a query where it stands as a word of its own.
func without(query, term string) (string, bool) {
	padded := " " + query + " "
	rest := strings.Replace(padded, " "+term+" ", " ", 1)
	return strings.TrimSpace(rest), rest != padded
}
