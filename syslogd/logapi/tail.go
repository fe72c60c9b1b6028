package logapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"rondo/syslogd/filter"
)

const (
	heartbeat    = 15 * time.Second // so that proxies do not close a quiet tail
	writeTimeout = 30 * time.Second // after which a client that reads nothing is left
	tailQueue    = 16               // messages between the store and the connection
	flushBytes   = 32 << 10
)

// event is a message of a tail, and what was lost before it.
type event struct {
	message message
	dropped int64
}

// tail sends messages as server-sent events. When the client was too slow, an
// event "dropped" tells how many messages it missed so far.
func (a *api) tail(w http.ResponseWriter, r *http.Request) {
	f, err := filter.Parse(r.URL.Query().Get("q"))
	if err != nil {
		fail(w, http.StatusBadRequest, fmt.Errorf("q: %w", err))
		return
	}
	if !acquire(w, a.tails, "tails") {
		return
	}
	defer func() { <-a.tails }()
	ctx, cancel := context.WithCancel(r.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	events := make(chan event, tailQueue)
	wg.Go(func() {
		defer close(events)
		for m, status := range a.logs.Tail(ctx, f) {
			select {
			case events <- event{jsonMessage(&m), status.Dropped}:
			case <-ctx.Done():
				return
			}
		}
	})
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	sendEvents(ctx, w, events)
}

// sendEvents writes events until they end, ctx ends or the client is gone.
func sendEvents(ctx context.Context, w http.ResponseWriter, events <-chan event) {
	s := &eventStream{w: w, control: http.NewResponseController(w)}
	s.buf.WriteString(": tail\n\n")
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for s.flush() {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			s.buf.WriteString(": alive\n\n")
		case e, ok := <-events:
			if !ok {
				return
			}
			s.add(e)
			s.addWaiting(events)
		}
	}
}

// eventStream writes events to a response.
type eventStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	buf     bytes.Buffer
	dropped int64
}

// addWaiting takes what has come meanwhile, to send it in one write.
func (s *eventStream) addWaiting(events <-chan event) {
	for s.buf.Len() < flushBytes {
		select {
		case e, ok := <-events:
			if !ok {
				return
			}
			s.add(e)
		default:
			return
		}
	}
}

func (s *eventStream) add(e event) {
	if e.dropped > s.dropped {
		s.dropped = e.dropped
		fmt.Fprintf(&s.buf, "event: dropped\ndata: {\"dropped\":%d}\n\n", e.dropped)
	}
	s.buf.WriteString("data: ")
	// A message is strings and times of this age; it can be encoded.
	_ = json.NewEncoder(&s.buf).Encode(e.message)
	s.buf.WriteByte('\n') // Encode wrote one already
}

// flush reports false if the client is gone.
func (s *eventStream) flush() bool {
	// Not every ResponseWriter can; then the server's own timeout holds.
	_ = s.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := s.w.Write(s.buf.Bytes()); err != nil {
		return false
	}
	s.buf.Reset()
	return s.control.Flush() == nil
}
