package loki

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/net/websocket"

	"rondo/syslogd"
	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

const (
	tailSpan     = time.Hour        // of lines before the tail began
	tailQueue    = 64               // lines between the store and the connection
	tailBatch    = 500              // lines in one message
	tailBeat     = 15 * time.Second // between two pings
	writeTimeout = 30 * time.Second // after which a client that reads nothing is left
)

// Tail serves GET /loki/api/v1/tail: lines over a WebSocket as they are stored,
// after the last ones from before.
func (a *API) Tail() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := readParams(w, r)
		t := &tailing{logs: a.Logs, limit: p.limit(defaultLimit, maxLimit)}
		t.since = p.time("start", p.now.Add(-tailSpan))
		q, err := parseQuery(p.Get("query"))
		if err = errors.Join(err, p.err); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var ok bool
		if t.query, ok = q.(*logQuery); !ok {
			http.Error(w, "tailing is for log queries, not for metrics", http.StatusBadRequest)
			return
		}
		if r.ProtoMajor != 1 || r.Header.Get("Upgrade") == "" {
			http.Error(w, "tailing wants a WebSocket", http.StatusUpgradeRequired)
			return
		}
		select {
		case a.tails <- struct{}{}:
			defer func() { <-a.tails }()
		default:
			a.stats.Add("refused_busy", 1)
			http.Error(w, fmt.Sprintf("too many tails at a time: %d", maxTails), http.StatusTooManyRequests)
			return
		}
		a.stats.Add("tails", 1)
		server := websocket.Server{Handshake: sameOrigin, Handler: func(ws *websocket.Conn) { t.run(r.Context(), ws) }}
		server.ServeHTTP(hijacker{w}, r)
	})
}

// sameOrigin refuses pages of other sites: a browser lets any page open a
// WebSocket to anywhere. Other clients send no Origin.
func sameOrigin(_ *websocket.Config, r *http.Request) error {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return nil
	}
	if u, err := url.Parse(origin); err != nil || u.Host != r.Host {
		return errors.New("loki: tail: a page of another origin")
	}
	return nil
}

// hijacker finds the connection below what wraps it.
type hijacker struct{ http.ResponseWriter }

// Hijack implements http.Hijacker.
func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(h.ResponseWriter).Hijack()
}

// tailing is one live tail.
type tailing struct {
	logs  syslogd.Searcher
	query *logQuery
	since time.Time
	limit int

	dropped int64 // that the client was told
}

// tailed is a message, and how many the store has dropped so far because this
// reader is too slow.
type tailed struct {
	msg     syslog.Message
	dropped int64
}

// run sends lines until the client is gone or ctx ends.
func (t *tailing) run(ctx context.Context, ws *websocket.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	defer ws.Close()
	// Those of the HTTP server hold no longer.
	if ws.SetDeadline(time.Time{}) != nil {
		return
	}
	wg.Go(func() { // answers pings, and sees the end
		defer cancel()
		_, _ = io.Copy(io.Discard, ws)
	})
	live := make(chan tailed, tailQueue)
	joined := time.Now()
	f := t.filter()
	wg.Go(func() {
		defer close(live)
		for m, status := range t.logs.Tail(ctx, f) {
			select {
			case live <- tailed{m, status.Dropped}:
			case <-ctx.Done():
				return
			}
		}
	})
	if t.before(ctx, ws, f, joined) == nil {
		t.follow(ctx, ws, live)
	}
}

// filter is what the store can leave out. Regular expressions over labels are
// not resolved by what occurs now: what comes may be new.
func (t *tailing) filter() *filter.Filter {
	tr, err := translate(t.query, func(string) ([]string, bool, error) { return nil, false, nil })
	if err != nil {
		return nil
	}
	return tr.filter
}

// before sends the last lines that were received before the tail began.
func (t *tailing) before(ctx context.Context, ws *websocket.Conn, f *filter.Filter, joined time.Time) error {
	var list []*record
	bytes := 0
	q := syslogd.Query{Filter: f, From: t.since, To: joined, ByReceived: true}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	for m, err := range t.logs.Search(ctx, q) {
		if err != nil {
			return err
		}
		if r := t.query.run(&m); r != nil {
			list = append(list, r)
			bytes += len(r.line)
		}
		if len(list) == t.limit || bytes > maxAnswer {
			break
		}
	}
	slices.Reverse(list)
	return t.send(ws, list, 0)
}

// follow sends what comes, as much at a time as there is.
func (t *tailing) follow(ctx context.Context, ws *websocket.Conn, live <-chan tailed) {
	beat := time.NewTicker(tailBeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			err = ping(ws)
		case first, ok := <-live:
			if !ok {
				return
			}
			list, dropped := t.gather(first, live)
			err = t.send(ws, list, dropped)
		}
		if err != nil {
			return
		}
	}
}

// gather takes what waits, up to a batch.
func (t *tailing) gather(next tailed, live <-chan tailed) (list []*record, dropped int64) {
	for n := 1; ; n++ {
		if r := t.query.run(&next.msg); r != nil {
			list = append(list, r)
		}
		dropped = next.dropped
		if n == tailBatch {
			return list, dropped
		}
		var ok bool
		select {
		case next, ok = <-live:
			if !ok {
				return list, dropped
			}
		default:
			return list, dropped
		}
	}
}

// tailJSON is a message of a tail.
type tailJSON struct {
	Streams []*streamJSON `json:"streams"`
	Dropped []droppedJSON `json:"dropped_entries,omitempty"`
}

// droppedJSON stands for all lines that were dropped since the last message:
// how many is all that is known of them.
type droppedJSON struct {
	Labels    labelsJSON `json:"labels"`
	Timestamp string     `json:"timestamp"`
}

func (t *tailing) send(ws *websocket.Conn, list []*record, dropped int64) error {
	s := &lineSearch{found: map[string]*streamJSON{}}
	for _, r := range list {
		s.add(r)
	}
	msg := tailJSON{Streams: s.streams()}
	if dropped > t.dropped {
		n := strconv.FormatInt(dropped-t.dropped, 10)
		msg.Dropped = []droppedJSON{{labelsJSON{{"dropped", n}}, strconv.FormatInt(time.Now().UnixNano(), 10)}}
		t.dropped = dropped
	}
	if len(list) == 0 && msg.Dropped == nil {
		return nil
	}
	b, err := json.Marshal(msg)
	if err == nil {
		err = ws.SetWriteDeadline(time.Now().Add(writeTimeout))
	}
	if err == nil {
		err = websocket.Message.Send(ws, string(b))
	}
	return err
}

// ping finds out whether the client is there.
func ping(ws *websocket.Conn) error {
	codec := websocket.Codec{Marshal: func(any) ([]byte, byte, error) { return nil, websocket.PingFrame, nil }}
	return errors.Join(ws.SetWriteDeadline(time.Now().Add(writeTimeout)), codec.Send(ws, nil))
}
