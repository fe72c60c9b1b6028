package pages

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/filter"
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
}

// newLogLine copies what it keeps: m's strings are parts of its line.
func newLogLine(m *syslog.Message, r Range) LogLine {
	c := m.Clone()
	l := LogLine{
		At: c.When(), Band: bands[band(c.Severity)].class, Severity: c.Severity.String(), Facility: c.Facility.String(),
		Host: c.Origin(), App: c.App, PID: c.PID, Text: c.Text,
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

type logsView struct {
	Frame
	Query    string
	QueryErr string
	HasLogs  bool
	Hist     Histogram
	Facets   []Facet
	List     LogList
	Examples []Example
}

// logs searches the log store.
func (p *Pages) logs(w http.ResponseWriter, r *http.Request) {
	f := p.frame(r, "logs", "Logs", "q")
	v := logsView{Frame: f, Query: strings.TrimSpace(r.URL.Query().Get("q")), HasLogs: p.deps.Logs != nil}
	v.Examples = logExamples(f.Range)
	flt, err := filter.Parse(v.Query)
	if err != nil {
		v.QueryErr = err.Error()
		p.render(w, http.StatusOK, "logs", v)
		return
	}
	v.Hist = p.histogram(r.Context(), flt, v.Query, f.Range, 2*histBins)
	v.Facets = p.facets(r.Context(), flt, v.Query, f.Range)
	v.List = p.logList(r.Context(), v.Query, f.Range, maxLines)
	p.render(w, http.StatusOK, "logs", v)
}

func logExamples(r Range) []Example {
	var out []Example
	for _, q := range []string{"severity<=err", "host:web*", "app:sshd failed", `"timed out" -"health check"`, "/HTTP\\/1.. 5[0-9][0-9]/"} {
		out = append(out, Example{q, logsURL(q, r)})
	}
	return out
}

// facets counts all matches by each field.
func (p *Pages) facets(ctx context.Context, flt *filter.Filter, query string, r Range) []Facet {
	if p.deps.Logs == nil {
		return nil
	}
	var out []Facet
	for _, field := range []string{"severity", "host", "app", "facility"} {
		got, err := syslogd.Facets(ctx, p.deps.Logs, syslogd.Query{Filter: flt, From: r.Start, To: r.End}, field, maxFacets)
		fc := Facet{Field: field, Err: p.failed("Counts by "+field, err)}
		for _, g := range got {
			fc.Values = append(fc.Values, newFacetValue(field, g, got[0].Count, query, r))
		}
		out = append(out, fc)
	}
	return out
}

func newFacetValue(field string, f syslogd.Facet, most int64, query string, r Range) FacetValue {
	term := field + ":" + quoteField(f.Value)
	if field == "severity" || field == "facility" {
		term = field + "=" + f.Value
	}
	v := FacetValue{Value: f.Value, Count: f.Count, Share: float64(f.Count) / float64(max(most, 1))}
	rest, had := without(query, term)
	v.Selected = had
	v.With = logsURL(strings.TrimSpace(rest+" "+term), r)
	v.Without = logsURL(strings.TrimSpace(rest+" -"+term), r)
	if had {
		v.With = logsURL(rest, r) // following a selected value again lets it go
	}
	return v
}

// without takes a term out of a query where it stands as a word of its own.
func without(query, term string) (string, bool) {
	padded := " " + query + " "
	rest := strings.Replace(padded, " "+term+" ", " ", 1)
	return strings.TrimSpace(rest), rest != padded
}
