package fanout

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"syscall"
	"time"

	"rondo/alerts/check/plugin"
)

// Here runs commands as programs on this machine, one for each host.
type Here struct{ programs *plugin.Runner }

// NewHere makes a runner that has at most so many processes at once.
func NewHere(processes int) Here { return Here{plugin.NewRunner(processes)} }

// Run implements [Runner].
func (x Here) Run(ctx context.Context, h Host, c Command) Result {
	timeout := DefaultTimeout
	if end, ok := ctx.Deadline(); ok {
		timeout = time.Until(end)
	}
	e := x.programs.Exec(ctx, plugin.Command{Argv: c.Argv, Env: c.Env, Input: c.Input, Timeout: timeout})
	said := strings.TrimRight(e.Stdout, "\n")
	if complaint := strings.TrimRight(e.Stderr, "\n"); complaint != "" {
		said = strings.TrimLeft(said+"\n"+complaint, "\n")
	}
	if e.State == nil {
		return Failed(h, fmt.Errorf("not started: %w", cmp.Or(e.Err, ctx.Err())))
	}
	r := Exited(h, e.State.ExitCode(), said)
	switch ws, _ := e.State.Sys().(syscall.WaitStatus); {
	case e.Late:
		r.Exit, r.Error = -1, "it was killed"
	case ws.Signaled():
		r.Exit, r.Error = -1, fmt.Sprintf("it was ended by signal %d (%v)", ws.Signal(), ws.Signal())
	}
	return r
}
