package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"net/url"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"rondo/alerts"
	"rondo/alerts/check"
	"rondo/alerts/fleet"
	"rondo/alerts/promrule"
	"rondo/alerts/replay"
	"rondo/alerts/state"
	"rondo/rrd"
	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

// alertReplayCmd asks what a rule would have told.
type alertReplayCmd struct {
	clientFlags
	Rule   string `required:"" help:"Name of the rule; of a rule file GROUP/ALERT."`
	Config string `help:"Configuration that has the rule; it need not be the server's." type:"path" default:"rondo.yml"`
	From   string `help:"Start of the history." default:"-30d"`
	To     string `help:"End of the history." default:"now"`
	Step   span   `help:"Distance of the checks [the rule's interval, but at most 50,000 checks]." placeholder:"1m"`
}

func (alertReplayCmd) Help() string {
	return `Examples:
  rondo alert replay --rule=disk --from=-30d
  rondo alert replay --rule=node/NodeOverloaded --config=new.yml --from=-1y -o json

The history comes from the running server, the rule from the configuration: a
rule can be tried before it is put to work. Metric rules, rule files and log rules
can be replayed; what asks the world outside cannot, for it is not stored.`
}

// replaySteps is how many checks there are at most, unless a step is given.
const replaySteps = 50_000

// Run replays and prints.
func (c alertReplayCmd) Run(ctx context.Context, out io.Writer) error {
	from, to, err := parseRange(c.From, c.To, time.Now())
	if err != nil {
		return err
	}
	past := &past{ctx: ctx, client: c.clientFlags, from: from, to: to, series: make(map[string]*pastSeries), bins: make(map[string][]pastBin)}
	rule, err := c.find(past)
	if err != nil {
		return err
	}
	past.step = time.Duration(c.Step)
	if past.step <= 0 {
		past.step = max(rule.Interval, to.Sub(from)/replaySteps, time.Second).Truncate(time.Second)
	}
	past.from = from.Truncate(past.step)
	r, err := replay.Run(ctx, rule, past.from, to, past.step)
	if err != nil {
		return err
	}
	if r.Failed == r.Checks {
		return fmt.Errorf("alert replay: no check worked: %s", r.Error)
	}
	if c.Output == "json" {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	return printReplay(out, r)
}

// find returns the rule, with the past to read from.
func (c alertReplayCmd) find(p *past) (alerts.Supervised, error) {
	conf, err := loadConfig(c.Config)
	if err != nil {
		return alerts.Supervised{}, err
	}
	hosts, err := fleet.New(state.NewMemory(), fleet.Options{Templates: conf.Fleet.Templates})
	if err != nil {
		return alerts.Supervised{}, err
	}
	var names []string
	for _, g := range promrule.NewGroups(conf.Alerts.files, promrule.Options{
		Metrics: p, Interval: conf.Alerts.Prometheus.Interval, ExternalLabels: conf.Alerts.Prometheus.ExternalLabels,
	}) {
		for _, s := range g.Supervised() {
			if names = append(names, s.Rule.ID()); s.Rule.ID() == c.Rule {
				return s, nil
			}
		}
	}
	own := conf.Alerts.Rules
	own.Forecasts, own.Anomalies = nil, nil // they read what the server does not hand out
	own.Outside = check.Outside{}           // what they found is not stored
	rules, err := own.Build(check.Sources{Metrics: p, Logs: p, Hosts: hosts, Identify: hosts.Identify})
	if err != nil {
		return alerts.Supervised{}, err
	}
	for _, s := range rules {
		if names = append(names, s.Rule.ID()); s.Rule.ID() == c.Rule {
			return s, nil
		}
	}
	return alerts.Supervised{}, fmt.Errorf("alert replay: %s has no rule %q that can be replayed: those are %q", c.Config, c.Rule, names)
}

func printReplay(out io.Writer, r replay.Result) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(r.Transitions) > 0 {
		fmt.Fprintln(w, "AT\tFROM\tTO\tLABELS\tTEXT")
	}
	for _, t := range r.Transitions {
		fmt.Fprintf(w, "%s\t%s\t%s\t%v\t%s\n", t.At.UTC().Format(time.RFC3339), t.From, t.To, t.Labels, t.Text)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	bad := 0.0
	for _, s := range r.States {
		bad += s.Warning + s.Critical + s.Unknown
	}
	fmt.Fprintf(out, "# %d checks %v apart, %d label sets: %d problems would have been told, %v bad in all; %d more were soft and went away\n",
		r.Checks, time.Duration(r.Step)*time.Second, len(r.States), r.Problems, time.Duration(bad)*time.Second, r.Soft)
	if r.Failed > 0 {
		fmt.Fprintf(out, "# %d checks failed, the first: %s\n", r.Failed, r.Error)
	}
	return nil
}

// past answers what a rule asks from history, which it fetches whole at the
// first question.
type past struct {
	ctx      context.Context
	client   clientFlags
	from, to time.Time
	step     time.Duration
	series   map[string]*pastSeries // by expression
	bins     map[string][]pastBin   // by filter
}

// A pastSeries is what an expression gave at each step.
type pastSeries struct {
	labels []rrd.Labels
	values [][]float64 // by series, by step; NaN where there is none
}

// Eval implements rrd.Evaluator.
func (p *past) Eval(_ context.Context, expr string, at time.Time) ([]rrd.Value, error) {
	s := p.series[expr]
	if s == nil {
		fetched, err := p.fetch(expr)
		if err != nil {
			return nil, err
		}
		s = fetched
		p.series[expr] = s
	}
	i := int(at.Sub(p.from) / p.step)
	var out []rrd.Value
	for n, values := range s.values {
		if i >= 0 && i < len(values) && !math.IsNaN(values[i]) {
			out = append(out, rrd.Value{Labels: s.labels[n], Time: rrd.At(at), Value: values[i]})
		}
	}
	return out, nil
}

// fetch asks for an expression in pieces of what the server gives at once.
func (p *past) fetch(expr string) (*pastSeries, error) {
	steps := int(p.to.Sub(p.from)/p.step) + 1
	out := new(pastSeries)
	index := make(map[string]int)
	for first := 0; first < steps; first += historyPoints {
		last := min(first+historyPoints, steps) - 1
		var answer promAnswer
		err := p.client.get(p.ctx, "/api/v1/query_range", url.Values{
			"query": {expr}, "start": {epoch(p.at(first))}, "end": {epoch(p.at(last))}, "step": {fmt.Sprint(p.step.Seconds())},
		}, &answer)
		if err != nil {
			return nil, err
		}
		var series []promSeries
		if err := json.Unmarshal(answer.Data.Result, &series); err != nil {
			return nil, fmt.Errorf("alert replay: the answer cannot be read: %w", err)
		}
		for _, s := range series {
			name := seriesName(s.Metric)
			n, known := index[name]
			if !known {
				n = len(out.values)
				index[name] = n
				out.labels = append(out.labels, alerts.NewLabels(s.Metric))
				out.values = append(out.values, slices.Repeat([]float64{math.NaN()}, steps))
			}
			for _, v := range s.Values {
				value, err := strconv.ParseFloat(v.value, 64)
				i := int(math.Round(v.at.Sub(p.from).Seconds() / p.step.Seconds()))
				if err == nil && i >= 0 && i < steps {
					out.values[n][i] = value
				}
			}
		}
	}
	return out, nil
}

func (p *past) at(step int) time.Time { return p.from.Add(time.Duration(step) * p.step) }

// A pastBin is how many messages there were in one step.
type pastBin struct {
	Start time.Time `json:"start"`
	Total int64     `json:"total"`
}

// Messages implements check.Logs.
func (p *past) Messages(context.Context, *filter.Filter, time.Time, time.Time) iter.Seq2[syslog.Message, error] {
	return func(yield func(syslog.Message, error) bool) {
		yield(syslog.Message{}, errors.New("alert replay: numbers in messages cannot be replayed, counts can"))
	}
}

// Count implements check.Logs, to within a step.
func (p *past) Count(_ context.Context, f *filter.Filter, by []string, from, to time.Time) ([]check.Count, error) {
	if len(by) > 0 {
		return nil, errors.New("alert replay: counts by fields cannot be replayed, whole ones can")
	}
	n, err := p.count(f, from, to)
	return []check.Count{{Messages: n}}, err
}

func (p *past) count(f *filter.Filter, from, to time.Time) (int64, error) {
	bins, known := p.bins[f.String()]
	if !known {
		fetched, err := p.fetchBins(f, to.Sub(from))
		if err != nil {
			return 0, err
		}
		bins = fetched
		p.bins[f.String()] = bins
	}
	first, _ := slices.BinarySearchFunc(bins, from, func(b pastBin, at time.Time) int { return b.Start.Compare(at) })
	var n int64
	for _, b := range bins[first:] {
		if !b.Start.Before(to) {
			break
		}
		n += b.Total
	}
	return n, nil
}

// binsAtOnce is how many bins are asked for in one request.
const binsAtOnce = 10_000

func (p *past) fetchBins(f *filter.Filter, window time.Duration) (all []pastBin, err error) {
	width := p.step
	if width > window {
		return nil, errors.New("alert replay: the step is longer than the window of the rule: ask for a shorter one")
	}
	for start := p.from.Add(-window); start.Before(p.to); start = start.Add(binsAtOnce * width) {
		end := start.Add(binsAtOnce * width)
		if end.After(p.to) {
			end = p.to
		}
		var answer struct{ Bins []pastBin }
		q := url.Values{"q": {f.String()}, "from": {epoch(start)}, "to": {epoch(end)}, "bin": {fmt.Sprintf("%gs", width.Seconds())}}
		if err := p.client.get(p.ctx, "/api/logs/histogram", q, &answer); err != nil {
			return nil, err
		}
		all = append(all, answer.Bins...)
	}
	return all, nil
}
