package loki

import (
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"

	"rondo/rrd/seglog"
	"rondo/syslogd/syslog"
)

// Limits of a push request.
const (
	maxBody    = 16 << 20  // bytes as sent
	maxDecoded = 32 << 20  // bytes decompressed
	maxStreams = 5000      // in one request
	maxLines   = 100_000   // in one request
	maxLabels  = 64        // of a stream, or metadata of a line
	maxName    = 1024      // bytes of a label's name
	maxValue   = 2048      // bytes of a label's value
	maxLine    = 256 << 10 // bytes of a line; what is longer is cut, and marked
	// Labels are sent once for all lines of a stream, but each line is stored
	// with them: so many bytes in one request.
	maxRepeated = 64 << 20

	maxPushes = 4               // at a time: each may take 150 MB, labels repeated
	pushWait  = 5 * time.Second // for a place among these
	storeWait = 5 * time.Second // for the store; then the client is told to come back
)

// A stream is lines that share their labels.
type stream struct {
	labels  []label
	entries []entry
}

// An entry is one line with its time.
type entry struct {
	at   time.Time
	line string
	meta []label // structured metadata
}

func errTooManyStreams() error { return fmt.Errorf("more than %d streams in one request", maxStreams) }
func errTooManyLines() error   { return fmt.Errorf("more than %d lines in one request", maxLines) }
func errTooManyLabels(what string) error {
	return fmt.Errorf("more than %d of %s", maxLabels, what)
}

// push answers POST /loki/api/v1/push: 204 once all lines are on disk.
func (a *API) push(w http.ResponseWriter, r *http.Request) {
	if !a.enter(r.Context()) {
		a.stats.Add("refused_busy", 1)
		w.Header().Set("Retry-After", "1")
		http.Error(w, fmt.Sprintf("too many pushes at a time: %d", maxPushes), http.StatusTooManyRequests)
		return
	}
	defer func() { <-a.pushes }()
	streams, err := readPush(w, r)
	if err == nil {
		err = checkRepeated(streams)
	}
	if err != nil {
		a.stats.Add("refused_requests", 1)
		http.Error(w, err.Error(), pushStatus(err))
		return
	}
	batch, refused := messages(streams, peer(r), time.Now())
	if err := a.store(r.Context(), batch); err != nil {
		a.stats.Add("not_stored", len(batch))
		a.failPush(w, err)
		return
	}
	a.stats.Add("received", len(batch))
	a.stats.Add("truncated", truncated(batch))
	if refused != nil {
		a.stats.Add("refused_lines", refused.lines)
		http.Error(w, refused.Error(), refused.status)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// enter waits for a place among the pushes.
func (a *API) enter(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, pushWait)
	defer cancel()
	select {
	case a.pushes <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (a *API) store(ctx context.Context, batch []syslog.Message) error {
	if len(batch) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeWait)
	defer cancel()
	return a.Sink().Put(ctx, batch)
}

// failPush tells a client to come back: all that Loki's clients send again is
// 429 and 5xx.
func (a *API) failPush(w http.ResponseWriter, err error) {
	a.log.Warn("pushed lines are not stored; the client is told to come back", "err", err)
	w.Header().Set("Retry-After", "5")
	if errors.Is(err, seglog.ErrFull) {
		err = fmt.Errorf("the disk is full: %w", err)
	}
	http.Error(w, err.Error(), http.StatusServiceUnavailable)
}

func pushStatus(err error) int {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok || errors.Is(err, errTooLarge) || errors.Is(err, errRepeated) {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

// peer is the address of who sends; the zero Addr over a unix socket.
func peer(r *http.Request) netip.Addr {
	if a, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return a.Addr().Unmap()
	}
	return netip.Addr{}
}

var errRepeated = fmt.Errorf("more than %d bytes of labels, counted for each line", maxRepeated)

// checkRepeated refuses requests that are much larger than they look.
func checkRepeated(streams []stream) error {
	left := maxRepeated
	for i := range streams {
		bytes := 0
		for _, l := range streams[i].labels {
			bytes += len(l.name) + len(l.value)
		}
		if left -= bytes * len(streams[i].entries); left < 0 {
			return errRepeated
		}
	}
	return nil
}

var errTooLarge = fmt.Errorf("more than %d bytes, decompressed", maxDecoded)

// readPush reads the request in any of the forms that clients send: JSON, or
// snappy-compressed protocol buffers, and either compressed as a whole.
func readPush(w http.ResponseWriter, r *http.Request) ([]stream, error) {
	body, err := decompress(http.MaxBytesReader(w, r.Body, maxBody), r.Header.Get("Content-Encoding"))
	if err != nil {
		return nil, err
	}
	limited := &limitedReader{r: body, left: maxDecoded}
	contentType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil && r.Header.Get("Content-Type") != "" {
		return nil, fmt.Errorf("Content-Type: %w", err)
	}
	b, err := io.ReadAll(limited)
	if err != nil {
		return nil, err
	}
	if contentType == "application/json" {
		return decodeJSON(b)
	}
	if n, err := snappy.DecodedLen(b); err != nil {
		return nil, notPush(err)
	} else if n > maxDecoded {
		return nil, errTooLarge
	}
	if b, err = snappy.Decode(nil, b); err != nil {
		return nil, notPush(err)
	}
	return decodeProto(b)
}

func notPush(err error) error {
	return fmt.Errorf("%w: want application/json, or application/x-protobuf compressed by snappy", err)
}

func decompress(body io.Reader, encoding string) (io.Reader, error) {
	switch encoding {
	case "", "identity", "snappy": // which protocol buffers are anyway
		return body, nil
	case "gzip":
		return gzip.NewReader(body)
	case "deflate":
		return flate.NewReader(body), nil
	}
	return nil, fmt.Errorf("Content-Encoding %q not supported", encoding)
}

// limitedReader fails where io.LimitReader would say that all is well.
type limitedReader struct {
	r    io.Reader
	left int
}

func (l *limitedReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p[:min(len(p), l.left+1)])
	if l.left -= n; l.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

func truncated(batch []syslog.Message) (n int) {
	for i := range batch {
		if batch[i].Truncated {
			n++
		}
	}
	return n
}

// refusal is what of a request is not taken, while the rest is.
type refusal struct {
	status int
	lines  int
	first  string // what is wrong with the first stream of these
}

func (r *refusal) Error() string { return r.first }

// messages maps streams to messages. A stream whose labels cannot be stored is
// left out; as with Loki, the others are taken all the same.
func messages(streams []stream, sender netip.Addr, now time.Time) (batch []syslog.Message, refused *refusal) {
	if len(streams) == 0 {
		return nil, &refusal{status: http.StatusUnprocessableEntity, first: "error at least one valid stream is required for ingestion"}
	}
	n := 0
	for i := range streams {
		n += len(streams[i].entries)
	}
	batch = make([]syslog.Message, 0, n)
	for i := range streams {
		s := &streams[i]
		if err := checkLabels(s.labels); err != nil {
			if refused == nil {
				refused = &refusal{status: http.StatusBadRequest, first: err.Error()}
			}
			refused.lines += len(s.entries)
			continue
		}
		p := newPusher(sorted(slices.Clone(s.labels)), sender, now)
		for j := range s.entries {
			batch = append(batch, p.message(&s.entries[j]))
		}
	}
	return batch, refused
}

// checkLabels reports, in Loki's words, why a stream is refused.
func checkLabels(labels []label) error {
	if !slices.ContainsFunc(labels, func(l label) bool { return l.value != "" }) {
		return errors.New("error at least one label pair is required per stream")
	}
	for _, l := range labels {
		switch {
		case !isLabelName(l.name):
			return fmt.Errorf("invalid label name %.200q: want letters, digits and \"_\", no digit first", l.name)
		case len(l.name) > maxName:
			return fmt.Errorf("label name too long: %.200q", l.name)
		case len(l.value) > maxValue:
			return fmt.Errorf("label value too long: label %q: %.200q", l.name, l.value)
		}
	}
	return nil
}

func isLabelName(s string) bool {
	for i := range len(s) {
		if !isLetter(s[i]) && (i == 0 || !isDigit(s[i])) {
			return false
		}
	}
	return s != ""
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
