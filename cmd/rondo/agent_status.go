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
	"os"
	"path/filepath"
	"runtime/metrics"
	"slices"
	"strings"
	"time"

	"rondo/collectors/agent"
	"rondo/rrd"
)

// agentSocket is where an agent answers on its machine.
const agentSocket = "agent.sock"

// agentState is how an agent stands.
type agentState struct {
	agent.Status
	Client  agent.ClientState `json:"client"`
	Spool   agent.SpoolStats  `json:"spool"`
	Files   map[string]uint64 `json:"files,omitempty"`   // see package tail
	Sockets map[string]uint64 `json:"sockets,omitempty"` // see package syslogd
	Profile string            `json:"profile,omitempty"` // the version that the server has handed out
}

// status is what the server is told.
func (a *agentRun) status() agent.Status {
	st := a.spool.Stats()
	s := agent.Status{
		Version: release, Started: a.started.UTC().Truncate(time.Second), Lag: st.Waiting, SpoolBytes: st.Bytes,
		Sent: st.Sent, Dropped: st.Dropped, MemoryBytes: heldMemory(),
	}
	files := a.tailed.Snapshot()
	s.Sent += files["lines"]
	s.Lag += files["unread_bytes"]
	for name, n := range files {
		if strings.HasPrefix(name, "lost_files_") && n > 0 {
			s.Dropped[name] = n
		}
	}
	return s
}

// heldMemory is what the Go program holds of the machine's memory.
func heldMemory() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}

const (
	selfAgent   = 30 * time.Second // how often the agent's own figures are sent
	forgetEvery = 20               // of these, code that is not used is taken out of memory once
)

// measure puts the agent's own figures into the spool: rondo.agent.NAME.
func (a *agentRun) measure(ctx context.Context) error {
	tick := time.NewTicker(selfAgent)
	defer tick.Stop()
	for n := 1; ; n++ {
		if err := a.spool.Append(ctx, a.ownFigures(rrd.At(time.Now()))); err != nil && ctx.Err() == nil {
			a.log.Warn("the agent's own figures are not kept", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if n%forgetEvery != 1 {
			continue
		}
		if err := forgetProgram(); err != nil {
			a.log.Debug("code that is not used stays in memory", "err", err)
		}
	}
}

func (a *agentRun) ownFigures(at rrd.Time) []rrd.Sample {
	s := a.status()
	var out []rrd.Sample
	for _, f := range []struct {
		name  string
		value uint64
		kind  rrd.Type
	}{
		{"sent", s.Sent, rrd.Counter}, {"dropped", s.Lost(), rrd.Counter}, {"filtered", a.counts.Snapshot()["filtered"], rrd.Counter},
		{"lag_bytes", s.Lag, rrd.Gauge}, {"spool_bytes", s.SpoolBytes, rrd.Gauge}, {"memory_bytes", s.MemoryBytes, rrd.Gauge},
	} {
		out = append(out, rrd.Sample{Key: rrd.Key("rondo.agent." + f.name), Time: at, Value: float64(f.value), Type: f.kind})
	}
	return out
}

// listenStatus makes the socket. The spool's lock is held, so that one which is
// there belongs to nobody.
func listenStatus(data string) (net.Listener, error) {
	path := filepath.Join(data, agentSocket)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("agent: status: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("agent: status: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("agent: status: %w", err), l.Close())
	}
	return l, nil
}

// serveStatus answers each connection with the state, as JSON, until ctx ends.
func (a *agentRun) serveStatus(ctx context.Context, l net.Listener) error {
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("agent: status: %w", err)
		}
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second)) // it is open
		_ = json.NewEncoder(conn).Encode(a.state())           // nobody waits any more
		conn.Close()
	}
}

func (a *agentRun) state() agentState {
	s := agentState{Status: a.status(), Client: a.client.State(), Spool: a.spool.Stats(), Files: a.tailed.Snapshot(), Sockets: a.syslog.Snapshot()}
	if a.profiles != nil {
		s.Profile = a.profiles.words()
	}
	return s
}

// agentStatusCmd asks the agent on this machine.
type agentStatusCmd struct {
	Data   string `help:"Data directory of the agent." default:"./agent" placeholder:"DIR"`
	Output string `help:"table or json." short:"o" enum:"table,json" default:"table"`
}

func (agentStatusCmd) Help() string {
	return `Examples:
  rondo agent status --data=/var/lib/rondo-agent
  rondo agent status -o json

Exits 0 if the server answers, 1 if it is away or messages were dropped, and 2
if no agent runs, as Nagios wants it.`
}

// The exit codes of a state.
const (
	stateWarning  = 1
	stateCritical = 2
)

func (c agentStatusCmd) Run(ctx context.Context, out io.Writer) error {
	s, err := c.ask(ctx)
	if err != nil {
		return &exitError{stateCritical, fmt.Errorf("no agent answers at %s: does it run, and is --data right? (%w)", c.Data, err)}
	}
	if c.Output == "json" {
		err = json.NewEncoder(out).Encode(s)
	} else {
		err = s.write(out, time.Now())
	}
	switch {
	case err != nil:
		return err
	case !s.Client.Connected:
		return &exitError{stateWarning, fmt.Errorf("the server is away: %s", s.Client.Err)}
	case s.Lost() > 0:
		return &exitError{stateWarning, fmt.Errorf("not all was sent: %s", reasons(s.Dropped))}
	}
	return nil
}

func (c agentStatusCmd) ask(ctx context.Context) (s agentState, err error) {
	dial := net.Dialer{Timeout: 5 * time.Second}
	conn, err := dial.DialContext(ctx, "unix", filepath.Join(c.Data, agentSocket))
	if err != nil {
		return s, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return s, err
	}
	return s, json.NewDecoder(io.LimitReader(conn, http.DefaultMaxHeaderBytes)).Decode(&s)
}

// write shows the state to people.
func (s *agentState) write(out io.Writer, now time.Time) error {
	server := "away since " + s.Client.Since.Format(time.DateTime) + ": " + s.Client.Err
	if s.Client.Connected {
		server = "connected since " + s.Client.Since.Format(time.DateTime)
	}
	rows := [][2]string{
		{"version", s.Version}, {"up", now.Sub(s.Started).Round(time.Second).String()}, {"server", server},
		{"host", strings.TrimSuffix(s.Client.Host+", group "+s.Client.Group, ", group ")},
		{"sent", fmt.Sprint(s.Sent, " messages")}, {"waiting", fmt.Sprint(s.Lag, " bytes")},
		{"spool", fmt.Sprint(s.SpoolBytes, " bytes on disk")}, {"memory", fmt.Sprint(s.MemoryBytes, " bytes")},
	}
	if s.Profile != "" {
		rows = append(rows, [2]string{"profile", s.Profile})
	}
	var reasons []string
	for reason := range s.Dropped {
		reasons = append(reasons, reason)
	}
	slices.Sort(reasons)
	for _, reason := range reasons {
		rows = append(rows, [2]string{"dropped", fmt.Sprint(s.Dropped[reason], " ", reason)})
	}
	for _, r := range rows {
		if _, err := fmt.Fprintf(out, "%-8s %s\n", r[0], r[1]); err != nil {
			return err
		}
	}
	return nil
}
