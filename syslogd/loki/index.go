package loki

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/syslog"
)

// indexSpan is how far answers about labels look back by default.
const indexSpan = 6 * time.Hour

// streamGroup is a stream, and how many lines it has.
type streamGroup struct {
	labels []label
	start  time.Time // of the bin
	count  int64
}

// count lets the store count what a selector matches, in bins from start on. It
// reports whether that is all that is counted.
func (a *API) count(ctx context.Context, q *logQuery, start, end time.Time, by []string, bin time.Duration) (found []syslogd.Group, exact bool, err error) {
	t, err := translate(q, lookupIn(ctx, a.Logs, start, end))
	if err != nil {
		return nil, false, err
	}
	found, err = a.Logs.Count(ctx, syslogd.Query{Filter: t.filter, From: start, To: end, Origin: start}, by, bin)
	return found, t.exact, err
}

// groups counts the streams that a selector matches.
func (a *API) groups(ctx context.Context, q *logQuery, start, end time.Time, bin time.Duration) ([]streamGroup, error) {
	f, _ := fieldsOf(nil, true)
	found, exact, err := a.count(ctx, q, start, end, f.fields, bin)
	if err != nil {
		return nil, err
	}
	var list []streamGroup
	for _, g := range found {
		labels := f.labels(g.Values)
		if exact || q.matchesLabels(labels) {
			list = append(list, streamGroup{labels, g.Start, g.Count})
		}
	}
	return list, nil
}

// matchesLabels is the last resort where the filter says less than the selector.
func (q *logQuery) matchesLabels(labels []label) bool {
	for i := range q.matchers {
		if m := &q.matchers[i]; !m.matches([]string{first(labels, []string{m.name})}) {
			return false
		}
	}
	return true
}

// labels answers which labels there are.
func (a *API) labels(ctx context.Context, _ *http.Request, p *params) (any, error) {
	start, end := p.span(indexSpan)
	q := p.selector("query")
	if p.err != nil {
		return nil, nil
	}
	found, _, err := a.count(ctx, q, start, end, []string{"sd." + labelsID}, 0)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, g := range found {
		for p := range syslog.SDParams("[" + labelsID + " " + g.Values[0] + "]") {
			names = append(names, p.Name)
		}
	}
	if len(found) > 0 {
		names = append(names, "app", "facility", "host", "level")
	}
	slices.Sort(names)
	return succeed(slices.Compact(names)), nil
}

// labelValues answers which values a label has.
func (a *API) labelValues(ctx context.Context, r *http.Request, p *params) (any, error) {
	start, end := p.span(indexSpan)
	q, name := p.selector("query"), r.PathValue("name")
	if p.err != nil {
		return nil, nil
	}
	if !isLabelName(name) {
		return nil, badQueryf("invalid label name %q", cut(name))
	}
	values, err := a.valuesOf(ctx, q, name, start, end)
	return succeed(values), err
}

func (a *API) valuesOf(ctx context.Context, q *logQuery, name string, start, end time.Time) ([]string, error) {
	f, _ := fieldsOf(&[]string{name}, true)
	found, _, err := a.count(ctx, q, start, end, f.fields, 0)
	if err != nil {
		return nil, err
	}
	values := []string{}
	for _, g := range found {
		for _, l := range f.labels(g.Values) {
			values = append(values, l.value)
		}
	}
	slices.Sort(values)
	return slices.Compact(values), nil
}

// series answers which streams there are.
func (a *API) series(ctx context.Context, _ *http.Request, p *params) (any, error) {
	start, end := p.span(indexSpan)
	selectors := append(p.Values["match[]"], p.Values["match"]...)
	if len(selectors) == 0 {
		return nil, badQueryf("0 matchers in group")
	}
	found := map[string]labelsJSON{}
	for _, s := range selectors {
		q, err := parseSelector(s)
		if err != nil || p.err != nil {
			return nil, err
		}
		groups, err := a.groups(ctx, q, start, end, 0)
		if err != nil {
			return nil, err
		}
		for _, g := range groups {
			l := labelsJSON(g.labels)
			found[l.key()] = l
		}
	}
	list := make([]labelsJSON, 0, len(found))
	for _, k := range slices.Sorted(maps.Keys(found)) {
		list = append(list, found[k])
	}
	return succeed(list), nil
}

// lineBytes is the mean length of a line.
func (a *API) lineBytes() float64 {
	if a.LineBytes == nil {
		return 0
	}
	return a.LineBytes()
}

// selected counts what the selector of a request matches, by labels; nothing
// where p.err says what is wrong with the request.
func (a *API) selected(ctx context.Context, p *params) ([]streamGroup, error) {
	start, end := p.span(indexSpan)
	q := p.selector("query")
	if p.err != nil {
		return nil, nil
	}
	return a.groups(ctx, q, start, end, 0)
}

// indexStats answers how much a selector matches. Lines are exact; bytes are
// lines of mean length.
func (a *API) indexStats(ctx context.Context, _ *http.Request, p *params) (any, error) {
	groups, err := a.selected(ctx, p)
	if err != nil || p.err != nil {
		return nil, err
	}
	lines := int64(0)
	for _, g := range groups {
		lines += g.count
	}
	return map[string]int64{
		"streams": int64(len(groups)), "chunks": int64(len(groups)), "entries": lines, "bytes": int64(float64(lines) * a.lineBytes()),
	}, nil
}

// detectedLabels answers the labels with how many values each has.
func (a *API) detectedLabels(ctx context.Context, _ *http.Request, p *params) (any, error) {
	groups, err := a.selected(ctx, p)
	if err != nil || p.err != nil {
		return nil, err
	}
	values := map[string]map[string]bool{}
	for _, g := range groups {
		for _, l := range g.labels {
			if values[l.name] == nil {
				values[l.name] = map[string]bool{}
			}
			values[l.name][l.value] = true
		}
	}
	type labelJSON struct {
		Label       string `json:"label"`
		Cardinality int    `json:"cardinality"`
	}
	list := []labelJSON{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		list = append(list, labelJSON{name, len(values[name])})
	}
	return map[string]any{"detectedLabels": list}, nil
}
