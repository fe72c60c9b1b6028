package push_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"rondo/syslogd"
	"rondo/syslogd/loki"
	"rondo/syslogd/macro"
	"rondo/syslogd/out/outtest"
	"rondo/syslogd/out/push"
	"rondo/syslogd/syslog"
)

// A receiver is the other side, which can be cut, down and stalled.
type receiver struct {
	serving  sync.Mutex // one request at a time
	handler  http.Handler
	mu       sync.Mutex
	arrivals []outtest.Arrival
	cut      atomic.Bool
	down     atomic.Bool
	stalled  atomic.Bool
	ended    chan struct{} // of the test
}

func (r *receiver) add(a ...outtest.Arrival) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.arrivals = append(r.arrivals, a...)
}

func (r *receiver) received() []outtest.Arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.arrivals[:len(r.arrivals):len(r.arrivals)]
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if r.down.Load() {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	if r.stalled.Load() {
		select {
		case <-req.Context().Done():
		case <-r.ended:
		}
		return
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	cut := r.cut.CompareAndSwap(true, false)
	if cut && rand.N(2) == 0 {
		panic(http.ErrAbortHandler) // the request is lost
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	if cut {
		w = httptest.NewRecorder() // the answer is lost
	}
	r.serve(w, req)
	if cut {
		panic(http.ErrAbortHandler)
	}
}

// serve takes one request after the other: one whose session has ended is not
// mixed with what the next session sends.
func (r *receiver) serve(w http.ResponseWriter, req *http.Request) {
	r.serving.Lock()
	defer r.serving.Unlock()
	r.handler.ServeHTTP(w, req)
}

// subject makes a destination and its other side.
func subject(t *testing.T, cfg push.Config, handler func(*receiver) http.Handler) *outtest.Subject {
	r := &receiver{ended: make(chan struct{})}
	r.handler = handler(r)
	srv := httptest.NewServer(r)
	t.Cleanup(func() { close(r.ended); srv.CloseClientConnections(); srv.Close() })
	cfg.URL = []string{srv.URL}
	cfg.Batch = push.Batch{Messages: 100, Linger: 2 * time.Millisecond}
	d, err := push.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	d.Hurry()
	return &outtest.Subject{
		Destination: d, Received: r.received, Unconnected: true,
		Cut:  func() { r.cut.Store(true) },
		Down: func() { r.down.Store(true) }, Up: func() { r.down.Store(false) },
		Stall: func() { r.stalled.Store(true) },
	}
}

func TestConformance(t *testing.T) {
	f := func(name string, cfg push.Config, handler func(*receiver) http.Handler) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outtest.Run(t, func(t *testing.T) *outtest.Subject { return subject(t, cfg, handler) })
		})
	}
	// Loki keeps the order of a stream: here there is one for each source.
	labels := map[string]macro.Source{"host": "${HOST}"}
	f("loki", push.Config{Format: push.Loki, Labels: labels}, lokiSide)
	f("loki-json", push.Config{Format: push.LokiJSON, Compression: push.Gzip, Labels: labels}, lokiSide)
	f("elasticsearch", push.Config{Format: push.Elasticsearch}, bulkSide)
	f("json", push.Config{Format: push.JSON, Compression: push.Zstd}, lineSide)
	f("json-array", push.Config{Format: push.JSONArray}, arraySide)
}

// lokiSide is our own answer to pushes.
func lokiSide(r *receiver) http.Handler {
	return loki.New(loki.Options{Sink: func() syslogd.Sink { return sink(r.put) }}).Push()
}

type sink func(ctx context.Context, batch []syslog.Message) error

func (s sink) Put(ctx context.Context, batch []syslog.Message) error { return s(ctx, batch) }

func (r *receiver) put(_ context.Context, batch []syslog.Message) error {
	for i := range batch {
		r.add(outtest.Arrival{Text: batch[i].Text})
	}
	return nil
}

// plain decompresses a body.
func plain(req *http.Request) []byte {
	body := io.Reader(req.Body)
	var err error
	switch req.Header.Get("Content-Encoding") {
	case "gzip":
		body, err = gzip.NewReader(body)
	case "zstd":
		body, err = zstd.NewReader(body)
	}
	if err != nil {
		panic(err)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		panic(err)
	}
	return b
}

type object struct {
	Key     string `json:"key"`
	Message string `json:"message"`
}

func (o object) arrival() outtest.Arrival { return outtest.Arrival{Text: o.Message, Key: o.Key} }

func lineSide(r *receiver) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		for line := range bytes.Lines(plain(req)) {
			var o object
			if err := json.Unmarshal(line, &o); err != nil {
				panic(err)
			}
			r.add(o.arrival())
		}
	})
}

func arraySide(r *receiver) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		var list []object
		if err := json.Unmarshal(plain(req), &list); err != nil {
			panic(err)
		}
		for _, o := range list {
			r.add(o.arrival())
		}
	})
}

// bulkSide answers as Elasticsearch does, and now and then has no time for
// some of the documents.
func bulkSide(r *receiver) http.Handler {
	known := map[string]bool{}
	busy := 0
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var answers []string
		full := 0 // a node that is full stays so until the end of the request
		lines := bufio.NewScanner(bytes.NewReader(plain(req)))
		for lines.Scan() {
			var do struct {
				Create struct {
					Index string `json:"_index"`
					ID    string `json:"_id"`
				} `json:"create"`
			}
			var o object
			if err := json.Unmarshal(lines.Bytes(), &do); err != nil || !lines.Scan() {
				panic(fmt.Sprint("no bulk request: ", err))
			}
			if err := json.Unmarshal(lines.Bytes(), &o); err != nil || o.Key != do.Create.ID || do.Create.Index != "rondo-2026.11.21" {
				panic(fmt.Sprint(err, do, o))
			}
			busy++
			switch {
			case known[o.Key]:
				answers = append(answers, `{"create":{"status":409,"error":{"type":"version_conflict_engine_exception"}}}`)
			case full > 0 || busy%531 == 0:
				full++
				answers = append(answers, `{"create":{"status":429,"error":{"type":"es_rejected_execution_exception"}}}`)
			default:
				known[o.Key] = true
				r.add(o.arrival())
				answers = append(answers, `{"create":{"status":201}}`)
			}
		}
		fmt.Fprintf(w, `{"took":1,"errors":%v,"items":[%s]}`, full > 0, joined(answers))
	})
}

func joined(list []string) []byte {
	var b []byte
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, s...)
	}
	return b
}
