package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/alerts/notify/webhook"
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
	maxTimeout = time.Minute
)

// Config is a command.
type Config struct {
	Command []string      `yaml:"command"` // program and arguments; there is no shell
	Timeout time.Duration `yaml:"timeout"` // then the process group is killed; default 10s, at most 1m
}

// Validate says what is wrong, each with its key.
func (c Config) Validate() error {
	var errs []error
	if len(c.Command) == 0 || c.Command[0] == "" {
		errs = append(errs, errors.New("command is missing: want [program, argument, ...]"))
	}
	if c.Timeout < 0 || c.Timeout > maxTimeout {
		errs = append(errs, fmt.Errorf("timeout %v: want at most %v", c.Timeout, maxTimeout))
	}
	return errors.Join(errs...)
}

// A Command executes a program for each notice or transition, at most once. It
// implements notify.Sender and alerts.Action.
type Command struct {
	config Config
	name   string
	store  state.Store
	log    *slog.Logger

	mu   sync.Mutex // one run at a time
	runs int
}

// New makes the command of a valid configuration. Its marks are kept in the
// store under its name, which must be its own.
func New(c Config, name string, store state.Store, log *slog.Logger) (*Command, error) {
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	x := &Command{config: c, name: name, store: store, log: log.With("component", "exec", "hook", name)}
	return x, x.prune(context.Background(), time.Now())
}

// A job is one run.
type job struct {
	id    string
	env   []string
	stdin []byte
}

// Act implements alerts.Action: the command gets one transition. Errors before
// the run may be tried again; a run that failed is over.
func (c *Command) Act(ctx context.Context, t alerts.Transition) error {
	input, err := json.Marshal(t)
	if err != nil {
		return alerts.Permanent(c.failed(err))
	}
	return c.once(ctx, job{t.ID, ofTransition(t), append(input, '\n')})
}

// Send implements notify.Sender: the command gets a group as a webhook would.
func (c *Command) Send(ctx context.Context, n notify.Notice) error {
	input, err := webhook.Body(n)
	if err != nil {
		return alerts.Permanent(c.failed(err))
	}
	return c.once(ctx, job{n.Key, ofNotice(n), input})
}

func (c *Command) failed(err error) error { return fmt.Errorf("exec %s: %w", c.name, err) }

// once runs a job whose mark is not there yet.
func (c *Command) once(ctx context.Context, j job) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	switch _, err := c.store.Get(c.prefix() + j.id); {
	case err == nil || errors.Is(err, state.ErrCorrupt):
		c.log.Warn("command is not run: it was begun before", "id", j.id)
		return nil
	case !errors.Is(err, state.ErrNotFound):
		return c.failed(err)
	}
	mark := state.Put(c.prefix()+j.id, []byte(now.UTC().Format(time.RFC3339)))
	if err := c.store.Write(ctx, mark); err != nil {
		return c.failed(err)
	}
	if c.runs++; c.runs%pruneEvery == 0 {
		if err := c.prune(ctx, now); err != nil {
			c.log.Warn("old marks stay stored", "err", err)
		}
	}
	if err := c.run(ctx, j); err != nil {
		return alerts.Permanent(c.failed(err))
	}
	return nil
}

func (c *Command) prefix() string { return markPrefix + c.name + "/" }

// prune forgets marks of runs so long ago that nothing can ask for them again.
func (c *Command) prune(ctx context.Context, now time.Time) error {
	var old []state.Change
	for e, err := range c.store.Scan(state.Range{Prefix: c.prefix()}) {
		if err != nil && !errors.Is(err, state.ErrCorrupt) {
			return c.failed(err)
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

// run executes the command. When we are stopping it has a moment to end by
// itself, for it will not be run again.
func (c *Command) run(ctx context.Context, j job) error {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.config.Timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(stopGrace, cancel)
		context.AfterFunc(limited, func() { timer.Stop() })
	})
	defer stop()

	var output tail
	cmd := exec.CommandContext(limited, c.config.Command[0], c.config.Command[1:]...)
	cmd.Env = append(inherited(), j.env...)
	cmd.Stdin = bytes.NewReader(j.stdin)
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // for a grandchild that holds our pipe open
	err := cmd.Run()
	if limited.Err() != nil {
		err = fmt.Errorf("killed after %v: %w", c.config.Timeout, err)
	}
	c.log.Debug("command has run", "id", j.id, "err", err, "output", output.String())
	if said := output.String(); err != nil && said != "" {
		return fmt.Errorf("%w; it said: %s", err, said)
	}
	return err
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
