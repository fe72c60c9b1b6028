package loki

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"rondo/syslogd"
)

// Limits of what detected_fields looks at.
const (
	detectLines  = 1000 // the newest that match
	detectFields = 1000
	detectValues = 1000 // of one field; beyond them it is not counted on
)

// A detected is a field that lines have: structured metadata, or what a parser
// would find.
type detected struct {
	name    string
	values  map[string]bool
	parsers []string
	unit    string // int, float, duration, bytes, boolean, string
}

// detect looks for fields in the newest lines.
func (a *API) detect(ctx context.Context, p *params) (map[string]*detected, error) {
	start, end := p.span(indexSpan)
	q, err := parseQuery(p.Get("query"))
	if err != nil || p.err != nil {
		return nil, err
	}
	lines, ok := q.(*logQuery)
	if !ok {
		return nil, badQueryf("fields are those of lines, not of metrics")
	}
	t, err := translate(lines, lookupIn(ctx, a.Logs, start, end))
	if err != nil {
		return nil, err
	}
	fields, bytes := map[string]*detected{}, 0
	for m, err := range a.Logs.Search(ctx, syslogd.Query{Filter: t.filter, From: start, To: end, Limit: detectLines}) {
		if err != nil {
			return nil, err
		}
		if r := lines.run(&m); r != nil {
			r.detect(fields)
		}
		if bytes += len(m.Text); bytes > maxAnswer {
			break
		}
	}
	return fields, nil
}

// detect adds the fields of one line.
func (r *record) detect(fields map[string]*detected) {
	for _, l := range r.metadata() {
		addDetected(fields, l, "")
	}
	for _, how := range []string{"json", "logfmt"} {
		own := record{msg: r.msg, line: r.line}
		if own.parse(how); own.failed() != "" {
			continue
		}
		for _, l := range own.extracted {
			addDetected(fields, l, how)
		}
		if how == "json" {
			return // whose text has no pairs but by chance
		}
	}
}

func addDetected(fields map[string]*detected, l label, how string) {
	f := fields[l.name]
	if f == nil {
		if len(fields) == detectFields {
			return
		}
		f = &detected{name: l.name, values: map[string]bool{}, unit: unitOf(l.value)}
		fields[l.name] = f
	}
	if len(f.values) < detectValues {
		f.values[l.value] = true
	}
	if how != "" && !slices.Contains(f.parsers, how) {
		f.parsers = append(f.parsers, how)
	}
	if f.unit != unitOf(l.value) {
		f.unit = "string"
	}
}

// unitOf is the type of a value, as Loki names it.
func unitOf(s string) string {
	if _, err := strconv.ParseInt(s, 10, 64); err == nil {
		return "int"
	}
	if s == "true" || s == "false" {
		return "boolean"
	}
	_, u, ok := parseNumber(s)
	switch {
	case !ok:
		return "string"
	case u == duration:
		return "duration"
	case u == size:
		return "bytes"
	}
	return "float"
}

// detectedFields answers which fields lines have.
func (a *API) detectedFields(ctx context.Context, _ *http.Request, p *params) (any, error) {
	limit := p.limit(detectFields, detectFields)
	fields, err := a.detect(ctx, p)
	if err != nil {
		return nil, err
	}
	type fieldJSON struct {
		Label       string   `json:"label"`
		Type        string   `json:"type"`
		Cardinality int      `json:"cardinality"`
		Parsers     []string `json:"parsers"`
	}
	list := []fieldJSON{}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if f := fields[name]; len(list) < limit {
			list = append(list, fieldJSON{name, f.unit, len(f.values), f.parsers})
		}
	}
	return map[string]any{"fields": list, "limit": limit}, nil
}

// detectedValues answers the values of one such field.
func (a *API) detectedValues(ctx context.Context, r *http.Request, p *params) (any, error) {
	limit := p.limit(detectValues, detectValues)
	fields, err := a.detect(ctx, p)
	if err != nil {
		return nil, err
	}
	list := []string{}
	if f := fields[r.PathValue("name")]; f != nil {
		list = slices.Sorted(maps.Keys(f.values))
	}
	return map[string]any{"values": list[:min(limit, len(list))], "limit": limit}, nil
}
