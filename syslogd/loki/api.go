package loki

import (
	"log/slog"
	"net/http"
	"time"

	"rondo/syslogd"
)

// Limits of queries. Those of Loki's default configuration where it has one.
const (
	defaultLimit = 100     // lines
	maxLimit     = 5000    // lines
	maxPoints    = 11_000  // of one series
	maxSeries    = 2000    // of a metric query
	maxCells     = 4 << 20 // points of all series together

	maxAnswer = 64 << 20 // bytes of lines

	maxQueries   = 4                // at a time
	maxWaiting   = 128              // for a place among these; more are told to come back
	maxTails     = 64               // at a time
	queryTimeout = 50 * time.Second // with the wait; answers must be written within a minute
)

// Options of an API.
type Options struct {
	// Sink returns what takes pushed messages. It is asked for each push,
	// since a reload may replace it.
	Sink func() syslogd.Sink
	Logs syslogd.Searcher
	// LineBytes is the mean length of a line, for answers that tell volumes;
	// nil: none is known.
	LineBytes func() float64
	Version   string // told as Loki's build
	Revision  string
	Log       *slog.Logger // none
}

// An API serves Loki's HTTP interface. It is safe for concurrent use.
type API struct {
	Options
	log     *slog.Logger
	pushes  chan struct{} // a token per request that runs
	queries chan struct{}
	waiting chan struct{} // a token per query that runs or waits
	tails   chan struct{} // a token per tail
	stats   *syslogd.Stats
}

// New makes an API.
func New(o Options) *API {
	a := &API{
		Options: o, log: o.Log,
		pushes: make(chan struct{}, maxPushes), queries: make(chan struct{}, maxQueries),
		waiting: make(chan struct{}, maxQueries+maxWaiting), tails: make(chan struct{}, maxTails), stats: syslogd.NewStats(),
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	return a
}

// PushPath is where clients push to.
const PushPath = "/loki/api/v1/push"

// Push serves PushPath.
func (a *API) Push() http.Handler { return http.HandlerFunc(a.push) }

// Snapshot returns all counts that are not zero:
//
//	received           lines that were pushed and stored
//	not_stored         lines that the store did not take; the client was told so
//	refused_lines      lines of streams whose labels cannot be stored
//	refused_requests   pushes that cannot be read, or are beyond a limit
//	refused_busy       pushes, queries and tails that found no place
//	truncated          lines that were cut
//	queries, tails     that were answered
func (a *API) Snapshot() map[string]uint64 {
	return a.stats.Snapshot()
}
