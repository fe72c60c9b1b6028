package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"

	"rondo/autoscale"
)

// groupCmd shows and commands the autoscaling groups of a running server.
type groupCmd struct {
	List    groupListCmd    `cmd:"" help:"List the groups."`
	Explain groupExplainCmd `cmd:"" help:"Show a group's instances and decisions, each with all that proves it."`
	Why     groupWhyCmd     `cmd:"" help:"Say why a group has the capacity it has, and why not more or less; now or in the past."`
	Audit   groupAuditCmd   `cmd:"" help:"List who did what to groups, and when."`
	Journal groupJournalCmd `cmd:"" help:"Print the journal's entries and their hashes, or check that their chain is whole."`
	Replay  groupReplayCmd  `cmd:"" help:"Show what a policy would have done with a load, beside others."`
	Check   groupCheckCmd   `cmd:"" help:"Ask AWS whether it would allow all that a group needs, and name each missing permission."`
	Stop    groupStopCmd    `cmd:"" help:"Stop launching and terminating in a group, now and after a restart."`
	Start   groupStartCmd   `cmd:"" help:"Let a stopped group act again."`
}

type groupListCmd struct{ clientFlags }

func (groupListCmd) Help() string {
	return `Examples:
  rondo group list
  rondo group list -o json`
}

func (c groupListCmd) Run(ctx context.Context, out io.Writer) error {
	if c.Output == "json" {
		return c.copyTo(ctx, out, "/api/groups", nil)
	}
	var groups []autoscale.View
	if err := c.get(ctx, "/api/groups", nil, &groups); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "GROUP\tMODE\tMIN\tNOW\tDESIRED\tMAX\tWHY")
	for _, g := range groups {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%s\n", g.Name, modeOf(g), g.Min, len(g.Instances), g.Desired, g.Max, why(g.Last))
	}
	return w.Flush()
}

func modeOf(g autoscale.View) string {
	if g.Stopped {
		return "stopped"
	}
	return g.Mode
}

func why(d autoscale.Decision) string {
	if d.Held != "" {
		return d.Said() + "; held: " + d.Held
	}
	return d.Said()
}

type groupStopCmd struct {
	clientFlags
	Name    string `arg:"" help:"The group."`
	Message string `help:"Why, for the books." short:"m" placeholder:"TEXT"`
}

func (groupStopCmd) Help() string {
	return `Examples:
  rondo group stop web -m "moving to another zone"
  rondo group audit web`
}

func (c groupStopCmd) Run(ctx context.Context, out io.Writer) error {
	return c.command(ctx, out, c.Name, c.Message, "stop", "stopped")
}

type groupStartCmd struct {
	clientFlags
	Name    string `arg:"" help:"The group."`
	Message string `help:"Why, for the books." short:"m" placeholder:"TEXT"`
}

func (c groupStartCmd) Run(ctx context.Context, out io.Writer) error {
	return c.command(ctx, out, c.Name, c.Message, "start", "started")
}

func (c clientFlags) command(ctx context.Context, out io.Writer, group, why, verb, done string) error {
	body, err := c.do(ctx, http.MethodPost, groupPath(group)+"/"+verb, url.Values{"by": {why}})
	if err != nil {
		return err
	}
	body.Close()
	fmt.Fprintf(out, "%s: %s\n", group, done)
	return nil
}
