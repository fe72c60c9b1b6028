package web_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
	"rondo/web"
)

// pipes is a listener whose connections are in memory, so that a test decides
// how time goes by.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { close(p.closed); return nil }

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

func (p *pipes) dial(t *testing.T, request string) net.Conn {
	t.Helper()
	theirs, ours := net.Pipe()
	p.conns <- theirs
	if _, err := io.WriteString(ours, request); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return ours
}

// inBubble runs a server on pipes and stops it; test is given how to connect.
func inBubble(t *testing.T, mount func(*web.Server), test func(dial func(request string))) (stopped time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, web.Default(), web.Deps{})
		mount(s)
		p := newPipes()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx, p) }()
		test(func(request string) {
			c := p.dial(t, request)
			t.Cleanup(func() { c.Close() })
		})
		began := time.Now()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("an ordinary stop: %v", err)
		}
		stopped = time.Since(began)
	})
	return stopped
}

// A browser opens connections before it needs them: they must not hold the stop.
func TestStopDoesNotWaitForConnectionsWithoutRequest(t *testing.T) {
	took := inBubble(t, func(*web.Server) {}, func(dial func(string)) { dial("") })
	if took >= time.Second {
		t.Errorf("waited %v for a connection without a request", took)
	}
}

// A handler that never ends is cut, and the stop is still in order.
func TestStopCutsWhatIsTooSlow(t *testing.T) {
	var ended error
	took := inBubble(t, func(s *web.Server) {
		s.Handle("GET /slow", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			ended = r.Context().Err()
		}))
	}, func(dial func(string)) { dial("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n") })
	if took < 5*time.Second || ended == nil {
		t.Errorf("waited %v, the handler ended with %v", took, ended)
	}
}

// A reader that takes nothing more loses its place.
func TestStalledReaderIsLeft(t *testing.T) {
	var failed error
	inBubble(t, func(s *web.Server) {
		s.Stream("GET /stream", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for failed == nil {
				_, err := w.Write(make([]byte, 1000))
				failed = errors.Join(err, http.NewResponseController(w).Flush())
			}
		}))
	}, func(dial func(string)) {
		dial("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
		time.Sleep(time.Minute)
		synctest.Wait()
		if failed == nil {
			t.Error("the handler still writes after a minute")
		}
	})
}

// silentLogs is a log store in which nothing happens.
type silentLogs struct{ nothing }

func (silentLogs) Tail(ctx context.Context, _ *filter.Filter) iter.Seq2[syslog.Message, syslogd.TailStatus] {
	return func(func(syslog.Message, syslogd.TailStatus) bool) { <-ctx.Done() }
}

func TestQuietTailBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, web.Default(), web.Deps{Logs: silentLogs{}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, "GET", "http://localhost/ui/tail", nil)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if n := strings.Count(w.Body.String(), ": alive\n\n"); n < 3 {
			t.Errorf("%d signs of life in a minute: %q", n, w.Body)
		}
	})
}

// TestPanicIsLogged wants a panic to be an error of ours, told to the log and to
// the client.
func TestPanicIsLogged(t *testing.T) {
	var log bytes.Buffer
	s, err := web.New(web.Default(), web.Deps{}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	s.Handle("GET /bad", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("no such luck") }))
	if w := ask(s, "GET", "/bad"); w.Code != http.StatusInternalServerError {
		t.Errorf("answered %d", w.Code)
	}
	for _, want := range []string{"level=ERROR", "no such luck", "path=/bad", "stop_test.go"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log lacks %q: %s", want, log.String())
		}
	}
	// Half an answer must not look like a whole one.
	s.Handle("GET /half", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		panic("in the middle")
	}))
	defer func() {
		if v := recover(); v != http.ErrAbortHandler {
			t.Errorf("panicked with %v, want the connection to be cut", v)
		}
	}()
	ask(s, "GET", "/half")
}
