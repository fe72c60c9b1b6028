package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/semaphore"

	"rondo/collectors"
	"rondo/rrd"
	"rondo/syslogd/syslog"
)

// A Store keeps messages, and marks in the same write; the log store is one.
type Store interface {
	// PutMarked stores messages and marks, all of it or nothing, on disk when
	// it returns nil. A mark at 0 is forgotten.
	PutMarked(ctx context.Context, batch []syslog.Message, marks []Mark) error
	// Marks are those whose source begins with prefix. They may be lost in a
	// power cut until a later Sync has returned.
	Marks(prefix string) []Mark
	// Sync returns when all that was put before is on disk.
	Sync(ctx context.Context) error
}

// A Contact is what is known of an agent.
type Contact struct {
	Identity
	Status
	Addr     netip.Addr `json:"addr"`
	Seen     time.Time  `json:"seen"`
	Conflict string     `json:"conflict,omitempty"` // another machine uses its id
}

// Options of a Server.
type Options struct {
	Store   Store
	Metrics rrd.Appender
	Auth    Authorizer
	// Heard is told of every hello and every status, by several goroutines at
	// once.
	Heard   func(Contact)
	Log     *slog.Logger
	Version string
}

const (
	maxHello   = 64 << 10
	maxAgents  = 10_000 // beyond it those that are silent for long are forgotten, else new ones refused
	maxMarks   = 20_000 // of one agent
	forgetting = time.Hour
	maxBodies  = 16 * maxBody
	maxBatches = 8 * decoded * maxBatch
)

// A Server is the server's end of the protocol; the package comment draws it.
type Server struct {
	o       Options
	stats   collectors.Stats
	decoder *zstd.Decoder
	bodies  *semaphore.Weighted // bytes of pushes as they come
	batches *semaphore.Weighted // and as they are in memory

	mu     sync.Mutex
	agents map[string]*session // by id

	conflicts, gaps, refused collectors.Notice
}

// NewServer makes a server. It has nothing to close.
func NewServer(o Options) (*Server, error) {
	d, err := newDecoder()
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	return &Server{o: o, decoder: d, agents: map[string]*session{},
		bodies: semaphore.NewWeighted(maxBodies), batches: semaphore.NewWeighted(maxBatches)}, nil
}

// Handler answers HelloPath and PushPath. It checks the keys of its callers.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+HelloPath, s.serve(s.hello))
	mux.HandleFunc("POST "+PushPath, s.serve(s.push))
	return mux
}

// Snapshot returns the counters:
//
//	messages samples pushes         taken
//	duplicates                      messages that were stored before
//	gaps gap_bytes                  places where a source goes on further than it was stored
//	overlaps                        portions that were partly stored: refused
//	conflicts                       hellos of a second agent with the same id
//	refused_REASON                  requests: key, identity, wire, size, session, agents, marks, store
//	samples_REASON                  samples, by rrd.Refusal
//	agents                          known
func (s *Server) Snapshot() map[string]uint64 {
	counts := s.stats.Snapshot()
	if counts == nil {
		counts = map[string]uint64{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	counts["agents"] = uint64(len(s.agents))
	return counts
}

// A refusal is an answer that is no success.
type refusal struct {
	status int
	reason string // for the counter
	Error  string `json:"error"`
}

func refuse(status int, reason, format string, args ...any) *refusal {
	return &refusal{status, reason, fmt.Sprintf(format, args...)}
}

// A caller is who sends a request.
type caller struct {
	key  Identity // what the key is bound to
	addr netip.Addr
}

// serve authorizes the caller and writes what answer returns, as JSON.
func (s *Server) serve(answer func(*http.Request, caller) (any, *refusal)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var c caller
		if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
			c.addr = ap.Addr().Unmap()
		}
		v, refused := any(nil), s.authorize(r, &c)
		if refused == nil {
			v, refused = answer(r, c)
		}
		status := http.StatusOK
		if refused != nil {
			s.stats.Add("refused_"+refused.reason, 1)
			s.refused.Warn(s.o.Log, "agent refused", "addr", c.addr, "status", refused.status, "err", refused.Error)
			v, status = refused, refused.status
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v) // the agent is gone: it asks again
	}
}

func (s *Server) authorize(r *http.Request, c *caller) *refusal {
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return refuse(http.StatusUnauthorized, "key", "no key: send Authorization: Bearer KEY")
	}
	var err error
	c.key, err = s.o.Auth.Authorize(r.Context(), key, c.addr)
	switch {
	case errors.Is(err, ErrRefused):
		return refuse(http.StatusUnauthorized, "key", "%v", err)
	case err != nil:
		return refuse(http.StatusServiceUnavailable, "key", "%v", err)
	}
	return nil
}

// hello is the request that begins a session, and welcome the answer.
type hello struct {
	Version  int      `json:"version"`
	Session  string   `json:"session"`
	Identity Identity `json:"identity"`
	Status   Status   `json:"status"`
}

type welcome struct {
	Server string `json:"server"`
	Host   string `json:"host"` // as the server calls the agent's
	Group  string `json:"group,omitempty"`
	Seq    uint64 `json:"seq"` // of the newest batch that is stored
	Marks  []Mark `json:"marks"`
}

func (s *Server) hello(r *http.Request, c caller) (any, *refusal) {
	b, err := io.ReadAll(io.LimitReader(r.Body, maxHello+1))
	if err != nil || len(b) > maxHello {
		return nil, refuse(http.StatusRequestEntityTooLarge, "size", "hello of more than %d bytes, or cut short", maxHello)
	}
	var h hello
	if err := json.Unmarshal(b, &h); err != nil || h.Version != wireVersion || !isName(h.Session) {
		return nil, refuse(http.StatusBadRequest, "wire", "hello: want version %d and a session: %v", wireVersion, err)
	}
	id, err := h.Identity.bind(c.key)
	if err != nil {
		return nil, refuse(http.StatusForbidden, "identity", "%v", err)
	}
	a, refused := s.agent(id.ID)
	if refused != nil {
		return nil, refused
	}
	if !a.enter(r.Context()) {
		return nil, refuse(http.StatusServiceUnavailable, "session", "another request of this agent is not done yet")
	}
	defer a.leave()
	if a.second(h.Session) {
		return nil, s.conflict(a, id.ID, c)
	}
	marks, seq, err := s.marks(r.Context(), id.ID)
	if err != nil {
		return nil, refuse(http.StatusServiceUnavailable, "store", "%v", err)
	}
	a.begin(&h, marks, seq)
	s.heard(a, Contact{Identity: id, Status: h.Status, Addr: c.addr})
	return welcome{Server: s.o.Version, Host: id.Host, Group: id.Group, Seq: a.seq, Marks: marks}, nil
}

// conflict tells of two agents with one id: the one that came later goes on,
// and both are named.
func (s *Server) conflict(a *session, id string, c caller) *refusal {
	other := a.contact()
	a.conflicted(c.addr.String())
	s.stats.Add("conflicts", 1)
	s.conflicts.Warn(s.o.Log, "two agents have the same id: give each machine its own", "id", id,
		"addr", c.addr, "other", other.Addr, "host", other.Host)
	return refuse(statusConflict, "session", "an agent at %s has the same id %s", other.Addr, id)
}

// prefix is what the names of an agent's marks begin with in the store. The
// number of its newest batch is the mark of no name.
func prefix(id string) string { return "agent/" + id + "/" }

// marks are what is stored of an agent, for good: it may forget what lies
// before them.
func (s *Server) marks(ctx context.Context, id string) (marks []Mark, seq uint64, err error) {
	for _, m := range s.o.Store.Marks(prefix(id)) {
		if m.Source = m.Source[len(prefix(id)):]; m.Source == "" {
			seq = m.Pos
			continue
		}
		marks = append(marks, m)
	}
	return marks, seq, s.o.Store.Sync(ctx)
}

// agent finds or makes what is known of an agent.
func (s *Server) agent(id string) (*session, *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.agents[id]; a != nil {
		return a, nil
	}
	if len(s.agents) >= maxAgents {
		for id, a := range s.agents {
			if time.Since(a.contact().Seen) > forgetting {
				delete(s.agents, id)
			}
		}
	}
	if len(s.agents) >= maxAgents {
		return nil, refuse(http.StatusServiceUnavailable, "agents", "%d agents are connected, no more", maxAgents)
	}
	a := newSession()
	s.agents[id] = a
	return a, nil
}

// of finds the agent of a session, present or past.
func (s *Server) of(id string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.agents[id]
}

// heard notes what an agent says of itself.
func (s *Server) heard(a *session, c Contact) {
	c.Seen = time.Now()
	c.Conflict = a.conflict(c.Seen)
	a.mu.Lock()
	a.last = c
	a.mu.Unlock()
	if s.o.Heard != nil {
		s.o.Heard(c)
	}
}

// Agents are those that were heard of since the start, by host.
func (s *Server) Agents() []Contact {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Contact, 0, len(s.agents))
	for _, a := range s.agents {
		if c := a.contact(); !c.Seen.IsZero() {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b Contact) int {
		return cmp.Or(strings.Compare(a.Host, b.Host), strings.Compare(a.ID, b.ID))
	})
	return all
}
