package web

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// stalled is how long a live reader may take nothing before it is left.
const stalled = 30 * time.Second

// Stream mounts a handler that answers for as long as its reader stays. It
// has no write timeout as a whole, but is left when its reader takes nothing
// for half a minute; a handler that is silent for long should send something now
// and then, to find that out. It counts against the limit of live readers, and
// its request's context ends when the server stops.
func (s *Server) Stream(pattern string, h http.Handler) {
	s.Handle(pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case s.streams <- struct{}{}:
			defer func() { <-s.streams }()
		default:
			w.Header().Set("Retry-After", "10")
			http.Error(w, fmt.Sprintf("all %d places for live readers are taken (web: limits: max_streams)", cap(s.streams)), http.StatusServiceUnavailable)
			return
		}
		s.live(h).ServeHTTP(w, r)
	}))
}

// SharedStream is [Server.Shared] for a handler that answers as one of
// [Server.Stream] does, and bounds the number of its readers itself: agents take
// no place from people.
func (s *Server) SharedStream(pattern string, allowed func(*http.Request) bool, h http.Handler) {
	s.Shared(pattern, allowed, s.live(h))
}

// live lets a handler answer for as long as its reader stays, or until the
// server stops.
func (s *Server) live(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(s.closing, cancel)()
		h.ServeHTTP(&streamWriter{w, http.NewResponseController(w)}, r.WithContext(ctx))
	})
}

// StreamCommand is [Server.Stream] for a handler that changes something: it
// needs the token or the unix socket, as with [Server.Command].
func (s *Server) StreamCommand(pattern string, h http.Handler) {
	s.Stream(pattern, s.requireToken(h))
}

// A streamWriter gives each write its own time, instead of all of them one.
type streamWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

// extend lets the next write take its time. A recorder in a test has no
// deadline to move; a real connection has.
func (w *streamWriter) extend() { _ = w.control.SetWriteDeadline(time.Now().Add(stalled)) }

func (w *streamWriter) Write(p []byte) (int, error) {
	w.extend()
	return w.ResponseWriter.Write(p)
}

// Flush is FlushError for those who know only [http.Flusher].
func (w *streamWriter) Flush() { _ = w.FlushError() } // the next write fails as well

// FlushError sends what was written.
func (w *streamWriter) FlushError() error {
	w.extend()
	return w.control.Flush()
}

// Unwrap is for [http.ResponseController].
func (w *streamWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// newConns are the connections that have not sent a request. A browser opens
// some ahead; Shutdown would take them for busy and wait.
type newConns struct {
	mu    sync.Mutex
	conns map[net.Conn]bool
}

func (n *newConns) note(c net.Conn, state http.ConnState) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if state != http.StateNew {
		delete(n.conns, c)
		return
	}
	if n.conns == nil {
		n.conns = make(map[net.Conn]bool)
	}
	n.conns[c] = true
}

func (n *newConns) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.conns {
		_ = c.Close() // nothing was asked
	}
}
