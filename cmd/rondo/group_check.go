package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"rondo/autoscale"
)

type groupCheckCmd struct {
	clientFlags
	Name string `arg:"" help:"The group."`
}

func (groupCheckCmd) Help() string {
	return `The server asks AWS, with its own credentials and without changing anything,
for every call that the group needs, and looks whether its launch template,
image and subnets exist; so it does for the target groups and addresses that
follow the group. What is denied comes with the IAM statement to add.

Examples:
  rondo group check web
  rondo group check web -o json

The exit code is that of a Nagios plugin: 0 all is there, 2 something is denied
or missing, 3 something could not be asked.`
}

func (c groupCheckCmd) Run(ctx context.Context, out io.Writer) error {
	var p autoscale.Preflight
	if err := c.post(ctx, groupPath(c.Name)+"/check", nil, &p); err != nil {
		return &exitError{nagiosUnknown, err}
	}
	var err error
	if c.Output == "json" {
		err = c.printJSON(out, p)
	} else {
		err = printPreflight(out, p)
	}
	if err != nil {
		return err
	}
	return verdict(c.Name, p)
}

// verdict is nil where nothing lacks and all could be asked.
func verdict(name string, p autoscale.Preflight) error {
	if n := len(p.Lacks()); n > 0 {
		return &exitError{nagiosCritical, fmt.Errorf("%s: %d denied or missing", name, n)}
	}
	for _, r := range p.Requirements {
		if r.State != autoscale.Granted {
			return &exitError{nagiosUnknown, fmt.Errorf("%s: %s could not be asked", name, r.Name)}
		}
	}
	return nil
}

func printPreflight(out io.Writer, p autoscale.Preflight) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "REQUIREMENT\tSTATE\tWHY")
	var statements []*autoscale.Statement
	for _, r := range p.Requirements {
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.Name, r.State, r.Text)
		if r.State == autoscale.Refused && r.Policy != nil {
			statements = append(statements, r.Policy)
		}
	}
	if err := w.Flush(); err != nil || len(statements) == 0 {
		return err
	}
	b, err := json.MarshalIndent(map[string]any{"Version": "2012-10-17", "Statement": statements}, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\nThe IAM policy that is wanting in account %s:\n%s\n", p.Account, b)
	return err
}
