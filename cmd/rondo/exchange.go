package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"rondo/rrd"
	"rondo/rrd/rrdfile"
)

// exchangeFlags are the flags of the commands that move whole sets.
type exchangeFlags struct {
	clientFlags
	Config string `help:"Configuration file, for the schemas; only where no server runs, and the store is opened directly." type:"path" placeholder:"FILE"`
	Jobs   int    `help:"How many files are worked on at one time." default:"16" placeholder:"N"`
}

// A setExchange is where sets come from and go to: a running server, or the
// store itself where none runs. Its errors are a file's own, except those
// that isTrouble knows.
type setExchange interface {
	put(ctx context.Context, name string, file io.Reader, replace bool) (rrdfile.Outcome, error)
	get(ctx context.Context, name string, f rrdfile.Format, to io.Writer) error
	list(ctx context.Context) ([]string, error)
	close() error
}

// errAway says that there was no answer.
var errAway = errors.New("the server has gone")

// isTrouble says whether the next file would meet the same error.
func isTrouble(err error) bool {
	if answer, ok := errors.AsType[*answerError](err); ok {
		return answer.status >= 500 || answer.status == http.StatusUnauthorized || answer.status == http.StatusForbidden
	}
	return errors.Is(err, errAway) || errors.Is(err, rrdfile.ErrStore) || errors.Is(err, context.Canceled)
}

// exchange finds the server, or opens the store, and makes one only if create
// is set: a wrong --data has nothing to export.
func (c exchangeFlags) exchange(ctx context.Context, stderr io.Writer, create bool) (setExchange, error) {
	if c.Jobs < 1 {
		return nil, &exitError{usageCode, errors.New("--jobs: want 1 or more")}
	}
	client, base := c.client()
	if c.Server != "" {
		return &serverExchange{c.clientFlags, client, base}, nil
	}
	socket := filepath.Join(c.Data, socketName)
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	switch {
	case err == nil:
		return &serverExchange{c.clientFlags, client, base}, conn.Close()
	case !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED):
		return nil, dialError(socket, err)
	}
	if _, err := os.Stat(filepath.Join(c.Data, "metrics")); err != nil && !create {
		return nil, fmt.Errorf("no server answers at %s, and there is no store: is --data right?", socket)
	}
	_, _ = fmt.Fprintf(stderr, "no server answers at %s: the store there is opened directly\n", socket)
	return c.openStore(stderr)
}

func (c exchangeFlags) openStore(stderr io.Writer) (setExchange, error) {
	conf, err := loadConfig(c.Config)
	if err != nil {
		return nil, err
	}
	conf.Data = c.Data
	if err := os.MkdirAll(conf.Data, 0o700); err != nil {
		return nil, err
	}
	metrics, err := openMetrics(conf, slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return nil, err
	}
	return &storeExchange{rrdfile.WithSeries{SetStore: metrics, Querier: metrics}, metrics.Close}, nil
}

// A serverExchange talks to a running server.
type serverExchange struct {
	flags  clientFlags
	client *http.Client
	base   string
}

const setsPath = "/api/sets"

func (s *serverExchange) put(ctx context.Context, name string, file io.Reader, replace bool) (rrdfile.Outcome, error) {
	q := url.Values{"name": {name}, "replace": {fmt.Sprint(replace)}}
	source := &sourceReader{r: file}
	body, err := s.send(ctx, http.MethodPut, setsPath+"/file", q, source)
	if broken := source.err.Load(); broken != nil {
		return "", *broken
	}
	if err != nil {
		return "", err
	}
	defer body.Close()
	var answer struct{ Outcome rrdfile.Outcome }
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		return "", fmt.Errorf("%w: %w", errAway, err)
	}
	return answer.Outcome, nil
}

// send tells errors of the way from those that the server answers with.
func (s *serverExchange) send(ctx context.Context, method, path string, q url.Values, body io.Reader) (io.ReadCloser, error) {
	answer, err := s.flags.send(ctx, s.client, method, s.base+path, q, body)
	if _, answered := errors.AsType[*answerError](err); err != nil && !answered {
		err = fmt.Errorf("%w: %w", errAway, err)
	}
	return answer, err
}

// A sourceReader remembers why a file could not be read, which is not the
// server's doing. It has no Close: the file stays the caller's. A client may
// read on while its answer is read.
type sourceReader struct {
	r   io.Reader
	err atomic.Pointer[error]
}

func (s *sourceReader) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	if err != nil && err != io.EOF {
		s.err.Store(&err)
	}
	return n, err
}

func (s *serverExchange) get(ctx context.Context, name string, f rrdfile.Format, to io.Writer) error {
	q := url.Values{"name": {name}, "format": {string(f)}}
	body, err := s.send(ctx, http.MethodGet, setsPath+"/file", q, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err = io.Copy(to, body); err != nil {
		return fmt.Errorf("%w: %w", errAway, err)
	}
	return nil
}

func (s *serverExchange) list(ctx context.Context) (names []string, err error) {
	body, err := s.send(ctx, http.MethodGet, setsPath, nil, nil)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return readNames(body)
}

// readNames reads the answer of setsPath.
func readNames(r io.Reader) (names []string, err error) {
	for lines := json.NewDecoder(r); ; {
		var name string
		if err := lines.Decode(&name); err == io.EOF {
			return names, nil
		} else if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
}

func (s *serverExchange) close() error {
	s.client.CloseIdleConnections()
	return nil
}

// A storeExchange works on the store itself.
type storeExchange struct {
	rrd.SetStore
	closeStore func() error
}

func (s *storeExchange) put(ctx context.Context, name string, file io.Reader, replace bool) (rrdfile.Outcome, error) {
	return rrdfile.Import(ctx, s.SetStore, name, file, replace)
}

func (s *storeExchange) get(ctx context.Context, name string, f rrdfile.Format, to io.Writer) error {
	return rrdfile.Export(ctx, s.SetStore, name, f, to)
}

func (s *storeExchange) list(context.Context) ([]string, error) { return s.ListSets(""), nil }

func (s *storeExchange) close() error { return s.closeStore() }
