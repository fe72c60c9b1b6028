package pages

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/alerts/fleet"
	"rondo/rrd"
	"rondo/syslogd"
	"rondo/syslogd/filter"
)

const (
	maxHostSeries = 120
	maxPanels     = 24
	hostSteps     = 240
	maxCurves     = 8
	hostLines     = 30
)

// A panel is a graph of the host page and the metrics that belong on it.
type panel struct {
	title   string
	metrics []string
	unit    string
}

// panels is the order in which an engineer looks.
var panels = []panel{
	{"CPU", []string{"cpu_user_percent", "cpu_system_percent", "cpu_iowait_percent", "cpu_steal_percent"}, "%"},
	{"Free CPU", []string{"cpu_free_percent"}, "%"},
	{"Run queue", []string{"run_queue"}, ""},
	{"Load", []string{"load1", "load5", "load15"}, ""},
	{"Memory used", []string{"mem_used_percent"}, "%"},
	{"Memory available", []string{"mem_available_bytes"}, "B"},
	{"Requests", []string{"requests_per_second"}, "/s"},
	{"Response time", []string{"response_ms"}, "ms"},
	{"Disk used", []string{"disk_used_percent"}, "%"},
	{"Disk traffic", []string{"disk_read_bytes", "disk_written_bytes"}, "B"},
	{"Network", []string{"net_received_bytes", "net_sent_bytes"}, "B"},
	{"Swap used", []string{"swap_used_bytes"}, "B"},
	{"Processes", []string{"processes"}, ""},
	{"Uptime", []string{"uptime_seconds"}, "s"},
}

type hostView struct {
	Frame
	Host    HostRow
	States  []Problem
	Roles   []RoleCard
	Own     []Figure // the panels of its roles
	Figures []Figure
	Shown   int
	More    bool
	Err     string
	Logs    LogList
	HasLogs bool

	Happened EventList
}

// host shows all that is known of one machine.
func (p *Pages) host(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if un, err := url.PathUnescape(id); err == nil {
		id = un
	}
	f := p.frame(r, "overview", id, "events", "marks")
	row, ok, err := p.hostOf(r.Context(), id, f)
	if !ok {
		_ = p.failed("Metrics", err) // the logs may know it, and do not
		p.render(w, http.StatusNotFound, "error", struct {
			Frame
			Status int
			What   string
		}{f, http.StatusNotFound, "No host " + strconv.Quote(id) + " sends metrics or logs, nor is there anything of it in this range."})
		return
	}
	v := hostView{Frame: f, Host: row, HasLogs: p.deps.Logs != nil}
	for _, s := range p.views() {
		if s.Labels.Get("host") == id {
			v.States = append(v.States, problem(s))
		}
	}
	happened := marked(p.events(f.Range), choose(r.URL.Query(), nil), newSubject().about(row.Group, id))
	v.Happened = p.eventList(r, f, happened)
	ms := marks(happened, f.Range)
	p.roleFigures(r.Context(), &v, ms)
	p.hostFigures(r.Context(), &v, ms)
	v.Logs = p.logList(r.Context(), "host:"+quoteField(id), f.Range, hostLines)
	p.render(w, http.StatusOK, "host", v)
}

// hostOf finds a host: in the fleet, else by what it has left behind.
func (p *Pages) hostOf(ctx context.Context, id string, f Frame) (row HostRow, ok bool, err error) {
	rows := p.hosts(f.Now)
	if i := slices.IndexFunc(rows, func(h HostRow) bool { return h.ID == id }); i >= 0 {
		return rows[i], true, nil
	}
	h, ok, err := p.former(ctx, id)
	if !ok {
		h, ok = fleet.Host{ID: id}, len(p.logList(ctx, "host:"+quoteField(id), f.Range, 1).Lines) > 0
	}
	row = hostRow(h, alerts.View{}, false, f.Now)
	row.Badge, row.Why = Badge{"gone", "○", "retired"}, "it is not in the fleet any more"
	return row, ok, err
}

// former finds a host that left the fleet by its series: by their label, else by
// their Graphite path.
func (p *Pages) former(ctx context.Context, id string) (h fleet.Host, ok bool, err error) {
	if p.deps.Index == nil || id == "" {
		return h, false, nil
	}
	if all := p.deps.Fleet; all != nil { // withdrawn, and hidden in lists
		hosts := all.Hosts()
		if i := slices.IndexFunc(hosts, func(h fleet.Host) bool { return h.ID == id }); i >= 0 {
			return hosts[i], true, nil
		}
	}
	keys, err := p.deps.Index.Find(ctx, []rrd.Matcher{{Label: "host", Op: rrd.Equal, Value: id}}, 1)
	if err == nil && len(keys) > 0 {
		return fleet.Host{ID: id, Group: keys[0].Get("group")}, true, nil
	}
	path := []rrd.Matcher{{Label: rrd.NameLabel, Op: rrd.Regexp, Value: `(?:[^.]+\.)+` + regexp.QuoteMeta(id) + `\..+`}}
	if err == nil {
		keys, err = p.deps.Index.Find(ctx, path, 1)
	}
	if err != nil || len(keys) == 0 {
		return h, false, err
	}
	before, _, _ := strings.Cut(keys[0].Name(), "."+id+".")
	return fleet.Host{ID: id, Template: before + "." + id + "."}, true, nil
}

// quoteField writes a value for the filter language.
func quoteField(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !isPlain(r) }) {
		return s
	}
	return filter.Quote(s)
}

func isPlain(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r)
}

// hostFigures reads all of the host's series once and deals them to panels.
func (p *Pages) hostFigures(ctx context.Context, v *hostView, ms []Mark) {
	if p.deps.Metrics == nil {
		return
	}
	g := newGrid(v.Range, hostSteps)
	// What is counted of its log lines has a graph of its own.
	own := append(v.Host.Selector(), rrd.Matcher{Label: rrd.NameLabel, Op: rrd.NotRegexp, Value: "log_.*"})
	got, more, err := gather(ctx, p.deps.Metrics, own, g, maxHostSeries)
	v.Err, v.More, v.Shown = p.failed("Metrics", err), more, len(got)
	for _, pl := range append(slices.Clone(panels), others(v.Host.Host, got)...) {
		shown := slices.ContainsFunc(v.Own, func(f Figure) bool { return f.Title == pl.title }) // by its role
		fig, ok := pl.figure(v.Host.Host, got, g, v.Range)
		if !ok || shown {
			continue
		}
		if len(v.Figures) == maxPanels {
			v.More = true
			break
		}
		fig.ID, fig.Marks = "g"+strconv.Itoa(len(v.Figures)), ms
		fig.Thresholds = thresholds(v.States, pl.metrics)
		v.Figures = append(v.Figures, fig)
	}
	if fig, ok := p.logFigure(ctx, v.Host.ID, v.Range); ok {
		fig.ID, fig.Marks = "g"+strconv.Itoa(len(v.Figures)), ms
		v.Figures = append(v.Figures, fig)
	}
}

// logFigure is how many lines a host logs, by severity.
func (p *Pages) logFigure(ctx context.Context, host string, r Range) (Figure, bool) {
	if p.deps.Ranger == nil {
		return Figure{}, false
	}
	g := newGrid(r, hostSteps)
	window := max(time.Minute, g.step)
	expr := fmt.Sprintf("sum by (severity) (rate(log_messages{host=%q}[%ds]))", host, int(window.Seconds()))
	a, err := p.answer(ctx, expr, r, hostSteps)
	if err != nil || len(a.curves) == 0 {
		_ = p.failed("The graph of log lines", err) // the other graphs stand without
		return Figure{}, false
	}
	for i := range a.curves {
		a.curves[i].Name = a.Series[i].Labels.Get("severity")
	}
	return Figure{
		Title: "Log lines", Unit: "/s", Note: "by severity, in " + span(window),
		Start: r.Start, End: r.End, Times: g.times(), Curves: a.curves,
		Link: "/explore?e=" + url.QueryEscape(expr) + "&" + r.Query(),
	}, true
}

// others makes a panel of each metric that no panel names.
func others(h fleet.Host, got []gathered) []panel {
	known := make(map[string]bool)
	for _, pl := range panels {
		for _, m := range pl.metrics {
			known[m] = true
		}
	}
	var out []panel
	for _, s := range got {
		if m := metricOf(h, s.key); !known[m] {
			known[m] = true
			out = append(out, panel{m, []string{m}, unitOf(m)})
		}
	}
	return out
}

// figure takes the panel's series out of all that were read.
func (pl panel) figure(h fleet.Host, got []gathered, g grid, r Range) (Figure, bool) {
	fig := Figure{Title: pl.title, Unit: pl.unit, Start: r.Start, End: r.End, Times: g.times()}
	row, left := time.Duration(0), 0
	for _, m := range pl.metrics {
		for _, s := range got {
			if metricOf(h, s.key) != m {
				continue
			}
			if len(fig.Curves) == maxCurves {
				left++
				continue
			}
			c := s.curve
			c.Name = curveName(m, s.key, len(pl.metrics) > 1)
			if s.rate && !strings.HasSuffix(fig.Unit, "/s") {
				fig.Unit += "/s"
			}
			row = max(row, s.row)
			fig.Curves = append(fig.Curves, c)
			fig.Link = exploreLink(s.key, s.rate, len(fig.Curves), pl, h, r)
		}
	}
	fig.Note = span(max(row, g.step)) + " points from " + span(row) + " rows"
	if left > 0 {
		fig.Note += fmt.Sprintf(", %d of %d series", maxCurves, maxCurves+left)
	}
	return fig, len(fig.Curves) > 0
}

// curveName is what sets a curve apart from the others of its panel.
func curveName(metric string, k rrd.Key, several bool) string {
	var parts []string
	if several {
		parts = append(parts, short(metric))
	}
	for _, l := range k.Labels() {
		if l.Name != rrd.NameLabel && l.Name != "host" && l.Name != "group" {
			parts = append(parts, l.Value)
		}
	}
	if len(parts) == 0 {
		return short(metric)
	}
	return strings.Join(parts, " ")
}

// short takes off what the panel's title and unit say already.
func short(metric string) string {
	for _, s := range []string{"_percent", "_bytes", "_per_second", "_ms", "_seconds"} {
		metric = strings.TrimSuffix(metric, s)
	}
	for _, s := range []string{"cpu_", "net_", "mem_"} {
		metric = strings.TrimPrefix(metric, s)
	}
	return strings.ReplaceAll(metric, "_", " ")
}

// exploreLink asks for the same as an expression.
func exploreLink(k rrd.Key, rate bool, curves int, pl panel, h fleet.Host, r Range) string {
	expr := k.String()
	if curves > 1 && h.Template == "" && len(pl.metrics) == 1 {
		expr = pl.metrics[0] + "{host=" + strconv.Quote(h.ID) + "}"
	}
	if rate {
		expr = "rate(" + expr + "[5m])"
	}
	return "/explore?e=" + url.QueryEscape(expr) + "&" + r.Query()
}

// thresholds are the raise and clear levels of rules that speak of a metric.
func thresholds(states []Problem, metrics []string) []Threshold {
	var out []Threshold
	for _, s := range states {
		if !slices.ContainsFunc(metrics, func(m string) bool { return selects(s.Expr, m) }) {
			continue
		}
		for _, t := range levels(s.View) {
			if !slices.Contains(out, t) && len(out) < 4 {
				out = append(out, t)
			}
		}
	}
	return out
}

// selects says whether an expression is the metric itself, not something made
// of it: only then is the rule's threshold a level of the graph.
func selects(expr, metric string) bool {
	name, rest, braces := strings.Cut(strings.TrimSpace(expr), "{")
	if name == "" {
		return strings.HasSuffix(rest, "}") && strings.Contains(rest, metric)
	}
	return name == metric && (!braces || strings.HasSuffix(rest, "}"))
}

func levels(v alerts.View) []Threshold {
	if math.IsNaN(v.Raise) {
		return nil
	}
	out := []Threshold{{Name: v.Rule, Value: v.Raise, Kind: "raise"}}
	if v.Clear != v.Raise && !math.IsNaN(v.Clear) {
		out = append(out, Threshold{Name: v.Rule + " clears", Value: v.Clear, Kind: "clear"})
	}
	return out
}

// LogList is some log lines for a page.
type LogList struct {
	Query string
	Lines []LogLine
	More  bool
	Err   string
}

// logList reads the newest lines that match.
func (p *Pages) logList(ctx context.Context, query string, r Range, limit int) LogList {
	l := LogList{Query: query}
	if p.deps.Logs == nil {
		return l
	}
	f, err := filter.Parse(query)
	if err != nil {
		l.Err = err.Error()
		return l
	}
	for m, err := range p.deps.Logs.Search(ctx, syslogd.Query{Filter: f, From: r.Start, To: r.End, Limit: limit + 1}) {
		if err != nil {
			l.Err = p.failed("Log lines", err)
			break
		}
		if len(l.Lines) == limit {
			l.More = true
			break
		}
		l.Lines = append(l.Lines, newLogLine(&m, r))
	}
	return l
}
