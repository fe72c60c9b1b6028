package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"rondo/syslogd/syslog/pin"
)

// clientFlags are the flags of all commands that ask a running server. They
// reach it through the socket in its data directory, which needs no token, or
// by its URL.
type clientFlags struct {
	Data   string `help:"Data directory of the running server, whose rondo.sock is asked." default:"./data" env:"RONDO_DATA" placeholder:"DIR"`
	Server string `help:"Ask the server at this URL instead, for example http://127.0.0.1:8080." placeholder:"URL"`
	Token  string `help:"Token for commands, where the server is asked by URL." env:"RONDO_TOKEN" placeholder:"TOKEN"`

	Fingerprint []pin.Fingerprint `help:"Fingerprint of the server's certificate, where no authority vouches for it." placeholder:"sha-256:..."`

	Output string `help:"${outputs_help}." short:"o" enum:"${outputs}" default:"table"`
}

// outputs are the ways in which most commands show what the server says; one
// that has more sets them.
func outputs() map[string]string {
	return map[string]string{"outputs": "table,json", "outputs_help": "table or json"}
}

// socketName is the server's socket in its data directory.
const socketName = "rondo.sock"

// client returns an HTTP client for the server and the URL to put before paths.
func (c clientFlags) client() (*http.Client, string) {
	if c.Server != "" {
		return &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: pin.Client(c.Fingerprint...), ForceAttemptHTTP2: true}}, strings.TrimSuffix(c.Server, "/")
	}
	path := filepath.Join(c.Data, socketName)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", path)
		if err != nil {
			return nil, dialError(path, err)
		}
		return conn, nil
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial}}, "http://localhost"
}

// dialError says what to do where a socket cannot be reached.
func dialError(path string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%s may be used by the server's user only: be that user, or root (%w)", path, err)
	}
	return fmt.Errorf("no server answers at %s: is it running, and is --data right? (%w)", path, err)
}

// do sends one request and returns the body of a good answer. The caller
// closes it. A bad answer becomes an error in the server's own words.
func (c clientFlags) do(ctx context.Context, method, path string, q url.Values) (io.ReadCloser, error) {
	client, base := c.client()
	return c.send(ctx, client, method, base+path, q, nil)
}

// An answerError is a server's answer that is not good, in its own words.
type answerError struct {
	status int
	text   string
}

func (e *answerError) Error() string { return e.text }

// send is do for many requests over one client, with a body that may be nil.
func (c clientFlags) send(ctx context.Context, client *http.Client, method, to string, q url.Values, body io.Reader) (io.ReadCloser, error) {
	if len(q) > 0 {
		to += "?" + q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, to, body)
	if err != nil {
		return nil, err
	}
	return c.roundTrip(client, req)
}

// roundTrip sends a request with the token, and returns the body of a good
// answer.
func (c clientFlags) roundTrip(client *http.Client, req *http.Request) (io.ReadCloser, error) {
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	resp, err := client.Do(req)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, err
	}
	if resp.StatusCode < 300 {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	var said struct{ Error string }
	if json.Unmarshal(text, &said) == nil && said.Error != "" {
		return nil, &answerError{resp.StatusCode, said.Error}
	}
	return nil, &answerError{resp.StatusCode, fmt.Sprintf("server answers %s: %s", resp.Status, strings.TrimSpace(string(text)))}
}

// get decodes the JSON answer of a path into v.
func (c clientFlags) get(ctx context.Context, path string, q url.Values, v any) error {
	return c.ask(ctx, http.MethodGet, path, q, v)
}

// post sends a command and decodes the JSON answer into v.
func (c clientFlags) post(ctx context.Context, path string, q url.Values, v any) error {
	return c.ask(ctx, http.MethodPost, path, q, v)
}

func (c clientFlags) ask(ctx context.Context, method, path string, q url.Values, v any) error {
	body, err := c.do(ctx, method, path, q)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(v); err != nil {
		return fmt.Errorf("%s: answer is not understood: %w", path, err)
	}
	return nil
}

// copyTo writes the answer of a path as it comes.
func (c clientFlags) copyTo(ctx context.Context, w io.Writer, path string, q url.Values) error {
	body, err := c.do(ctx, http.MethodGet, path, q)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(w, body)
	return err
}

// printJSON writes an answer that was put together here.
func (c clientFlags) printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
