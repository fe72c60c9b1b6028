package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"rondo/autoscale"
)

// groupCmd shows and commands the autoscaling groups of a running server.
type groupCmd struct {
	List    groupListCmd    `cmd:"" help:"List the groups."`
	Explain groupExplainCmd `cmd:"" help:"Show a group's instances and decisions, each with its reason."`
	Replay  groupReplayCmd  `cmd:"" help:"Show what a policy would have done with a load, beside others."`
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
		return d.Reason + "; held: " + d.Held
	}
	return d.Reason
}

type groupExplainCmd struct {
	clientFlags
	Name string `arg:"" help:"The group."`
}

func (groupExplainCmd) Help() string {
	return `Examples:
  rondo group explain web
  rondo group explain web -o json`
}

func (c groupExplainCmd) Run(ctx context.Context, out io.Writer) error {
	path := "/api/groups/" + url.PathEscape(c.Name)
	if c.Output == "json" {
		return c.copyTo(ctx, out, path, nil)
	}
	var g autoscale.View
	if err := c.get(ctx, path, nil, &g); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %s, %d of %d to %d instances, desired %d\nmetric: %s\n\n",
		g.Name, modeOf(g), len(g.Instances), g.Min, g.Max, g.Desired, g.Metric)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "INSTANCE\tPHASE\tLAUNCHED\tADDRESS")
	for _, i := range g.Instances {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", i.ID, i.Phase, i.Launched.Local().Format(time.DateTime), i.PrivateDNS)
	}
	fmt.Fprintln(w, "\nAT\tDECISION\tFROM\tTO\tWHY")
	for _, d := range g.Recent {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\n", d.At.Local().Format(time.DateTime), d.Direction, d.From, d.To, why(d))
	}
	return w.Flush()
}

type groupStopCmd struct {
	clientFlags
	Name string `arg:"" help:"The group."`
}

func (c groupStopCmd) Run(ctx context.Context, out io.Writer) error {
	return c.command(ctx, out, c.Name, "stop", "stopped")
}

type groupStartCmd struct {
	clientFlags
	Name string `arg:"" help:"The group."`
}

func (c groupStartCmd) Run(ctx context.Context, out io.Writer) error {
	return c.command(ctx, out, c.Name, "start", "started")
}

func (c clientFlags) command(ctx context.Context, out io.Writer, group, verb, done string) error {
	body, err := c.do(ctx, http.MethodPost, "/api/groups/"+url.PathEscape(group)+"/"+verb, nil)
	if err != nil {
		return err
	}
	body.Close()
	fmt.Fprintf(out, "%s: %s\n", group, done)
	return nil
}
