package loki

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"time"

	"rondo/syslogd"
)

// Handler serves the queries, under /loki/api/v1/:
//
//	GET POST  query query_range labels label series
//	GET POST  index/stats index/volume index/volume_range patterns
//	GET POST  detected_labels detected_fields detected_field/{name}/values
//	GET POST  label/{name}/values
//	GET       status/buildinfo
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	for path, h := range map[string]endpoint{
		"query":                        a.query,
		"query_range":                  a.queryRange,
		"labels":                       a.labels,
		"label":                        a.labels,
		"label/{name}/values":          a.labelValues,
		"series":                       a.series,
		"index/stats":                  a.indexStats,
		"index/volume":                 a.volume,
		"index/volume_range":           a.volumeRange,
		"detected_labels":              a.detectedLabels,
		"detected_fields":              a.detectedFields,
		"detected_field/{name}/values": a.detectedValues,
		"patterns":                     a.patterns,
	} {
		mux.Handle("GET /loki/api/v1/"+path, a.serve(h))
		mux.Handle("POST /loki/api/v1/"+path, a.serve(h))
	}
	mux.HandleFunc("GET /loki/api/v1/status/buildinfo", a.buildInfo)
	return mux
}

var errTimeout = fmt.Errorf("the query took more than %v", queryTimeout)

// An endpoint answers a request by what becomes JSON.
type endpoint func(ctx context.Context, r *http.Request, p *params) (any, error)

// A badQuery is an error of the client's.
type badQuery struct{ error }

func badQueryf(format string, args ...any) error { return badQuery{fmt.Errorf(format, args...)} }

// serve bounds how many queries run and wait, and for how long. A dashboard
// asks many at a time: they wait for each other.
func (a *API) serve(h endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case a.waiting <- struct{}{}:
			defer func() { <-a.waiting }()
		default:
			a.stats.Add("refused_busy", 1)
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many outstanding requests", http.StatusTooManyRequests)
			return
		}
		ctx, cancel := context.WithTimeoutCause(r.Context(), queryTimeout, errTimeout)
		defer cancel()
		p := readParams(w, r)
		answer, err := a.run(ctx, h, r, p)
		if err != nil {
			http.Error(w, err.Error(), status(err, p))
			return
		}
		a.stats.Add("queries", 1)
		writeJSON(w, answer)
	})
}

// run waits for a place and answers. Errors of parameters are errors.
func (a *API) run(ctx context.Context, h endpoint, r *http.Request, p *params) (any, error) {
	if p.err != nil {
		return nil, p.err
	}
	select {
	case a.queries <- struct{}{}:
		defer func() { <-a.queries }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	answer, err := h(ctx, r, p)
	if err == nil {
		err = p.err
	}
	return answer, err
}

// status is that of Loki's answer to an error.
func status(err error, p *params) int {
	if _, ok := errors.AsType[*SyntaxError](err); ok || p.err != nil {
		return http.StatusBadRequest
	}
	if _, ok := errors.AsType[badQuery](err); ok || errors.Is(err, syslogd.ErrTooManyGroups) {
		return http.StatusBadRequest
	}
	switch {
	case errors.Is(err, context.Canceled):
		return 499 // nobody is there to read it
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, errTimeout):
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

func writeJSON(w http.ResponseWriter, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_, _ = w.Write(b.Bytes()) // who asked has gone: there is nobody to tell
}

// success is the shape of most answers.
type success struct {
	Status string `json:"status"`
	Data   any    `json:"data"`
}

func succeed(data any) success { return success{"success", data} }

// buildInfo tells the version of rondo, where Loki tells its own.
func (a *API) buildInfo(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]string{
		"version": a.Version, "revision": a.Revision, "branch": "", "buildUser": "", "buildDate": "", "goVersion": runtime.Version(),
	})
}

// queryData is the data of query and query_range.
type queryData struct {
	ResultType    string     `json:"resultType"`
	EncodingFlags []string   `json:"encodingFlags,omitempty"`
	Result        any        `json:"result"`
	Stats         queryStats `json:"stats"`
}

// query answers an instant query: of metrics, as with Loki.
func (a *API) query(ctx context.Context, _ *http.Request, p *params) (any, error) {
	began := time.Now()
	at := p.time("time", p.now)
	p.limit(defaultLimit, maxLimit)
	p.forward()
	q, err := parseQuery(p.Get("query"))
	if err != nil || p.err != nil {
		return nil, err
	}
	if _, ok := q.(*logQuery); ok {
		return nil, badQueryf("log queries are not supported as an instant query type, please change your query to a range query type")
	}
	e := &evaluation{logs: a.Logs, start: at.UnixNano(), step: int64(time.Second), n: 1}
	v, err := e.eval(ctx, q)
	if err != nil {
		return nil, err
	}
	data := queryData{Stats: e.stats.since(began)}
	if v.scalar {
		data.ResultType, data.Result = "scalar", point{e.start, v.series[0].values[0]}
	} else {
		data.ResultType, data.Result = "vector", e.vector(v)
	}
	return succeed(data), nil
}

// queryRange answers a range query, of lines or of metrics.
func (a *API) queryRange(ctx context.Context, r *http.Request, p *params) (any, error) {
	began := time.Now()
	start, end := p.span(time.Hour)
	limit, forward, interval := p.limit(defaultLimit, maxLimit), p.forward(), p.duration("interval", 0)
	q, err := parseQuery(p.Get("query"))
	if err != nil || p.err != nil {
		return nil, err
	}
	lines, ok := q.(*logQuery)
	if !ok {
		return a.matrix(ctx, p, q, start, end, began)
	}
	s := &lineSearch{query: lines, from: start, to: end, limit: limit, forward: forward, interval: interval, categorize: categorizes(r)}
	if err := s.run(ctx, a.Logs); err != nil {
		return nil, err
	}
	data := queryData{ResultType: "streams", Result: s.streams(), Stats: s.stats.since(began)}
	if s.categorize {
		data.EncodingFlags = []string{categorizeFlag}
	}
	return succeed(data), nil
}

func (a *API) matrix(ctx context.Context, p *params, q any, start, end, began time.Time) (any, error) {
	step := p.step(start, end)
	if p.err != nil {
		return nil, nil
	}
	e := &evaluation{logs: a.Logs, start: start.UnixNano(), step: int64(step), n: int(end.Sub(start)/step) + 1}
	v, err := e.eval(ctx, q)
	if err != nil {
		return nil, err
	}
	return succeed(queryData{ResultType: "matrix", Result: e.matrix(v), Stats: e.stats.since(began)}), nil
}

// queryStats are what Loki tells of a query, as far as it means something here.
type queryStats struct {
	Summary struct {
		BytesProcessedPerSecond int64   `json:"bytesProcessedPerSecond"`
		LinesProcessedPerSecond int64   `json:"linesProcessedPerSecond"`
		TotalBytesProcessed     int64   `json:"totalBytesProcessed"`
		TotalLinesProcessed     int64   `json:"totalLinesProcessed"`
		ExecTime                float64 `json:"execTime"` // seconds
		QueueTime               float64 `json:"queueTime"`
		TotalEntriesReturned    int64   `json:"totalEntriesReturned"`
	} `json:"summary"`
	Store struct {
		TotalChunksRef        int64   `json:"totalChunksRef"`
		TotalChunksDownloaded int64   `json:"totalChunksDownloaded"`
		ChunksDownloadTime    float64 `json:"chunksDownloadTime"`
		CompressedBytes       int64   `json:"compressedBytes"`
		DecompressedBytes     int64   `json:"decompressedBytes"`
		DecompressedLines     int64   `json:"decompressedLines"`
		TotalDuplicates       int64   `json:"totalDuplicates"`
	} `json:"store"`
	Ingester struct {
		TotalReached       int64 `json:"totalReached"`
		TotalChunksMatched int64 `json:"totalChunksMatched"`
		TotalBatches       int64 `json:"totalBatches"`
		TotalLinesSent     int64 `json:"totalLinesSent"`
		HeadChunkBytes     int64 `json:"headChunkBytes"`
		HeadChunkLines     int64 `json:"headChunkLines"`
		CompressedBytes    int64 `json:"compressedBytes"`
		DecompressedBytes  int64 `json:"decompressedBytes"`
		DecompressedLines  int64 `json:"decompressedLines"`
		TotalDuplicates    int64 `json:"totalDuplicates"`
	} `json:"ingester"`
}

// saw counts a line that the query has read.
func (s *queryStats) saw(line string) {
	s.Summary.TotalLinesProcessed++
	s.Summary.TotalBytesProcessed += int64(len(line))
}

// since completes the figures at the end of a query.
func (s *queryStats) since(began time.Time) queryStats {
	sum := &s.Summary
	sum.ExecTime = time.Since(began).Seconds()
	sum.LinesProcessedPerSecond = int64(float64(sum.TotalLinesProcessed) / max(sum.ExecTime, 1e-6))
	sum.BytesProcessedPerSecond = int64(float64(sum.TotalBytesProcessed) / max(sum.ExecTime, 1e-6))
	s.Store.DecompressedLines, s.Store.DecompressedBytes = sum.TotalLinesProcessed, sum.TotalBytesProcessed
	return *s
}
