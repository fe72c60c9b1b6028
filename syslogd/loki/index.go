package loki

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
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

// groups counts the streams that a selector matches.
func (a *API) groups(ctx context.Context, q *logQuery, start, end time.Time, bin time.Duration) ([]streamGroup, error) {
	t, err := translate(q, lookupIn(ctx, a.Logs, start, end))
	if err != nil {
		return nil, err
	}
	f, _ := fieldsOf(nil, true)
	found, err := a.Logs.Count(ctx, syslogd.Query{Filter: t.filter, From: start, To: end, Origin: start}, f.fields, bin)
	if err != nil {
		return nil, err
	}
	var list []streamGroup
	for _, g := range found {
		labels := f.labels(g.Values)
		if t.exact || q.matchesLabels(labels) {
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
	t, err := translate(q, lookupIn(ctx, a.Logs, start, end))
	if err != nil {
		return nil, err
	}
	found, err := a.Logs.Count(ctx, syslogd.Query{Filter: t.filter, From: start, To: end}, []string{"sd." + labelsID}, 0)
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
	t, err := translate(q, lookupIn(ctx, a.Logs, start, end))
	if err != nil {
		return nil, err
	}
	f, _ := fieldsOf(&[]string{name}, true)
	found, err := a.Logs.Count(ctx, syslogd.Query{Filter: t.filter, From: start, To: end}, f.fields, 0)
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
	for _, k := range sortedKeys(found) {
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

// indexStats answers how much a selector matches. Lines are exact; bytes are
// lines of mean length.
func (a *API) indexStats(ctx context.Context, _ *http.Request, p *params) (any, error) {
	start, end := p.span(indexSpan)
	q := p.selector("query")
	if p.err != nil {
		return nil, nil
	}
	groups, err := a.groups(ctx, q, start, end, 0)
	if err != nil {
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
	start, end := p.span(indexSpan)
	q := p.selector("query")
	if p.err != nil {
		return nil, nil
	}
	groups, err := a.groups(ctx, q, start, end, 0)
	if err != nil {
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
	for _, name := range sortedKeys(values) {
		list = append(list, labelJSON{name, len(values[name])})
	}
	return map[string]any{"detectedLabels": list}, nil
}

// volume answers how many bytes streams have, as an instant vector.
func (a *API) volume(ctx context.Context, _ *http.Request, p *params) (any, error) {
	start, end := p.span(indexSpan)
	e := &evaluation{start: end.UnixNano(), step: 1, n: 1}
	r, err := a.volumes(ctx, p, start, end, 0, e)
	return succeed(queryData{ResultType: "vector", Result: e.vector(r)}), err
}

// volumeRange is volume step by step, as a matrix.
func (a *API) volumeRange(ctx context.Context, _ *http.Request, p *params) (any, error) {
	start, end := p.span(indexSpan)
	step := p.step(start, end)
	if p.err != nil {
		return nil, nil
	}
	e := &evaluation{start: start.UnixNano(), step: int64(step), n: int(end.Sub(start)/step) + 1}
	r, err := a.volumes(ctx, p, start, end, step, e)
	return succeed(queryData{ResultType: "matrix", Result: e.matrix(r)}), err
}

// volumes sums up streams by the labels of the selector, or those of
// targetLabels; with aggregateBy=labels by their names.
func (a *API) volumes(ctx context.Context, p *params, start, end time.Time, bin time.Duration, e *evaluation) (result, error) {
	q, limit := p.selector("query"), p.limit(defaultLimit, maxSeries)
	if p.err != nil {
		return result{}, nil
	}
	groups, err := a.groups(ctx, q, start, end, bin)
	if err != nil {
		return result{}, err
	}
	sums, names := map[string]series{}, targets(q, p.Get("targetLabels"))
	for _, g := range groups {
		i := 0
		if bin > 0 {
			i = int(g.start.Sub(start) / bin)
		}
		for _, labels := range volumeLabels(g.labels, names, p.Get("aggregateBy") == "labels") {
			k := labelsJSON(labels).key()
			if _, ok := sums[k]; !ok {
				if err := e.room(len(sums) + 1); err != nil {
					return result{}, err
				}
				sums[k] = e.nothing(labels)
			}
			v := &sums[k].values[i]
			if isAbsent(*v) {
				*v = 0
			}
			*v += float64(int64(float64(g.count) * a.lineBytes()))
		}
	}
	return largest(sums, limit), nil
}

// nothing is a series without a value.
func (e *evaluation) nothing(labels []label) series {
	s := series{labels, make([]float64, e.n)}
	for i := range s.values {
		s.values[i] = absent()
	}
	return s
}

// targets are the labels that volumes go by.
func targets(q *logQuery, chosen string) []string {
	if chosen != "" {
		return strings.Split(chosen, ",")
	}
	var names []string
	for _, m := range q.matchers {
		names = append(names, m.name)
	}
	return names
}

func volumeLabels(labels []label, names []string, each bool) [][]label {
	m := groupMessage(labels)
	var chosen []label
	for _, n := range names {
		if v := (&record{msg: m}).value(n); v != "" {
			chosen = append(chosen, label{n, v})
		}
	}
	if chosen = sorted(chosen); !each {
		return [][]label{chosen}
	}
	var list [][]label
	for _, l := range chosen {
		list = append(list, []label{{l.name, ""}})
	}
	return list
}

// groupMessage is a message of a stream.
func groupMessage(labels []label) *syslog.Message {
	s, _ := parseLevel(first(labels, []string{"level"}))
	f, _ := syslog.ParseFacility(first(labels, []string{"facility"}))
	own := func(l label) bool { return native(l.name) != ofSD }
	return &syslog.Message{
		Host: first(labels, []string{"host"}), App: first(labels, []string{"app"}), Severity: s, Facility: f,
		SD: element(labelsID, slices.DeleteFunc(slices.Clone(labels), own)),
	}
}

// largest keeps the series of the largest sums.
func largest(sums map[string]series, limit int) result {
	total := func(s series) (sum float64) {
		for _, v := range s.values {
			if !isAbsent(v) {
				sum += v
			}
		}
		return sum
	}
	var out result
	for _, k := range sortedKeys(sums) {
		out.series = append(out.series, sums[k])
	}
	slices.SortStableFunc(out.series, func(a, b series) int { return cmp.Compare(total(b), total(a)) })
	out.series = out.series[:min(limit, len(out.series))]
	return out
}

// patterns answers how often each pattern of lines occurs, step by step. Loki
// writes <_> where rondo names what stands there.
func (a *API) patterns(ctx context.Context, _ *http.Request, p *params) (any, error) {
	start, end := p.span(indexSpan)
	step := p.step(start, end)
	q := p.selector("query")
	if p.err != nil {
		return nil, nil
	}
	t, err := translate(q, lookupIn(ctx, a.Logs, start, end))
	if err != nil {
		return nil, err
	}
	found, err := a.Logs.Count(ctx, syslogd.Query{Filter: t.filter, From: start, To: end, Origin: start}, []string{syslogd.Pattern}, step)
	if err != nil {
		return nil, err
	}
	type pattern struct {
		Pattern string     `json:"pattern"`
		Samples [][2]int64 `json:"samples"` // seconds, count
	}
	list, index := []*pattern{}, map[string]*pattern{}
	for _, g := range found {
		x := index[g.Values[0]]
		if x == nil {
			x = &pattern{Pattern: placeholder(g.Values[0])}
			index[g.Values[0]], list = x, append(list, x)
		}
		x.Samples = append(x.Samples, [2]int64{g.Start.Unix(), g.Count})
	}
	return succeed(list), nil
}

// placeholder writes <_> for <name>.
func placeholder(s string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "<")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		name, after, ok := strings.Cut(rest, ">")
		if ok && (name == "*" || isLabelName(name)) {
			b.WriteString("<_>")
			s = after
		} else {
			b.WriteByte('<')
			s = rest
		}
	}
}
