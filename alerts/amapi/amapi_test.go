package amapi

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"rondo/alerts"
	"rondo/alerts/state"
	"rondo/rrd"
)

// told keeps what an engine tells.
type told struct {
	mu  sync.Mutex
	all []string
}

func (t *told) Act(_ context.Context, tr alerts.Transition) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, fmt.Sprint(tr.From, ">", tr.To, " ", tr.Labels.Get("host")))
	return nil
}

// A rig is an API before an engine, which does not run: its states are there
// all the same.
type rig struct {
	t        *testing.T
	store    state.Store
	engine   *alerts.Engine
	external *External
	api      *API
}

func newRig(t *testing.T, store state.Store) *rig {
	t.Helper()
	x, err := OpenExternal(store, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	e, err := alerts.NewEngine(alerts.Options{Store: store}, []alerts.Supervised{x.Supervised()}, []alerts.Target{{Name: "t", Action: &told{}}})
	if err != nil {
		t.Fatal(err)
	}
	x.SubmitTo(e)
	names := func() []string { return []string{"pager"} }
	return &rig{t, store, e, x, New(Options{Engine: e, External: x, Version: "1", Receivers: names, Direct: func(rrd.Labels) []string { return names() }})}
}

// do asks, and returns the code and the body.
func (r *rig) do(method, path, body string) (int, string) {
	r.t.Helper()
	h := r.api.Handler()
	switch {
	case method == http.MethodPost && strings.HasPrefix(path, "/api/v2/alerts"):
		h = r.api.Ingest()
	case method != http.MethodGet:
		h = r.api.Commands()
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w.Code, strings.TrimSpace(w.Body.String())
}

func (r *rig) want(method, path, body string, code int, parts ...string) string {
	r.t.Helper()
	got, text := r.do(method, path, body)
	if got != code {
		r.t.Errorf("%s %s: %d %s, want %d", method, path, got, text, code)
	}
	for _, p := range parts {
		if no, ok := strings.CutPrefix(p, "!"); ok == strings.Contains(text, strings.TrimPrefix(p, "!")) {
			r.t.Errorf("%s %s: %q in %s: want %v", method, path, no, text, !ok)
		}
	}
	return text
}

const twoAlerts = `[{"labels":{"alertname":"up","host":"a","severity":"page","empty":""},"annotations":{"summary":"a is down"},"generatorURL":"http://p/"},
 {"labels":{"alertname":"up","host":"b","severity":"warning"}}]`

func TestAlerts(t *testing.T) {
	r := newRig(t, state.NewMemory())
	r.want("GET", "/api/v2/alerts", "", 200, "[]")
	r.want("POST", "/api/v2/alerts", twoAlerts, 200)
	r.want("GET", "/api/v2/alerts", "", 200, `"host":"a"`, `"severity":"page"`, `"generatorURL":"http://p/"`, `"summary":"a is down"`, `"receivers":[{"name":"pager"}]`,
		`"status":{"inhibitedBy":[],"silencedBy":[],"state":"active"}`, `!"empty"`)
	r.want("GET", `/api/v2/alerts?filter=host%3D%22b%22&filter=alertname%3Dup`, "", 200, `!"host":"a"`, `"host":"b"`)
	r.want("GET", "/api/v2/alerts?active=false", "", 200, "[]")
	r.want("GET", "/api/v2/alerts?receiver=pag.r", "", 200, `"host":"a"`)
	r.want("GET", "/api/v2/alerts?receiver=mail", "", 200, "[]")
	r.want("GET", "/api/v2/alerts?receiver=(", "", 400)
	r.want("GET", "/api/v2/alerts?filter=x", "", 400)
	r.want("GET", "/api/v2/alerts/groups", "", 200, `"labels":{"alertname":"up","host":"a"},"receiver":{"name":"pager"}`)
	r.want("GET", "/api/v2/receivers", "", 200, `[{"name":"pager"}]`)
	r.want("GET", "/api/v2/status", "", 200, `"cluster":{"peers":[],"status":"disabled"}`, `"version":"1"`)
	// The end of one.
	r.want("POST", "/api/v2/alerts", `[{"labels":{"alertname":"up","host":"a","severity":"page"},"startsAt":"2020-01-01T00:00:00Z","endsAt":"2020-01-02T00:00:00Z"}]`, 200)
	r.want("GET", "/api/v2/alerts", "", 200, `!"host":"a"`, `"host":"b"`)
}

// TestBadAlerts: what is good among them is taken all the same.
func TestBadAlerts(t *testing.T) {
	r := newRig(t, state.NewMemory())
	good := `{"labels":{"alertname":"up","host":"a"}}`
	for body, want := range map[string]string{
		"": "bad request", "{}": "bad request", `[{"labels":1}]`: "bad request",
		`[` + good + `,{"labels":{}}]`:                                                                                        "at least one label pair",
		`[` + good + `,{"labels":{"host":"a"}}]`:                                                                              "alertname is missing",
		`[` + good + `,{"labels":{"alertname":"x","a b":"c"}}]`:                                                               `label \"a b\"`,
		`[` + good + `,{"labels":{"alertname":"` + strings.Repeat("x", maxLabelBytes) + `"}}]`:                                "at most",
		`[` + good + `,{"labels":{"alertname":"x"},"annotations":{"page":"` + strings.Repeat("<", maxEntryBytes-100) + `"}}]`: "with its escapes",
		`[{"labels":{"alertname":"x"},"startsAt":"2020-01-02T00:00:00Z","endsAt":"2020-01-01T00:00:00Z"}]`:                    "before end time",
	} {
		r.want("POST", "/api/v2/alerts", body, 400, want)
	}
	r.want("GET", "/api/v2/alerts", "", 200, `"host":"a"`)
	many := make([]string, maxEntries+1)
	for i := range many {
		many[i] = fmt.Sprintf(`{"labels":{"alertname":"m","i":"%d"}}`, i)
	}
	r.want("POST", "/api/v2/alerts", "["+strings.Join(many, ",")+"]", 503, "at most")
}

// TestEnds: an alert that is not sent again ends at its end, 5 minutes where
// it has none, is forgotten later, and survives a restart with some grace.
func TestEnds(t *testing.T) {
	store := state.NewMemory()
	r := newRig(t, store)
	now := time.Now()
	soon := now.Add(time.Minute).UTC().Format(time.RFC3339)
	r.want("POST", "/api/v2/alerts", twoAlerts, 200)
	r.want("POST", "/api/v2/alerts", `[{"labels":{"alertname":"up","host":"c"},"endsAt":"`+soon+`"}]`, 200)
	check := func(after time.Duration) {
		t.Helper()
		if rs, err := r.external.Check(t.Context(), now.Add(after)); err != nil || len(rs) != 0 {
			t.Errorf("%v, %v", rs, err)
		}
	}
	check(30 * time.Second)
	r.want("GET", "/api/v2/alerts", "", 200, `"host":"a"`, `"host":"c"`)

	again := newRig(t, store)
	if _, err := again.external.Check(t.Context(), now.Add(2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	again.want("GET", "/api/v2/alerts", "", 200, `"host":"a"`, `"host":"c"`)

	check(2 * time.Minute)
	r.want("GET", "/api/v2/alerts", "", 200, `"host":"a"`, `!"host":"c"`)
	check(6 * time.Minute)
	r.want("GET", "/api/v2/alerts", "", 200, "[]")
	check(30 * time.Minute)
	if n := len(r.external.entries); n != 0 {
		t.Errorf("%d entries are left", n)
	}
	for e := range store.Scan(state.Range{Prefix: prefix}) {
		t.Errorf("%s is left", e.Key)
	}
}

func TestStoreFails(t *testing.T) {
	store := state.NewMemory()
	r := newRig(t, store)
	store.Close()
	r.want("POST", "/api/v2/alerts", twoAlerts, 503)
}

func TestSilences(t *testing.T) {
	r := newRig(t, state.NewMemory())
	r.want("POST", "/api/v2/alerts", twoAlerts, 200)
	body := func(id, matchers string, from, to time.Duration) string {
		now := time.Now().UTC()
		return fmt.Sprintf(`{"id":%q,"matchers":[%s],"startsAt":%q,"endsAt":%q,"createdBy":"ana","comment":"known"}`,
			id, matchers, now.Add(from).Format(time.RFC3339Nano), now.Add(to).Format(time.RFC3339Nano))
	}
	const host = `{"name":"host","value":"a|x","isRegex":true}`
	var made struct{ SilenceID string }
	if err := json.Unmarshal([]byte(r.want("POST", "/api/v2/silences", body("", host, 0, time.Hour), 200)), &made); err != nil {
		t.Fatal(err)
	}
	r.want("GET", "/api/v2/silence/"+made.SilenceID, "", 200, `"status":{"state":"active"}`, `"createdBy":"ana"`, `{"isEqual":true,"isRegex":true,"name":"host","value":"a|x"}`)
	r.want("GET", "/api/v2/alerts?silenced=false", "", 200, `!"host":"a"`, `"host":"b"`)
	r.want("GET", "/api/v2/alerts", "", 200, `"silencedBy":["`+made.SilenceID+`"],"state":"suppressed"`)
	r.want("GET", "/api/v2/silences?filter=host%3Da%7Cx", "", 200, made.SilenceID)
	r.want("GET", "/api/v2/silences?filter=host%3Db", "", 200, "[]")
	// In its place, one that is yet to come.
	r.want("POST", "/api/v2/silences", body(made.SilenceID, `{"name":"host","value":"b","isRegex":false,"isEqual":true}`, time.Hour, 2*time.Hour), 200)
	text := r.want("GET", "/api/v2/silences", "", 200, `"state":"pending"`, "!"+made.SilenceID)
	r.want("GET", "/api/v2/alerts?silenced=false", "", 200, `"host":"a"`, `"host":"b"`)
	var all []struct{ ID string }
	if err := json.Unmarshal([]byte(text), &all); err != nil || len(all) != 1 {
		t.Fatal(err, text)
	}
	r.want("DELETE", "/api/v2/silence/"+all[0].ID, "", 200)
	r.want("DELETE", "/api/v2/silence/"+all[0].ID, "", 404)
	r.want("GET", "/api/v2/silence/"+all[0].ID, "", 404)
	for _, bad := range []string{
		"", body("nope", host, 0, time.Hour), body("", "", 0, time.Hour), body("", host, time.Hour, 0), body("", host, -2*time.Hour, -time.Hour),
		body("", `{"name":"a b","value":"c"}`, 0, time.Hour), body("", `{"name":"host","value":"(","isRegex":true}`, 0, time.Hour),
		body("", `{"name":"host","value":".*","isRegex":true}`, 0, time.Hour),
	} {
		if code, text := r.do("POST", "/api/v2/silences", bad); code != 400 && code != 404 {
			t.Errorf("%s: %d %s", bad, code, text)
		}
	}
}

func TestPrometheus(t *testing.T) {
	r := newRig(t, state.NewMemory())
	r.want("GET", "/api/v1/rules", "", 200, `{"status":"success","data":{"groups":[]}}`)
	r.want("GET", "/api/v1/alerts", "", 200, `{"status":"success","data":{"alerts":[]}}`)
	r.want("POST", "/api/v2/alerts", twoAlerts, 200)
	r.want("GET", "/api/v1/alerts", "", 200, `"state":"firing"`, `"host":"a"`, `"value":"NaN"`)
	r.want("GET", "/api/v1/rules?type=alert", "", 200, `"name":"external"`, `"state":"firing"`, `"type":"alerting"`, `"host":"b"`)
	r.want("GET", "/api/v1/rules?exclude_alerts=true", "", 200, `"alerts":[]`)
	r.want("GET", "/api/v1/rules?rule_name[]=other", "", 200, `"groups":[]`)
	r.want("GET", "/api/v1/rules?type=record", "", 200, `"groups":[]`)
}

// FuzzPost: no body brings us down, and what is taken can be read again.
func FuzzPost(f *testing.F) {
	f.Add(twoAlerts)
	f.Add(`[{"labels":{"alertname":"\ud800"},"startsAt":"0001-01-01T00:00:00Z","endsAt":"9999-12-31T23:59:59Z"}]`)
	// As Debian's Prometheus 2.42 writes it.
	f.Add(`[{"annotations":{"summary":"it is 1"},"endsAt":"2026-11-21T13:46:30.744Z","startsAt":"2026-11-21T13:42:30.744Z","generatorURL":"http://host:9090/graph?g0.expr=vector%281%29\u0026g0.tab=1","labels":{"alertname":"always","severity":"critical","team":"ops"}}]`)
	f.Fuzz(func(t *testing.T, body string) {
		store := state.NewMemory()
		r := newRig(t, store)
		if code, _ := r.do("POST", "/api/v2/alerts", body); code != 200 && code != 400 {
			t.Errorf("%d", code)
		}
		n := len(r.external.entries)
		again, err := OpenExternal(store, slog.New(slog.DiscardHandler))
		if err != nil || len(again.entries) != n {
			t.Errorf("%d entries, %d after a restart, %v", n, len(again.entries), err)
		}
	})
}

func BenchmarkTake(b *testing.B) {
	store := state.NewMemory()
	x, err := OpenExternal(store, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	e, err := alerts.NewEngine(alerts.Options{Store: store}, []alerts.Supervised{x.Supervised()}, nil)
	if err != nil {
		b.Fatal(err)
	}
	x.SubmitTo(e)
	now := time.Now()
	var es []entry
	for i := range 64 {
		es = append(es, entry{Labels: map[string]string{"alertname": "x", "i": fmt.Sprint(i)}, StartsAt: now, UpdatedAt: now, EndsAt: now.Add(time.Hour)})
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := x.Take(b.Context(), es, now); err != nil {
			b.Fatal(err)
		}
	}
}
