package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"rondo/alerts"
	"rondo/alerts/state"
)

const (
	markPrefix = "exec/"
	// keepMarks is longer than an outbox entry can live (24 h by default):
	// what is forgotten sooner could run twice.
	keepMarks  = 7 * 24 * time.Hour
	pruneEvery = 100     // runs
	maxOutput  = 4 << 10 // bytes of output that are logged
	stopGrace  = 5 * time.Second
)

// Exec is the configuration of a command.
type Exec struct {
	Name    string           `yaml:"name"`
	Command []string         `yaml:"command"` // program and arguments; there is no shell
	Timeout time.Duration    `yaml:"timeout"` // then the process group is killed; default 10s, at most 1m
	Match   []alerts.Matcher `yaml:"match"`   // only transitions that meet all; default every one
}

func (x Exec) validate() error {
	var errs []error
	if len(x.Command) == 0 || x.Command[0] == "" {
		errs = append(errs, errors.New("command is missing: want [program, argument, ...]"))
	}
	if x.Timeout < 0 || x.Timeout > time.Minute {
		errs = append(errs, fmt.Errorf("timeout %v: want at most 1m", x.Timeout))
	}
	return errors.Join(errs...)
}

// A Command executes a program for each transition, at most once.
type Command struct {
	config Exec
	store  state.Store
	log    *slog.Logger

	mu   sync.Mutex // one run at a time
	runs int
}

// NewExec makes the action of a valid configuration.
func NewExec(x Exec, store state.Store, log *slog.Logger) (*Command, error) {
	if x.Timeout == 0 {
		x.Timeout = 10 * time.Second
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Command{config: x, store: store, log: log.With("component", "exec", "hook", x.Name)}
	return c, c.prune(context.Background(), time.Now())
}

func (c *Command) prefix() string { return markPrefix + c.config.Name + "/" }

// prune forgets marks of runs so long ago that nothing can ask for them again.
func (c *Command) prune(ctx context.Context, now time.Time) error {
	var old []state.Change
	for e, err := range c.store.Scan(state.Range{Prefix: c.prefix()}) {
		if err != nil && !errors.Is(err, state.ErrCorrupt) {
			return fmt.Errorf("notify: exec %s: %w", c.config.Name, err)
		}
		at, bad := time.Parse(time.RFC3339, string(e.Value))
		if err == nil && bad == nil && now.Sub(at) > keepMarks {
			old = append(old, state.Delete(e.Key))
		}
		if len(old) == state.MaxChanges {
			break // the rest goes next time
		}
	}
	if len(old) == 0 {
		return nil
	}
	return c.store.Write(ctx, old...)
}

// Act implements alerts.Action. Errors before the run may be tried again; a
// run that failed is over.
func (c *Command) Act(ctx context.Context, t alerts.Transition) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	switch _, err := c.store.Get(c.prefix() + t.ID); {
	case err == nil || errors.Is(err, state.ErrCorrupt):
		c.log.Warn("command is not run: it was begun before", "transition", t.ID)
		return nil
	case !errors.Is(err, state.ErrNotFound):
		return fmt.Errorf("notify: exec %s: %w", c.config.Name, err)
	}
	mark := state.Put(c.prefix()+t.ID, []byte(now.UTC().Format(time.RFC3339)))
	if err := c.store.Write(ctx, mark); err != nil {
		return fmt.Errorf("notify: exec %s: %w", c.config.Name, err)
	}
	if c.runs++; c.runs%pruneEvery == 0 {
		if err := c.prune(ctx, now); err != nil {
			c.log.Warn("old marks stay stored", "err", err)
		}
	}
	if err := c.run(ctx, t); err != nil {
		return alerts.Permanent(fmt.Errorf("notify: exec %s: %w", c.config.Name, err))
	}
	return nil
}

// run executes the command. When we are stopping it has a moment to end by
// itself, for it will not be run again.
func (c *Command) run(ctx context.Context, t alerts.Transition) error {
	input, err := json.Marshal(t)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.config.Timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(stopGrace, cancel)
		context.AfterFunc(limited, func() { timer.Stop() })
	})
	defer stop()

	var output tail
	cmd := exec.CommandContext(limited, c.config.Command[0], c.config.Command[1:]...)
	cmd.Env = environment(t)
	cmd.Stdin = bytes.NewReader(append(input, '\n'))
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // for a grandchild that holds our pipe open
	err = cmd.Run()
	if limited.Err() != nil {
		err = fmt.Errorf("killed after %v: %w", c.config.Timeout, err)
	}
	c.log.Debug("command has run", "transition", t.ID, "err", err, "output", output.String())
	if said := output.String(); err != nil && said != "" {
		return fmt.Errorf("%w; it said: %s", err, said)
	}
	return err
}

// environment is all that a command gets to see.
func environment(t alerts.Transition) []string {
	var env []string
	for _, k := range []string{"PATH", "HOME", "LANG", "TZ"} {
		if v, ok := os.LookupEnv(k); ok {
			env = append(env, k+"="+v)
		}
	}
	set := func(name, value string) {
		env = append(env, "RONDO_"+name+"="+strings.ReplaceAll(value, "\x00", ""))
	}
	set("ID", t.ID)
	set("RULE", t.Rule)
	set("FROM", t.From.String())
	set("TO", t.To.String())
	set("SINCE", t.Since.UTC().Format(time.RFC3339))
	set("AT", t.At.UTC().Format(time.RFC3339))
	set("VALUE", strconv.FormatFloat(t.Value, 'g', -1, 64))
	set("TEXT", t.Text)
	for _, l := range t.Labels {
		set("LABEL_"+variable(l.Name), l.Value)
	}
	return env
}

// variable makes a label's name one that a shell can read.
func variable(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z' || r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, name)
}

// tail keeps the last bytes that are written to it. One goroutine writes: both
// streams of a command go through one pipe. The buffer is no embedded field,
// or its ReadFrom would take everything.
type tail struct{ buf bytes.Buffer }

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	if len(p) > maxOutput {
		p = p[len(p)-maxOutput:]
	}
	if over := t.buf.Len() + len(p) - maxOutput; over > 0 {
		t.buf.Next(over)
	}
	t.buf.Write(p)
	return n, nil
}

func (t *tail) String() string { return strings.ToValidUTF8(strings.TrimSpace(t.buf.String()), "?") }
