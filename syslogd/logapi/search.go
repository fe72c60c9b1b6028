package logapi

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"rondo/syslogd/query"
)

// search answers with messages or rows.
func (a *api) search(w http.ResponseWriter, r *http.Request) {
	q, err := parse(r)
	limit := 0
	if err == nil {
		limit, err = q.limit(r)
	}
	var out encoder
	if err == nil {
		out, err = encoderFor(w, r, q)
	}
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	if len(q.Pipes) == 0 || r.URL.Query().Has("limit") {
		// It is the client who wants no more: nothing is missing then.
		q.Query = q.Query.With(query.Limit{N: limit})
	} else {
		q.Limits.Rows = limit
	}
	a.answer(w, r, q, out)
}

// encoder writes rows in one format. It holds back what comes at its end, and
// the beginning until there is something to write.
type encoder interface {
	begin()
	row(r *query.Row) error
	status(s query.Status)
	fail(err error)
	flush() error
}

// flushEvery is how long rows may wait for others to be sent with them.
const flushEvery = 100 * time.Millisecond

// answer runs a query. An error that comes before any row is an answer of its
// own.
func (a *api) answer(w http.ResponseWriter, r *http.Request, q asked, out encoder) {
	begun, flushed := false, time.Now()
	status, err := q.Run(r.Context(), a.logs, q.Options, func(row *query.Row) error {
		if !begun {
			out.begin()
			begun = true
		}
		if err := out.row(row); err != nil || time.Since(flushed) < flushEvery {
			return err
		}
		flushed = time.Now()
		return out.flush()
	})
	switch {
	case err != nil && !begun:
		fail(w, http.StatusInternalServerError, err)
		return
	case !begun:
		out.begin()
	}
	if err != nil {
		out.fail(err)
	} else {
		out.status(status)
	}
	_ = out.flush() // the status is sent: that the client is gone is all that can go wrong
}

// encoderFor chooses the format.
func encoderFor(w http.ResponseWriter, r *http.Request, q asked) (encoder, error) {
	s := stream{w: w, out: bufio.NewWriterSize(w, 32<<10)}
	format := r.URL.Query().Get("format")
	if format == "" && strings.Contains(r.Header.Get("Accept"), "text/csv") {
		format = "csv"
	}
	switch format {
	case "csv":
		schema := q.Schema()
		if schema.Open {
			return nil, fmt.Errorf("rows may have any columns, which CSV has not: end the query with | fields a, b")
		}
		return &csvRows{stream: s, csv: csv.NewWriter(s.out), columns: schema.Columns}, nil
	case "", "json":
		if len(q.Pipes) > 0 {
			return &jsonRows{stream: s, schema: q.Schema()}, nil
		}
		return &jsonMessages{stream: s}, nil
	}
	return nil, fmt.Errorf("format %q: want json or csv", format)
}

// stream is a response that is written bit by bit.
type stream struct {
	w   http.ResponseWriter
	out *bufio.Writer
	buf []byte
}

func (s *stream) header(contentType string) {
	s.w.Header().Set("Content-Type", contentType)
	s.w.WriteHeader(http.StatusOK)
}

func (s *stream) flush() error {
	if err := s.out.Flush(); err != nil {
		return err
	}
	// Not every ResponseWriter can: then it sends when it sees fit.
	_ = http.NewResponseController(s.w).Flush()
	return nil
}

// line writes one JSON line. Errors of out show in flush.
func (s *stream) line(v any) {
	enc := json.NewEncoder(s.out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
}

const ndjson = "application/x-ndjson"

// jsonMessages are messages alone.
type jsonMessages struct{ stream }

func (j *jsonMessages) begin() { j.header(ndjson) }

func (j *jsonMessages) row(r *query.Row) error {
	j.line(jsonMessage(r.Message()))
	return nil
}

func (j *jsonMessages) status(query.Status) {}

func (j *jsonMessages) fail(err error) { j.line(errorOf(err)) }

// jsonRows are rows between their schema and their status.
type jsonRows struct {
	stream
	schema query.Schema
}

func (j *jsonRows) begin() {
	j.header(ndjson)
	j.line(j.schema)
}

func (j *jsonRows) row(r *query.Row) error {
	j.buf = append(r.AppendJSON(j.buf[:0]), '\n')
	_, err := j.out.Write(j.buf)
	return err
}

// lastLine is the end of an answer of rows.
type lastLine struct {
	Status struct {
		query.Status
		Error string `json:"error,omitempty"`
	} `json:"status"`
}

func (j *jsonRows) status(s query.Status) {
	var l lastLine
	l.Status.Status = s
	j.line(l)
}

func (j *jsonRows) fail(err error) {
	var l lastLine
	l.Status.Error = err.Error()
	j.line(l)
}

// csvRows are rows as RFC 4180 has them, under the names of their columns.
type csvRows struct {
	stream
	csv     *csv.Writer
	columns []query.Column
	cells   []string
}

func (c *csvRows) begin() {
	c.header("text/csv; charset=utf-8")
	for _, col := range c.columns {
		c.cells = append(c.cells, col.Name)
	}
	_ = c.csv.Write(c.cells) // an error of out shows in flush
}

func (c *csvRows) row(r *query.Row) error {
	for i, col := range c.columns {
		c.cells[i] = r.Get(col.Name).String()
	}
	return c.csv.Write(c.cells)
}

func (c *csvRows) status(s query.Status) {
	if words := s.Words(); words != "" {
		c.remark("incomplete", words)
	}
}

func (c *csvRows) fail(err error) { c.remark("error", err.Error()) }

func (c *csvRows) remark(what, text string) {
	c.csv.Flush()
	fmt.Fprintf(c.out, "# %s: %s\r\n", what, strings.ReplaceAll(text, "\n", " "))
}

func (c *csvRows) flush() error {
	c.csv.Flush()
	return cmp.Or(c.csv.Error(), c.stream.flush())
}
