package pages

import (
	gobytes "bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"rondo/rrd"
	"rondo/web/chart"
)

// graphSVG and graphPNG answer e=&from=&to=&w=&h=&marks= with a picture, for
// wikis and mails. It is marked with what happened to the groups and hosts of its
// series: marks=none has no marks, marks=deploy,scale those alone, marks=all also
// state changes and each instance.
func (p *Pages) graphSVG(w http.ResponseWriter, r *http.Request) {
	p.picture(w, r, "image/svg+xml", chart.SVG)
}

func (p *Pages) graphPNG(w http.ResponseWriter, r *http.Request) {
	p.picture(w, r, "image/png", chart.PNG)
}

func (p *Pages) picture(w http.ResponseWriter, r *http.Request, kind string, draw drawFunc) {
	fig, err := p.pictureFigure(r.Context(), r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	q := r.URL.Query()
	var b gobytes.Buffer
	c := fig.chart(pixels(q.Get("w"), 900, 2400), pixels(q.Get("h"), 320, 1600))
	c.Title, c.Legend, c.Standalone = fig.Title, true, true
	if err := draw(&b, c); err != nil {
		http.Error(w, p.failed("The graph", err), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	// A picture brings its own style and can do nothing else.
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin") // wikis and mails show it
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(b.Bytes()) // the reader may have left
}

func (p *Pages) pictureFigure(ctx context.Context, r *http.Request) (Figure, error) {
	q := r.URL.Query()
	rng, err := ParseRange(q, "", time.Now())
	if err != nil {
		return Figure{}, err
	}
	es := exprs(q)
	if len(es) == 0 {
		return Figure{}, errors.New("e= is missing: the expression to draw")
	}
	if p.deps.Ranger == nil {
		return Figure{}, errors.New("no metric store is configured")
	}
	fig, _ := p.newFigure(rng, exploreSteps)
	var all []rrd.Labels
	fig.Title, fig.Unit = strings.Join(es, "; "), exprUnit(es)
	for _, e := range es {
		a, err := p.answer(ctx, e, rng, exploreSteps)
		if err != nil {
			return Figure{}, err
		}
		fig.Curves = append(fig.Curves, a.curves...)
		for _, s := range a.Series {
			all = append(all, s.Labels)
		}
	}
	fig.Curves = fig.Curves[:min(len(fig.Curves), maxSeries)]
	fig.Marks = marks(marked(p.events(rng), choose(q, quietOnPictures()), p.subjectOf(all)), rng)
	return fig, nil
}

// pixels reads a size within bounds; anything else is the default.
func pixels(s string, def, most int) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 100 {
		return def
	}
	return min(n, most)
}
