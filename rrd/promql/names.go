package promql

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"rondo/rrd"
)

// What /api/v1/metadata looks at to tell a metric's type.
const (
	aliveFor = 10 * time.Minute
	maxTypes = 10_000 // names; of further ones the type is not looked up
)

// forEach asks the index with each set of matchers, or once with none.
func forEach[T ~string](sets [][]rrd.Matcher, ask func([]rrd.Matcher) ([]T, error)) ([]T, error) {
	if len(sets) == 0 {
		sets = [][]rrd.Matcher{nil}
	}
	lists := make([][]T, len(sets))
	for i, ms := range sets {
		var err error
		if lists[i], err = ask(ms); err != nil {
			return nil, storeError(err)
		}
	}
	return union(lists...), nil
}

func (e *Engine) serveLabels(r *http.Request, p *params) (reply, error) {
	limit := p.limit()
	p.bounds()
	sets := p.selectors()
	if p.err != nil {
		return reply{}, p.err
	}
	names, err := forEach(sets, func(ms []rrd.Matcher) ([]string, error) {
		return e.index.LabelNames(r.Context(), ms)
	})
	return textsReply(names, limit), err
}

func (e *Engine) serveValues(r *http.Request, p *params) (reply, error) {
	name := r.PathValue("name")
	if strings.HasPrefix(name, "U__") { // how Grafana writes a name that is no identifier
		name = model.UnescapeName(name, model.ValueEncodingEscaping)
	}
	if !model.UTF8Validation.IsValidLabelName(name) {
		return reply{}, &Error{BadData, fmt.Errorf("invalid label name: %q", name)}
	}
	limit := p.limit()
	p.bounds()
	sets := p.selectors()
	if p.err != nil {
		return reply{}, p.err
	}
	values, err := forEach(sets, func(ms []rrd.Matcher) ([]string, error) {
		return e.index.LabelValues(r.Context(), name, ms)
	})
	return textsReply(values, limit), err
}

func textsReply(list []string, limit int) reply {
	list, cut := truncate(list, limit)
	return reply{data: func(j *jsonWriter) { j.texts(list) }, warnings: cut}
}

func (e *Engine) serveSeries(r *http.Request, p *params) (reply, error) {
	limit := p.limit()
	p.bounds()
	sets := p.selectors()
	if p.err == nil && len(sets) == 0 {
		p.err = &Error{BadData, fmt.Errorf("no match[] parameter provided")}
	}
	if p.err != nil {
		return reply{}, p.err
	}
	most := min(cmp.Or(limit, e.options.MaxSeries), e.options.MaxSeries)
	keys, err := forEach(sets, func(ms []rrd.Matcher) ([]rrd.Key, error) {
		return e.index.Find(r.Context(), ms, most+1)
	})
	if err != nil {
		return reply{}, err
	}
	keys, cut := truncate(keys, most)
	return reply{warnings: cut, data: func(j *jsonWriter) {
		j.raw("[")
		for i, k := range keys {
			if i > 0 {
				j.raw(",")
			}
			j.raw("{")
			for n, l := range k.Labels() {
				j.member(n == 0, l.Name, l.Value)
			}
			j.raw("}")
			j.flushIfFull()
		}
		j.raw("]")
	}}, nil
}

// serveMetadata tells the type of each name.
func (e *Engine) serveMetadata(r *http.Request, p *params) (reply, error) {
	limit, name := p.limit(), p.Get("metric")
	if p.err != nil {
		return reply{}, p.err
	}
	var ms []rrd.Matcher
	if name != "" {
		ms = []rrd.Matcher{{Label: rrd.NameLabel, Value: name}}
	}
	names, err := e.index.LabelValues(r.Context(), rrd.NameLabel, ms)
	if err != nil {
		return reply{}, storeError(err)
	}
	names, _ = truncate(names, min(cmp.Or(limit, e.options.MaxSeries), e.options.MaxSeries))
	types := make([]string, len(names))
	now := rrd.At(time.Now())
	for i, n := range names {
		types[i] = "unknown"
		if i < maxTypes {
			types[i] = e.typeOf(r.Context(), n, now)
		}
	}
	return reply{data: func(j *jsonWriter) {
		j.raw("{")
		for i, n := range names {
			if i > 0 {
				j.raw(",")
			}
			j.text(n)
			j.raw(`:[{"type":"` + types[i] + `","help":"","unit":""}]`)
			j.flushIfFull()
		}
		j.raw("}")
	}}, nil
}

// typeOf is a metric's type in Prometheus' words, by the first of its series
// that is alive.
func (e *Engine) typeOf(ctx context.Context, name string, now rrd.Time) string {
	q := rrd.Query{
		Matchers: []rrd.Matcher{{Label: rrd.NameLabel, Value: name}},
		Start:    now.Add(-aliveFor), End: now.Add(aliveFor), Limit: 20,
	}
	for s, err := range e.querier.Select(ctx, q) {
		switch {
		case err != nil:
			return "unknown"
		case s.Definition.Type == rrd.Counter:
			return "counter"
		}
		return "gauge"
	}
	return "unknown"
}
