package alerts

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rondo/rrd"
)

func TestHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.rule.set("a=11", "b=1")
		g.start()
		defer g.stop()
		g.wait(3*time.Second, "ra ok>critical")
		call := func(h http.Handler, method, path, body string, code int) string {
			t.Helper()
			r := httptest.NewRequest(method, path, strings.NewReader(body))
			if body != "" {
				r.Header.Set("Content-Type", "Application/JSON; charset=utf-8")
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != code {
				t.Errorf("%s %s: %d, want %d: %s", method, path, w.Code, code, w.Body)
			}
			return w.Body.String()
		}
		read, command := g.e.Handler(), g.e.Commands()

		var views []map[string]any
		if err := json.Unmarshal([]byte(call(read, "GET", "/api/alerts", "", 200)), &views); err != nil {
			t.Fatal(err)
		}
		if v := views[0]; v["rule"] != "r" || v["status"] != "critical" || v["hard"] != true || v["labels"].(map[string]any)["host"] != "a" || v["value"] != 11.0 {
			t.Errorf("view %v", v)
		}
		var ts []Transition
		if err := json.Unmarshal([]byte(call(read, "GET", "/api/alerts/transitions?since=-1h&limit=5", "", 200)), &ts); err != nil || len(ts) != 1 {
			t.Fatalf("%v, %v", ts, err)
		}
		if got := call(read, "GET", "/api/alerts/transitions?since=4000000000", "", 200); got != "[]\n" {
			t.Errorf("future: %q", got)
		}
		call(read, "GET", "/api/alerts/transitions?since=soon", "", 400)
		call(read, "GET", "/api/alerts/transitions?limit=0", "", 400)
		call(read, "POST", "/api/alerts/ack", "{}", 404)

		call(command, "POST", "/api/alerts/ack?matcher=host%3Db&comment=x", "", 404)
		call(command, "POST", "/api/alerts/ack", "", 400)
		call(command, "POST", "/api/alerts/ack", `{"matchers": ["host=a"], "by": "me", "typo": 1}`, 400)
		call(command, "POST", "/api/alerts/ack", `{"matchers": ["host=a"], "by": "me", "comment": "known"}`, 200)
		if a := g.view("a").Ack; a == nil || a.By != "me" {
			t.Errorf("acknowledgement %+v", a)
		}
		call(command, "POST", "/api/alerts/silence", `{"matchers": ["host=~("], "for": "2h"}`, 400)
		call(command, "POST", "/api/alerts/silence", `{"matchers": ["host=a"]}`, 400)
		call(command, "POST", "/api/alerts/silence", `{"matchers": [], "for": "2h"}`, 400)
		call(command, "POST", "/api/alerts/silence", `{"matchers": ["host=a"], "for": "two"}`, 400)
		call(command, "POST", "/api/alerts/silence?matcher=host%3Da&until=1999-01-01T00:00:00Z", "", 400)
		var s Silence
		if err := json.Unmarshal([]byte(call(command, "POST", "/api/alerts/silence?matcher=host%3Da&for=2h", "", 200)), &s); err != nil || s.ID == "" {
			t.Fatal(err)
		}
		if got := call(read, "GET", "/api/alerts/silences", "", 200); !strings.Contains(got, `"host=\"a\""`) || !g.view("a").Mute.Muted() {
			t.Error(got)
		}
		call(command, "DELETE", "/api/alerts/silence?id=nobody", "", 404)
		call(command, "DELETE", "/api/alerts/silence?id="+s.ID, "", 204)
		if got := call(read, "GET", "/api/alerts/silences", "", 200); got != "[]\n" {
			t.Error(got)
		}
	})
}

func TestMatcher(t *testing.T) {
	ls := rrd.Labels{{Name: "host", Value: `web-1`}, {Name: "quote", Value: `a"b`}}
	f := func(s string, want bool) {
		t.Helper()
		m, err := ParseMatcher(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseMatcher(m.String())
		if err != nil || again.String() != m.String() {
			t.Errorf("%s: written %s: %v", s, m, err)
		}
		if got := m.Matches("load", ls); got != want {
			t.Errorf("%s: %v, want %v", s, got, want)
		}
	}
	f(`host="web-1"`, true)
	f(`host=web-1`, true)
	f(` host = web-1 `, true)
	f(`host=web`, false)
	f(`host=~"web-.*"`, true)
	f(`host=~web`, false)
	f(`host!~"db.*"`, true)
	f(`host!="web-1"`, false)
	f(`group=""`, true)
	f(`group!=""`, false)
	f(`alertname=load`, true)
	f(`alertname=~lo.+`, true)
	f(`quote="a\"b"`, true)
	for _, s := range []string{"", "host", "=x", "host=~(", `host="x`, "host!x"} {
		if _, err := ParseMatcher(s); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
}

func FuzzParseMatcher(f *testing.F) {
	f.Add(`host=~"web-.*"`)
	f.Add(`a!~b`)
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMatcher(s)
		if err != nil {
			return
		}
		again, err := ParseMatcher(m.String())
		if err != nil || again.Value != m.Value || again.Op != m.Op || again.Label != m.Label {
			t.Errorf("%q: %q: %v", s, m.String(), err)
		}
	})
}

func FuzzTransitionJSON(f *testing.F) {
	f.Add([]byte(`{"id":"x","labels":{"a":"b"},"from":"ok","to":"critical","value":"NaN"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var tr Transition
		if tr.UnmarshalJSON(b) != nil {
			return
		}
		out, err := tr.MarshalJSON()
		if err != nil {
			return // a year beyond 9999
		}
		var again Transition
		if err := again.UnmarshalJSON(out); err != nil {
			t.Errorf("%s: %v", out, err)
		}
	})
}
