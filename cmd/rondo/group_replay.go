package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"text/tabwriter"
	"time"

	"rondo/autoscale"
	"rondo/autoscale/replay"
)

// groupReplayCmd asks what policies would have done with a load.
type groupReplayCmd struct {
	clientFlags
	Name    string  `arg:"" optional:"" help:"The group whose stored history is replayed, or whose present policy is compared."`
	Load    string  `help:"Replay this load instead of stored history: CSV with the header time,load; epoch seconds, and servers' worth of work." type:"existingfile" placeholder:"FILE"`
	Policy  string  `help:"YAML file with the policy: what a group says under autoscale.groups. Without it the recommended policy." type:"existingfile" placeholder:"FILE"`
	Config  string  `help:"Configuration with the present policy of the group." type:"path" placeholder:"FILE"`
	From    string  `help:"Start of the history." default:"-30d"`
	To      string  `help:"End of the history." default:"now"`
	Step    span    `help:"Distance of the points of the history." default:"1m"`
	Use     float64 `help:"Share of a server that may be used: needed = ceil(load / use). For a policy with thresholds its out.above [0.8]." placeholder:"0.8"`
	Boot    span    `help:"From launch to service [that of the policy, else 2m]." placeholder:"2m"`
	Min     int     `help:"Least instances [that of the policy, else 1]." placeholder:"N"`
	Max     int     `help:"Most instances [that of the policy, else 2000]." placeholder:"N"`
	Price   float64 `help:"Of an instance for an hour, such as 0.085; without it the cost is 0." placeholder:"PRICE"`
	Actions bool    `help:"List what the policy would have done."`
}

func (groupReplayCmd) Help() string {
	return `Examples:
  rondo group replay --load=load.csv --boot=120s
  rondo group replay --load=load.csv --policy=policy.yml --price=0.0725 -o json
  rondo group replay web --config=/etc/rondo/rondo.yml --from=-30d --policy=new.yml

A policy file has what a group says, for example
  track: {use: 0.7}
or
  out: {above: 0.8, for: 30s, add: enough}
  in: {below: 0.4, for: 10m, remove: 1}
A policy with a metric of its own cannot be replayed: a load does not say what
that was.

Beside the policy of the file stands the present one: that of --config, or of
the running server whose history is replayed.

Under stands for too few instances, over for too many: theta is the mean share
that was missing or idle, time how long it was so, both in percent. Cost is the
time of instances in service by that of instances needed. Below the policy stand
others, with the same load.`
}

// A candidate is a policy that is replayed.
type candidate struct {
	name   string
	policy func() replay.Policy // anew for each run: some remember
}

// Run replays and prints.
func (c groupReplayCmd) Run(ctx context.Context, out io.Writer) error {
	o := replay.Options{Use: c.Use, Boot: time.Duration(c.Boot), Min: c.Min, Max: c.Max, Price: c.Price}
	groups, err := c.groups(ctx, &o)
	if err != nil {
		return err
	}
	if err := o.Validate(); err != nil {
		return fmt.Errorf("group replay: %w", err)
	}
	load, err := c.load(ctx)
	if err != nil {
		return err
	}
	results := make([]replayed, 0, 8)
	for _, p := range candidates(groups, o, load) {
		r := replay.Run(load, p.policy(), o)
		results = append(results, replayed{Policy: p.name, Score: r.Score, Actions: r.Actions})
	}
	if c.Output == "json" {
		return c.printJSON(out, results)
	}
	return c.print(out, results)
}

// groups returns the policy that is asked about, and those of ours beside it,
// and fills in what they say of the options that were not given. The present
// policy is that of the configuration, or else of the server whose history is
// replayed.
func (c groupReplayCmd) groups(ctx context.Context, o *replay.Options) (groups []autoscale.Group, err error) {
	if c.Policy != "" {
		g, err := readPolicy(c.Policy)
		if err != nil {
			return nil, err
		}
		groups = append(groups, g)
	}
	switch {
	case c.Config != "":
		now, err := groupOf(c.Config, c.Name)
		if err != nil {
			return nil, fmt.Errorf("group replay: %w", err)
		}
		now.Name = "present: " + now.Name
		groups = append(groups, now)
	case c.Name != "" && c.Load == "":
		var s autoscale.Setup
		if err := c.get(ctx, groupPath(c.Name)+"/config", nil, &s); err != nil {
			return nil, err
		}
		s.Group.Name = "present: " + s.Group.Name
		if len(groups) == 0 || replay.Replayable(s.Group) == nil { // else the one asked about is compared with others
			groups = append(groups, s.Group)
		}
	}
	if err := complete(o, groups); err != nil {
		return nil, err
	}
	if recommended := replay.Recommended(*o); c.Policy == "" {
		groups = append([]autoscale.Group{recommended}, groups...)
	} else {
		groups = append(groups, recommended)
	}
	return groups, nil
}

// complete fills in what policies say of the options that were not given.
func complete(o *replay.Options, groups []autoscale.Group) error {
	for _, g := range groups {
		if err := replay.Replayable(g); err != nil {
			return fmt.Errorf("group replay: %s: %w", g.Name, err)
		}
		for _, p := range g.All() {
			if p.Track != nil {
				o.Use = cmp.Or(o.Use, p.Track.Use)
			}
			o.Use = cmp.Or(o.Use, p.Out.Above)
		}
		o.Boot = cmp.Or(o.Boot, g.Boot)
		o.Min, o.Max = cmp.Or(o.Min, g.Min), cmp.Or(o.Max, g.Max)
	}
	return nil
}

// readPolicy reads a file with a group's policy.
func readPolicy(file string) (autoscale.Group, error) {
	g := autoscale.Group{Name: "policy", Metric: "load"}
	text, err := os.ReadFile(file)
	if err != nil {
		return g, fmt.Errorf("policy: %w", err)
	}
	tree, err := parseTree(file, text)
	if err != nil {
		return g, err
	}
	if err := decode(tree, &g); err != nil {
		return g, err
	}
	g.Mode, g.Max = autoscale.DryRun, cmp.Or(g.Max, 2000)
	if err := g.WithDefaults().Validate(); err != nil {
		return g, fmt.Errorf("%s: %w", file, err)
	}
	return g, nil
}

func candidates(groups []autoscale.Group, o replay.Options, load []replay.Step) (out []candidate) {
	step := load[1].Time.Sub(load[0].Time)
	for _, g := range groups {
		out = append(out, candidate{g.Name, func() replay.Policy { return replay.Group(g, o, step) }})
	}
	target := 0.7 / 0.8 * cmp.Or(o.Use, 0.8)
	return append(out,
		candidate{"target tracking", func() replay.Policy { return replay.TargetTracking{Target: target} }},
		candidate{"step scaling", func() replay.Policy { return replay.StepScaling{} }},
		candidate{"HPA", func() replay.Policy { return &replay.HPA{Target: target} }},
		candidate{"React", func() replay.Policy {
			return replay.React{Upper: cmp.Or(o.Use, 0.8), Lower: cmp.Or(o.Use, 0.8) * 5 / 8}
		}},
	)
}

// load reads the file, or the history of the group from the server.
func (c groupReplayCmd) load(ctx context.Context) ([]replay.Step, error) {
	if c.Load != "" {
		f, err := os.Open(c.Load)
		if err != nil {
			return nil, fmt.Errorf("group replay: %w", err)
		}
		defer f.Close()
		steps, err := replay.Read(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Load, err)
		}
		return steps, nil
	}
	if c.Name == "" {
		return nil, errors.New("group replay: which load? name a group whose history is stored, or give --load=FILE")
	}
	var g autoscale.View
	if err := c.get(ctx, "/api/groups/"+url.PathEscape(c.Name), nil, &g); err != nil {
		return nil, err
	}
	return c.history(ctx, g)
}

// historyPoints is how many points are asked for at once.
const historyPoints = 10_000

// history is the group's metric times the instances that served it.
func (c groupReplayCmd) history(ctx context.Context, g autoscale.View) (steps []replay.Step, err error) {
	from, to, err := parseRange(c.From, c.To, time.Now())
	if err != nil {
		return nil, err
	}
	step := max(time.Duration(c.Step), time.Second)
	expr := autoscale.WorkOf(g.Name, g.Metric)
	for start := from; start.Before(to); start = start.Add(historyPoints * step) {
		end := start.Add((historyPoints - 1) * step)
		if end.After(to) {
			end = to
		}
		var answer promAnswer
		err := c.get(ctx, "/api/v1/query_range", url.Values{
			"query": {expr}, "start": {epoch(start)}, "end": {epoch(end)}, "step": {fmt.Sprint(step.Seconds())},
		}, &answer)
		if err != nil {
			return nil, err
		}
		var series []promSeries
		if err := json.Unmarshal(answer.Data.Result, &series); err != nil {
			return nil, fmt.Errorf("group replay: the answer cannot be read: %w", err)
		}
		for _, s := range series {
			for _, p := range s.Values {
				if v, err := strconv.ParseFloat(p.value, 64); err == nil && v >= 0 {
					steps = append(steps, replay.Step{Time: p.at, Load: v})
				}
			}
		}
	}
	if len(steps) < 2 {
		return nil, fmt.Errorf("group replay: %d points are stored of %s between %s and %s: want two at least", len(steps), expr, from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	return steps, nil
}

// replayed is a line of the answer.
type replayed struct {
	Policy string `json:"policy"`
	replay.Score
	Actions []replay.Action `json:"changes,omitempty"`
}

func (c groupReplayCmd) printJSON(out io.Writer, results []replayed) error {
	answer := struct {
		replayed
		Compared []replayed `json:"compared"`
	}{results[0], results[1:]}
	if !c.Actions {
		answer.Actions = nil
	}
	for i := range answer.Compared {
		answer.Compared[i].Actions = nil
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(answer)
}

func (c groupReplayCmd) print(out io.Writer, results []replayed) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "UNDER %\tTIME UNDER %\tOVER %\tTIME OVER %\tCOST RATIO\tHOURS\tCOST\tACTIONS\t  POLICY")
	for _, r := range results {
		fmt.Fprintf(w, "%.3f\t%.3f\t%.2f\t%.2f\t%.3f\t%.1f\t%.2f\t%d\t  %s\n", r.ThetaUnder, r.TimeUnder, r.ThetaOver, r.TimeOver, r.CostRatio, r.InstanceHours, r.Cost, r.Changes, r.Policy)
	}
	if err := w.Flush(); err != nil || !c.Actions {
		return err
	}
	for _, a := range results[0].Actions {
		fmt.Fprintf(out, "%s  %d -> %d  %s\n", a.At.UTC().Format(time.RFC3339), a.From, a.To, a.Why)
	}
	return nil
}
