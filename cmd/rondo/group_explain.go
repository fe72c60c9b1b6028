package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"rondo/autoscale"
)

type groupExplainCmd struct {
	clientFlags
	Name     string `arg:"" help:"The group."`
	Decision string `arg:"" optional:"" help:"One decision: its ID or the beginning of it, n and the number of its entry in the journal, or now."`
	Since    string `help:"Decisions from then on, such as -6h." placeholder:"TIME"`
	Limit    int    `help:"So many at most." default:"20"`
	Full     bool   `help:"Show the points, arithmetic, guard rails and calls of each."`
}

func (groupExplainCmd) Help() string {
	return `Examples:
  rondo group explain web
  rondo group explain web --since=-6h --full
  rondo group explain web 3f2a91c4
  rondo group explain web -o json`
}

// An explanation is a group and its decisions, as JSON.
type explanation struct {
	autoscale.View
	Value     *float64           `json:"value"`
	Decisions []autoscale.Record `json:"decisions"`
}

func (c groupExplainCmd) Run(ctx context.Context, out io.Writer) error {
	path := groupPath(c.Name)
	if c.Decision != "" {
		path += "/decisions/" + url.PathEscape(c.Decision)
		if c.Output == "json" {
			return c.copyTo(ctx, out, path, nil)
		}
		var r autoscale.Record
		if err := c.get(ctx, path, nil, &r); err != nil {
			return err
		}
		return printRecord(out, r)
	}
	var e explanation
	q := url.Values{"limit": {strconv.Itoa(c.Limit)}}
	if c.Since != "" {
		since, _, err := parseRange(c.Since, "now", time.Now())
		if err != nil {
			return err
		}
		q.Set("since", epoch(since))
	}
	if err := c.get(ctx, path, nil, &e); err != nil {
		return err
	}
	if err := c.get(ctx, path+"/decisions", q, &e.Decisions); err != nil {
		return err
	}
	if c.Output == "json" {
		return c.printJSON(out, e)
	}
	return c.print(out, e)
}

func (c groupExplainCmd) print(out io.Writer, e explanation) error {
	g := e.View
	fmt.Fprintf(out, "%s: %s, %d of %d to %d instances, desired %d\nmetric: %s\n\n",
		g.Name, modeOf(g), len(g.Instances), g.Min, g.Max, g.Desired, g.Metric)
	if g.Shadow != nil {
		fmt.Fprintf(out, "shadow: %s\n\n", shadowWords(*g.Shadow))
	}
	if g.Refresh != nil {
		fmt.Fprintf(out, "refresh: %s\n\n", refreshWords(*g.Refresh))
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "INSTANCE\tPHASE\tLAUNCHED\tADDRESS\tOUTDATED")
	for _, i := range g.Instances {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", i.ID, i.Phase, i.Launched.Local().Format(time.DateTime), i.PrivateDNS, map[bool]string{true: "outdated"}[i.Outdated])
	}
	if c.Full {
		if err := w.Flush(); err != nil {
			return err
		}
		for _, r := range e.Decisions {
			fmt.Fprintln(out)
			if err := printRecord(out, r); err != nil {
				return err
			}
		}
		return nil
	}
	fmt.Fprintln(w, "\nAT\tDECISION\tFROM\tTO\tID\tWHY")
	for _, r := range e.Decisions {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\n", r.At.Local().Format(time.DateTime), r.Direction, r.From, r.To, shortRef(r.Ref), why(r.Decision))
	}
	return w.Flush()
}

// shadowWords say what a shadow policy has come to.
func shadowWords(s autoscale.ShadowView) string {
	return fmt.Sprintf("%d instances, %.2f instance-hours since %s, %+.2f to the live policy's %.2f; %d changes; %s",
		s.Capacity, s.Hours, s.Since.Local().Format(time.DateTime), s.More(), s.Live, s.Changes, why(s.Decision))
}

// shortRef is enough of a decision's ID to name it.
func shortRef(ref string) string { return ref[:min(12, len(ref))] }

// printRecord prints all that a decision is proved by.
func printRecord(out io.Writer, r autoscale.Record) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\t%s %d -> %d\t\n", r.At.Local().Format(time.DateTime), r.Direction, r.From, r.To)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	line("id", "%s", r.Ref)
	if r.Count > 1 {
		line("decided", "%d times since %s", r.Count, r.First.Local().Format(time.DateTime))
	}
	line("why", "%s", r.Reason)
	if r.Remarks != "" {
		line("remarks", "%s", r.Remarks)
	}
	if !r.Saw.Watched.IsZero() {
		line("counted", "%s", counted(r.Saw))
	}
	if len(r.Points) > 0 {
		line("points", "%s", pointsOf(r.Points))
	}
	if f := r.Forecast; f != nil {
		line("forecast", "work for %.2f servers at %s, %.2f ± %.2f expected at %s: %d needed",
			f.Work, f.At.Local().Format(time.TimeOnly), f.Expected, f.Deviation, f.Then.Local().Format(time.TimeOnly), f.Need)
	}
	for _, p := range r.Policies {
		line("policy", "%s wants %d: %s", p.Name, p.To, p.Reason)
		if len(p.Points) > 0 {
			line("", "%s", pointsOf(p.Points))
		}
	}
	for _, g := range r.Guards {
		line(cmp.Or(map[bool]string{true: "blocked"}[g.Blocks], "passed"), "%s: %s", g.Name, g.Text)
	}
	if r.DryRun {
		line("dry run", "nothing was done")
	}
	if r.Who != "" {
		line("applied by", "%s", r.Who)
	}
	for _, call := range r.Calls {
		line(string(call.Kind), "%s", callWords(call))
	}
	if len(r.Instances) > 0 {
		line("instances", "%s", strings.Join(r.Instances, " "))
	}
	if r.Outcome != "" {
		line("outcome", "%s", r.Outcome)
	}
	if r.Policy != "" {
		line("config", "%s", r.Policy)
	}
	if r.Entry > 0 {
		line("journal", "entry %d, sha256 %s", r.Entry, r.Hash)
	}
	return w.Flush()
}

// counted is what the arithmetic of a decision was done with.
func counted(s autoscale.Saw) string {
	words := []string{fmt.Sprintf("%d in service", s.InService)}
	for _, n := range []struct {
		n    int
		what string
	}{{s.Coming, "on their way"}, {s.Draining, "draining"}, {s.Silent, "silent"}, {s.Overdue, "never heard of"}} {
		if n.n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n.n, n.what))
		}
	}
	if !s.Last.At.IsZero() {
		words = append(words, fmt.Sprintf("scaled %s at %s", s.Last.Direction, s.Last.At.Local().Format(time.TimeOnly)))
	}
	return strings.Join(words, ", ")
}

// pointsOf writes points as time=value, with how many served.
func pointsOf(points []autoscale.Point) string {
	words := make([]string, len(points))
	for i, p := range points {
		words[i] = p.Time.Local().Format(time.TimeOnly) + "=" + strconv.FormatFloat(p.Value, 'g', 6, 64)
		if p.Serving > 0 {
			words[i] += fmt.Sprintf("x%d", p.Serving)
		}
	}
	return strings.Join(words, " ")
}

func callWords(c autoscale.Call) string {
	words := []string{cmp.Or(c.Outcome, "under way")}
	if c.Again {
		words = append(words, "asked again with the same token")
	}
	if !c.Asked.IsZero() && !c.Ended.IsZero() {
		words = append(words, "after "+c.Ended.Sub(c.Asked).Round(time.Millisecond).String())
	}
	if c.RequestID != "" {
		words = append(words, "request "+c.RequestID)
	}
	words = append(words, "attempt "+c.Attempt)
	if len(c.Instances) > 0 {
		words = append(words, strings.Join(c.Instances, " "))
	}
	return strings.Join(words, ", ")
}

type groupWhyCmd struct {
	clientFlags
	Name string `arg:"" help:"The group."`
	At   string `help:"A time in the past, such as -2h or 2026-11-20T03:00." placeholder:"TIME"`
}

func (groupWhyCmd) Help() string {
	return `Examples:
  rondo group why web
  rondo group why web --at=-2h
  rondo group why web --at=2026-11-20T03:00 -o json

Why not more and why not less are found by asking the policy itself what it
would say if the metric, the bounds or the time were different. Of the past the
journal knows what was decided, and on what.`
}

func (c groupWhyCmd) Run(ctx context.Context, out io.Writer) error {
	path, q := groupPath(c.Name)+"/why", url.Values{}
	if c.At != "" {
		at, _, err := parseRange(c.At, "now", time.Now())
		if err != nil {
			return err
		}
		q.Set("at", epoch(at))
	}
	if c.Output == "json" {
		return c.copyTo(ctx, out, path, q)
	}
	var y autoscale.Why
	if err := c.get(ctx, path, q, &y); err != nil {
		return err
	}
	d := y.Decision
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\tat %s: %d instances, decision %s\n", d.Group, d.At.Local().Format(time.DateTime), d.From, shortRef(d.Ref))
	fmt.Fprintf(w, "why\t%s\n", why(d.Decision))
	fmt.Fprintf(w, "why not more\t%s\n", y.More.Text)
	fmt.Fprintf(w, "why not less\t%s\n", y.Less.Text)
	return w.Flush()
}

// groupPath is where the server answers for a group.
func groupPath(name string) string { return "/api/groups/" + url.PathEscape(name) }
