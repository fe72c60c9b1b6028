package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"rondo/autoscale"
)

// reason is the flag of commands that are kept in a group's books.
type reason struct {
	Message string `help:"Why, for the books." short:"m" placeholder:"TEXT"`
}

// groupName is the argument of commands that are for one group, or for all.
type groupName struct {
	Name string `arg:"" optional:"" help:"The group."`
	All  bool   `help:"All groups, by a switch of its own: groups that were stopped one by one stay so."`
}

// path returns the group as the API has it, and for people.
func (g groupName) path() (name, words string, err error) {
	switch {
	case g.All == (g.Name != ""):
		return "", "", errors.New("the name of a group is wanted, or --all")
	case g.All:
		return autoscale.Everything, "all groups", nil
	}
	return g.Name, g.Name, nil
}

type groupStopCmd struct {
	clientFlags
	groupName
	reason
}

func (groupStopCmd) Help() string {
	return `Examples:
  rondo group stop web -m "moving to another zone"
  rondo group stop --all
  rondo group audit web

No instance is launched or terminated until "rondo group start", over restarts
too. What is under way is not taken back.`
}

func (c groupStopCmd) Run(ctx context.Context, out io.Writer) error {
	return c.toggle(ctx, out, c.groupName, c.Message, "stop", "stopped")
}

type groupStartCmd struct {
	clientFlags
	groupName
	reason
}

func (c groupStartCmd) Run(ctx context.Context, out io.Writer) error {
	if err := c.toggle(ctx, out, c.groupName, c.Message, "start", "started"); err != nil || c.All {
		return err
	}
	var g autoscale.View
	err := c.get(ctx, groupPath(c.Name), nil, &g)
	if err == nil && g.Stopped {
		fmt.Fprintf(out, "%s: another switch holds it still: stopped by %s\n", c.Name, g.StoppedBy)
	}
	return err
}

func (c clientFlags) toggle(ctx context.Context, out io.Writer, g groupName, why, verb, done string) error {
	name, words, err := g.path()
	if err != nil {
		return err
	}
	return c.command(ctx, out, name, why, verb, words+": "+done)
}

// command sends a command, with why it is given.
func (c clientFlags) command(ctx context.Context, out io.Writer, group, why, verb, done string) error {
	body, err := c.do(ctx, http.MethodPost, groupPath(group)+"/"+verb, url.Values{"by": {why}})
	if err != nil {
		return err
	}
	body.Close()
	fmt.Fprintln(out, done)
	return nil
}

type groupTakeOverCmd struct {
	clientFlags
	Name string `arg:"" help:"The group."`
	reason
}

func (groupTakeOverCmd) Help() string {
	return `Examples:
  rondo group take-over web

After a data directory was lost or moved, the group's instances carry the claim
of the former controller, and this one refuses to act (two-controllers). First
see that the other one does not run any more; if it does, it refuses from then on.`
}

func (c groupTakeOverCmd) Run(ctx context.Context, out io.Writer) error {
	return c.command(ctx, out, c.Name, c.Message, "take-over", c.Name+": taken over")
}

type groupSweepCmd struct {
	clientFlags
	reason
	Terminate bool `help:"Terminate the orphans: instances that this controller launched for groups that are not configured any more."`
}

func (groupSweepCmd) Help() string {
	return `Examples:
  rondo group sweep
  rondo group sweep --terminate

Lists all instances that carry rondo's tags and are in no group's books. Those of
groups that there are have been adopted, and belong to them. Others' are never
touched, nor what the tag rondo:protect protects.`
}

func (c groupSweepCmd) Run(ctx context.Context, out io.Writer) error {
	q := url.Values{"by": {c.Message}}
	if c.Terminate {
		q.Set("terminate", "yes")
	}
	var s autoscale.Sweep
	if err := c.post(ctx, groupPath(autoscale.Everything)+"/sweep", q, &s); err != nil {
		return err
	}
	if c.Output == "json" {
		return c.printJSON(out, s)
	}
	did := map[bool]string{true: "terminated", false: "yes"}[c.Terminate]
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "INSTANCE\tGROUP\tPHASE\tLAUNCHED\tORPHAN\tWHY")
	for _, i := range s.Found {
		orphan := "no"
		if i.Orphan {
			orphan = did
		}
		if i.Orphan && i.Protected() {
			orphan = "protected"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", i.ID, i.Group, i.Phase, i.Launched.Local().Format(time.DateTime), orphan, i.Why)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d instances carry rondo's tags, %d are orphans\n", s.Seen, len(s.Orphans()))
	return nil
}
