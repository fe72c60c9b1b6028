package logimport

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"rondo/syslogd/syslog"
	"rondo/syslogd/syslog/jsonl"
)

// Path is where a Handler is mounted: GET asks for positions, POST puts a
// portion.
const Path = "/api/logs/import"

const (
	maxBody = 32 << 20
	maxText = 16 << 20 // of a message in JSON
)

// Handler answers for a target. Who may put must be asked before.
func Handler(t Target) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path, func(w http.ResponseWriter, r *http.Request) {
		found, err := t.Positions(r.Context(), r.FormValue("prefix"))
		if err != nil {
			fail(w, http.StatusInternalServerError, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(append([]Position{}, found...)) // the reader may have left
	})
	mux.HandleFunc("POST "+Path, func(w http.ResponseWriter, r *http.Request) {
		p, err := parsePortion(r.URL.Query(), http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			fail(w, http.StatusBadRequest, err)
			return
		}
		switch err := t.Put(r.Context(), p); {
		case errors.Is(err, ErrMoved):
			fail(w, http.StatusConflict, err)
		case err != nil:
			fail(w, http.StatusServiceUnavailable, err)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
	return mux
}

func fail(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()}) // the reader may have left
}

// parsePortion reads what Remote sends.
func parsePortion(q url.Values, body io.Reader) (Portion, error) {
	p := Portion{Source: q.Get("source"), Done: q.Get("done") == "true"}
	var err1, err2 error
	p.From, err1 = strconv.ParseUint(q.Get("from"), 10, 63)
	p.To, err2 = strconv.ParseUint(q.Get("to"), 10, 63)
	if err := errors.Join(err1, err2); err != nil {
		return p, fmt.Errorf("logimport: from, to: %w", err)
	}
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxText)
	for lines.Scan() {
		m, err := jsonl.Parse(lines.Bytes())
		if err != nil {
			return p, fmt.Errorf("logimport: message %d: %w", len(p.Messages)+1, err)
		}
		p.Messages = append(p.Messages, m)
	}
	if err := lines.Err(); err != nil {
		return p, fmt.Errorf("logimport: %w", err)
	}
	return p, nil
}

// A Remote is a Target that is a running server. Do sends it a request, and
// returns the body of a good answer; Conflict reports whether its error is the
// answer 409.
type Remote struct {
	Do       func(ctx context.Context, method, path string, q url.Values, body io.Reader) (io.ReadCloser, error)
	Conflict func(error) bool
}

// Positions implements Target.
func (r *Remote) Positions(ctx context.Context, prefix string) ([]Position, error) {
	body, err := r.Do(ctx, http.MethodGet, Path, url.Values{"prefix": {prefix}}, nil)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var found []Position
	err = json.NewDecoder(body).Decode(&found)
	return found, err
}

// Put implements Target.
func (r *Remote) Put(ctx context.Context, p Portion) error {
	q := url.Values{
		"source": {p.Source}, "done": {strconv.FormatBool(p.Done)},
		"from": {strconv.FormatUint(p.From, 10)}, "to": {strconv.FormatUint(p.To, 10)},
	}
	body, err := r.Do(ctx, http.MethodPost, Path, q, bytes.NewReader(appendMessages(nil, p.Messages)))
	if err != nil {
		if r.Conflict(err) {
			err = ErrMoved
		}
		return err
	}
	return body.Close()
}

func appendMessages(dst []byte, messages []syslog.Message) []byte {
	for i := range messages {
		dst = append(jsonl.Append(dst, &messages[i]), '\n')
	}
	return dst
}
