package promql

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// Handler serves the query part of Prometheus' HTTP API under /api/v1/, to the
// letter that Grafana's Prometheus data source reads:
//
//	GET POST  query query_range labels series format_query
//	GET       label/{name}/values metadata status/buildinfo
func (e *Engine) Handler() http.Handler {
	mux := http.NewServeMux()
	for path, h := range map[string]endpoint{
		"query":        e.serveQuery,
		"query_range":  e.serveRange,
		"labels":       e.serveLabels,
		"series":       e.serveSeries,
		"format_query": e.serveFormat,
	} {
		mux.Handle("GET /api/v1/"+path, serve(h))
		mux.Handle("POST /api/v1/"+path, serve(h))
	}
	mux.Handle("GET /api/v1/label/{name}/values", serve(e.serveValues))
	mux.Handle("GET /api/v1/metadata", serve(e.serveMetadata))
	mux.Handle("GET /api/v1/status/buildinfo", serve(e.serveBuild))
	return mux
}

// A reply is what an endpoint found: data writes it, done frees it.
type reply struct {
	data     func(*jsonWriter)
	warnings []string
	infos    []string
	done     func()
}

// An endpoint answers a request. Every error is made before anything is
// written, so that it can still choose the status.
type endpoint func(r *http.Request, p *params) (reply, error)

func serve(h endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := readParams(w, r)
		if p.err != nil {
			writeError(w, p.err)
			return
		}
		found, err := h(r, p)
		if err != nil {
			writeError(w, err)
			return
		}
		if found.done != nil {
			defer found.done()
		}
		w.Header().Set("Content-Type", "application/json")
		j := &jsonWriter{w: w}
		j.raw(`{"status":"success","data":`)
		found.data(j)
		j.notes("warnings", found.warnings)
		j.notes("infos", found.infos)
		j.raw("}")
		_ = j.flush() // who asked has gone: there is nobody to tell
	})
}

// writeError writes an error in Prometheus' shape and status.
func writeError(w http.ResponseWriter, err error) {
	kind := Internal
	if e, ok := errors.AsType[*Error](err); ok {
		kind, err = e.Kind, e.Err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(kind.Status())
	j := &jsonWriter{w: w}
	j.raw(`{"status":"error","errorType":"` + string(kind) + `","error":`)
	j.text(err.Error())
	j.raw("}")
	_ = j.flush()
}

func (e *Engine) serveQuery(r *http.Request, p *params) (reply, error) {
	limit, at := p.limit(), p.time("time", time.Now())
	ctx, cancel := p.context(r)
	defer cancel()
	if p.err != nil {
		return reply{}, p.err
	}
	a, err := e.instant(ctx, p.Get("query"), at)
	return a.reply(limit), err
}

func (e *Engine) serveRange(r *http.Request, p *params) (reply, error) {
	limit := p.limit()
	start, end := p.time("start", time.Time{}), p.time("end", time.Time{})
	step := p.duration("step")
	ctx, cancel := p.context(r)
	defer cancel()
	if p.err != nil {
		return reply{}, p.err
	}
	if err := checkRange(start, end, step); err != nil {
		return reply{}, err
	}
	a, err := e.overRange(ctx, p.Get("query"), start, end, step)
	return a.reply(limit), err
}

// context is the request's, for no longer than its timeout parameter.
func (p *params) context(r *http.Request) (context.Context, context.CancelFunc) {
	if p.Get("timeout") == "" {
		return context.WithCancel(r.Context())
	}
	return context.WithTimeout(r.Context(), p.duration("timeout"))
}

// reply writes an answer, of which no more than limit series.
func (a *answer) reply(limit int) reply {
	if a == nil {
		return reply{}
	}
	value, warnings := a.value, a.warnings
	var cut []string
	switch v := a.value.(type) {
	case promql.Vector:
		v, cut = truncate(v, limit)
		value = v
	case promql.Matrix:
		v, cut = truncate(v, limit)
		value = v
	}
	return reply{
		data:     func(j *jsonWriter) { j.value(value) },
		warnings: append(warnings, cut...),
		infos:    a.infos,
		done:     a.close,
	}
}

// serveFormat writes a query as Prometheus' own formatter does.
func (e *Engine) serveFormat(_ *http.Request, p *params) (reply, error) {
	expr, err := parse(p.Get("query"))
	if err != nil {
		return reply{}, err
	}
	return reply{data: func(j *jsonWriter) { j.text(parser.Prettify(expr)) }}, nil
}

// serveBuild tells the version. It names no features: Grafana would take us for
// another product and use endpoints that we have not.
func (e *Engine) serveBuild(*http.Request, *params) (reply, error) {
	return reply{data: func(j *jsonWriter) {
		j.raw("{")
		j.member(true, "version", e.options.Version)
		j.member(false, "revision", e.options.Revision)
		j.member(false, "branch", "")
		j.member(false, "buildUser", "")
		j.member(false, "buildDate", "")
		j.member(false, "goVersion", runtime.Version())
		j.raw("}")
	}}, nil
}
