package pages

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"rondo/rrd"
	"rondo/rrd/promql"
	"rondo/web/chart"
)

const (
	exploreSteps  = 400
	maxExprs      = 4
	maxExploreLen = 4000 // bytes of one expression
	maxSeries     = 24   // drawn; all are counted
	maxNames      = 200
)

// An Example is something to try.
type Example struct{ Text, URL string }

type exploreView struct {
	Frame
	Exprs    []string
	Figure   Figure
	Rows     []CurveRow
	Series   int // that answered, drawn or not
	Answered []string
	Warnings []string
	Infos    []string
	Errs     []string
	Took     string
	Step     string
	Ready    bool
	Names    []string
	Examples []Example
	GraphURL string
	Happened EventList
}

// A CurveRow is one curve's figures in the table.
type CurveRow struct {
	Name string
	chart.Summary
}

// explore evaluates the expressions of the URL and draws what they answer.
func (p *Pages) explore(w http.ResponseWriter, r *http.Request) {
	f := p.frame(r, "explore", "Explore", "e", "events", "marks")
	v := exploreView{Frame: f, Ready: p.deps.Ranger != nil}
	v.Exprs = exprs(r.URL.Query())
	v.Names = p.names(r.Context())
	v.Examples = p.exploreExamples(v.Names, f.Range)
	if v.Ready && len(v.Exprs) > 0 {
		about := p.evaluate(r.Context(), &v)
		happened := marked(p.events(f.Range), choose(r.URL.Query(), quietOnPages()), about)
		v.Figure.Marks = marks(happened, f.Range)
		v.Happened = p.eventList(r, f, happened)
		v.GraphURL = "?" + url.Values{"e": v.Exprs}.Encode() + "&" + f.Range.Query()
	}
	if len(v.Exprs) == 0 {
		v.Exprs = []string{""}
	}
	p.render(w, http.StatusOK, "explore", v)
}

// exprs reads e= as often as it stands, within bounds.
func exprs(q url.Values) []string {
	var out []string
	for _, e := range q["e"] {
		if e = strings.TrimSpace(e); e != "" && len(e) <= maxExploreLen && len(out) < maxExprs {
			out = append(out, e)
		}
	}
	return out
}

// evaluate fills the figure, the table and what there is to say about them, and
// returns what the series are about.
func (p *Pages) evaluate(ctx context.Context, v *exploreView) *subject {
	began := time.Now()
	var all []rrd.Labels
	v.Figure, v.Step = p.newFigure(v.Range, exploreSteps)
	for _, e := range v.Exprs {
		a, err := p.answer(ctx, e, v.Range, exploreSteps)
		if err != nil {
			v.Errs = append(v.Errs, e+": "+err.Error())
			continue
		}
		v.Series += len(a.curves)
		for _, s := range a.Series {
			all = append(all, s.Labels)
		}
		for _, arch := range a.Answered {
			if text := archiveText(arch); !slices.Contains(v.Answered, text) {
				v.Answered = append(v.Answered, text)
			}
		}
		v.Warnings, v.Infos = append(v.Warnings, a.Warnings...), append(v.Infos, a.Infos...)
		v.Figure.Curves = append(v.Figure.Curves, a.curves...)
	}
	v.Figure.Curves = v.Figure.Curves[:min(len(v.Figure.Curves), maxSeries)]
	v.Figure.Title, v.Figure.Unit = strings.Join(v.Exprs, "; "), exprUnit(v.Exprs)
	for _, c := range v.Figure.Curves {
		v.Rows = append(v.Rows, CurveRow{c.Name, c.Stats()})
	}
	v.Took = strconv.FormatInt(time.Since(began).Milliseconds(), 10) + " ms"
	return p.subjectOf(all)
}

func (p *Pages) newFigure(r Range, steps int) (Figure, string) {
	g := newGrid(r, steps)
	return Figure{ID: "explore", Start: r.Start, End: r.End, Times: g.times(), Tall: true}, span(g.step)
}

// exprUnit is the unit that all expressions share.
func exprUnit(es []string) string {
	u := unitOf(es[0])
	for _, e := range es[1:] {
		if unitOf(e) != u {
			return ""
		}
	}
	return u
}

// answered is a result as curves on a grid.
type answered struct {
	promql.Result
	curves []Curve
}

// answer evaluates one expression on a grid. Where it is a plain selector, its
// lowest and highest values per step make a band: an average alone hides the
// peaks. Only a selector can stand before a window, so asking is the test.
func (p *Pages) answer(ctx context.Context, expr string, r Range, steps int) (answered, error) {
	g := newGrid(r, steps)
	res, err := p.deps.Ranger.Range(ctx, expr, g.first(), g.end.Std(), g.step)
	if err != nil {
		return answered{}, err
	}
	out := answered{Result: res}
	var lo, hi map[rrd.Key][]float64
	if len(res.Series) <= maxSeries {
		lo, hi = p.extreme(ctx, "min_over_time", expr, g), p.extreme(ctx, "max_over_time", expr, g)
	}
	for _, s := range res.Series {
		c := Curve{Name: s.Labels.String(), Avg: g.lay(s)}
		if c.Name == "{}" {
			c.Name = expr
		}
		if k := nameless(s.Labels); lo[k] != nil && hi[k] != nil {
			c.Min, c.Max = lo[k], hi[k]
		}
		out.curves = append(out.curves, c)
	}
	return out, nil
}

// first is the first step's end.
func (g grid) first() time.Time { return g.start.Add(g.step).Std() }

// lay puts a result's points, which stand on the grid's steps, in their places.
func (g grid) lay(s promql.RangeSeries) []float64 {
	out := unknowns(g.len())
	for i, t := range s.Times {
		if k := g.index(t); k >= 0 {
			out[k] = s.Values[i]
		}
	}
	return out
}

// extreme evaluates a selector's lowest or highest values; nothing where expr
// is no selector.
func (p *Pages) extreme(ctx context.Context, fn, expr string, g grid) map[rrd.Key][]float64 {
	window := strconv.FormatInt(int64(g.step/time.Second), 10) + "s"
	res, err := p.deps.Ranger.Range(ctx, fn+"("+expr+"["+window+"])", g.first(), g.end.Std(), g.step)
	if err != nil {
		return nil
	}
	out := make(map[rrd.Key][]float64, len(res.Series))
	for _, s := range res.Series {
		k := nameless(s.Labels)
		if _, twice := out[k]; twice {
			return nil // two names with equal labels: whose band is it?
		}
		out[k] = g.lay(s)
	}
	return out
}

// archiveText says in a sentence which archive answered a selector.
func archiveText(a promql.Answer) string {
	s := a.Selector + ": answered by the archive of " + span(a.Row) + " rows over " + span(a.Span) + ", " +
		count(int64(a.Filled)) + " of " + count(int64(a.Expected)) + " rows known"
	if a.Series != 1 {
		s += " in " + strconv.Itoa(a.Series) + " series"
	}
	switch a.Gaps {
	case 0:
	case 1:
		s += ", 1 gap"
	default:
		s += ", " + strconv.Itoa(a.Gaps) + " gaps"
	}
	return s
}

// nameless identifies a series without its name, which functions take off.
func nameless(ls rrd.Labels) rrd.Key {
	rest := rrd.Labels{{Name: rrd.NameLabel, Value: "x"}}
	for _, l := range ls {
		if l.Name != rrd.NameLabel {
			rest = append(rest, l)
		}
	}
	k, err := rest.Key()
	if err != nil {
		return ""
	}
	return k
}

// names lists metric names for the query box: the first series' ones, since
// there may be millions.
func (p *Pages) names(ctx context.Context) []string {
	if p.deps.Index == nil {
		return nil
	}
	all := []rrd.Matcher{{Label: rrd.NameLabel, Op: rrd.NotEqual, Value: ""}}
	keys, err := p.deps.Index.Find(ctx, all, 10*maxNames)
	if err != nil {
		_ = p.failed("Metric names", err) // the box works without them
		return nil
	}
	var out []string
	for _, k := range keys {
		name := k.Name()
		if strings.ContainsFunc(name, func(r rune) bool { return !isPlain(r) || r == '-' || r == '.' }) {
			name = (rrd.Labels{{Name: rrd.NameLabel, Value: name}}).String()
		}
		if len(out) == 0 || out[len(out)-1] != name {
			out = append(out, name)
		}
		if len(out) == maxNames {
			break
		}
	}
	return out
}

// exploreExamples are expressions that answer here.
func (p *Pages) exploreExamples(names []string, r Range) []Example {
	var es []string
	has := func(part string) bool { return strings.Contains(strings.Join(names, "\n"), part) }
	if has("run_queue") {
		es = append(es, `{__name__=~".*run_queue"}`, `avg({__name__=~"fleet.*run_queue"})`)
	}
	if has("cpu_free_percent") {
		es = append(es, `100 - avg({__name__=~".*cpu_free_percent"})`)
	}
	if has("net_received_bytes") {
		es = append(es, "rate(net_received_bytes[5m])")
	}
	if len(names) > 0 {
		es = append(es, names[0])
	}
	es = append(es, `topk(5, {__name__=~".*load1"})`)
	var out []Example
	for _, e := range es {
		out = append(out, Example{e, "/explore?e=" + url.QueryEscape(e) + "&" + r.Query()})
	}
	return out
}
