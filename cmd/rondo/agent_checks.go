package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"rondo/alerts/check"
	"rondo/alerts/check/plugin"
	"rondo/alerts/notify"
)

// agentCheck is a plugin that an agent runs on its machine. Its results are
// those of the passive check of the same name that the server declares. Only
// the agent's own file names programs: a profile cannot.
type agentCheck struct {
	Name     string                   `yaml:"name"`
	Command  []string                 `yaml:"command"`  // program and arguments; there is no shell
	Interval time.Duration            `yaml:"interval"` // default 1m
	Timeout  time.Duration            `yaml:"timeout"`  // then its process group is killed; default 10s
	Env      map[string]notify.Secret `yaml:"env"`
}

// Bounds of an agent's checks.
const (
	maxAgentChecks    = 100
	agentProcesses    = 4                // plugins that run at once
	resultTimeout     = 10 * time.Second // of one request
	resultAgain       = 5 * time.Second  // between two tries
	resultPath        = "/agent/v1/result"
	maxResultProblem  = 4 << 10
	defaultCheckEvery = time.Minute
)

func validateAgentChecks(all []agentCheck) error {
	var errs []error
	var seen []string
	for i, c := range all {
		bad := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("checks: %d: "+format, append([]any{i + 1}, args...)...))
		}
		switch {
		case c.Name == "" || slices.Contains(seen, c.Name):
			bad("name %q: want one of its own", c.Name)
		case len(c.Command) == 0 || !strings.HasPrefix(c.Command[0], "/"):
			bad("command: want [/path/of/plugin, argument, ...]")
		case c.Interval != 0 && c.Interval < time.Second, c.Timeout < 0:
			bad("interval %v, timeout %v: want 1s or more", c.Interval, c.Timeout)
		}
		seen = append(seen, c.Name)
	}
	if len(all) > maxAgentChecks {
		errs = append(errs, fmt.Errorf("checks: %d: want at most %d", len(all), maxAgentChecks))
	}
	return errors.Join(errs...)
}

// An agentChecker runs an agent's checks and sends what they find.
type agentChecker struct {
	checks []agentCheck
	server string
	host   string
	key    func() (string, error)
	next   http.RoundTripper
	runner *plugin.Runner
	log    *slog.Logger
}

// run runs all checks until ctx ends.
func (c *agentChecker) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, k := range c.checks {
		g.Go(func() error { c.keep(ctx, k); return nil })
	}
	return g.Wait()
}

// keep runs a check at its interval, beginning somewhere within it, so that a
// fleet that was started at once does not check at once. A result that the
// server does not have is sent again until there is a newer one: states are
// what is told, not their history.
func (c *agentChecker) keep(ctx context.Context, k agentCheck) {
	every := cmp.Or(k.Interval, defaultCheckEvery)
	tick := time.NewTimer(rand.N(min(every, defaultCheckEvery)))
	defer tick.Stop()
	var result []byte
	problem := ""
	for {
		var again <-chan time.Time
		if result != nil {
			again = time.After(resultAgain)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			tick.Reset(every)
			result = c.check(ctx, k)
		case <-again:
		}
		if result == nil {
			continue
		}
		err := c.send(ctx, result)
		refused, _ := errors.AsType[*resultRefused](err)
		if err == nil || refused != nil {
			result = nil // it would be refused again
		}
		problem = c.note(k.Name, problem, err)
	}
}

// note logs when sending begins to fail, and when it succeeds again.
func (c *agentChecker) note(name, before string, err error) string {
	switch {
	case err == nil && before != "":
		c.log.Info("results are taken again", "check", name)
	case err != nil && err.Error() != before:
		c.log.Warn("result is not taken", "check", name, "err", err)
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

// check runs a plugin and writes its result as the server reads it; nil: we are
// stopping, and that is no finding.
func (c *agentChecker) check(ctx context.Context, k agentCheck) []byte {
	var env []string
	for name, v := range k.Env {
		env = append(env, name+"="+string(v))
	}
	r := c.runner.Run(ctx, plugin.Command{Argv: k.Command, Env: env, Timeout: cmp.Or(k.Timeout, 10*time.Second)})
	if ctx.Err() != nil {
		return nil
	}
	b, err := json.Marshal(check.PassiveResult{Check: k.Name, Host: c.host, Status: r.Status, Output: r.Output.String(), At: time.Now()})
	if err != nil {
		c.log.Error("result cannot be written", "check", k.Name, "err", err)
	}
	return b
}

// A resultRefused is the answer to a result that will never be taken.
type resultRefused struct{ text string }

func (e *resultRefused) Error() string { return "the server refuses it: " + e.text }

// send returns nil when the server has the result on disk.
func (c *agentChecker) send(ctx context.Context, result []byte) error {
	ctx, cancel := context.WithTimeout(ctx, resultTimeout)
	defer cancel()
	key, err := c.key()
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.server+resultPath, bytes.NewReader(result))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	answer, err := c.next.RoundTrip(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxResultProblem))
	switch {
	case answer.StatusCode == http.StatusOK:
		return nil
	case err != nil:
		return err
	case answer.StatusCode >= 400 && answer.StatusCode < 500 && answer.StatusCode != http.StatusUnauthorized:
		return &resultRefused{strings.TrimSpace(string(text))}
	}
	return fmt.Errorf("the server answers %s: %s", answer.Status, strings.TrimSpace(string(text)))
}

// ownHost says whether a request comes with the key of an agent, and is about
// the agent's own host. The key that stands in the configuration is that of
// many.
func (s *server) ownHost(r *http.Request, host string) bool {
	who, err := s.handout.caller(r)
	return err == nil && (who.Host == "" || who.Host == host)
}
