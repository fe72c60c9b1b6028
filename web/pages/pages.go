package pages

import (
	"context"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	gobytes "bytes"

	"rondo/web/static"
)

//go:embed templates/*.html
var templates embed.FS

// budget bounds the time that one page may take to read its stores.
const budget = 10 * time.Second

// Pages renders all pages. It is safe for concurrent use.
type Pages struct {
	deps     Deps
	log      *slog.Logger
	sheets   map[string]*template.Template
	enhanced bool // the graph library was installed before the build
}

// New parses the templates.
func New(deps Deps, log *slog.Logger) (*Pages, error) {
	if deps.System == nil {
		deps.System = func() System { return System{} }
	}
	p := &Pages{deps: deps, log: log, sheets: make(map[string]*template.Template)}
	if _, err := fs.Stat(static.FS(), "vendor/uPlot.esm.js"); err == nil {
		p.enhanced = true
	}
	base, err := template.New("layout").Funcs(funcs()).ParseFS(templates, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	for _, name := range []string{"overview", "host", "explore", "logs", "line", "alerts", "alert", "autoscale", "decision", "role", "error"} {
		t, err := base.Clone()
		if err == nil {
			t, err = t.ParseFS(templates, "templates/"+name+".html")
		}
		if err != nil {
			return nil, fmt.Errorf("pages: %w", err)
		}
		p.sheets[name] = t
	}
	return p, nil
}

func funcs() template.FuncMap {
	return template.FuncMap{
		"num": number, "fixed": fixed, "bytes": bytes, "count": count, "ago": ago, "clock": clock, "span": span,
		"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"svg":   drawFigure,
		"marks": drawMarks,
		"meter": meter,
	}
}

// A Route is one page's pattern (as for [http.ServeMux]) and handler.
type Route struct {
	Pattern string
	Handler http.Handler
	Stream  bool // answers for as long as the reader stays
}

// Routes lists the pages.
func (p *Pages) Routes() []Route {
	page := func(pattern string, h http.HandlerFunc) Route { return Route{Pattern: pattern, Handler: p.bounded(h)} }
	return []Route{
		page("GET /", p.overview),
		page("GET /hosts/{id}", p.host),
		page("GET /explore", p.explore),
		page("GET /logs", p.logs),
		page("GET /alerts", p.alerts),
		page("GET /autoscale", p.autoscale),
		page("GET /autoscale/{group}/decisions/{ref}", p.decision),
		page("GET /roles/{name}", p.role),
		page("GET /graph.svg", p.graphSVG),
		page("GET /graph.png", p.graphPNG),
		page("GET /ui/chart.css", chartCSS),
		page("GET /ui/plan", p.servePlan),
		{Pattern: "GET /ui/tail", Handler: http.HandlerFunc(p.tail), Stream: true},
	}
}

// bounded ends a page's reads after its budget.
func (p *Pages) bounded(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), budget)
		defer cancel()
		h(w, r.WithContext(ctx))
	})
}

// A Frame is what the layout of every page needs.
type Frame struct {
	Title    string
	Page     string // the active entry of the navigation
	Path     string
	Keep     []Param // the page's own parameters, kept when the range changes
	Now      time.Time
	Range    Range
	RangeErr string
	Problems Problems
	System   System
	Enhanced bool
	Still    bool // not made again by itself: that would cost too much
}

// Live says whether the page follows what happens.
func (f Frame) Live() bool { return f.Range.Live() && !f.Still }

// A Param is one parameter of the page's URL.
type Param struct{ Name, Value string }

// frame reads what all pages share. keep names the page's own parameters.
func (p *Pages) frame(r *http.Request, page, title string, keep ...string) Frame {
	now := time.Now()
	sys := p.deps.System()
	f := Frame{Title: title, Page: page, Path: r.URL.Path, Now: now, System: sys, Enhanced: p.enhanced}
	q := r.URL.Query()
	var err error
	if f.Range, err = ParseRange(q, sys.From, now); err != nil {
		f.RangeErr = err.Error()
	}
	for _, name := range keep {
		for _, v := range q[name] {
			if v != "" {
				f.Keep = append(f.Keep, Param{name, v})
			}
		}
	}
	f.Problems = p.problems()
	return f
}

// render writes a page whole or not at all.
func (p *Pages) render(w http.ResponseWriter, status int, name string, view any) {
	var b gobytes.Buffer
	if err := p.sheets[name].ExecuteTemplate(&b, "layout", view); err != nil {
		p.log.Error("page failed", "page", name, "err", err)
		http.Error(w, "this page could not be made; the log of rondo says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the reader may have left; there is no one to tell
}

// renderPart writes a part of a page, for a script that puts it there.
func (p *Pages) renderPart(w http.ResponseWriter, sheet, part string, view any) {
	var b gobytes.Buffer
	if err := p.sheets[sheet].ExecuteTemplate(&b, part, view); err != nil {
		p.log.Error("part of a page failed", "part", part, "err", err)
		http.Error(w, "this part could not be made; the log of rondo says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(b.Bytes()) // the reader may have left; there is no one to tell
}

// Error answers a request that no page is for: as text to programs, as a page
// to people.
func (p *Pages) Error(w http.ResponseWriter, r *http.Request, status int) {
	if strings.HasPrefix(r.URL.Path, "/api/") || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Error(w, http.StatusText(status), status)
		return
	}
	f := p.frame(r, "", http.StatusText(status))
	p.render(w, status, "error", struct {
		Frame
		Status int
		What   string
	}{f, status, "There is no page at " + r.URL.Path + "."})
}

// failed is a store's error in a page's place, for people; the log has it too,
// once per page, since no one else will tell.
func (p *Pages) failed(what string, err error) string {
	if err == nil {
		return ""
	}
	p.log.Warn("page is missing a part", "part", what, "err", err)
	if ctxErr(err) {
		return what + " took longer than " + span(budget) + " to read; choose a shorter range"
	}
	return what + " could not be read: " + err.Error()
}
