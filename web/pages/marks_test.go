package pages

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts/event"
	"rondo/alerts/fleet"
	"rondo/alerts/state"
	"rondo/rrd"
	"rondo/syslogd"
	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

func texts(es []Event) (out []string) {
	for _, e := range es {
		out = append(out, e.Text)
	}
	return out
}

func TestMarked(t *testing.T) {
	all := []Event{
		{Text: "deploy", Kind: "deploy", Group: "web", Tags: []string{"deploy", "shop"}},
		{Text: "of db", Kind: "deploy", Group: "db"},
		{Text: "of web-1", Kind: "config", Group: "web", Host: "web-1"},
		{Text: "switch", Kind: "incident"},
		{Text: "out", Kind: "out", Group: "web"},
		{Text: "joined", Kind: "joined", Group: "web", Host: "web-2"},
		{Text: "load", Kind: "critical", Host: "web-2"},
	}
	web := func() *subject { return newSubject().about("web", "") }
	for _, c := range []struct {
		marks   string
		quiet   []string
		subject *subject
		want    string
	}{
		{"", quietOnPages(), nil, "deploy, of db, of web-1, switch, out, load"},
		{"", quietOnPictures(), nil, "deploy, of db, of web-1, switch, out"},
		{"all", quietOnPictures(), nil, "deploy, of db, of web-1, switch, out, joined, load"},
		{"none", quietOnPages(), nil, ""},
		{"deploy,none", quietOnPages(), nil, ""},
		{"Deploy, scale", quietOnPictures(), nil, "deploy, of db, out"},
		{"shop", quietOnPictures(), nil, "deploy"},
		{"alert", quietOnPictures(), nil, "load"},
		{"", quietOnPictures(), web(), "deploy, of web-1, switch, out"},
		{"", nil, web().about("", "web-2"), "deploy, switch, out, joined, load"},
		{"", nil, newSubject().about("", "web-1"), "of web-1, switch"},
	} {
		got := strings.Join(texts(marked(all, choose(url.Values{"marks": {c.marks}}, c.quiet), c.subject)), ", ")
		if got != c.want {
			t.Errorf("%q of %+v: %s, want %s", c.marks, c.subject, got, c.want)
		}
	}
}

// someHosts is a fleet of these.
type someHosts []fleet.Host

func (s someHosts) Hosts() []fleet.Host { return s }

func TestSubject(t *testing.T) {
	p := &Pages{deps: Deps{Fleet: someHosts{{ID: "web-1", Group: "web"}, {ID: "db-1"}}}}
	labels := func(pairs ...string) (ls rrd.Labels) {
		for i := 0; i < len(pairs); i += 2 {
			ls = append(ls, rrd.Label{Name: pairs[i], Value: pairs[i+1]})
		}
		return ls
	}
	for _, c := range []struct {
		series []rrd.Labels
		want   *subject
	}{
		{nil, newSubject()},
		{[]rrd.Labels{labels("host", "web-1")}, newSubject().about("web", "web-1")},
		{[]rrd.Labels{labels("__name__", "fleet.web.web-1.load"), labels("host", "db-1")}, newSubject().about("web", "web-1").about("", "db-1")},
		{[]rrd.Labels{labels("group", "db")}, newSubject().about("db", "")},
		{[]rrd.Labels{labels("group", "db"), labels("severity", "err")}, newSubject()}, // a sum over all
	} {
		if d := cmp.Diff(c.want, p.subjectOf(c.series), cmp.AllowUnexported(subject{})); d != "" {
			t.Errorf("%v (-want +got)\n%s", c.series, d)
		}
	}
}

// TestManyMarks has a year of deploys take no more room than a page has, and none
// of them is lost.
func TestManyMarks(t *testing.T) {
	r := Range{Start: noon().AddDate(-1, 0, 0), End: noon()}
	var es []Event
	for i := range 4000 {
		e := Event{At: noon().Add(-time.Duration(i) * 2 * time.Hour), Kind: "deploy", Text: fmt.Sprint("deploy ", i)}
		if i == 5 {
			e.Kind = "incident"
		}
		es = append(es, e)
	}
	got, n := marks(es, r), 0
	mixed := 0
	for _, m := range got {
		n += m.N
		if m.What == "event" && m.Kind == "mark" {
			mixed++
		}
	}
	if len(got) > maxMarks+1 || n != 4000 || got[0].What != "deploy" || !strings.HasSuffix(got[0].Text, " deploys") || mixed != 1 {
		t.Errorf("%d marks of %d events: %+v; %d of several kinds", len(got), n, got[0], mixed)
	}
	if few := marks(es[:3], r); len(few) != 3 || few[2].Text != "deploy 0" || few[2].At != noon().Unix() {
		t.Errorf("%+v", few)
	}
}

func TestSubjectOfFilter(t *testing.T) {
	p := &Pages{deps: Deps{Fleet: someHosts{{ID: "web-1", Group: "web"}, {ID: "web-2", Group: "web"}, {ID: "db-1", Group: "db"}}}}
	for _, c := range []struct {
		filter string
		want   *subject
	}{
		{"", newSubject()},
		{"severity<=err app:nginx -noise", newSubject()},
		{"host:web-1 failed", newSubject().about("web", "web-1")},
		{"host:WEB* app:nginx", newSubject().about("web", "web-1").about("web", "web-2").about("", "WEB*")},
		{"-host:db-1", newSubject().about("web", "web-1").about("web", "web-2")},
		{"host:(web-1 or db-1) -(host:db-1 severity=debug)", newSubject().about("web", "web-1").about("db", "db-1")},
		{"host:db-1 or oops", newSubject().about("web", "web-1").about("web", "web-2").about("db", "db-1")},
		{"host=router", newSubject().about("", "router")},
	} {
		f, err := filter.Parse(c.filter)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, p.subjectOfFilter(f), cmp.AllowUnexported(subject{})); d != "" {
			t.Errorf("%s (-want +got)\n%s", c.filter, d)
		}
	}
}

// aLog has a line of a while ago, whatever is asked for.
type aLog struct{ Logs }

func (aLog) Search(context.Context, syslogd.Query) iter.Seq2[syslog.Message, error] {
	return func(func(syslog.Message, error) bool) {}
}

func (aLog) Count(context.Context, syslogd.Query, []string, time.Duration) ([]syslogd.Group, error) {
	return []syslogd.Group{{Values: []string{"info"}, Start: time.Now().Add(-20 * time.Minute), Count: 1}}, nil
}

// TestMarksOfTheHistogram looks at the log pages for the marks of what lines are
// about.
func TestMarksOfTheHistogram(t *testing.T) {
	now := time.Now()
	p, err := New(Deps{
		Logs: aLog{}, Fleet: someHosts{{ID: "web-1", Group: "web"}, {ID: "db-1", Group: "db"}},
		Events: storeOf(t, now,
			event.Event{Title: "deploy <1>", At: now.Add(-30 * time.Minute), End: now.Add(-25 * time.Minute), Tags: []string{"deploy"}, Labels: map[string]string{"group": "web"}},
			event.Event{Title: "tables moved", At: now.Add(-15 * time.Minute), Tags: []string{"config"}, Labels: map[string]string{"host": "db-1"}},
		),
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		page          http.HandlerFunc
		query         string
		deploy, moved bool
	}{
		{p.logs, "/logs", true, true},
		{p.overview, "/", true, true},
		{p.logs, "/logs?q=host:web-1", true, false},
		{p.logs, "/logs?q=host:db-1", false, true},
		{p.logs, "/logs?marks=config", false, true},
		{p.logs, "/logs?marks=none", false, false},
		{p.overview, "/?marks=none", false, false},
	} {
		w := httptest.NewRecorder()
		c.page(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, c.query, nil))
		_, hist, _ := strings.Cut(w.Body.String(), `<div class="hist"`)
		hist, _, ok := strings.Cut(hist, `<div class="ticks"`)
		deploy, moved := strings.Contains(hist, `deploy &lt;1&gt;</title>`), strings.Contains(hist, `tables moved</title>`)
		if !ok || deploy != c.deploy || moved != c.moved || strings.Contains(hist, `class="over"`) != (c.deploy || c.moved) {
			t.Errorf("%s: deploy %v, moved %v\n%s", c.query, deploy, moved, hist)
		}
		around := fmt.Sprintf("&amp;from=%d&amp;to=%d", now.Add(-45*time.Minute).Unix(), now.Add(-10*time.Minute).Unix())
		if c.deploy && !strings.Contains(hist, around) {
			t.Errorf("%s: no link with %s\n%s", c.query, around, hist)
		}
	}
}

func storeOf(t *testing.T, now time.Time, es ...event.Event) *event.Store {
	t.Helper()
	store, err := event.Open(state.NewMemory(), event.Options{Config: event.DefaultConfig(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range es {
		e.Source = "api"
		if _, _, err := store.Add(t.Context(), e, now); err != nil {
			t.Fatal(err)
		}
	}
	return store
}

// TestEventsPanel looks for an event of which a stranger chose all words.
func TestEventsPanel(t *testing.T) {
	now := time.Now()
	store := storeOf(t, now,
		event.Event{Title: `deploy <script>alert(1)</script>`, At: now.Add(-20 * time.Minute), End: now.Add(-10 * time.Minute), Tags: []string{"deploy", `"><b>`}, Who: "ann", Link: `https://ci.example/?a="><b>`},
		event.Event{Title: "another", At: now.Add(-time.Minute)},
		event.Event{Title: "of last year", At: now.AddDate(-1, 0, 0)},
	)
	p, err := New(Deps{Events: store}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	get := func(query string) string {
		w := httptest.NewRecorder()
		p.overview(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/?"+query, nil))
		// The lane shows all, whatever is searched for.
		before, rest, _ := strings.Cut(w.Body.String(), `<div class="lane">`)
		_, after, _ := strings.Cut(rest, "</svg>")
		return before + after
	}
	page := get("events=who:ann")
	for _, want := range []string{"deploy &lt;script&gt;", "&#34;&gt;&lt;b&gt;", "by ann", `value="who:ann"`, fmt.Sprintf("from=%d&amp;", now.Add(-40*time.Minute).Unix())} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	for _, never := range []string{"another", "of last year", "<script>alert", `"><b>`} {
		if strings.Contains(page, never) {
			t.Errorf("there is %q", never)
		}
	}
	if page := get("events=nothing"); !strings.Contains(page, "No event in this range says “nothing”.") {
		t.Error("a search that finds nothing is not told")
	}
	if page := get("marks=none"); strings.Contains(page, "another") {
		t.Error("marks=none lists events")
	}
}
