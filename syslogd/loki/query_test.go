package loki

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"sort"
	"strings"
	"testing"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/logstore"
	"rondo/syslogd/syslog"
)

// base is the time of the first line in testdata.
func base() time.Time { return time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC) }

// open returns an API over a store of its own.
func open(t *testing.T) (*API, *logstore.Store) {
	t.Helper()
	s, err := logstore.Open(t.TempDir(), logstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return New(Options{Sink: func() syslogd.Sink { return s }, Logs: s, LineBytes: func() float64 { return 100 }, Version: "1.2.3"}), s
}

// openFilled returns an API over the lines of testdata.
func openFilled(t *testing.T) *API {
	t.Helper()
	a, s := open(t)
	if w := send(a, readFile(t, "push.json"), "Content-Type", "application/json"); w.Code != http.StatusNoContent {
		t.Fatalf("push: %d %s", w.Code, w.Body)
	}
	var batch []syslog.Message
	for line := range strings.Lines(string(readFile(t, "lines.txt"))) {
		batch = append(batch, syslog.Parse(strings.TrimSpace(line), time.Now(), netip.MustParseAddr("10.0.0.9")))
	}
	if err := s.Put(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	return a
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var update = flag.Bool("update", false, "write the answers into testdata")

// TestQueries compares answers with those in testdata/queries.txt.
func TestQueries(t *testing.T) {
	a := openFilled(t)
	h := a.Handler()
	var got strings.Builder
	for line := range strings.Lines(string(readFile(t, "queries.txt"))) {
		query, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "> ")
		if !ok {
			if line == "\n" || line[0] == '#' {
				got.WriteString(line)
			}
			continue
		}
		got.WriteString(line)
		got.WriteString(answer(h, query))
	}
	check(t, "queries.txt", got.String())
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile("testdata/"+name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// answer asks a query and writes what comes in a short form.
func answer(h http.Handler, query string) string {
	path, v := "query_range", url.Values{
		"start": {fmt.Sprint(base().UnixNano())}, "end": {fmt.Sprint(base().Add(3 * time.Minute).UnixNano())},
		"step": {"60"}, "direction": {"FORWARD"},
	}
	if q, ok := strings.CutPrefix(query, "instant "); ok {
		path, query, v = "query", q, url.Values{"time": v["end"]}
	}
	v.Set("query", query)
	code, body := get(h, "/loki/api/v1/"+path+"?"+v.Encode())
	if code != http.StatusOK {
		return fmt.Sprintf("%d %s\n", code, strings.TrimSpace(body))
	}
	var out struct {
		Data struct {
			ResultType string
			Result     json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		return err.Error() + "\n"
	}
	if out.Data.ResultType == "scalar" {
		return "scalar " + string(out.Data.Result) + "\n"
	}
	return short(out.Data.Result)
}

func get(h http.Handler, target string, header ...string) (int, string) {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// short writes series and streams line by line, times after 06:00:00.
func short(result json.RawMessage) string {
	var list []struct {
		Stream, Metric map[string]string
		Value          []any
		Values         [][]any
	}
	if err := json.Unmarshal(result, &list); err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	for _, s := range list {
		labels := s.Metric
		if s.Stream != nil {
			labels = s.Stream
		}
		b.WriteString(braces(labels))
		if s.Value != nil {
			fmt.Fprintf(&b, " %s\n", s.Value[1])
		}
		for _, v := range s.Values {
			if s.Stream != nil {
				fmt.Fprintf(&b, "\n  %s %s", since(v[0].(string)), v[1])
			} else {
				fmt.Fprintf(&b, " %s@%vs", v[1], v[0].(float64)-float64(base().Unix()))
			}
		}
		if s.Value == nil {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func since(ns string) string {
	var n int64
	if _, err := fmt.Sscan(ns, &n); err != nil {
		return err.Error()
	}
	return time.Unix(0, n).Sub(base()).String()
}

func braces(m map[string]string) string {
	var parts []string
	for k, v := range m {
		parts = append(parts, fmt.Sprintf("%s=%q", k, v))
	}
	sort.Strings(parts)
	return "{" + strings.Join(parts, ", ") + "}"
}
