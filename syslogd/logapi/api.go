package logapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/filter"
	"rondo/syslogd/query"
	"rondo/syslogd/syslog"
)

// Limits of the HTTP interface.
const (
	defaultLimit  = 1000
	defaultRows   = 10_000
	maxLimit      = 100_000
	maxBins       = 20_000
	defaultFacets = 50
	maxFacets     = 10_000
	defaultNear   = 10
	maxSearches   = 8 // at a time; more are told to come back
	maxTails      = 64
	searchTimeout = time.Minute
)

// A Store is what is asked.
type Store interface {
	syslogd.Searcher
	syslogd.Explainer
	syslogd.Locator
}

// api serves searches of a log store over HTTP.
type api struct {
	logs     Store
	searches chan struct{} // one token per running search
	tails    chan struct{}
}

// New returns the handler of the paths of the package's comment.
func New(logs Store) http.Handler {
	a := &api{logs: logs, searches: make(chan struct{}, maxSearches), tails: make(chan struct{}, maxTails)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/logs", a.limited(a.search))
	mux.HandleFunc("GET /api/logs/histogram", a.limited(a.histogram))
	mux.HandleFunc("GET /api/logs/facets", a.limited(a.facets))
	mux.HandleFunc("GET /api/logs/explain", a.limited(a.explain))
	mux.HandleFunc("GET /api/logs/context", a.limited(a.context))
	mux.HandleFunc("GET /api/logs/tail", a.tail)
	return mux
}

// message is a message in JSON. Bytes that are not UTF-8 become U+FFFD.
type message struct {
	Time     time.Time  `json:"time"`
	Received time.Time  `json:"received"`
	Host     string     `json:"host"`
	App      string     `json:"app,omitempty"`
	Severity string     `json:"severity"`
	Facility string     `json:"facility"`
	PID      string     `json:"pid,omitempty"`
	MsgID    string     `json:"msgid,omitempty"`
	SD       string     `json:"sd,omitempty"`
	Sender   string     `json:"sender,omitempty"`
	Message  string     `json:"message"`
	ID       syslogd.ID `json:"id"`
}

func jsonMessage(m *syslog.Message) message {
	return message{
		Time: m.When(), Received: m.Received, Host: m.Origin(), App: m.App, Severity: m.Severity.String(), Facility: m.Facility.String(),
		PID: m.PID, MsgID: m.MsgID, SD: m.SD, Sender: filter.Value(m, "sender"), Message: m.Text, ID: syslogd.IDOf(m),
	}
}

// apiError is what a client did wrong, or what went wrong.
type apiError struct {
	Text     string `json:"error"`
	Position *int   `json:"position,omitempty"`
}

func errorOf(err error) apiError {
	e := apiError{Text: err.Error()}
	if s, ok := errors.AsType[*query.SyntaxError](err); ok {
		e.Position = &s.Offset
	}
	if s, ok := errors.AsType[*filter.SyntaxError](err); ok {
		e.Position = &s.Offset
	}
	return e
}

func fail(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, errorOf(err))
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The status is sent: a client that is gone is all that can go wrong.
	_ = json.NewEncoder(w).Encode(v)
}

// acquire takes a token, or answers that there is none.
func acquire(w http.ResponseWriter, tokens chan struct{}, what string) bool {
	select {
	case tokens <- struct{}{}:
		return true
	default:
		w.Header().Set("Retry-After", "1")
		fail(w, http.StatusServiceUnavailable, fmt.Errorf("too many %s at a time: %d", what, cap(tokens)))
		return false
	}
}

// limited bounds how many searches run, and for how long.
func (a *api) limited(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !acquire(w, a.searches, "searches") {
			return
		}
		defer func() { <-a.searches }()
		// A query ends itself before, and tells what it found until then.
		ctx, cancel := context.WithTimeoutCause(r.Context(), searchTimeout+time.Second, fmt.Errorf("search took more than %v", searchTimeout))
		defer cancel()
		h(w, r.WithContext(ctx))
	}
}

// asked is what all searches are asked.
type asked struct {
	*query.Query
	query.Options
}

// plain is the search for messages, without pipes.
func (q asked) plain(limit int) syslogd.Query {
	return syslogd.Query{Filter: q.Filter, From: q.From, To: q.To, Oldest: q.Oldest, Limit: limit}
}

// parse reads the parameters that all searches have.
func parse(r *http.Request) (q asked, err error) {
	v, now := r.URL.Query(), time.Now()
	if q.Query, err = query.Parse(v.Get("q")); err != nil {
		return q, fmt.Errorf("q: %w", err)
	}
	if q.From, err = syslogd.ParseTime(v.Get("from"), now); err != nil {
		return q, fmt.Errorf("from: %w", err)
	}
	if q.To, err = syslogd.ParseTime(v.Get("to"), now); err != nil {
		return q, fmt.Errorf("to: %w", err)
	}
	if !q.To.IsZero() && q.From.After(q.To) {
		return q, fmt.Errorf("from %s is after to %s", v.Get("from"), v.Get("to"))
	}
	switch order := v.Get("order"); order {
	case "", "newest", "desc":
	case "oldest", "asc":
		q.Oldest = true
	default:
		return q, fmt.Errorf("order %q: want newest or oldest", order)
	}
	q.Limits.Time = searchTimeout
	return q, nil
}

// count reads a number of at most most.
func count(r *http.Request, name string, def, least, most int) (int, error) {
	s := r.URL.Query().Get(name)
	if s == "" {
		return def, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s %q: want %d to %d", name, s, least, most)
	}
	return n, nil
}

// limit reads how many messages or rows a client wants.
func (q asked) limit(r *http.Request) (int, error) {
	if len(q.Pipes) > 0 {
		return count(r, "limit", defaultRows, 1, maxLimit)
	}
	return count(r, "limit", defaultLimit, 1, maxLimit)
}
