package logapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"rondo/syslogd"
	"rondo/syslogd/logstore"
	"rondo/syslogd/query"
	"rondo/syslogd/syslog"
)

var (
	_ Store = (*logstore.Store)(nil)

	start = time.Date(2026, 11, 19, 10, 0, 0, 0, time.UTC)
)

func line(text string, received time.Time) syslog.Message {
	return syslog.Parse(text, received, netip.MustParseAddr("10.0.0.9"))
}

func put(t testing.TB, s *logstore.Store, batch ...syslog.Message) {
	t.Helper()
	if err := s.Put(context.Background(), batch); err != nil {
		t.Fatal(err)
	}
}

func filled(t testing.TB) *logstore.Store {
	s, err := logstore.Open(t.TempDir(), logstore.Options{ReserveBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	put(t, s,
		line(`<165>1 2026-11-19T10:00:00.5Z web1 nginx 77 ID1 [a@1 k="v"] GET /cart 200`, start),
		line("<34>Nov 19 10:30:00 db1 su[12]: authentication failure", start.Add(30*time.Minute)))
	if err := s.Seal(); err != nil {
		t.Fatal(err)
	}
	put(t, s, line("<14>1 2026-11-19T12:00:00Z web1 nginx 77 - - GET /home 500", start.Add(2*time.Hour)))
	return s
}

func get(t *testing.T, s *logstore.Store, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	New(s).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func TestAPI(t *testing.T) {
	s := filled(t)
	f := func(path string, status int, want string) {
		t.Helper()
		code, body := get(t, s, path)
		if code != status {
			t.Errorf("%s: status %d, want %d: %s", path, code, status, body)
		}
		if diff := gocmp.Diff(strings.TrimSpace(want), strings.TrimSpace(body)); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
	const first = `{"time":"2026-11-19T10:00:00.5Z","received":"2026-11-19T10:00:00Z","host":"web1","app":"nginx","severity":"notice","facility":"local4","pid":"77","msgid":"ID1","sd":"[a@1 k=\"v\"]","sender":"10.0.0.9","message":"GET /cart 200","id":"mwndpog0-1har38x2y3dta"}`
	f("/api/logs?q=cart", 200, first)
	f("/api/logs?order=oldest&limit=1", 200, first)
	f("/api/logs?from=2026-11-19T09:00:00Z&to=2026-11-19T10:10:00Z", 200, first)
	f("/api/logs?from=1795082400&to=1795082401", 200, first)
	f("/api/logs?q=nothing", 200, "")
	f("/api/logs/facets?field=host", 200, `{"field":"host","values":[{"value":"web1","count":2},{"value":"db1","count":1}]}`)
	f("/api/logs/facets?field=app&q=GET&limit=1", 200, `{"field":"app","values":[{"value":"nginx","count":2}]}`)
	f("/api/logs/histogram?bin=1h", 200, `{"bin":3600,"bins":[{"start":"2026-11-19T10:00:00Z","counts":{"crit":1,"notice":1},"total":2},{"start":"2026-11-19T12:00:00Z","counts":{"info":1},"total":1}]}`)
	f("/api/logs?q="+url.QueryEscape("web (1"), 400, errorBody(t, s, "/api/logs?q="+url.QueryEscape("web (1")))
	f("/api/logs?from=soon", 400, `{"error":"from: time \"soon\": want -1h, -2d, today, RFC 3339, or seconds since 1970"}`)
	f("/api/logs?from=-1h&to=-2h", 400, `{"error":"from -1h is after to -2h"}`)
	f("/api/logs?limit=0", 400, `{"error":"limit \"0\": want 1 to 100000"}`)
	f("/api/logs?order=up", 400, `{"error":"order \"up\": want newest or oldest"}`)
	f("/api/logs/facets?field=pid", 200, `{"field":"pid","values":[{"value":"77","count":2},{"value":"12","count":1}]}`)
	f("/api/logs/facets?field=hots", 400, `{"error":"field \"hots\": want host, app, severity, facility, pid, msgid, sender or sd.KEY"}`)
	f("/api/logs/histogram?q="+url.QueryEscape("app:nginx | top host")+"&bin=1h&to=2026-11-19T11:00:00Z", 200, `{"bin":3600,"bins":[{"start":"2026-11-19T10:00:00Z","counts":{"notice":1},"total":1}]}`)
	f("/api/logs/histogram?bin=0s", 400, `{"error":"bin \"0s\": want a time span such as 10s, 5m or 1h"}`)
}

func TestAPIRows(t *testing.T) {
	s := filled(t)
	f := func(params, q string, status int, want ...string) {
		t.Helper()
		code, body := get(t, s, "/api/logs?"+params+"&q="+url.QueryEscape(q))
		if code != status {
			t.Errorf("%s: status %d: %s", q, code, body)
		}
		if diff := gocmp.Diff(want, strings.Split(strings.TrimSpace(body), "\n")); diff != "" {
			t.Errorf("%s: %s", q, diff)
		}
	}
	f("", "| top app", 200, `{"columns":[{"name":"app","type":"text"},{"name":"count","type":"number"}]}`,
		`{"app":"nginx","count":2}`, `{"app":"su","count":1}`, `{"status":{"rows":2,"scanned":0}}`)
	f("limit=1", "| top app", 200, `{"columns":[{"name":"app","type":"text"},{"name":"count","type":"number"}]}`,
		`{"app":"nginx","count":2}`, `{"status":{"rows":1,"scanned":0}}`)
	f("", `GET | extract "GET <path> <status>" | stats max(status), count() by path, bin(1h)`, 200,
		`{"columns":[{"name":"time","type":"time"},{"name":"path","type":"text"},{"name":"max_status","type":"any"},{"name":"count","type":"number"}]}`,
		`{"time":"2026-11-19T10:00:00Z","path":"/cart","max_status":200,"count":1}`, `{"time":"2026-11-19T12:00:00Z","path":"/home","max_status":500,"count":1}`,
		`{"status":{"rows":2,"scanned":2}}`)
	f("format=csv", `| stats count() by app | sort by app desc`, 200, "app,count", "su,1", "nginx,2")
	f("format=csv&limit=1", `| fields host, message`, 200, "host,message", "web1,GET /home 500")
	f("format=csv", "| json", 400, `{"error":"rows may have any columns, which CSV has not: end the query with | fields a, b"}`)
	f("format=xml", "| top app", 400, `{"error":"format \"xml\": want json or csv"}`)
	f("", "a | top hots", 400, `{"error":"q: position 9: no column \"hots\" here; did you mean host?","position":8}`)
}

func TestAPIExplain(t *testing.T) {
	s := filled(t)
	f := func(q string, steps []string, plan syslogd.Plan) {
		t.Helper()
		code, body := get(t, s, "/api/logs/explain?limit=1&q="+url.QueryEscape(q))
		var got query.Explanation
		if err := json.Unmarshal([]byte(body), &got); err != nil || code != 200 {
			t.Fatalf("%d %s", code, body)
		}
		got.Plan.Took = 0
		if diff := gocmp.Diff(query.Explanation{Query: q, Steps: steps, Plan: plan}, got); diff != "" {
			t.Errorf("%s: %s", q, diff)
		}
	}
	f("", []string{"the store yields the first 1 messages that match"}, syslogd.Plan{Chunks: 2, Read: 1, Unneeded: 1, Rows: 1, Matches: 1})
	f("app:nginx | top 3 app", []string{"the store counts: stats count() by app", "sort by count desc, app", "limit 3"}, syslogd.Plan{Chunks: 2, Counted: 2, Matches: 2})
	f("app:nginx | json", []string{"the store yields all messages that match", "json"}, syslogd.Plan{Chunks: 2, Read: 2, Rows: 3, Matches: 2})
}

func TestAPIContext(t *testing.T) {
	s := filled(t)
	_, body := get(t, s, "/api/logs?q=cart")
	var cart message
	if err := json.Unmarshal([]byte(body), &cart); err != nil {
		t.Fatal(err)
	}
	f := func(params string, status int, want string) {
		t.Helper()
		code, body := get(t, s, "/api/logs/context?"+params)
		var got struct {
			Before, After []message
			Message       message
			Error         string
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || code != status {
			t.Fatalf("%s: %d %s", params, code, body)
		}
		text := got.Error
		for _, m := range append(append(got.Before, got.Message), got.After...) {
			if status == 200 {
				text += m.Message + ";"
			}
		}
		if text != want {
			t.Errorf("%s: %q, want %q", params, text, want)
		}
	}
	id := string(cart.ID)
	f("id="+id, 200, "GET /cart 200;GET /home 500;")
	f("host=all&id="+id, 200, "GET /cart 200;authentication failure;GET /home 500;")
	f("host=all&after=1&id="+id, 200, "GET /cart 200;authentication failure;")
	f("id=no", 400, `"no" is no ID of a message`)
	f("host=some&id="+id, 400, `host "some": want own or all`)
	f("after=1001&id="+id, 400, `after "1001": want 0 to 1000`)
	f("id="+id[:len(id)-1]+"0", 404, "logstore: lines around one: no message of this ID")
}

// endless is a store whose searches end only when they are told to.
type endless struct {
	Store
	begun func() // may be nil
	ended chan error
}

func (e endless) Search(ctx context.Context, _ syslogd.Query) iter.Seq2[syslog.Message, error] {
	return func(yield func(syslog.Message, error) bool) {
		if e.begun != nil {
			e.begun()
		}
		m := line("<14>1 - web1 a - - - once more", start)
		for yield(m, nil) {
			if ctx.Err() != nil {
				e.ended <- context.Cause(ctx)
				yield(m, context.Cause(ctx))
				return
			}
		}
		e.ended <- nil
	}
}

// TestClientGoes ends a search whose reader is gone, at once or when it has
// read a little.
func TestClientGoes(t *testing.T) {
	for _, x := range []struct {
		q     string
		reads bool
	}{{"", true}, {"| json", true}, {"| stats count() by message", false}} { // the last answers nothing before its end
		ctx, cancel := context.WithCancel(t.Context())
		e := endless{ended: make(chan error, 1)}
		if !x.reads {
			e.begun = cancel
		}
		srv := httptest.NewServer(New(e))
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/api/logs?limit=100000&q="+url.QueryEscape(x.q), nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := srv.Client().Do(req)
		if x.reads {
			if err != nil {
				t.Fatal(err)
			}
			if _, err := res.Body.Read(make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
		} else if err == nil {
			t.Errorf("%s: an answer before its end", x.q)
		}
		cancel()
		<-e.ended
		if res != nil {
			res.Body.Close()
		}
		srv.Close()
	}
}

// TestAPIIncomplete has more rows than anybody asked for: the last line says so.
func TestAPIIncomplete(t *testing.T) {
	for format, want := range map[string]string{
		"csv":  "# incomplete: at most 10000 rows",
		"json": `{"status":{"rows":10000,"scanned":10001,"incomplete":[{"limit":"rows","max":"10000"}]}}`,
	} {
		w := httptest.NewRecorder()
		path := "/api/logs?format=" + format + "&q=" + url.QueryEscape("| fields host")
		New(endless{ended: make(chan error, 1)}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if !strings.HasSuffix(strings.TrimSpace(w.Body.String()), want) {
			t.Errorf("%s: ends with %q", format, w.Body.String()[max(0, w.Body.Len()-100):])
		}
	}
}

// TestAPIErrors has a store that fails before and after its first message.
func TestAPIErrors(t *testing.T) {
	broken := errors.New("disk on fire")
	for _, n := range []int{0, 1} {
		s := failing{n: n, err: broken}
		w := httptest.NewRecorder()
		New(s).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/logs", nil))
		if lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n"); len(lines) != n+1 || lines[n] != `{"error":"disk on fire"}` || (w.Code == 200) != (n == 1) {
			t.Errorf("after %d messages: %d %q", n, w.Code, lines)
		}
	}
}

type failing struct {
	Store
	n   int
	err error
}

func (f failing) Search(context.Context, syslogd.Query) iter.Seq2[syslog.Message, error] {
	return func(yield func(syslog.Message, error) bool) {
		for range f.n {
			if !yield(line("<14>1 - web1 a - - - fine", start), nil) {
				return
			}
		}
		yield(syslog.Message{}, f.err)
	}
}

// errorBody checks that a syntax error has its position, and returns it.
func errorBody(t *testing.T, s *logstore.Store, path string) string {
	_, body := get(t, s, path)
	var e apiError
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.Position == nil {
		t.Errorf("%s: %s: no position (%v)", path, body, err)
	}
	return body
}

func TestAPITail(t *testing.T) {
	s := filled(t)
	srv := httptest.NewServer(New(s))
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/api/logs/tail?q=severity%3C%3Derr", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	events := make(chan string)
	go func() {
		defer close(events)
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			if lines.Text() != "" {
				events <- lines.Text()
			}
		}
	}()
	if got := <-events; got != ": tail" {
		t.Fatalf("first line %q", got)
	}
	// The tail joins a moment after its first line; what comes before is missed.
	for got := ""; got == ""; runtime.Gosched() {
		put(t, s, line("<14>1 - web1 a - - - fine", start), line("<11>1 - web1 a - - - broken 7", start))
		select {
		case got = <-events:
			if !strings.HasPrefix(got, "data: {") || !strings.Contains(got, "broken 7") {
				t.Fatalf("event %q", got)
			}
		default:
		}
	}
	s.Close()
	for range events {
	}
}

// TestHistogramIsBounded asks for more bins than anybody can look at.
func TestHistogramIsBounded(t *testing.T) {
	s := filled(t)
	for _, path := range []string{"/api/logs/histogram?bin=1ms&from=2026-11-19T10:00:00Z&to=2026-11-19T11:00:00Z", "/api/logs/histogram?bin=1s&q=" + url.QueryEscape("a | top app") + "&from=2001-11-01T10:00:00Z"} {
		if code, body := get(t, s, path); code != http.StatusBadRequest || !strings.Contains(body, "wider") {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
}
