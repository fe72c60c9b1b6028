package logstore

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

// Limits of the HTTP interface.
const (
	defaultLimit  = 1000
	maxLimit      = 100_000
	maxBins       = 20_000
	defaultFacets = 50
	maxFacets     = 10_000
	maxSearches   = 8 // at a time; more are told to come back
	maxTails      = 64
	searchTimeout = time.Minute
)

// api serves searches of a log store over HTTP.
type api struct {
	logs     syslogd.Searcher
	searches chan struct{} // one token per running search
	tails    chan struct{}
}

// NewAPI returns the handler of these paths; q is a filter (package filter),
// from and to are as syslogd.ParseTime reads them.
//
//	GET /api/logs?q=&from=&to=&limit=&order=    messages, JSON lines; order is newest or oldest
//	GET /api/logs/histogram?q=&from=&to=&bin=   counts by time and severity, JSON
//	GET /api/logs/facets?q=&from=&to=&field=&limit=    counts by host, app, severity or facility, JSON
//	GET /api/logs/tail?q=                       messages as they come, server-sent events
//
// An error is JSON, {"error": "...", "position": n}; the position, in bytes
// from 0, is that within q and is left out for other errors. An error in the
// midst of JSON lines is a last line of that form.
func NewAPI(logs syslogd.Searcher) http.Handler {
	a := &api{logs: logs, searches: make(chan struct{}, maxSearches), tails: make(chan struct{}, maxTails)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/logs", a.limited(a.search))
	mux.HandleFunc("GET /api/logs/histogram", a.limited(a.histogram))
	mux.HandleFunc("GET /api/logs/facets", a.limited(a.facets))
	mux.HandleFunc("GET /api/logs/tail", a.tail)
	return mux
}

// Handler is NewAPI of this store.
func (s *Store) Handler() http.Handler { return NewAPI(s) }

// message is a message in JSON. Bytes that are not UTF-8 become U+FFFD.
type message struct {
	Time     time.Time `json:"time"`
	Received time.Time `json:"received"`
	Host     string    `json:"host"`
	App      string    `json:"app,omitempty"`
	Severity string    `json:"severity"`
	Facility string    `json:"facility"`
	PID      string    `json:"pid,omitempty"`
	MsgID    string    `json:"msgid,omitempty"`
	SD       string    `json:"sd,omitempty"`
	Sender   string    `json:"sender,omitempty"`
	Message  string    `json:"message"`
}

func jsonMessage(m *syslog.Message) message {
	j := message{
		Time: m.When(), Received: m.Received, Host: m.Origin(), App: m.App, Severity: m.Severity.String(), Facility: m.Facility.String(),
		PID: m.PID, MsgID: m.MsgID, SD: m.SD, Message: m.Text,
	}
	if m.Sender.IsValid() {
		j.Sender = m.Sender.Unmap().String()
	}
	return j
}

// apiError is what a client did wrong, or what went wrong.
type apiError struct {
	Text     string `json:"error"`
	Position *int   `json:"position,omitempty"`
}

func errorOf(err error) apiError {
	e := apiError{Text: err.Error()}
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
		ctx, cancel := context.WithTimeoutCause(r.Context(), searchTimeout, fmt.Errorf("search took more than %v", searchTimeout))
		defer cancel()
		h(w, r.WithContext(ctx))
	}
}

// query reads the parameters that all searches have.
func query(r *http.Request) (q syslogd.Query, err error) {
	v, now := r.URL.Query(), time.Now()
	if q.Filter, err = filter.Parse(v.Get("q")); err != nil {
		return q, fmt.Errorf("q: %w", err)
	}
	if q.From, err = syslogd.ParseTime(v.Get("from"), now); err != nil {
		return q, fmt.Errorf("from: %w", err)
	}
	if q.To, err = syslogd.ParseTime(v.Get("to"), now); err != nil {
		return q, fmt.Errorf("to: %w", err)
	}
	switch order := v.Get("order"); order {
	case "", "newest", "desc":
	case "oldest", "asc":
		q.Oldest = true
	default:
		return q, fmt.Errorf("order %q: want newest or oldest", order)
	}
	return q, nil
}

// limit reads a count between 1 and most.
func limit(r *http.Request, def, most int) (int, error) {
	s := r.URL.Query().Get("limit")
	if s == "" {
		return def, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("limit %q: want 1 to %d", s, most)
	}
	return n, nil
}

func (a *api) search(w http.ResponseWriter, r *http.Request) {
	q, err := query(r)
	if err == nil {
		q.Limit, err = limit(r, defaultLimit, maxLimit)
	}
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	out := bufio.NewWriterSize(w, 32<<10)
	encode := json.NewEncoder(out)
	encode.SetEscapeHTML(false)
	begun := false
	for m, err := range a.logs.Search(r.Context(), q) {
		if err != nil && !begun {
			fail(w, http.StatusInternalServerError, err)
			return
		}
		if !begun {
			begin(w)
			begun = true
		}
		if err != nil {
			err = encode.Encode(errorOf(err))
		} else {
			err = encode.Encode(jsonMessage(&m))
		}
		if err != nil {
			return // the client is gone
		}
	}
	if !begun {
		begin(w)
	}
	_ = out.Flush() // as above
}

func begin(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
}

// bin is a bar of the histogram.
type bin struct {
	Start  time.Time        `json:"start"`
	Counts map[string]int64 `json:"counts"` // by severity
	Total  int64            `json:"total"`
}

// histogram answers {"bin": seconds, "bins": [{"start", "counts", "total"}]}.
func (a *api) histogram(w http.ResponseWriter, r *http.Request) {
	q, err := query(r)
	var width time.Duration
	if err == nil {
		width, err = binWidth(r, q)
	}
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	if n := binCount(q, width, time.Now()); n > maxBins {
		fail(w, http.StatusBadRequest, fmt.Errorf("bin %v: makes %d bins, at most %d: ask for wider bins or a shorter time", width, n, maxBins))
		return
	}
	list, err := syslogd.Histogram(r.Context(), a.logs, q, width)
	switch {
	case errors.Is(err, syslogd.ErrTooManyGroups):
		fail(w, http.StatusBadRequest, fmt.Errorf("bin %v: %w", width, err))
		return
	case err != nil:
		fail(w, http.StatusInternalServerError, err)
		return
	}
	bins := []bin{}
	for _, b := range list {
		if n := len(bins); n == 0 || !bins[n-1].Start.Equal(b.Start) {
			bins = append(bins, bin{Start: b.Start, Counts: map[string]int64{}})
		}
		last := &bins[len(bins)-1]
		last.Counts[b.Severity.String()] += b.Count
		last.Total += b.Count
	}
	writeJSON(w, http.StatusOK, map[string]any{"bin": width.Seconds(), "bins": bins})
}

// binCount is how many bins the time of a query has, which is known before any
// is counted; 0 if it has no beginning.
func binCount(q syslogd.Query, width time.Duration, now time.Time) int64 {
	if q.From.IsZero() {
		return 0
	}
	to := q.To
	if to.IsZero() {
		to = now
	}
	return int64(to.Sub(q.From) / width)
}

// binWidth is what the client asks for, or about a sixtieth of the time.
func binWidth(r *http.Request, q syslogd.Query) (time.Duration, error) {
	if s := r.URL.Query().Get("bin"); s != "" {
		d, err := syslogd.ParseSpan(s)
		if err != nil || d <= 0 {
			return 0, fmt.Errorf("bin %q: want a time span such as 10s, 5m or 1h", s)
		}
		return d, nil
	}
	if q.From.IsZero() {
		return time.Hour, nil
	}
	to := q.To
	if to.IsZero() {
		to = time.Now()
	}
	widths := []time.Duration{
		time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute,
		15 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	}
	i := slices.IndexFunc(widths, func(d time.Duration) bool { return to.Sub(q.From) <= 60*d })
	if i < 0 {
		return 24 * time.Hour, nil
	}
	return widths[i], nil
}

// facets answers {"field": ..., "values": [{"value", "count"}]}.
func (a *api) facets(w http.ResponseWriter, r *http.Request) {
	q, err := query(r)
	n := 0
	if err == nil {
		n, err = limit(r, defaultFacets, maxFacets)
	}
	field := r.URL.Query().Get("field")
	if err == nil && !slices.Contains([]string{"host", "app", "severity", "facility"}, field) {
		err = fmt.Errorf("field %q: want host, app, severity or facility", field)
	}
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	list, err := syslogd.Facets(r.Context(), a.logs, q, field, n)
	if err != nil {
		fail(w, http.StatusInternalServerError, err)
		return
	}
	type value struct {
		Value string `json:"value"`
		Count int64  `json:"count"`
	}
	values := []value{}
	for _, f := range list {
		values = append(values, value(f))
	}
	writeJSON(w, http.StatusOK, map[string]any{"field": field, "values": values})
}
