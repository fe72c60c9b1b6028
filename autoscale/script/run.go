package script

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"rondo/autoscale"
)

// Limits of one run.
const (
	maxOutput    = 4 << 20 // bytes of instances: some 10,000
	maxComplaint = 1 << 10 // bytes of standard error that are shown
	pipeDelay    = time.Second
)

// run runs the program once and returns what it printed.
func (c *Cloud) run(ctx context.Context, r request) ([]byte, error) {
	input, err := json.Marshal(r)
	if err != nil {
		return nil, &autoscale.CallError{Failure: autoscale.Permanent, Err: err}
	}
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	stdout, stderr := &head{max: maxOutput}, &head{max: maxComplaint}
	args := append(c.command[1:len(c.command):len(c.command)], r.Action)
	cmd := exec.CommandContext(limited, c.command[0], args...)
	cmd.Env = inherited()
	cmd.Stdin = bytes.NewReader(append(input, '\n'))
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = pipeDelay // for a process that it left behind and that holds our pipe open
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, &autoscale.CallError{Failure: autoscale.Permanent, Code: "NotStarted", Err: err}
	}
	err = cmd.Wait()
	switch {
	case limited.Err() != nil && err != nil:
		err = fmt.Errorf("%s was killed after %v", r.Action, time.Since(began).Round(time.Second/10))
	case stdout.over:
		err = errTooMuch
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return stdout.b.Bytes(), nil
	}
	return nil, ended(cmd.ProcessState, r.Action, err, stderr.String())
}

// ended says how a run failed.
func ended(state *os.ProcessState, action string, err error, complaint string) error {
	e := &autoscale.CallError{Failure: autoscale.Unclear, Err: err}
	if _, exited := errors.AsType[*exec.ExitError](err); exited && state.Exited() {
		status := state.ExitCode()
		e.Failure, e.Code, e.Err = failure(status), fmt.Sprintf("exit %d", status), fmt.Errorf("%s failed", action)
	}
	if complaint != "" {
		e.Err = fmt.Errorf("%w: %s", e.Err, complaint)
	}
	return e
}

// inherited is all that the program gets to see of our own environment, which
// may hold secrets.
func inherited() (env []string) {
	for _, k := range []string{"PATH", "HOME", "LANG", "TZ"} {
		if v, ok := os.LookupEnv(k); ok {
			env = append(env, k+"="+v)
		}
	}
	return env
}

// A head keeps the first bytes that are written to it.
type head struct {
	b    bytes.Buffer
	max  int
	over bool // there was more
}

// Write implements io.Writer.
func (h *head) Write(p []byte) (int, error) {
	room := min(len(p), h.max-h.b.Len())
	h.b.Write(p[:room])
	h.over = h.over || room < len(p)
	return len(p), nil
}

// String is what was written as one line of text.
func (h *head) String() string {
	line := strings.Join(strings.Fields(strings.ToValidUTF8(h.b.String(), "?")), " ")
	return strings.Map(printable, line)
}
