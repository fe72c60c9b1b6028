package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"rondo/autoscale"
)

// groupCmd shows and commands the autoscaling groups of a running server.
type groupCmd struct {
	List    groupListCmd    `cmd:"" help:"List the groups."`
	Explain groupExplainCmd `cmd:"" help:"Show a group's instances and decisions, each with all that proves it."`
	Why     groupWhyCmd     `cmd:"" help:"Say why a group has the capacity it has, and why not more or less; now or in the past."`
	Diff    groupDiffCmd    `cmd:"" help:"Show what a configuration file changes in a group, and what it would decide."`
	Apply   groupApplyCmd   `cmd:"" help:"Carry out, once, what a group in a dry run would do now."`
	Audit   groupAuditCmd   `cmd:"" help:"List who did what to groups, and when."`
	Journal groupJournalCmd `cmd:"" help:"Print the journal's entries and their hashes, or check that their chain is whole."`
	Replay  groupReplayCmd  `cmd:"" help:"Show what a policy would have done with a load, beside others."`
	Images  groupImagesCmd  `cmd:"" help:"List the images that a group may be launched of, with the one that is chosen."`
	Check   groupCheckCmd   `cmd:"" help:"Ask AWS whether it would allow all that a group needs, and name each missing permission."`
	Refresh groupRefreshCmd `cmd:"" help:"Replace the instances of a group that are outdated, a few at a time."`
	Stop    groupStopCmd    `cmd:"" help:"Stop launching and terminating in a group, now and after a restart."`
	Start   groupStartCmd   `cmd:"" help:"Let a stopped group act again."`

	Down groupDownCmd `cmd:"" help:"Shut a group down for a while, whatever its schedule says."`
	Up   groupUpCmd   `cmd:"" help:"Keep a group up for a while, whatever its schedule says."`

	Run      groupRunCmd      `cmd:"" help:"Run a command of the server's configuration on a group's instances."`
	TakeOver groupTakeOverCmd `cmd:"" help:"Claim a group whose instances another controller launched, or this one before its data were lost."`
	Sweep    groupSweepCmd    `cmd:"" help:"List the instances with rondo's tags that are in no group's books, or end the orphans."`
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
	if strings.HasPrefix(g.Down, "down") {
		return "down"
	}
	return g.Mode
}

func why(d autoscale.Decision) string {
	if d.Held != "" {
		return d.Said() + "; held: " + d.Held
	}
	return d.Said()
}
