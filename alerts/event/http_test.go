package event

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"rondo/alerts/state"
)

// api is all that is mounted, without its guards.
func api(s *Store) http.Handler {
	caller := func(*http.Request) string { return "ann" }
	mux := http.NewServeMux()
	mux.Handle("GET /api/events", s.Handler())
	mux.Handle("GET /api/events/{id}", s.Handler())
	mux.Handle("/api/events", s.Commands(caller))
	mux.Handle("DELETE /api/events/{id}", s.Commands(caller))
	mux.Handle("GET /api/annotations", s.Grafana())
	mux.Handle("/api/annotations", s.GrafanaCommands(caller))
	mux.Handle("/api/annotations/", s.GrafanaCommands(caller))
	mux.Handle("GET /events/get_data", s.Graphite())
	mux.Handle("POST /events/", s.GraphiteCommands(caller))
	return mux
}

func ask(t testing.TB, h http.Handler, method, target, body string) (int, string) {
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if strings.Contains(body, "=") && !strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestAPI(t *testing.T) {
	s := open(t, state.NewMemory(), nil)
	h := api(s)
	for _, c := range []struct {
		method, target, body string
		code                 int
		want                 string
	}{
		{"POST", "/api/events", `{"title":"deploy 1","at":"-5m","until":"now","tags":["deploy"],"group":"web","key":"k"}`, 201, `"outcome":"added"`},
		{"POST", "/api/events", `{"title":"deploy 1","key":"k"}`, 200, `"outcome":"known"`},
		{"POST", "/api/events", "title=switch&tag=incident&label=rack%3D7&host=web-1&at=-2h", 201, `"labels":{"host":"web-1","rack":"7"},"who":"ann"`},
		{"POST", "/api/events", "title=x&label=rack", 400, "want NAME=VALUE"},
		{"POST", "/api/events", `{"title":"x","at":{}}`, 400, "is no time"},
		{"POST", "/api/events", `{"title":"x","at":"soon"}`, 400, `at: time \"soon\": want now`},
		{"POST", "/api/events", `{`, 400, "want JSON"},
		{"POST", "/api/events", `{}`, 400, "title is missing"},
		{"GET", "/api/events?group=web", "", 200, `"title":"deploy 1"`},
		{"GET", "/api/events?from=-1h&q=switch", "", 200, "[]\n"},
		{"GET", "/api/events?from=soon", "", 400, "from: time"},
		{"GET", "/api/events?limit=0", "", 400, "limit"},
		{"GET", "/api/events/abc", "", 404, "no such event"},
		{"DELETE", "/api/events/abc", "", 404, "no such event"},
		{"POST", "/api/annotations", fmt.Sprintf(`{"dashboardUID":"x","panelId":1,"time":%d,"timeEnd":%d,"tags":["deploy","group:db"],"text":"by grafana\nmore"}`, now().UnixMilli(), now().UnixMilli()+1000), 200, `"message":"Annotation added"`},
		{"GET", "/api/annotations?tags=deploy&tags=group:db", "", 200, fmt.Sprintf(`"time":%d,"timeEnd":%d,"text":"by grafana\nmore","tags":["deploy","group:db"],"login":"ann"`, now().UnixMilli(), now().UnixMilli()+1000)},
		{"GET", fmt.Sprintf("/api/annotations?tags=group:db&from=%d", now().UnixMilli()+5000), "", 200, "[]"},
		{"PATCH", "/api/annotations/17", `{"text":"x"}`, 404, "no such event"},
		{"DELETE", "/api/annotations/x", "", 404, "no such event"},
		{"POST", "/api/annotations/graphite", `{"what":"by graphite","tags":["a"],"when":1795262400,"data":"more"}`, 200, `"message":"Graphite annotation added"`},
		{"POST", "/events/", `{"what":"by graphite too","tags":"a, host:web-1","data":"more"}`, 200, `"id":`},
		{"GET", "/events/get_data?from=-1y&tags=a", "", 200, `"what":"by graphite"`},
		{"GET", "/events/get_data?from=-1y&tags=a+host:web-1", "", 200, `"what":"by graphite too"`},
		{"GET", "/events/get_data?from=soon", "", 400, "time"},
	} {
		code, body := ask(t, h, c.method, c.target, c.body)
		if code != c.code || !strings.Contains(body, strings.ReplaceAll(c.want, "\nmore", `\nmore`)) {
			t.Errorf("%s %s %s: %d %s", c.method, c.target, c.body, code, body)
		}
	}
}

// TestGrafanaRegion adds an annotation and closes it later, as deploy scripts do.
func TestGrafanaRegion(t *testing.T) {
	s := open(t, state.NewMemory(), nil)
	h := api(s)
	_, body := ask(t, h, "POST", "/api/annotations", `{"text":"deploy","tags":["deploy"]}`)
	var said struct{ ID int64 }
	if err := json.Unmarshal([]byte(body), &said); err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprint("/api/annotations/", said.ID)
	e := s.List(Query{})[0]
	if code, body := ask(t, h, "PATCH", path, fmt.Sprintf(`{"timeEnd":%d,"tags":["deploy","done"]}`, e.At.UnixMilli()+60_000)); code != 200 {
		t.Errorf("%d %s", code, body)
	}
	if e = s.List(Query{})[0]; e.Last().Sub(e.At).Seconds() != 60 || !e.Has("done") || e.Title != "deploy" {
		t.Errorf("%+v", e)
	}
	if code, _ := ask(t, h, "DELETE", path, ""); code != 200 || len(s.List(Query{})) != 0 {
		t.Errorf("%d", code)
	}
}

// FuzzAPI has a stranger with the token write anything.
func FuzzAPI(f *testing.F) {
	f.Add(`{"title":"x","at":"-5m","tags":["deploy"],"labels":{"a":"b"}}`, "from=-1h&tag=deploy&q=x")
	f.Add(`{"time":1795262400000,"timeEnd":0,"text":"a\nb","tags":["group:web"]}`, "from=1&to=2&tags=a&limit=3&matchAny=true")
	f.Add(`{"what":"x","tags":"a b","when":1795262400}`, "from=-1y&until=now&tags=a b")
	h := api(open(f, state.NewMemory(), nil))
	f.Fuzz(func(t *testing.T, body, query string) {
		v, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		for _, target := range []string{"/api/events", "/api/annotations", "/api/annotations/graphite", "/events/"} {
			if code, said := ask(t, h, "POST", target, body); code >= 500 || !json.Valid([]byte(said)) {
				t.Errorf("%s: %d %s", target, code, said)
			}
		}
		for _, target := range []string{"/api/events?", "/api/annotations?", "/events/get_data?"} {
			if code, said := ask(t, h, "GET", target+v.Encode(), ""); code >= 500 || !json.Valid([]byte(said)) {
				t.Errorf("%s: %d %s", target, code, said)
			}
		}
	})
}
