// Package enrol is an agent's end of joining: it trades a join token for a key,
// keeps the key on disk, and trades again when the server no longer knows it.
//
//	token file --.
//	             |-- POST /agent/v1/join --> key -- key file, 0600
//	imds --------'                            |
//	                                          '-- Key, for each request
//
// The server's end, with what it asks for, is alerts/fleet/join.
package enrol

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"rondo/collectors/agent/imds"
	"rondo/rrd/seglog"
)

// Path is where the server takes tokens.
const Path = "/agent/v1/join"

// Options of an Enroller.
type Options struct {
	Server    string            // https://host:port
	TokenFile string            // holds the join token
	KeyFile   string            // where the key is kept
	Host      string            // the name of this machine
	Metadata  *imds.Client      // nil: this is no instance
	Transport http.RoundTripper // for requests to the server; it pins the certificate
	Log       *slog.Logger
}

// Credentials are what a token was traded for.
type Credentials struct {
	Key   string `json:"key"`
	ID    string `json:"id"` // names the agent: the instance, or the host
	Host  string `json:"host"`
	Group string `json:"group"`
}

// A Refusal is the server's no. Another try helps only if something else has
// changed: a new token, a clock.
type Refusal struct {
	Status int
	Reason string `json:"reason"`
	Text   string `json:"error"`
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("enrol: the server does not let this host in (%s): %s", r.Reason, r.Text)
}

// An Enroller keeps an agent's key. It is safe for concurrent use.
type Enroller struct {
	o    Options
	http *http.Client

	mu      sync.Mutex
	have    Credentials
	refused bool // the server no longer knows the key
}

const (
	patience  = time.Minute
	maxAnswer = 64 << 10
)

// New makes an enroller with the key of the key file, if there is one.
func New(o Options) (*Enroller, error) {
	e := &Enroller{o: o, http: &http.Client{Transport: o.Transport, Timeout: patience}}
	text, err := os.ReadFile(o.KeyFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return e, nil
	case err != nil:
		return nil, fmt.Errorf("enrol: key: %w", err)
	}
	if err := json.Unmarshal(text, &e.have); err != nil || e.have.Key == "" {
		o.Log.Error("the key file is damaged; another key will be asked for", "file", o.KeyFile, "err", err)
		e.have = Credentials{}
	}
	return e, nil
}

// Key is the key for a request. Where the server has refused the one that there
// is, the token is traded again; where that fails too, the old key gets another
// chance, for what was wrong may have been the server's.
func (e *Enroller) Key() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := e.credentials(ctx)
	if err == nil {
		return c.Key, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.have.Key == "" {
		return "", err
	}
	e.o.Log.Warn("the key is refused, and there is no other", "server", e.o.Server, "err", err)
	e.refused = false
	return e.have.Key, nil
}

// RoundTrip sends a request through the transport of Options. An answer of 401
// says that the key is no longer known.
func (e *Enroller) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := e.o.Transport.RoundTrip(r)
	if err == nil && answer.StatusCode == http.StatusUnauthorized {
		e.mu.Lock()
		// The answer to a request with an older key says nothing of this one.
		e.refused = e.refused || r.Header.Get("Authorization") == "Bearer "+e.have.Key
		e.mu.Unlock()
	}
	return answer, err
}

func (e *Enroller) credentials(ctx context.Context) (Credentials, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.have.Key != "" && !e.refused {
		return e.have, nil
	}
	c, err := e.trade(ctx)
	if err != nil {
		return Credentials{}, err
	}
	if err := save(e.o.KeyFile, c); err != nil {
		return Credentials{}, err
	}
	e.have, e.refused = c, false
	e.o.Log.Info("this host has joined", "server", e.o.Server, "id", c.ID, "group", c.Group)
	return c, nil
}

// request is what the server is asked with.
type request struct {
	Token    string `json:"token"`
	Host     string `json:"host"`
	Instance string `json:"instance,omitempty"`
	Document string `json:"document,omitempty"`
}

// trade asks the server for a key.
func (e *Enroller) trade(ctx context.Context) (c Credentials, err error) {
	token, err := os.ReadFile(e.o.TokenFile)
	if err != nil {
		return c, fmt.Errorf("enrol: there is no join token (rondo token create): %w", err)
	}
	q := request{Token: strings.TrimSpace(string(token)), Host: e.o.Host}
	if e.o.Metadata != nil {
		i, err := e.o.Metadata.Instance(ctx)
		if err != nil && !errors.Is(err, imds.ErrNone) {
			return c, err
		}
		q.Instance, q.Document = i.ID, i.Signed
	}
	body, err := json.Marshal(q)
	if err != nil {
		return c, fmt.Errorf("enrol: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(e.o.Server, "/")+Path, bytes.NewReader(body))
	if err != nil {
		return c, fmt.Errorf("enrol: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	return e.send(r)
}

func (e *Enroller) send(r *http.Request) (c Credentials, err error) {
	answer, err := e.http.Do(r)
	if err != nil {
		return c, fmt.Errorf("enrol: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return c, fmt.Errorf("enrol: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		no := &Refusal{Status: answer.StatusCode, Reason: answer.Status}
		if json.Unmarshal(text, no) != nil {
			no.Text = string(text[:min(len(text), 200)])
		}
		return c, no
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return Credentials{}, fmt.Errorf("enrol: the server's answer is not understood: %w", err)
	}
	if c.Key == "" || c.ID == "" {
		return Credentials{}, errors.New("enrol: the server's answer holds no key")
	}
	return c, nil
}

// save puts the key on disk in one step, so that a crash leaves the old one or
// the new one.
func save(file string, c Credentials) error {
	text, err := json.Marshal(c)
	if err == nil {
		err = seglog.Replace(file, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("enrol: key: %w", err)
	}
	return nil
}
