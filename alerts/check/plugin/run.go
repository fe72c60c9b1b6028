package plugin

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"rondo/alerts"
)

// A Result is what a check found, however it was made.
type Result struct {
	Status alerts.Status
	Output
}

// Say is a result in words of ours. What others said may be among them: it is
// one line, and nothing in it moves a terminal's cursor.
func Say(s alerts.Status, format string, args ...any) Result {
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " ")
	return Result{Status: s, Output: Output{Text: strings.Map(printable, strings.ToValidUTF8(text, "?"))}}
}

// DefaultProcesses is how many plugins run at once where nothing else is said.
const DefaultProcesses = 16

// pipeDelay is how long a process that left the plugin's group may hold its
// output open.
const pipeDelay = time.Second

// A Runner runs plugins.
type Runner struct {
	slots chan struct{}

	runs, timeouts, waited atomic.Uint64
}

// NewRunner makes a runner that has at most so many processes at once; one
// more waits for its place until its context ends, which is counted.
func NewRunner(processes int) *Runner {
	return &Runner{slots: make(chan struct{}, max(processes, 1))}
}

// Snapshot returns the counters.
func (r *Runner) Snapshot() map[string]uint64 {
	return map[string]uint64{"plugin_runs": r.runs.Load(), "plugin_timeouts": r.timeouts.Load(), "plugin_no_place": r.waited.Load()}
}

// A Command is a program that is run as a plugin.
type Command struct {
	Argv    []string // program and arguments; there is no shell
	Env     []string // NAME=value, beside the few that every plugin gets
	Input   []byte   // for its standard input, which is empty without
	Timeout time.Duration
}

// An Ended is how a program that was run has ended.
type Ended struct {
	State          *os.ProcessState // nil: it was not started
	Err            error            // why it was not, or how it failed
	Stdout, Stderr string           // their heads
	Late           bool             // it was killed, because its time was up or its context ended
}

// ErrNoPlace is the error of a program that was not started, because too many
// are running.
var ErrNoPlace = errors.New("no place")

// Run runs one plugin. What it leaves behind in its process group is killed
// when it ends.
func (r *Runner) Run(ctx context.Context, c Command) Result {
	e := r.Exec(ctx, c)
	switch {
	case errors.Is(e.Err, ErrNoPlace):
		return Say(alerts.Unknown, "not run: %d plugins are running already, and none has ended in time", cap(r.slots))
	case e.Late:
		return Say(alerts.Critical, "killed after %v: %s", c.Timeout, cmp.Or(firstLine(e.Stdout), "it printed nothing"))
	}
	return judge(e.State, e.Err, e.Stdout, e.Stderr)
}

// Exec is Run for programs that are no plugins: it tells how the program ended,
// and not what Nagios makes of that.
func (r *Runner) Exec(ctx context.Context, c Command) Ended {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		r.waited.Add(1)
		return Ended{Err: ErrNoPlace}
	}
	r.runs.Add(1)
	limited, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	stdout, stderr := &head{max: MaxOutput}, &head{max: MaxOutput / 16}
	cmd := exec.CommandContext(limited, c.Argv[0], c.Argv[1:]...)
	cmd.Env = append(environment(), c.Env...)
	if len(c.Input) > 0 {
		cmd.Stdin = bytes.NewReader(c.Input)
	}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = pipeDelay
	err := cmd.Start()
	if err == nil {
		err = waitGroup(cmd)
	}
	e := Ended{State: cmd.ProcessState, Err: err, Stdout: stdout.String(), Stderr: stderr.String()}
	e.Late = limited.Err() != nil && (err != nil || cmd.ProcessState == nil)
	if e.Late && ctx.Err() == nil {
		r.timeouts.Add(1)
	}
	return e
}

// judge makes a result of how a plugin ended.
func judge(ended *os.ProcessState, err error, stdout, stderr string) Result {
	if ended == nil {
		return Say(alerts.Unknown, "plugin cannot be started: %v", err)
	}
	out := Parse(stdout)
	if out.Text == "" && len(out.Perf) == 0 {
		out.Text = "plugin printed nothing"
		if said := firstLine(stderr); said != "" {
			out.Text += "; it complains: " + said
		}
	}
	code := ended.ExitCode()
	status, known := StatusOf(code)
	switch ws, _ := ended.Sys().(syscall.WaitStatus); {
	case ws.Signaled():
		status, out.Text = alerts.Critical, fmt.Sprintf("plugin was ended by signal %d (%v): %s", ws.Signal(), ws.Signal(), out.Text)
	case !known:
		out.Text = fmt.Sprintf("exit code %d is none of a plugin%s: %s", code, hint(code), out.Text)
	}
	return Result{Status: status, Output: out}
}

// StatusOf is the status that an exit code means; one that means none is
// UNKNOWN.
func StatusOf(code int) (alerts.Status, bool) {
	if code < 0 || code > int(alerts.Unknown) {
		return alerts.Unknown, false
	}
	return alerts.Status(code), true
}

// hint explains the codes of shells.
func hint(code int) string {
	switch code {
	case 126:
		return " (it may not be executable)"
	case 127:
		return " (something it calls may be missing)"
	}
	if code > 128 {
		return fmt.Sprintf(" (something it calls was ended by signal %d)", code-128)
	}
	return ""
}

func firstLine(s string) string { return Parse(s).Text }

// environment is all that every plugin gets to see. Numbers and messages are
// printed as the C locale has them: a decimal comma is no performance value.
func environment() []string {
	env := []string{"LC_ALL=C"}
	for _, k := range []string{"PATH", "HOME", "TZ"} {
		if v, ok := os.LookupEnv(k); ok {
			env = append(env, k+"="+v)
		}
	}
	return env
}

// A head keeps the first bytes that are written to it.
type head struct {
	b   strings.Builder
	max int
}

// Write implements io.Writer.
func (h *head) Write(p []byte) (int, error) {
	h.b.Write(p[:min(len(p), h.max-h.b.Len())])
	return len(p), nil
}

func (h *head) String() string { return h.b.String() }
