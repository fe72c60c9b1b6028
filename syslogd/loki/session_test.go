package loki

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/websocket"
)

// TestSessions replays what Grafana's data source and logcli ask, and compares
// with testdata/sessions.txt: the requests are as they send them, with START
// and END for the bounds in nanoseconds.
func TestSessions(t *testing.T) {
	a := openFilled(t)
	times := strings.NewReplacer("START", fmt.Sprint(base().UnixNano()), "END", fmt.Sprint(base().Add(3*time.Minute).UnixNano()))
	var got strings.Builder
	for line := range strings.Lines(string(readFile(t, "sessions.txt"))) {
		target, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "> ")
		if !ok {
			if line == "\n" || line[0] == '#' {
				got.WriteString(line)
			}
			continue
		}
		got.WriteString(line)
		// Grafana sends both of these.
		code, body := get(a.Handler(), times.Replace(target), "X-Query-Tags", "Source=logvolhist", "X-Loki-Response-Encoding-Flags", "categorize-labels")
		if code != http.StatusOK {
			got.WriteString(fmt.Sprint(code, " "))
		}
		got.WriteString(regexp.MustCompile(`,"stats":\{.*\}\}`).ReplaceAllString(body, `,"stats":{...}}`))
	}
	check(t, "sessions.txt", got.String())
}

// TestStats: the figures that Grafana shows with a query are there.
func TestStats(t *testing.T) {
	_, body := get(openFilled(t).Handler(), fmt.Sprintf("/loki/api/v1/query_range?query={host=~%%22.%%2B%%22}&start=%d&end=%d", base().Unix(), base().Unix()+180))
	var out struct {
		Data struct {
			Stats struct {
				Summary  map[string]float64
				Store    map[string]float64
				Ingester map[string]float64
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		t.Fatal(err)
	}
	s := out.Data.Stats
	if s.Summary["totalLinesProcessed"] != 10 || s.Summary["execTime"] <= 0 || s.Store == nil || s.Ingester == nil {
		t.Errorf("stats are %+v", s)
	}
}

func TestTail(t *testing.T) {
	a := openFilled(t)
	srv := httptest.NewServer(a.Tail())
	defer srv.Close()
	u := "ws" + strings.TrimPrefix(srv.URL, "http") + "/loki/api/v1/tail?limit=1&start=0&query=%7Bjob%3D~%22shop.%2B%22%7D%20%7C%3D%20%22time%22"
	conf, err := websocket.NewConfig(u, srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	ws, err := websocket.DialConfig(conf)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	receive := func(want string) {
		t.Helper()
		var msg struct {
			Streams []struct {
				Stream map[string]string
				Values [][2]string
			}
		}
		if err := websocket.JSON.Receive(ws, &msg); err != nil {
			t.Fatal(err)
		}
		if len(msg.Streams) != 1 || msg.Streams[0].Values[0][1] != want || msg.Streams[0].Stream["app"] != "shop/api" {
			t.Errorf("received %+v, want %q", msg, want)
		}
	}
	receive("timeout again") // from before, the newest
	pushUntil(t, a, func() { receive("another time") })
}

// pushUntil pushes two lines again and again until f returns: nobody tells when
// a tail has begun.
func pushUntil(t *testing.T, a *API, f func()) {
	t.Helper()
	done := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(done)
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			body := `{"streams":[{"stream":{"job":"shop/api"},"values":[["1795240800000000000","other"],["1795240800000000001","another time"]]}]}`
			if w := send(a, []byte(body), "Content-Type", "application/json"); w.Code != http.StatusNoContent {
				t.Error(w.Code)
				return
			}
		}
	})
	f()
}

func TestTailRefusals(t *testing.T) {
	a := openFilled(t)
	srv := httptest.NewServer(a.Tail())
	defer srv.Close()
	const query = "?query=%7Ba%3D%22b%22%7D"
	conf, err := websocket.NewConfig("ws"+strings.TrimPrefix(srv.URL, "http")+query, "http://evil.example")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := websocket.DialConfig(conf); err == nil {
		t.Error("a page of another origin may tail")
	}
	for target, want := range map[string]int{query: 426, "?query=%7B": 400, "?query=vector(1)": 400, query + "&limit=9999999": 400} {
		r, err := http.Get(srv.URL + "/" + target)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("%s: status %d, want %d", target, r.StatusCode, want)
		}
	}
}

// check compares with a file of testdata, or writes it.
func check(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		write(t, name, got)
	}
	if d := cmp.Diff(string(readFile(t, name)), got); d != "" {
		t.Error(d)
	}
}

// TestBusy: queries wait for each other up to a bound.
func TestBusy(t *testing.T) {
	a := openFilled(t)
	for range cap(a.waiting) {
		a.waiting <- struct{}{}
	}
	if code, body := get(a.Handler(), "/loki/api/v1/labels"); code != http.StatusTooManyRequests {
		t.Errorf("%d %s", code, body)
	}
	if got := a.Snapshot()["refused_busy"]; got != 1 {
		t.Errorf("refused_busy is %d", got)
	}
}
