package pages

import (
	"fmt"
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

// TestEventsPanel looks for an event of which a stranger chose all words.
func TestEventsPanel(t *testing.T) {
	store, err := event.Open(state.NewMemory(), event.Options{Config: event.DefaultConfig(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, e := range []event.Event{
		{Title: `deploy <script>alert(1)</script>`, At: now.Add(-20 * time.Minute), End: now.Add(-10 * time.Minute), Tags: []string{"deploy", `"><b>`}, Who: "ann", Link: `https://ci.example/?a="><b>`, Source: "api"},
		{Title: "another", At: now.Add(-time.Minute), Source: "api"},
		{Title: "of last year", At: now.AddDate(-1, 0, 0), Source: "api"},
	} {
		if _, _, err := store.Add(t.Context(), e, now); err != nil {
			t.Fatal(err)
		}
	}
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
