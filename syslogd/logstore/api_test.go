package logstore

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"rondo/syslogd"
	"rondo/syslogd/syslog"
)

func filled(t testing.TB) *Store {
	s := open(t, t.TempDir(), Options{})
	put(t, s,
		line(`<165>1 2026-11-19T10:00:00.5Z web1 nginx 77 ID1 [a@1 k="v"] GET /cart 200`, start),
		line("<34>Nov 19 10:30:00 db1 su[12]: authentication failure", start.Add(30*time.Minute)))
	if err := s.Seal(); err != nil {
		t.Fatal(err)
	}
	put(t, s, line("<14>1 2026-11-19T12:00:00Z web1 nginx 77 - - GET /home 500", start.Add(2*time.Hour)))
	return s
}

func get(t *testing.T, s *Store, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
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
	const first = `{"time":"2026-11-19T10:00:00.5Z","received":"2026-11-19T10:00:00Z","host":"web1","app":"nginx","severity":"notice","facility":"local4","pid":"77","msgid":"ID1","sd":"[a@1 k=\"v\"]","sender":"10.0.0.9","message":"GET /cart 200"}`
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
	f("/api/logs?limit=0", 400, `{"error":"limit \"0\": want 1 to 100000"}`)
	f("/api/logs?order=up", 400, `{"error":"order \"up\": want newest or oldest"}`)
	f("/api/logs/facets?field=pid", 400, `{"error":"field \"pid\": want host, app, severity or facility"}`)
	f("/api/logs/histogram?bin=0s", 400, `{"error":"bin \"0s\": want a time span such as 10s, 5m or 1h"}`)
}

// errorBody checks that a syntax error has its position, and returns it.
func errorBody(t *testing.T, s *Store, path string) string {
	_, body := get(t, s, path)
	var e apiError
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.Position == nil {
		t.Errorf("%s: %s: no position (%v)", path, body, err)
	}
	return body
}

func TestAPITail(t *testing.T) {
	s := filled(t)
	srv := httptest.NewServer(s.Handler())
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
	lines := bufio.NewScanner(res.Body)
	next := func() string {
		for lines.Scan() {
			if lines.Text() != "" {
				return lines.Text()
			}
		}
		return "end"
	}
	if got := next(); got != ": tail" {
		t.Fatalf("first line %q", got)
	}
	for joined := 0; joined == 0; runtime.Gosched() {
		s.tails.mu.Lock()
		joined = len(s.tails.tails)
		s.tails.mu.Unlock()
	}
	put(t, s, line("<14>1 - web1 a - - - fine", start), line("<11>1 - web1 a - - - broken 7", start))
	if got := next(); !strings.HasPrefix(got, "data: {") || !strings.Contains(got, "broken 7") {
		t.Fatalf("event %q", got)
	}
	s.Close()
	if got := next(); got != "end" {
		t.Fatalf("after Close: %q", got)
	}
}

// TestTailIsBoundedInBytes has few messages that are long.
func TestTailIsBoundedInBytes(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	tail := s.tails.join(s.o.TailBuffer, s.o.TailBytes)
	for range 10 {
		var batch []syslog.Message
		for range 20 {
			batch = append(batch, line("<14>1 - web1 a - - - "+strings.Repeat("x", 64<<10), start))
		}
		put(t, s, batch...)
	}
	held, kept := 0, int64(0)
	batches, dropped := tail.take()
	for _, b := range batches {
		for i := range b {
			held += len(b[i].Raw) + len(b[i].Text)
			kept++
		}
	}
	if held > 4<<20 || held < 3<<20 || kept+dropped != 200 {
		t.Errorf("%d bytes in %d messages held, %d dropped", held, kept, dropped)
	}
	put(t, s, line(strings.Repeat("y", 8<<20), start))
	if batches, _ := tail.take(); len(batches) != 1 {
		t.Error("a message that is longer than the buffer never comes")
	}
}

// TestHistogramIsBounded asks for more bins than anybody can look at.
func TestHistogramIsBounded(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	batch := make([]syslog.Message, syslogd.MaxGroups+1)
	for i := range batch {
		batch[i] = line("x", start.Add(time.Duration(i)*time.Millisecond))
	}
	put(t, s, batch...)
	if _, err := syslogd.Histogram(t.Context(), s, syslogd.Query{}, time.Millisecond); !errors.Is(err, syslogd.ErrTooManyGroups) {
		t.Errorf("%v", err)
	}
	if bins, err := syslogd.Histogram(t.Context(), s, syslogd.Query{}, time.Second); err != nil || len(bins) != 101 {
		t.Errorf("%d bins, %v", len(bins), err)
	}
	for _, path := range []string{"/api/logs/histogram?bin=1ms", "/api/logs/histogram?bin=1ms&from=2026-11-19T10:00:00Z&to=2026-11-19T11:00:00Z"} {
		if code, body := get(t, s, path); code != http.StatusBadRequest || !strings.Contains(body, "wider") {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
}

func TestTailLosesNewestAndTells(t *testing.T) {
	s := open(t, t.TempDir(), Options{TailBuffer: 3})
	tail := s.tails.join(3, 1<<20)
	for range 5 {
		put(t, s, line("<14>1 - web1 a - - - fine", start))
	}
	batches, dropped := tail.take()
	if len(batches) != 3 || dropped != 2 || s.Stats().TailLost != 2 {
		t.Fatalf("%d batches, %d dropped, stats %d", len(batches), dropped, s.Stats().TailLost)
	}
	put(t, s, line("<14>1 - web1 a - - - fine", start))
	if batches, _ := tail.take(); len(batches) != 1 {
		t.Fatal("the tail does not go on")
	}
}
