package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"rondo/rrd/seglog"
)

// A profileClient asks the server for the agent's profile, now and then, and
// has it applied. The newest good one is kept on disk: an agent that starts
// while the server is away goes on as before.
type profileClient struct {
	server string
	key    func() (string, error)
	next   http.RoundTripper // to the server
	allow  allowList
	file   string                                      // where the newest good one is kept
	apply  func(ctx context.Context, p *profile) error // nil: there is none, the agent's own file alone counts
	log    *slog.Logger

	wake    chan struct{} // the server has another one
	failing bool          // the server was not reached

	mu      sync.Mutex
	heard   string // what its answers announced last
	version string // of what is applied
	problem string // why what was handed out last is not
}

// newProfileClient makes a client; RoundTrip tells it when to ask.
func newProfileClient(c *agentConfig, key func() (string, error), next http.RoundTripper, apply func(context.Context, *profile) error, log *slog.Logger) *profileClient {
	return &profileClient{
		server: strings.TrimSuffix(c.Server, "/"), key: key, next: next, allow: c.AllowPaths,
		file: filepath.Join(c.Data, "profile.json"), apply: apply, log: log.With("component", "profile"), wake: make(chan struct{}, 1),
	}
}

// RoundTrip sends the agent's requests, and heeds which profile the server's
// answers announce.
func (c *profileClient) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if announced := answer.Header.Get(profileHeader); announced != "" {
		c.mu.Lock()
		defer c.mu.Unlock()
		if announced != c.heard {
			c.heard = announced
			c.again()
		}
	}
	return answer, nil
}

// again has the server asked soon.
func (c *profileClient) again() {
	select {
	case c.wake <- struct{}{}:
	default: // it is to be asked already
	}
}

// The server is asked when an answer has announced another profile, and now and
// then, should that have been missed.
const (
	profileEvery   = 5 * time.Minute
	profileTimeout = time.Minute
)

// run asks the server until ctx ends.
func (c *profileClient) run(ctx context.Context) error {
	for {
		t := time.NewTimer(profileEvery/2 + mathrand.N(profileEvery/2))
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-c.wake:
			t.Stop()
		case <-t.C:
		}
		err := c.ask(ctx)
		if err != nil && !c.failing && ctx.Err() == nil {
			c.log.Warn("the server cannot be asked for the profile; the present one stays", "err", err)
		}
		if c.failing = err != nil; c.failing {
			c.mu.Lock()
			c.heard = "" // its next answer tells again
			c.mu.Unlock()
		}
	}
}

// kept is the profile that was kept, nil if none was or it is no longer good.
func (c *profileClient) kept() *profile {
	text, err := os.ReadFile(c.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var p *profile
	if err == nil {
		p, err = c.read(text)
	}
	if err != nil {
		c.log.Error("the profile that was kept is not good; the server is asked for another", "file", c.file, "err", err)
		return nil
	}
	c.set(versionOf(text), "")
	return p
}

// forget says that what was kept cannot be applied.
func (c *profileClient) forget() { c.set("", "") }

func (c *profileClient) set(version, problem string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.version != version || c.problem != problem {
		c.version, c.problem = version, problem
		c.again() // the next request tells the server
	}
}

func (c *profileClient) state() (version, problem string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.version, c.problem
}

// words say how the agent stands to its profile.
func (c *profileClient) words() string {
	version, problem := c.state()
	if problem != "" {
		return strings.TrimSpace(version + " (the newest is refused: " + problem + ")")
	}
	return version
}

// ask asks once, and says what became of the answer before.
func (c *profileClient) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, profileTimeout)
	defer cancel()
	key, err := c.key()
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.server+profilePath, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+key)
	version, problem := c.state()
	r.Header.Set("If-None-Match", `"`+version+`"`)
	if problem != "" {
		r.Header.Set(problemHeader, problem)
	}
	answer, err := c.next.RoundTrip(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxProfile+1))
	if err != nil {
		return err
	}
	switch answer.StatusCode {
	case http.StatusNotModified:
		c.set(version, "")
		return nil
	case http.StatusNoContent:
		return c.drop(ctx)
	case http.StatusOK:
		return c.receive(ctx, text)
	}
	return fmt.Errorf("the server answers %s", answer.Status)
}

// receive takes a new profile and keeps it. One that is not good changes
// nothing, and the server is told why.
func (c *profileClient) receive(ctx context.Context, text []byte) error {
	p, err := c.read(text)
	if err == nil {
		err = c.apply(ctx, p)
	}
	version, problem := c.state()
	if err != nil {
		told := strings.Join(strings.Fields(err.Error()), " ")
		if told = told[:min(len(told), maxProblem)]; told != problem {
			c.log.Error("the server's profile is refused; the present one stays", "version", versionOf(text), "err", err)
		}
		c.set(version, told)
		return nil
	}
	c.set(versionOf(text), "")
	c.log.Info("the server's profile is in use", "version", versionOf(text))
	return seglog.Replace(c.file, text)
}

// read checks a profile.
func (c *profileClient) read(text []byte) (*profile, error) {
	p, err := parseProfile(text)
	if err != nil {
		return nil, err
	}
	return p, c.allow.check(p)
}

// drop goes back to the agent's own file.
func (c *profileClient) drop(ctx context.Context) error {
	if version, problem := c.state(); version == "" && problem == "" {
		return nil
	}
	if err := c.apply(ctx, nil); err != nil {
		return err
	}
	c.set("", "")
	c.log.Info("the server has no profile for this host")
	if err := os.Remove(c.file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
