package pages

import (
	"cmp"
	"context"
	"html/template"
	"math"
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
	hostsPerPage = 40
	sparkSpan    = time.Hour // at most; a shorter range of the page is followed
	sparkSteps   = 60
	silentAfter  = 2 * time.Minute
	errorsOver   = 5 * time.Minute
	// goneAfter hides hosts that were withdrawn on purpose, and have said their last:
	// they are no news.
	goneAfter = 15 * time.Minute
	// retiringFor is how long a host that was withdrawn is still at work, or shuts
	// down, since it was last heard of.
	retiringFor = 30 * time.Second
)

// silent is the state of a host that no rule speaks of, and that does not
// speak either.
var silent = Badge{"unknown", "?", "silent"}

// A FleetTable is one page of hosts, the gravest first.
type FleetTable struct {
	Rows       []HostRow
	Matching   int
	Total      int
	Reporting  int // neither withdrawn nor silent
	Silent     int // heard of too long ago, and no rule says so
	Filter     string
	Page       int
	Span       string // of the small graphs, for people
	Prev, Next string // links; "" where there is none
	Err        string
	LogErr     string
}

// A HostRow is one host with its newest figures; NaN where it sends none.
type HostRow struct {
	fleet.Host
	URL                  string
	Badge                Badge
	Why                  string // what the badge stands for
	CPU, Mem, Disk, Load float64
	Errors               float64 // log lines of severity err or worse per minute
	HasErrors            bool
	Stale                bool
	Spark                Figure // of the load
	LoadName             string
}

// fleetTable reads the page of hosts that the URL asks for.
func (p *Pages) fleetTable(ctx context.Context, q url.Values, f Frame) FleetTable {
	t := FleetTable{Filter: strings.TrimSpace(q.Get("hosts"))}
	all := p.hosts(f.Now)
	t.Total = len(all)
	for _, h := range all {
		if h.Badge == silent {
			t.Silent++
		}
		if h.Withdrawn.IsZero() && !h.Stale {
			t.Reporting++
		}
	}
	want := strings.ToLower(t.Filter)
	rows := slices.DeleteFunc(all, func(h HostRow) bool {
		return !strings.Contains(strings.ToLower(h.ID+" "+h.Group+" "+h.Badge.Text), want)
	})
	t.Matching = len(rows)
	last := max(0, (len(rows)-1)/hostsPerPage)
	t.Page, _ = strconv.Atoi(q.Get("page")) // anything else is the first page
	t.Page = min(max(t.Page, 0), last)
	link := func(n int) string {
		return "/?" + f.Range.Query() + "&hosts=" + url.QueryEscape(t.Filter) + "&page=" + strconv.Itoa(n) + "#fleet"
	}
	if t.Page > 0 {
		t.Prev = link(t.Page - 1)
	}
	if t.Page < last {
		t.Next = link(t.Page + 1)
	}
	t.Rows = rows[t.Page*hostsPerPage : min(len(rows), (t.Page+1)*hostsPerPage)]
	past := min(f.Range.Span(), sparkSpan).Round(time.Second)
	t.Span = span(past)
	t.Err = p.failed("Metrics", p.fillRows(ctx, t.Rows, f.Now, past))
	t.LogErr = p.failed("Log errors", p.fillErrors(ctx, t.Rows, f.Now))
	return t
}

// hosts lists all hosts with their state, from memory alone.
func (p *Pages) hosts(now time.Time) []HostRow {
	if p.deps.Fleet == nil {
		return nil
	}
	worst := make(map[string]alerts.View)
	for _, v := range p.views() {
		id := v.Labels.Get("host")
		if _, ok := worst[id]; !ok && id != "" { // views come gravest first
			worst[id] = v
		}
	}
	var rows []HostRow
	for _, h := range p.deps.Fleet.Hosts() {
		if hidden(h, now) {
			continue
		}
		v, ok := worst[h.ID]
		rows = append(rows, hostRow(h, v, ok, now))
	}
	slices.SortFunc(rows, func(a, b HostRow) int {
		return cmp.Or(cmp.Compare(rank(b.Badge), rank(a.Badge)), strings.Compare(a.Group, b.Group), natural(a.ID, b.ID))
	})
	return rows
}

// hidden says whether a host that was withdrawn is no news any more: as long as it
// says something it is, whenever it was withdrawn.
func hidden(h fleet.Host, now time.Time) bool {
	return !h.Withdrawn.IsZero() && now.Sub(latest(h.Withdrawn, h.LastSeen, h.LastLog)) > goneAfter
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

func rank(b Badge) int {
	return map[string]int{"critical": 6, "unknown": 5, "warning": 4, "soft": 3, "acked": 2, "quiet": 1, "gone": -1}[b.Class]
}

func hostRow(h fleet.Host, v alerts.View, checked bool, now time.Time) HostRow {
	nan := math.NaN()
	row := HostRow{Host: h, URL: "/hosts/" + url.PathEscape(h.ID), CPU: nan, Mem: nan, Disk: nan, Load: nan, Badge: statusBadge(alerts.OK)}
	newest := latest(h.LastSeen, h.LastLog)
	row.Stale = now.Sub(newest) > silentAfter
	switch {
	case !h.Withdrawn.IsZero() && now.Sub(newest) <= retiringFor:
		row.Badge, row.Why = Badge{"gone", "○", "retiring"}, "retired on purpose, and not over yet: "+h.Reason
	case !h.Withdrawn.IsZero():
		row.Badge, row.Why = Badge{"gone", "○", "retired"}, "retired on purpose "+ago(now, h.Withdrawn)+": "+h.Reason
	case checked && v.Status != alerts.OK:
		row.Badge, row.Why = badge(v), v.Rule
	case newest.IsZero(): // what it sent before is not in memory
		row.Badge, row.Why = silent, "not heard of since rondo started"
	case row.Stale:
		row.Badge, row.Why = silent, "last heard of "+ago(now, newest)
	}
	return row
}

// natural orders web-2 before web-10.
func natural(a, b string) int {
	x, y := strings.TrimRight(a, "0123456789"), strings.TrimRight(b, "0123456789")
	if x == y && len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// rowMetrics are the names that the table shows.
var rowMetrics = []string{"cpu_free_percent", "mem_used_percent", "disk_used_percent", "run_queue", "load1"}

// named narrows a host's selector to some metrics.
func named(h fleet.Host, names []string) []rrd.Matcher {
	alt := "(?:" + strings.Join(names, "|") + ")"
	if h.Template != "" {
		return []rrd.Matcher{{Label: rrd.NameLabel, Op: rrd.Regexp, Value: regexp.QuoteMeta(h.Template) + alt}}
	}
	return append(h.Selector(), rrd.Matcher{Label: rrd.NameLabel, Op: rrd.Regexp, Value: alt})
}

// metricOf is a series' metric without the host's Graphite prefix.
func metricOf(h fleet.Host, k rrd.Key) string { return strings.TrimPrefix(k.Name(), h.Template) }

// fillRows reads the recent past of each row's host.
func (p *Pages) fillRows(ctx context.Context, rows []HostRow, now time.Time, past time.Duration) error {
	if p.deps.Metrics == nil {
		return nil
	}
	g := newGrid(Range{Start: now.Add(-past), End: now}, sparkSteps)
	for i := range rows {
		if rows[i].LastSeen.Before(now.Add(-past)) {
			continue // nothing to find, so spare the read
		}
		got, _, err := gather(ctx, p.deps.Metrics, named(rows[i].Host, rowMetrics), g, 64)
		if err != nil {
			return err
		}
		rows[i].fill(got, g)
	}
	return nil
}

// fill takes the newest values; of several disks the fullest.
func (r *HostRow) fill(got []gathered, g grid) {
	for _, s := range got {
		v := s.curve.Stats().Last
		switch name := metricOf(r.Host, s.key); name {
		case "cpu_free_percent":
			r.CPU = 100 - v
		case "mem_used_percent":
			r.Mem = v
		case "disk_used_percent":
			if math.IsNaN(r.Disk) || v > r.Disk {
				r.Disk = v
			}
		case "run_queue", "load1":
			if r.LoadName != "run_queue" {
				r.Load, r.LoadName = v, name
				r.Spark = Figure{Start: g.start.Std(), End: g.end.Std(), Times: g.times(), Curves: []Curve{s.curve}}
			}
		}
	}
}

// fillErrors counts the hosts' log errors, in one question for all.
func (p *Pages) fillErrors(ctx context.Context, rows []HostRow, now time.Time) error {
	if p.deps.Logs == nil || len(rows) == 0 {
		return nil
	}
	f, err := filter.Parse("severity<=err")
	if err != nil {
		return err
	}
	facets, err := syslogd.Facets(ctx, p.deps.Logs, syslogd.Query{Filter: f, From: now.Add(-errorsOver), To: now.Add(time.Second)}, "host", 1000)
	if err != nil {
		return err
	}
	byHost := make(map[string]int64, len(facets))
	for _, fc := range facets {
		byHost[fc.Value] = fc.Count
	}
	for i := range rows {
		rows[i].Errors = float64(byHost[rows[i].ID]) / errorsOver.Minutes()
		rows[i].HasErrors = !rows[i].LastLog.IsZero()
	}
	return nil
}

// SparkSVG and SparkTitle are the load as a picture and in words.
func (r HostRow) SparkSVG() template.HTML { return drawSmall(r.Spark, sparkWidth, sparkHeight) }

// SparkTitle tells what the average hides.
func (r HostRow) SparkTitle() string {
	if r.Spark.Empty() {
		return ""
	}
	st := r.Spark.Curves[0].Stats()
	return "lowest " + number(st.Min, "") + ", highest " + number(st.Max, "")
}
