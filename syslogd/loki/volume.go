package loki

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/syslog"
)

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
	for _, k := range slices.Sorted(maps.Keys(sums)) {
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
	found, _, err := a.count(ctx, q, start, end, []string{syslogd.Pattern}, step)
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
