package web_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"iter"
	"maps"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"rondo/alerts"
	"rondo/alerts/fleet"
	"rondo/autoscale"
	"rondo/rrd"
	"rondo/syslogd"
	"rondo/syslogd/syslog"
	"rondo/web"
	"rondo/web/static"
)

// everyPage is each page in its usual forms.
var everyPage = []string{
	"/", "/?hosts=web", "/?hosts=nobody", "/hosts/web-1", "/hosts/db-1", "/explore", "/explore?e=load1", "/explore?e=avg(load1)&e=rate(net_received_bytes[5m])",
	"/explore?e=sum(", "/logs", "/logs?q=severity%3C%3Derr", "/logs?q=(", "/logs?q=%7C+patterns", "/logs?q=severity%3C%3Derr+%7C+stats+count()+by+host,+bin(1m)", "/logs?q=app:sshd+%7C+extract+%22from+<ip>+port+<port>%22&plan=1",
	"/logs?q=%7C+top+hots", "/logs?q=%7C+json", "/alerts", "/alerts?state=critical", "/alerts?state=nothing", "/alerts?rule=run-queue", "/alerts?rule=freshness", "/alerts?rule=run-queue&labels=%7Bhost%3D%22web-1%22%7D", "/alerts?rule=run-queue&labels=gone",
	"/autoscale", "/autoscale?group=web", "/autoscale?group=none", "/?from=-7d&to=now", "/?from=tomorrow", "/logs?from=1700000000&to=1700003600",
}

func getPage(t *testing.T, s *web.Server, target string) *httptest.ResponseRecorder {
	t.Helper()
	return ask(s, "GET", target, "Accept", "text/html")
}

var (
	outside     = regexp.MustCompile(`(?i)(https?:)?//[a-z0-9.-]+\.[a-z]{2,}`)
	inlineCode  = regexp.MustCompile(`(?i)<[^>]+\s(on[a-z]+|style)=`)
	inlineBlock = regexp.MustCompile(`(?i)<script(?:\s[^>]*)?>|<style`)
	quoted      = regexp.MustCompile(`"[^"]*"`)
	tables      = regexp.MustCompile(`(?s)<table.*?</table>`)
	images      = regexp.MustCompile(`<img `)
)

// checkPage holds every page to the same laws.
func checkPage(t *testing.T, name, body string) {
	t.Helper()
	bad := func(format string, args ...any) { t.Helper(); t.Error(name + ": " + fmt.Sprintf(format, args...)) }
	plain := strings.ReplaceAll(body, "http://www.w3.org/", "")
	if m := outside.FindString(strings.ReplaceAll(plain, "2026-01-31T14:00:00Z", "")); m != "" {
		bad("names another host: %q", m)
	}
	if m := inlineCode.FindString(quoted.ReplaceAllString(body, `""`)); m != "" {
		bad("inline style or handler, which the policy forbids: %q", m)
	}
	for _, m := range inlineBlock.FindAllString(body, -1) {
		if !strings.Contains(m, `src="/static/`) && m != `<script type="application/json">` {
			bad("inline block: %q", m)
		}
	}
	if n := strings.Count(body, "<h1"); n > 1 {
		bad("%d first headings", n)
	}
	for _, want := range []string{`<html lang="en">`, `<main id="main"`, `class="skip"`, `name="viewport"`, "<title>", "</html>"} {
		if !strings.Contains(body, want) {
			bad("misses %s", want)
		}
	}
	for _, table := range tables.FindAllString(body, -1) {
		if !strings.Contains(table, "<caption") || !strings.Contains(table, `scope="col"`) {
			bad("table without caption or column heads: %.80s", table)
		}
	}
	if strings.Contains(strings.ToLower(body), "from%3d") {
		bad("a link's parameters are escaped twice")
	}
	if images.MatchString(body) {
		bad("image without an inline drawing")
	}
	if strings.Contains(body, "<no value>") || strings.Contains(body, "%!") || strings.Contains(body, "ZgotmplZ") || strings.Contains(body, "NaN") {
		bad("a value that was not meant for people")
	}
}

func TestEveryPageInEveryState(t *testing.T) {
	for state, deps := range map[string]web.Deps{"rich": rich(14), "calm": calm(), "empty": empty(), "none": {}, "failing": failing()} {
		t.Run(state, func(t *testing.T) {
			s := newServer(t, web.Default(), deps)
			for _, target := range everyPage {
				w := getPage(t, s, target)
				noHost := strings.HasPrefix(target, "/hosts/") && (state == "empty" || state == "none")
				if want := map[bool]int{true: 404, false: 200}[noHost]; w.Code != want {
					t.Errorf("%s: status %d, want %d", target, w.Code, want)
				}
				if ct := w.Header().Get("Content-Type"); ct != "text/html; charset=utf-8" {
					t.Errorf("%s: content type %q", target, ct)
				}
				checkPage(t, state+" "+target, w.Body.String())
			}
		})
	}
}

// contains checks what a page of a state says.
func contains(t *testing.T, deps web.Deps, target string, want ...string) {
	t.Helper()
	body := getPage(t, newServer(t, web.Default(), deps), target).Body.String()
	for _, w := range want {
		if !strings.Contains(body, w) {
			t.Errorf("%s misses %q", target, w)
		}
	}
}

func TestPagesSayWhatTheyKnow(t *testing.T) {
	contains(t, rich(14), "/", "2 hard problems", "1 soft", "web-14", "Demo", "in service, 6 desired", "launched 6 instances (2 → 8)", "run queue", `class="chart"`)
	contains(t, rich(14), "/hosts/web-1", "Run queue", "from 10 s rows", `data-chart`, "critical", "i-0a1b2c3d4e5f0000")
	contains(t, rich(14), "/hosts/db-1", "Network", "B/s", "received eth0", "Log lines", "by severity, in 1 m", "err: lowest")
	contains(t, rich(14), "/explore?e=load1", "answered by the archive of 10 s rows over 1 d", "/graph.png?e=load1", "2 series", "<th scope=\"col\" class=\"n\">Max")
	contains(t, rich(14), "/logs?q=severity%3C%3Derr", "upstream timed out", "/ui/tail?q=severity", "host%3Aweb-1")
	contains(t, rich(14), "/alerts", "attempt 2/3", "critical above 4", "warning above 2", "no data", "warning, silenced", "critical, acknowledged", "vendor is on it", "check fails: timeout")
	contains(t, rich(14), "/alerts", "matches nothing", "1 state, 1 problem", " left, or when nothing matches", "rondo alert unsilence k3jxab", "autoscaling pauses",
		"rondo alert unack alertname=checkout-errors host=web-2", "until the status changes")
	contains(t, rich(14), "/alerts", "2, the oldest for", "3 told, 7 retried, 1 refused", "connection refused", "2, 1 held back", ", pager in 1", "rondo alert routes --test")
	contains(t, rich(14), "/alerts?rule=run-queue&labels=%7Bhost%3D%22web-1%22%7D&from=-1h", "What it saw", `id="saw"`, "critical above 4", "critical ends at 1", "Its state", "soft critical",
		"3 until it is hard", "from 30 % of change on", "wiki: Run queue", "ok</span> <span aria-label", "handed to be told", "will be told in", "rondo alert ack -m why alertname=run-queue host=web-1")
	contains(t, rich(14), "/alerts?rule=disk", "silence k3jxab until 2026-01-31T14:00:00Z by ben: new disk on Monday: nobody is told of it")
	contains(t, rich(14), "/alerts?rule=run-queue", "States of run-queue", "All rules")
	contains(t, calm(), "/alerts", "Nothing is wrong.")
	contains(t, empty(), "/alerts", "Nobody is told", "alerts:\n  metrics:", "Nothing is acknowledged")
	contains(t, rich(14), "/autoscale", "Why nothing happens now:", "Held back: cooldown: 2 m 10 s left", "scale out above", "booting", "dry run", "used at most")
}

func TestEmptyPagesHelp(t *testing.T) {
	contains(t, empty(), "/", "No host sends anything yet", "nc -N 127.0.0.1 2003", "logger --server 127.0.0.1 --port 5514", "autoscale:")
	contains(t, empty(), "/logs", "No line matches", "logger --server")
	contains(t, web.Deps{}, "/logs", "udp: 127.0.0.1:5514")
	contains(t, web.Deps{}, "/alerts", "alerts:\n  metrics:")
	contains(t, web.Deps{}, "/autoscale", "out: {above: 4")
	contains(t, web.Deps{}, "/explore", "No metric store")
	contains(t, rich(3), "/hosts/nobody", "No host &#34;nobody&#34;")
	contains(t, rich(3), "/?from=tomorrow", "want -1h, -2d, today", "Showing the default range")
}

func TestFailuresAreSaidInTheirPlace(t *testing.T) {
	contains(t, failing(), "/", "Metrics could not be read: disk is on fire", "The histogram could not be read", "2 hard problems")
	contains(t, failing(), "/hosts/web-1", "Metrics could not be read", "Log lines could not be read")
	contains(t, failing(), "/explore?e=load1", "load1: disk is on fire")
	contains(t, failing(), "/logs", "The histogram could not be read", "Counts by host could not be read")
	contains(t, failing(), "/autoscale", "The group&#39;s metric could not be read", "scale out")
	contains(t, rich(3), "/explore?e=sum(", "parse error")
	contains(t, rich(3), "/logs?q=(", "role=\"alert\"")
}

func TestCalmFleetIsGreen(t *testing.T) {
	deps := calm()
	deps.Fleet = onlyWell{deps.Fleet}
	contains(t, deps, "/", "All is well.", "5 hosts reporting")
	contains(t, calm(), "/", "1 of 6 hosts fell silent")
}

type onlyWell struct{ web.Fleet }

func (o onlyWell) Hosts() []fleet.Host { return o.Fleet.Hosts()[:5] }

// A thousand hosts cost a page of rows.
func TestPageDoesNotGrowWithTheFleet(t *testing.T) {
	deps := rich(4)
	deps.Fleet = manyHosts(1000)
	counting := &countingQuerier{Querier: deps.Metrics}
	deps.Metrics = counting
	s := newServer(t, web.Default(), deps)
	body := getPage(t, s, "/").Body.String()
	if !strings.Contains(body, "showing 40 of 1000") || counting.selects > 40 {
		t.Errorf("%d selects", counting.selects)
	}
	body = getPage(t, s, "/?page=24").Body.String()
	if !strings.Contains(body, "previous") || strings.Contains(body, ">next<") {
		t.Error("the last page has a next one")
	}
	checkPage(t, "past the end", getPage(t, s, "/?page=999999999999").Body.String())
}

type countingQuerier struct {
	rrd.Querier
	selects int
}

func (c *countingQuerier) Select(ctx context.Context, q rrd.Query) iter.Seq2[rrd.Series, error] {
	c.selects++
	return c.Querier.Select(ctx, q)
}

type manyHosts int

func (n manyHosts) Hosts() []fleet.Host {
	out := make([]fleet.Host, n)
	for i := range out {
		out[i] = fleet.Host{ID: "n" + strings.Repeat("i", i%7) + time.Duration(i).String(), LastSeen: time.Now()}
	}
	return out
}

// What the network says must stay text.
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>'{{.}}`

type hostileWorld struct{ broken }

func (hostileWorld) Hosts() []fleet.Host {
	return []fleet.Host{{ID: hostile, Group: hostile, Instance: hostile, LastSeen: time.Now(), LastLog: time.Now()}}
}

func (hostileWorld) Views() []alerts.View {
	return []alerts.View{{Rule: hostile, Labels: label("host", hostile), Status: alerts.Critical, Hard: true, Text: hostile, Expr: hostile}}
}

func (hostileWorld) Supervised(string) (alerts.Supervised, bool) {
	return alerts.Supervised{Expr: hostile, Annotations: map[string]string{hostile: hostile}}, true
}

func (hostileWorld) Silences() []alerts.Silence {
	return []alerts.Silence{{ID: hostile, By: hostile, Comment: hostile, Until: time.Now().Add(time.Hour)}}
}

func (hostileWorld) Downtimes() []alerts.DowntimeView {
	return []alerts.DowntimeView{{Downtime: alerts.Downtime{ID: hostile, Name: hostile, By: hostile, Comment: hostile, TriggeredBy: hostile}}}
}

func (hostileWorld) Queues() []alerts.QueueView { return []alerts.QueueView{{Target: hostile}} }

func (hostileWorld) Transitions(time.Time) []alerts.Transition {
	return []alerts.Transition{{Rule: hostile, Labels: label("host", hostile), To: alerts.Critical, Text: hostile, At: time.Now().Add(-time.Minute)}}
}

func (hostileWorld) Select(_ context.Context, q rrd.Query) iter.Seq2[rrd.Series, error] {
	s := rrd.Series{Key: mustKey("load1", rrd.Label{Name: "host", Value: hostile}, rrd.Label{Name: "x", Value: hostile}), Definition: rrd.DefaultDefinition(), Times: []rrd.Time{rrd.At(time.Now())}}
	for _, c := range q.Columns {
		s.Values[c] = []float64{1}
	}
	return func(yield func(rrd.Series, error) bool) { yield(s, nil) }
}

func (hostileWorld) Search(context.Context, syslogd.Query) iter.Seq2[syslog.Message, error] {
	return func(yield func(syslog.Message, error) bool) {
		yield(syslog.Message{Host: hostile, App: hostile, PID: hostile, Text: hostile + "\x1b[31m\x00\xff", Received: time.Now()}, nil)
	}
}

func (hostileWorld) Count(_ context.Context, _ syslogd.Query, by []string, _ time.Duration) ([]syslogd.Group, error) {
	g := syslogd.Group{Start: time.Now().Add(-time.Minute).Truncate(time.Minute), Count: 1}
	for _, f := range by {
		if f == "severity" {
			g.Values = append(g.Values, "err")
		} else {
			g.Values = append(g.Values, hostile)
		}
	}
	return []syslogd.Group{g}, nil
}

type hostileGroups struct{}

func (hostileGroups) Record(string, string) (autoscale.Record, error) {
	d := autoscale.Decision{At: time.Now(), Group: hostile, Reason: hostile, Held: hostile, Outcome: hostile, Code: hostile, ID: hostile, Policy: hostile, Who: hostile}
	d.Points = []autoscale.Point{{Time: time.Now(), Value: 1}, {Time: time.Now(), Value: 2}}
	d.Guards = []autoscale.Guard{{Name: hostile, Text: hostile, Blocks: true}}
	d.Policies = []autoscale.Wish{{Name: hostile, Reason: hostile, Points: d.Points}}
	return autoscale.Record{Ref: hostile, Hash: hostile, Decision: d, Calls: []autoscale.Call{{Kind: hostile, Outcome: hostile, RequestID: hostile}}}, nil
}

func (hostileGroups) Setup(string, string) (autoscale.Setup, error) {
	return autoscale.Setup{Digest: hostile, Group: autoscale.Group{Name: hostile, Metric: hostile, Title: hostile, Policies: []autoscale.Policy{{Name: hostile, Title: hostile, Metric: "x"}}}}, nil
}

func (hostileGroups) Why(string, time.Time) (autoscale.Why, error) {
	return autoscale.Why{More: autoscale.Against{Text: hostile}, Less: autoscale.Against{Text: hostile}}, nil
}

func (hostileGroups) Audit(string) ([]autoscale.Audit, error) {
	return []autoscale.Audit{{By: hostile, Text: hostile, What: hostile}}, nil
}

func (hostileGroups) Views() []autoscale.View {
	d := autoscale.Decision{At: time.Now().Add(-time.Minute), Direction: autoscale.Out, From: 1, To: 2, Group: hostile, Reason: hostile, Outcome: hostile, RequestID: hostile}
	return []autoscale.View{{Name: hostile, Mode: hostile, Metric: hostile, Title: hostile, StoppedBy: hostile, Instances: []autoscale.Instance{{ID: hostile, Zone: hostile, Phase: hostile, PrivateIP: hostile}}, Last: d, Recent: []autoscale.Decision{d}, Shadow: &autoscale.ShadowView{Decision: d}}}
}

func TestHostileTextStaysText(t *testing.T) {
	w := hostileWorld{}
	deps := web.Deps{Metrics: w, Index: w, Ranger: w, Logs: w, Alerts: w, Fleet: w, Groups: hostileGroups{}}
	deps.System = func() web.System {
		return web.System{
			Version: hostile, Story: hostile, Retention: hostile, Graphite: hostile, Syslog: hostile, Routes: []web.LogRoute{{Name: hostile, To: hostile}},
			Destinations: []web.Destination{{Name: hostile, Kind: hostile, Waiting: 1, Bad: true, State: hostile, Why: hostile}},
		}
	}
	s := newServer(t, web.Default(), deps)
	q := "=" + strings.NewReplacer(`"`, "%22", "<", "%3C", ">", "%3E", " ", "%20", "{", "%7B", "}", "%7D", "'", "%27").Replace(hostile)
	targets := []string{"/", "/?hosts" + q, "/?from" + q, "/explore?e" + q, "/logs", "/logs?q" + q, "/alerts", "/alerts?state" + q, "/alerts?rule" + q, "/autoscale", "/autoscale?group" + q, "/autoscale/x/decisions/y", "/hosts/" + q[1:], "/nope" + q[1:]}
	for _, target := range targets {
		body := getPage(t, s, target).Body.String()
		checkPage(t, target, body)
		if strings.Contains(body, "<script>alert") || strings.Contains(body, "<img") {
			t.Errorf("%s: text became markup", target)
		}
	}
	if body := getPage(t, s, "/hosts/"+q[1:]).Body.String(); !strings.Contains(body, "\\u003cscript\\u003e") {
		t.Error("the host's graph data is missing")
	}
}

func TestSecurityHeaders(t *testing.T) {
	s := newServer(t, web.Default(), rich(3))
	for _, target := range []string{"/", "/static/app.css", "/nope", "/api/nope"} {
		h := getPage(t, s, target).Header()
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
			t.Errorf("%s: policy %q", target, csp)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: may be sniffed", target)
		}
	}
}

func TestPictures(t *testing.T) {
	s := newServer(t, web.Default(), rich(3))
	f := func(target, kind, begins string, status int) {
		t.Helper()
		w := ask(s, "GET", target)
		if w.Code != status || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) || !strings.HasPrefix(w.Body.String(), begins) {
			t.Errorf("%s: %d %s %.40q", target, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
	}
	f("/graph.svg?e=load1", "image/svg+xml", "<svg", 200)
	f("/graph.png?e=load1&w=400&h=200&from=-6h", "image/png", "\x89PNG", 200)
	f("/graph.png?e=load1&w=99999999&h=-4", "image/png", "\x89PNG", 200)
	f("/graph.svg", "text/plain", "e= is missing", 400)
	f("/graph.svg?e=sum(", "text/plain", "", 400)
	f("/graph.svg?e=load1&from=never", "text/plain", "from:", 400)
	if w := ask(newServer(t, web.Default(), web.Deps{}), "GET", "/graph.svg?e=x"); w.Code != 400 {
		t.Errorf("without a store: %d", w.Code)
	}
}

func TestStaticFiles(t *testing.T) {
	s := newServer(t, web.Default(), web.Deps{})
	w := ask(s, "GET", "/static/app.js")
	if w.Code != 200 || !strings.Contains(w.Header().Get("Content-Type"), "javascript") {
		t.Errorf("app.js: %d %s", w.Code, w.Header().Get("Content-Type"))
	}
	if w := ask(s, "GET", "/static/app.js", "If-None-Match", w.Header().Get("ETag")); w.Code != 304 {
		t.Errorf("asked again: %d", w.Code)
	}
	for _, no := range []string{"/static/", "/static/vendor/.keep", "/static/vendor/", "/static/../server.go", "/static/%2e%2e/server.go", "/static/static.go"} {
		if w := ask(s, "GET", no); w.Code == 200 {
			t.Errorf("%s is served", no)
		}
	}
}

// Our files name no other host, so that a page works without any network.
func TestAssetsStayAtHome(t *testing.T) {
	err := fs.WalkDir(static.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(p, "LICENSE") {
			return err
		}
		b, err := fs.ReadFile(static.FS(), p)
		text := strings.ReplaceAll(string(b), "http://www.w3.org/", "")
		if strings.HasPrefix(p, "vendor/") {
			text = regexp.MustCompile(`(?m)^\s*(//|\*|/\*).*$|// https.*$`).ReplaceAllString(text, "") // credits in comments
		}
		if m := outside.FindString(text); m != "" {
			t.Errorf("%s names another host: %q", p, m)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestScriptsParse(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("SKIPPED: node is not installed, so the scripts were not parsed")
	}
	files, err := filepath.Glob("static/*.js")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		cmd := exec.Command(node, "--input-type=module", "--check")
		if cmd.Stdin, err = static.FS().Open(filepath.Base(f)); err != nil {
			t.Fatal(err)
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", f, err, out)
		}
	}
}

func TestLockfileNamesNoRegistry(t *testing.T) {
	b, err := fs.ReadFile(os.DirFS("."), "package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "://") || strings.Contains(string(b), "resolved") {
		t.Error("package-lock.json names where packages were fetched from")
	}
	if !strings.Contains(string(b), `"integrity": "sha512-`) {
		t.Error("package-lock.json holds no checksum")
	}
}

// A line is found again by the link beside it, with its neighbours.
func TestLineAndPlan(t *testing.T) {
	s := newServer(t, web.Default(), rich(5))
	body := getPage(t, s, "/logs?q=app:kernel&from=-2h").Body.String()
	link := regexp.MustCompile(`class="t" href="(/logs[?]line=[^"]*)"`).FindStringSubmatch(body)
	if link == nil {
		t.Fatal("lines have no links")
	}
	alone := getPage(t, s, html.UnescapeString(link[1]))
	checkPage(t, "line", alone.Body.String())
	for _, want := range []string{`id="at"`, "Out of memory", "upstream", "Structured data|Facility", "hosts=all", `data-live="false"`} {
		if !regexp.MustCompile(want).MatchString(alone.Body.String()) {
			t.Errorf("the page of a line misses %q", want)
		}
	}
	for target, want := range map[string]int{"/logs?line=nothing": 400, "/logs?line=mwndpojf-38s4dhr4ktwl": 404, "/ui/plan?q=(": 400} {
		if w := getPage(t, s, target); w.Code != want {
			t.Errorf("%s: status %d, want %d", target, w.Code, want)
		}
	}
	if w := getPage(t, s, "/ui/plan?q=a+%7C+top+app"); w.Code != 200 || !strings.Contains(w.Body.String(), "the store counts") || !strings.Contains(w.Body.String(), "rules them out") {
		t.Errorf("plan: %d %s", w.Code, w.Body.String())
	}
}

func TestQueryAnswers(t *testing.T) {
	contains(t, rich(5), "/logs?q=app:nginx+%7C+top+5+host", " rows</h2>", "app%3Anginx&#43;host%3A", "format=csv")
	contains(t, rich(5), "/logs?q=app:nginx+%7C+stats+count()+by+bin(1m)", `id="answer0"`, "data-chart", "up to")
	contains(t, rich(5), "/logs?q=a+or+b+%7C+top+5+host", "app", "No rows")
	contains(t, rich(5), "/logs?q=%7C+patterns+3", "3 rows", "&lt;n&gt;", "q=%22")
	contains(t, rich(5), "/logs?q=app:sshd+%7C+extract+%22from+%3Cip%3E+port%22", `<th scope="col">ip</th>`, "10.0.9.4")
	contains(t, rich(5), "/logs?q=app:nginx+%7C+top+hots", "<mark>hots</mark>", "did you mean host?")
	contains(t, rich(5), "/logs?q=severity:crit+or+severity:err", "%28severity%3Acrit&#43;or&#43;severity%3Aerr%29&#43;host%3A")
	contains(t, failing(), "/logs?q=%7C+top+app", "The answer could not be read")
}

// A page that takes too long says so instead of hanging.
func TestSlowStoreIsNamed(t *testing.T) {
	deps := rich(3)
	deps.Logs = slowLogs{}
	contains(t, deps, "/logs", "took longer than")
}

type slowLogs struct{ nothing }

func (slowLogs) Count(context.Context, syslogd.Query, []string, time.Duration) ([]syslogd.Group, error) {
	return nil, errors.Join(errors.New("logstore: search"), context.DeadlineExceeded)
}

// Every link of every page leads to a page, over the same range.
func TestLinksLeadSomewhere(t *testing.T) {
	s := newServer(t, web.Default(), rich(5))
	s.Handle("GET /api/logs", echoPath())
	links := regexp.MustCompile(`(?:href|data-url)="(/[^"]*)`)
	seen := make(map[string]bool)
	for _, page := range []string{"/", "/hosts/web-1", "/explore", "/explore?e=load1", "/logs", "/alerts", "/alerts?rule=disk", "/autoscale"} {
		body := getPage(t, s, page+map[bool]string{true: "&", false: "?"}[strings.Contains(page, "?")]+"from=-2h&to=now").Body.String()
		for _, m := range links.FindAllStringSubmatch(body, -1) {
			link := html.UnescapeString(m[1])
			at, err := url.Parse(link)
			if err != nil {
				t.Fatalf("%s: %s: %v", page, link, err)
			}
			kind := at.Path + "?" + strings.Join(slices.Sorted(maps.Keys(at.Query())), "&")
			if seen[kind] || at.Path == "/ui/tail" {
				continue
			}
			seen[kind] = true
			if w := getPage(t, s, strings.TrimSuffix(link, "#"+at.Fragment)); w.Code != 200 {
				t.Errorf("%s links to %s: %d", page, link, w.Code)
			}
			if strings.HasPrefix(at.Path, "/static") || at.Path == "/ui/chart.css" {
				continue
			}
			if from := at.Query().Get("from"); from == "" || at.Query().Get("to") == "" {
				t.Errorf("%s links to %s, which forgets the range", page, link)
			}
		}
	}
	if len(seen) < 20 {
		t.Errorf("only %d sorts of links", len(seen))
	}
}

// TestRoutes: a destination that takes nothing is told on the pages that one
// looks at, and the page of logs has the counts.
func TestRoutes(t *testing.T) {
	contains(t, rich(3), "/", "1 destination takes no messages", "9,020 waiting", "900 dropped", "connection refused", "#destinations")
	contains(t, rich(3), "/logs", "1 destination takes no messages", "store, central, archive", "-90 +1", "900 queue_full")
	if body := getPage(t, newServer(t, web.Default(), calm()), "/").Body.String(); strings.Contains(body, "takes no messages") {
		t.Error("a calm system has a destination that takes nothing")
	}
}
