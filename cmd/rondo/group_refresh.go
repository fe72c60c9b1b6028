package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"
	"text/tabwriter"
	"time"

	"rondo/autoscale"
)

type groupRefreshCmd struct {
	clientFlags
	Name string `arg:"" help:"The group."`
	reason
	Status  bool `help:"Show how far it is, and change nothing." xor:"do"`
	Pause   bool `help:"Take no further step. An alarm backs it out all the same." xor:"do"`
	Resume  bool `help:"Go on." xor:"do"`
	BackOut bool `help:"Retire what was launched of the new template, and launch the old one in its place." xor:"do"`
	Abort   bool `help:"End it, and leave the instances as they are." xor:"do"`
}

func (groupRefreshCmd) Help() string {
	return `Examples:
  rondo group refresh web -m "new kernel"
  rondo group refresh web --status
  rondo group refresh web --pause -m "let us see"
  rondo group refresh web --resume
  rondo group refresh web --back-out -m "logins fail"

Instances that were launched as something else than the configuration asks for
now (image, type, user data, launch template) are replaced: first a canary, then
a batch at a time, each after the new ones have proved themselves. An alarm, or a
new one that fails, brings the old template back. See refresh: in the group.`
}

func (c groupRefreshCmd) Run(ctx context.Context, out io.Writer) error {
	do := "start"
	for _, verb := range []struct {
		is   bool
		name string
	}{{c.Pause, "pause"}, {c.Resume, "resume"}, {c.BackOut, "back-out"}, {c.Abort, "abort"}} {
		if verb.is {
			do = verb.name
		}
	}
	var v autoscale.View
	var err error
	if c.Status {
		err = c.get(ctx, groupPath(c.Name), nil, &v)
	} else {
		err = c.post(ctx, groupPath(c.Name)+"/refresh", url.Values{"do": {do}, "by": {c.Message}}, &v)
	}
	switch {
	case err != nil:
		return err
	case c.Output == "json" && v.Refresh == nil:
		return c.printJSON(out, autoscale.RefreshView{Changes: []autoscale.Difference{}, History: []autoscale.RefreshEvent{}})
	case c.Output == "json":
		return c.printJSON(out, v.Refresh)
	case v.Refresh == nil:
		_, err := fmt.Fprintf(out, "%s: no instance is outdated\n", c.Name)
		return err
	}
	return printRefresh(out, c.Name, *v.Refresh)
}

// printRefresh shows how far a refresh is, and what it has done.
func printRefresh(out io.Writer, name string, r autoscale.RefreshView) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\t%s\n", name, refreshWords(r))
	for _, d := range r.Changes {
		fmt.Fprintf(w, "change\t%s\n", d)
	}
	if r.Step != "" {
		fmt.Fprintf(w, "step\t%s\n", r.Step)
	}
	if r.Why != "" {
		fmt.Fprintf(w, "why\t%s\n", r.Why)
	}
	if !r.Began.IsZero() {
		fmt.Fprintf(w, "began\t%s by %s; %d launched, %d retired\n", r.Began.Local().Format(time.DateTime), r.By, r.Launched, r.Retired)
	}
	for _, e := range r.History {
		fmt.Fprintf(w, "%s\t%s\t%s\n", e.At.Local().Format(time.DateTime), e.What, e.Text)
	}
	return w.Flush()
}

// refreshWords say in a line how far a refresh is.
func refreshWords(r autoscale.RefreshView) string {
	text := fmt.Sprintf("%d outdated", r.Outdated)
	if r.State != "" {
		text += fmt.Sprintf("; refresh %s, %d of %d are as they should be", r.State, r.Done, r.Total)
	}
	return text + fmt.Sprintf(" (%s -> %s)", cmp.Or(r.From, "unknown"), r.To)
}
