package agent

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// world is a server and an agent's process, either of which may be killed at
// any moment, with a network between them that delays, repeats and forgets.
type world struct {
	t       *rapid.T
	store   *memory
	server  *Server
	client  *Client // only to make bodies
	process int
	seq     uint64
	known   map[string]uint64 // marks, as the process knows them
	sent    []sent            // on its way, or was once
	pending *sent             // what the process sends until it is answered
}

type sent struct {
	body []byte
	seq  uint64
	to   map[string]uint64 // the marks behind it
}

// direct is a network without sockets.
type direct struct{ w **world }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	(*d.w).server.Handler().ServeHTTP(answer, r)
	return answer.Result(), nil
}

func (w *world) post(path string, body []byte) (int, []byte) {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(string(body)))
	r.Header.Set("Authorization", "Bearer "+testKey)
	r.Header.Set(idHeader, "i-1")
	answer := httptest.NewRecorder()
	w.server.Handler().ServeHTTP(answer, r)
	return answer.Code, answer.Body.Bytes()
}

func (w *world) restartServer() {
	s, err := NewServer(Options{Store: w.store, Metrics: w.store, Auth: StaticToken(testKey), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Fatal(err)
	}
	w.server = s
}

// restartAgent begins a process where the server is.
func (w *world) restartAgent() {
	w.process++
	w.pending, w.known, w.seq = nil, nil, uint64(w.process)<<32
}

func (w *world) session() string { return fmt.Sprint("process-", w.process) }

// hello begins a session; a batch on its way may turn out to be stored.
func (w *world) hello() {
	w.client.session = w.session()
	answer, err := w.client.hello(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if w.known == nil {
		w.known = map[string]uint64{}
		for _, m := range answer.Marks {
			w.known[m.Source] = m.Pos
		}
	}
	if w.pending != nil && sameRun(answer.Seq, w.pending.seq) && answer.Seq >= w.pending.seq {
		w.answered()
	}
}

func (w *world) answered() {
	for source, pos := range w.pending.to {
		w.known[source] = pos
	}
	w.pending = nil
}

// read makes the next batch, of lines that follow the known marks.
func (w *world) read() {
	if w.pending != nil || w.known == nil {
		return
	}
	w.seq++
	batch := Batch{Session: w.session(), Seq: w.seq}
	p := &sent{seq: w.seq, to: map[string]uint64{}}
	for i := range rapid.IntRange(1, 3).Draw(w.t, "sources") {
		x := Portion{Source: fmt.Sprint("f", i), From: w.known[fmt.Sprint("f", i)]}
		x.To = x.From + rapid.Uint64Range(0, 3).Draw(w.t, "lines")
		for n := x.From; n < x.To; n++ {
			x.Messages = append(x.Messages, lines(fmt.Sprint(x.Source, " ", n))...)
		}
		batch.Portions = append(batch.Portions, x)
		p.to[x.Source] = x.To
	}
	if rapid.Bool().Draw(w.t, "together") { // as PushMarked does with several files
		all := Portion{Source: severalSources}
		for i := range batch.Portions {
			all.Messages = append(all.Messages, batch.Portions[i].Messages...)
			batch.Portions[i].Messages = nil
		}
		batch.Portions = append([]Portion{all}, batch.Portions...)
	}
	p.body = w.client.encoder.EncodeAll(encode(&batch), nil)
	w.pending = p
	w.sent = append(w.sent, *p)
}

// deliver brings a request to the server; who sent it may be dead.
func (w *world) deliver(s sent, heard bool) {
	status, _ := w.post(PushPath, s.body)
	switch {
	case !heard || w.pending == nil || s.seq != w.pending.seq:
	case status == http.StatusOK:
		w.answered()
	case status == statusAgain:
		w.hello()
	case status != http.StatusServiceUnavailable:
		w.t.Fatalf("status %d", status)
	}
}

// TestOnce lets both sides and the network do what they can: each line of each
// source is stored once, in order, up to its mark.
func TestOnce(t *testing.T) {
	var w *world
	client := newTestClient(t, "http://server", func(o *ClientOptions) { o.Transport = direct{&w} })
	rapid.Check(t, func(t *rapid.T) {
		w = &world{t: t, store: newMemory(), client: client}
		w.restartServer()
		w.restartAgent()
		w.hello()
		t.Repeat(map[string]func(*rapid.T){
			"read": func(*rapid.T) { w.read() },
			"send": func(t *rapid.T) {
				if w.pending != nil {
					w.deliver(*w.pending, rapid.Bool().Draw(t, "answered"))
				}
			},
			"late": func(t *rapid.T) { // an old request, of any process
				if len(w.sent) > 0 {
					w.deliver(w.sent[rapid.IntRange(0, len(w.sent)-1).Draw(t, "which")], false)
				}
			},
			"kill agent":  func(*rapid.T) { w.restartAgent(); w.hello() },
			"kill server": func(*rapid.T) { w.restartServer() },
			"store fails": func(t *rapid.T) {
				w.store.halfway = rapid.Bool().Draw(t, "stored all the same")
				if !w.store.halfway {
					w.store.err = errTest
				}
				if w.pending != nil {
					w.deliver(*w.pending, true)
				}
				w.store.halfway, w.store.err = false, nil
			},
			"": func(t *rapid.T) {
				counts := map[string]int{}
				for _, text := range w.store.messages {
					source, n, _ := strings.Cut(text, " ")
					if n != fmt.Sprint(counts[source]) {
						t.Fatalf("%s after %d lines: %q", text, counts[source], w.store.messages)
					}
					counts[source]++
				}
				for _, m := range w.store.Marks(prefix("i-1")) {
					source := strings.TrimPrefix(m.Source, prefix("i-1"))
					if source != "" && counts[source] != int(m.Pos) {
						t.Fatalf("%s: mark %d, %d lines", source, m.Pos, counts[source])
					}
				}
			},
		})
	})
}
