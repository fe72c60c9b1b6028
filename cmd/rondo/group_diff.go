package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"text/tabwriter"

	"rondo/autoscale"
	"rondo/autoscale/replay"
)

type groupDiffCmd struct {
	clientFlags
	Name   string `arg:"" help:"The group."`
	Config string `help:"Configuration file that is compared with what runs." type:"path" default:"rondo.yml"`
	From   string `help:"Replay both over the stored history from then on, such as -7d." placeholder:"TIME"`
	Step   span   `help:"Distance of the points of the history." default:"1m"`
}

func (groupDiffCmd) Help() string {
	return `Examples:
  rondo group diff web --config=/etc/rondo/rondo.yml
  rondo group diff web --config=next.yml --from=-7d
  rondo group apply web

It shows which settings change, what each configuration would decide now, and
with --from what each would have done. A reload (SIGHUP) puts the file in force;
a group in a dry run shows what it would do until it is applied.`
}

// A comparison is the answer as JSON.
type comparison struct {
	Group       string                 `json:"group"`
	Digest      string                 `json:"digest"`     // of the configuration that runs
	NewDigest   string                 `json:"new_digest"` // of the file's
	Differences []autoscale.Difference `json:"differences"`
	Now         autoscale.Decision     `json:"now"` // what the one that runs decides
	New         autoscale.Decision     `json:"new"` // what the file's would
	Replay      []replayed             `json:"replay,omitempty"`
	Outdated    *int                   `json:"outdated"`  // instances that the file's template would make outdated; null where its image is not known
	Instances   int                    `json:"instances"` // of so many
}

func (c groupDiffCmd) Run(ctx context.Context, out io.Writer) error {
	next, err := groupOf(c.Config, c.Name)
	if err != nil {
		return err
	}
	var runs autoscale.Setup
	if err := c.get(ctx, groupPath(c.Name)+"/config", nil, &runs); err != nil {
		return err
	}
	var v autoscale.View
	if err := c.get(ctx, groupPath(c.Name), nil, &v); err != nil {
		return err
	}
	cmp := comparison{Group: c.Name, Digest: runs.Digest, NewDigest: next.Digest(), Now: v.Last}
	cmp.Differences = append([]autoscale.Difference{}, autoscale.Differences(runs.Group, next)...)
	if cmp.New, err = c.ask(ctx, next); err != nil {
		return err
	}
	if err := c.outdated(ctx, &cmp, v, runs.Group, next); err != nil {
		return err
	}
	if c.From != "" {
		if cmp.Replay, err = c.replay(ctx, v, runs.Group, next); err != nil {
			return err
		}
	}
	if c.Output == "json" {
		return c.printJSON(out, cmp)
	}
	return cmp.print(out)
}

// groupOf reads one group of a configuration file, completed.
func groupOf(file, name string) (autoscale.Group, error) {
	conf, err := loadConfig(file)
	if err != nil {
		return autoscale.Group{}, err
	}
	all := conf.Autoscale.Groups.Groups
	i := slices.IndexFunc(all, func(g autoscale.Group) bool { return g.Name == name })
	if i < 0 {
		return autoscale.Group{}, fmt.Errorf("%s has no group %q", file, name)
	}
	return all[i].WithDefaults(), nil
}

// ask lets the server say what a configuration would decide now.
func (c groupDiffCmd) ask(ctx context.Context, g autoscale.Group) (d autoscale.Decision, err error) {
	g.Launch.UserData = "" // of no meaning for a decision
	body, err := json.Marshal(g)
	if err != nil {
		return d, err
	}
	client, base := c.client()
	answer, err := c.send(ctx, client, http.MethodPost, base+groupPath(c.Name)+"/ask", nil, bytes.NewReader(body))
	if err != nil {
		return d, err
	}
	defer answer.Close()
	return d, json.NewDecoder(answer).Decode(&d)
}

// outdated counts the instances that the file's template would make outdated. An
// image that is chosen is known where it is chosen as before.
func (c groupDiffCmd) outdated(ctx context.Context, cmp *comparison, v autoscale.View, runs, next autoscale.Group) error {
	t := next.Launch
	if t.Images.IsSet() {
		var found autoscale.Images
		if err := c.get(ctx, groupPath(c.Name)+"/images", nil, &found); err != nil {
			return err
		}
		if t.Images != runs.Launch.Images || found.Chosen == "" {
			return nil
		}
		t.Image = found.Chosen
	}
	n, of := v.OutdatedBy(t)
	cmp.Outdated, cmp.Instances = &n, of
	return nil
}

// replay runs both over the history.
func (c groupDiffCmd) replay(ctx context.Context, v autoscale.View, runs, next autoscale.Group) ([]replayed, error) {
	r := groupReplayCmd{clientFlags: c.clientFlags, Name: c.Name, From: c.From, To: "now", Step: c.Step}
	load, err := r.history(ctx, v)
	if err != nil {
		return nil, err
	}
	var o replay.Options
	runs.Name, next.Name = "runs", "file"
	both := []autoscale.Group{runs, next}
	if err := complete(&o, both); err != nil {
		return nil, err
	}
	var out []replayed
	for _, p := range candidates(both, o, load)[:len(both)] {
		result := replay.Run(load, p.policy(), o)
		out = append(out, replayed{Policy: p.name, Score: result.Score})
	}
	return out, nil
}

func (c comparison) print(out io.Writer) error {
	if len(c.Differences) == 0 {
		fmt.Fprintf(out, "%s: the file is what runs (%s)\n", c.Group, c.Digest)
	} else {
		fmt.Fprintf(out, "%s: %s -> %s\n", c.Group, c.Digest, c.NewDigest)
	}
	for _, d := range c.Differences {
		fmt.Fprintf(out, "  %s\n", d)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nruns\t%s\n", inWords(c.Now))
	fmt.Fprintf(w, "file\t%s\n", inWords(c.New))
	if c.Outdated != nil {
		fmt.Fprintf(w, "outdated\t%d of %d instances by the file\n", *c.Outdated, c.Instances)
	}
	if err := w.Flush(); err != nil || c.Replay == nil {
		return err
	}
	fmt.Fprintln(out)
	return groupReplayCmd{}.print(out, c.Replay)
}

// inWords is what a decision comes to now.
func inWords(d autoscale.Decision) string {
	text := fmt.Sprintf("%s %d -> %d: %s", d.Direction, d.From, d.To, why(d))
	if d.DryRun {
		text += " (dry run)"
	}
	return text
}

type groupApplyCmd struct {
	clientFlags
	Name     string `arg:"" help:"The group, which is in a dry run."`
	Decision string `help:"Apply this only, as group list -o json shows it: its code, and the capacity before and after. Without it what is decided now." placeholder:"CODE:FROM-TO"`
	Message  string `help:"Why, for the books." short:"m" placeholder:"TEXT"`
}

func (groupApplyCmd) Help() string {
	return `Examples:
  rondo group apply web
  rondo group apply web --decision=above:2-4 -m "the sale begins"

It carries out once what the group would do, through the same journal, guard
rails and calls as in mode act. It is refused where the decision is another one
by then.`
}

func (c groupApplyCmd) Run(ctx context.Context, out io.Writer) error {
	if c.Decision == "" {
		var v autoscale.View
		if err := c.get(ctx, groupPath(c.Name), nil, &v); err != nil {
			return err
		}
		c.Decision = v.Last.Terms()
		if c.Output != "json" {
			fmt.Fprintln(out, inWords(v.Last))
		}
	}
	var d autoscale.Decision
	if err := c.post(ctx, groupPath(c.Name)+"/apply", url.Values{"decision": {c.Decision}, "by": {c.Message}}, &d); err != nil {
		return err
	}
	if c.Output == "json" {
		return c.printJSON(out, d)
	}
	fmt.Fprintf(out, "%s: applied %d -> %d, decision %s\n", c.Name, d.From, d.To, d.ID)
	return nil
}
