package push

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/syslogd/out"
	"rondo/syslogd/syslog"
)

// A side answers requests, each with its status, headers and body.
type side func(req *http.Request, body string) (status int, answer string)

func (s side) RoundTrip(req *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	status, answer := s(req, string(b))
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	header := http.Header{}
	if after, text, ok := strings.Cut(answer, "|"); ok {
		header.Set("Retry-After", after)
		answer = text
	}
	return &http.Response{
		StatusCode: status, Status: fmt.Sprint(status, " ", http.StatusText(status)), Header: header,
		Body: io.NopCloser(strings.NewReader(answer)), Request: req,
	}, nil
}

// opened makes a session to a side, in a bubble of synctest.
func opened(t *testing.T, cfg Config, log io.Writer, answer side) (*Destination, *session) {
	t.Helper()
	if cfg.URL == nil {
		cfg.URL = []string{"https://a.example"}
	}
	d, err := New(cfg, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	s := newSession(t.Context(), d, &http.Client{Transport: answer})
	t.Cleanup(func() { _ = s.Close(t.Context()) })
	return d, s
}

func batchOf(texts ...string) out.Batch {
	b := out.Batch{Log: "log"}
	for i, text := range texts {
		b.Numbers = append(b.Numbers, uint64(10+i))
		b.Messages = append(b.Messages, syslog.Message{
			Host: "web-1", App: "api", Text: text, Severity: syslog.Error, Received: time.Now(),
		})
	}
	return b
}

func many(n int) (texts []string) {
	for i := range n {
		texts = append(texts, fmt.Sprint("m", i))
	}
	return texts
}

// TestLinger: a portion goes out when it is full, or when its first message
// has waited.
func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var got []string
		_, s := opened(t, Config{Format: JSON, Batch: Batch{Messages: 3, Linger: 2 * time.Second}}, io.Discard, func(_ *http.Request, body string) (int, string) {
			got = append(got, fmt.Sprint(time.Since(start), " ", strings.Count(body, "\n")))
			return 200, ""
		})
		send(t, s, "a", "b", "c", "d")
		time.Sleep(1500 * time.Millisecond)
		send(t, s, "e")
		if err := s.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		send(t, s, "f")
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"0s 3", "2s 2", "2.5s 1"}, got); diff != "" {
			t.Error(diff)
		}
		if n, refused := s.Settled(); n != 6 || refused != 0 {
			t.Errorf("%d settled, %d refused", n, refused)
		}
	})
}

func send(t *testing.T, s *session, texts ...string) {
	t.Helper()
	if err := s.Send(t.Context(), batchOf(texts...)); err != nil {
		t.Fatal(err)
	}
}

// TestAnswers: what becomes of a message, and when the next session may begin.
func TestAnswers(t *testing.T) {
	f := func(status int, answer, want string) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			d, s := opened(t, Config{Format: JSON}, io.Discard, func(*http.Request, string) (int, string) { return status, answer })
			send(t, s, "x")
			time.Sleep(time.Minute)
			n, refused := s.Settled()
			got := fmt.Sprint(n, refused)
			if err := s.failure(); err != nil {
				got += " " + err.Error()
				if wait := d.ready().Sub(time.Now().Add(-59 * time.Second)); wait > 0 {
					got += fmt.Sprintf(" (wait %v)", wait)
				}
			}
			if got != want {
				t.Errorf("status %d: %q, want %q", status, got, want)
			}
		})
	}
	const a = "https://a.example/"
	f(200, "", "1 0")
	f(204, "", "1 0")
	f(400, "no", "1 1")
	f(413, "", "1 1")
	f(422, "", "1 1")
	f(0, "", "0 0 push: "+a+": connection refused")
	f(429, "120|slowly", "0 0 push: "+a+" answers 429 Too Many Requests: slowly (wait 2m0s)")
	f(503, "Sat, 01 Jan 2000 00:01:01 GMT|", "0 0 push: "+a+" answers 503 Service Unavailable:  (wait 1m0s)")
	f(503, "999999|", "0 0 push: "+a+" answers 503 Service Unavailable:  (wait 5m0s)")
	f(503, "soon|", "0 0 push: "+a+" answers 503 Service Unavailable: ")
	f(500, "", "0 0 push: "+a+" answers 500 Internal Server Error: ")
	f(408, "", "0 0 push: "+a+" answers 408 Request Timeout: ")
	f(301, "", "0 0 push: wrong configuration: "+a+" answers 301 Moved Permanently: ")
	f(401, "who?", "0 0 push: wrong configuration: "+a+" answers 401 Unauthorized: who?")
	f(403, "", "0 0 push: wrong configuration: "+a+" answers 403 Forbidden: ")
	f(404, "", "0 0 push: wrong configuration: "+a+" answers 404 Not Found: ")
}

// TestOneIsAtFault: of a portion that is refused, only the messages at fault
// are, and nothing that was taken is sent again.
func TestOneIsAtFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		taken := map[string]int{}
		var log bytes.Buffer
		_, s := opened(t, Config{Format: JSON, Bearer: "secret7"}, &log, func(_ *http.Request, body string) (int, string) {
			if strings.Contains(body, `"m13"`) || strings.Contains(body, `"m77"`) {
				return 400, "bad: Bearer secret7 " + strings.Repeat("!", 1000)
			}
			for line := range strings.Lines(body) {
				taken[line]++
			}
			return 200, ""
		})
		send(t, s, many(100)...)
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		n, refused := s.Settled()
		if n != 100 || refused != 2 || len(taken) != 98 {
			t.Errorf("%d settled, %d refused, %d taken", n, refused, len(taken))
		}
		for line, times := range taken {
			if times != 1 {
				t.Errorf("%d times: %s", times, line)
			}
		}
		text := log.String()
		if !strings.Contains(text, "count=2 of=100") || !strings.Contains(text, "400 Bad Request: bad: Bearer <secret> !!!") || len(text) > 600 {
			t.Errorf("log: %s", text)
		}
	})
}

// TestTargets: which address is asked.
func TestTargets(t *testing.T) {
	f := func(mode Mode, want string) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			var asked []string
			down := map[string]bool{}
			cfg := Config{Format: JSON, Mode: mode, URL: []string{"https://a", "https://b", "https://c"}, Batch: Batch{Messages: 1}}
			_, s := opened(t, cfg, io.Discard, func(req *http.Request, _ string) (int, string) {
				asked = append(asked, req.URL.Host)
				if down[req.URL.Host] {
					return 502, ""
				}
				return 200, ""
			})
			step := func(texts ...string) {
				send(t, s, texts...)
				synctest.Wait()
				asked = append(asked, "|")
			}
			step("1", "2", "3", "4")
			down["a"] = true
			step("5", "6", "7") // a is asked once, and then rests
			down["a"] = false
			time.Sleep(maxPause)
			step("8", "9")
			if got := strings.Join(asked, ""); got != want {
				t.Errorf("%s: %s, want %s", mode, got, want)
			}
			if n, _ := s.Settled(); n != 9 {
				t.Errorf("%d settled", n)
			}
		})
	}
	f(Failover, "aaaa|abbb|aa|")
	f(Balance, "abca|bcab|bc|")
}

// TestBulk: each document has its own answer.
func TestBulk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		ids := regexp.MustCompile(`"_id":"(log-\d+)"`)
		statuses := map[string][]int{ // one after the other; then 201
			"log-11": {409}, "log-12": {429, 503}, "log-13": {400}, "log-14": {429},
		}
		var log bytes.Buffer
		_, s := opened(t, Config{Format: Elasticsearch, Compression: None}, &log, func(_ *http.Request, body string) (int, string) {
			var items, round []string
			for _, m := range ids.FindAllStringSubmatch(body, -1) {
				status := 201
				if left := statuses[m[1]]; len(left) > 0 {
					status, statuses[m[1]] = left[0], left[1:]
				}
				round = append(round, m[1])
				items = append(items, fmt.Sprintf(`{"create":{"_id":%q,"status":%d,"error":{"type": "t"}}}`, m[1], status))
			}
			asked = append(asked, strings.Join(round, " "))
			return 200, `{"took":3,"errors":true,"items":[` + strings.Join(items, ",") + `]}`
		})
		send(t, s, many(5)...)
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []string{"log-10 log-11 log-12 log-13 log-14", "log-12 log-14", "log-12"}
		if diff := cmp.Diff(want, asked); diff != "" {
			t.Error(diff)
		}
		if n, refused := s.Settled(); n != 5 || refused != 1 {
			t.Errorf("%d settled, %d refused", n, refused)
		}
		if !strings.Contains(log.String(), `400 Bad Request: {\"type\":\"t\"}`) {
			t.Error(log.String())
		}
	})
}

// TestBulkFails: what is not an answer to a bulk request settles nothing.
func TestBulkFails(t *testing.T) {
	f := func(answer, want string) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			_, s := opened(t, Config{Format: Elasticsearch}, io.Discard, func(*http.Request, string) (int, string) { return 200, answer })
			send(t, s, "x")
			<-s.Broken()
			if err := s.failure(); !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
			if n, _ := s.Settled(); n != 0 {
				t.Errorf("%d settled", n)
			}
		})
	}
	f("", "not one to a bulk request")
	f("<html>", "not one to a bulk request")
	f("{}", "not one to a bulk request")
	f(`{"errors":false,"items":[]}`, "not one to a bulk request")
	f(`{"items":[{"create":{"status":403,"error":"read only"}}]}`, `wrong configuration: a document is answered 403 Forbidden: "read only"`)
	f(`{"items":[{"create":{"status":404}}]}`, "wrong configuration")
	f(`{"items":[{"create":{"status":429}}]}`, "to come later: 429")
	f(`{"items":[{}]}`, "not one to a bulk request")
}

// TestCloseEnds: a side that answers nothing does not hold a session that is
// to end.
func TestCloseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := opened(t, Config{Format: JSON, Timeout: time.Minute}, io.Discard, func(req *http.Request, _ string) (int, string) {
			<-req.Context().Done()
			return 0, ""
		})
		send(t, s, "x")
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		if err := s.Close(ctx); err == nil || time.Since(start) != 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if n, _ := s.Settled(); n != 0 {
			t.Errorf("%d settled", n)
		}
	})
}
