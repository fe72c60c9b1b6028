package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"rondo/alerts/role"
)

// roleCmd asks for roles.
type roleCmd struct {
	List roleListCmd `cmd:"" help:"List the roles, with how many members, rules and problems each has."`
	Show roleShowCmd `cmd:"" help:"Show a role's members and all that is attached to them."`
}

type roleListCmd struct{ clientFlags }

func (roleListCmd) Help() string {
	return `Examples:
  rondo role list
  rondo role list -o json`
}

func (c roleListCmd) Run(ctx context.Context, out io.Writer) error {
	if c.Output == "json" {
		return c.copyTo(ctx, out, rolesPath, nil)
	}
	var all []role.View
	if err := c.get(ctx, rolesPath, nil, &all); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ROLE\tGROUPS\tMEMBERS\tRULES\tSTATES\tPROBLEMS\tPANELS\tPROFILE")
	for _, r := range all {
		states, problems := 0, 0
		for _, rule := range r.Rules {
			states, problems = states+rule.States, problems+rule.Problems
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n", r.Name, strings.Join(r.Groups, ","), len(r.Members), len(r.Rules), states, problems, len(r.Panels), dash(r.Profile))
	}
	return w.Flush()
}

const rolesPath = "/api/roles"

type roleShowCmd struct {
	clientFlags
	Name string `arg:"" help:"The role."`
}

func (roleShowCmd) Help() string {
	return `Examples:
  rondo role show web
  rondo role show web -o json`
}

func (c roleShowCmd) Run(ctx context.Context, out io.Writer) error {
	path := rolesPath + "/" + url.PathEscape(c.Name)
	if c.Output == "json" {
		return c.copyTo(ctx, out, path, nil)
	}
	var r role.View
	if err := c.get(ctx, path, nil, &r); err != nil {
		return err
	}
	return printRole(out, r, time.Now())
}

func printRole(out io.Writer, r role.View, now time.Time) error {
	fmt.Fprintf(out, "%s: groups %s, profile %s\n\n", r.Name, strings.Join(r.Groups, ", "), dash(r.Profile))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MEMBER\tGROUP\tINSTANCE\tADDRESS\tFOR\tSTATES\tPROBLEMS\t")
	for _, m := range r.Members {
		state := ""
		if m.Draining {
			state = "draining"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", m.Host, m.Group, dash(m.Instance), dash(m.Address), now.Sub(m.Joined).Round(time.Second), m.States, m.Problems, state)
	}
	fmt.Fprintln(w, "\nRULE\tSTATES\tPROBLEMS\tCHECKS")
	for _, rule := range r.Rules {
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\n", rule.Name, rule.States, rule.Problems, rule.Expr)
	}
	fmt.Fprintln(w, "\nPANEL\tPER\tEXPRESSION")
	for _, p := range r.Panels {
		fmt.Fprintf(w, "%s\t%s\t%s\n", p.Title, p.Per, p.Expr)
	}
	if len(r.Parameters) > 0 {
		fmt.Fprintln(w, "\nPARAMETER\tVALUE")
		for _, name := range slices.Sorted(maps.Keys(r.Parameters)) {
			fmt.Fprintf(w, "%s\t%s\n", name, r.Parameters[name])
		}
	}
	return w.Flush()
}
