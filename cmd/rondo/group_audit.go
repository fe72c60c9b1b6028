package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"rondo/autoscale"
)

type groupAuditCmd struct {
	clientFlags
	Name string `arg:"" optional:"" help:"The group; without it all."`
}

func (groupAuditCmd) Help() string {
	return `Examples:
  rondo group audit
  rondo group audit web -o json

It lists the stops and starts, what was applied by hand, and each configuration
that came into force with what it changed. Who is the user at the other end of
rondo.sock, the name in a client certificate, or the token.`
}

// A deed is an audit line with its group.
type deed struct {
	Group string `json:"group"`
	autoscale.Audit
}

func (c groupAuditCmd) Run(ctx context.Context, out io.Writer) error {
	names := []string{c.Name}
	if c.Name == "" {
		var groups []autoscale.View
		if err := c.get(ctx, "/api/groups", nil, &groups); err != nil {
			return err
		}
		names = names[:0]
		for _, g := range groups {
			names = append(names, g.Name)
		}
	}
	deeds := []deed{}
	for _, name := range names {
		var all []autoscale.Audit
		if err := c.get(ctx, groupPath(name)+"/audit", nil, &all); err != nil {
			return err
		}
		for _, a := range all {
			deeds = append(deeds, deed{name, a})
		}
	}
	slices.SortStableFunc(deeds, func(a, b deed) int { return b.At.Compare(a.At) })
	if c.Output == "json" {
		return c.printJSON(out, deeds)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "AT\tGROUP\tWHAT\tWHO\tCHANGE\tENTRY")
	for _, d := range deeds {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\n", d.At.Local().Format(time.DateTime), d.Group, d.What, d.By, d.Text, d.Entry)
	}
	return w.Flush()
}
