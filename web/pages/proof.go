package pages

import (
	"cmp"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"

	"rondo/autoscale"
	"rondo/web/chart"
)

// A Proof is all that a decision was made of, as the journal has it.
type Proof struct {
	Graphs []template.HTML
	Facts  []Fact
	Guards []GuardRow
	Wishes []autoscale.Wish
	Points []PointRow
	Calls  []Fact
}

// A GuardRow is what one guard rail said.
type GuardRow struct {
	Badge Badge
	Name  string
	Text  string
}

// A PointRow is one point that a decision saw.
type PointRow struct {
	Time, Value, Serving string
}

// proofOf lays out what a decision was made of. rules are the policies in force
// then.
func proofOf(r autoscale.Record, rules []autoscale.PolicyView, title string) Proof {
	p := Proof{Wishes: r.Policies}
	for _, g := range r.Guards {
		row := GuardRow{Badge{"ok", "●", "passed"}, g.Name, g.Text}
		if g.Blocks {
			row.Badge = Badge{"warning", "▲", "blocked"}
		}
		p.Guards = append(p.Guards, row)
	}
	for _, pt := range r.Points {
		row := PointRow{Time: pt.Time.UTC().Format("15:04:05.000"), Value: strconv.FormatFloat(pt.Value, 'g', 6, 64)}
		if pt.Serving > 0 {
			row.Serving = strconv.Itoa(pt.Serving)
		}
		p.Points = append(p.Points, row)
	}
	p.Facts = proofFacts(r)
	for _, c := range r.Calls {
		p.Calls = append(p.Calls, callFact(c))
	}
	p.Graphs = proofGraphs(r.Decision, rules, title)
	return p
}

// proofFacts are what the arithmetic was done with, and where it is written.
func proofFacts(r autoscale.Record) (out []Fact) {
	add := func(name, text string) {
		if text != "" {
			out = append(out, Fact{name, text})
		}
	}
	s := r.Saw
	if !s.Watched.IsZero() {
		add("Counted", counted(s))
	}
	if !s.Last.At.IsZero() {
		add("Change before", string("scaled "+s.Last.Direction)+" at "+clock(r.At, s.Last.At))
	}
	add("Code", r.Code)
	if r.Count > 1 {
		add("Decided", strconv.Itoa(r.Count)+" times since "+clock(r.At, r.First))
	}
	add("Instances", strings.Join(r.Instances, " "))
	add("Applied by", r.Who)
	add("Configuration", r.Policy)
	if r.Entry > 0 {
		add("Journal", "entry "+strconv.FormatUint(r.Entry, 10)+cmp.Or(", sha256 "+r.Hash, ""))
	}
	return out
}

func counted(s autoscale.Saw) string {
	words := []string{strconv.Itoa(s.InService) + " in service"}
	for _, n := range []struct {
		n    int
		what string
	}{{s.Coming, "on their way"}, {s.Draining, "draining"}, {s.Silent, "silent"}, {s.Overdue, "never heard of"}} {
		if n.n > 0 {
			words = append(words, strconv.Itoa(n.n)+" "+n.what)
		}
	}
	return strings.Join(words, ", ")
}

func callFact(c autoscale.Call) Fact {
	words := []string{cmp.Or(c.Outcome, "under way")}
	if c.Again {
		words = append(words, "asked again with the same token")
	}
	if !c.Asked.IsZero() && !c.Ended.IsZero() {
		words = append(words, "after "+span(c.Ended.Sub(c.Asked)))
	}
	if c.RequestID != "" {
		words = append(words, "request "+c.RequestID)
	}
	words = append(words, "attempt "+c.Attempt)
	if len(c.Instances) > 0 {
		words = append(words, strings.Join(c.Instances, " "))
	}
	return Fact{string(c.Kind), strings.Join(words, ", ")}
}

// proofGraphs draw exactly the points that a decision saw, with the levels that
// held then and the capacity before and after it: first those of the group's
// metric, then those of policies with a metric of their own.
func proofGraphs(d autoscale.Decision, rules []autoscale.PolicyView, title string) (out []template.HTML) {
	var own []autoscale.PolicyView
	for _, w := range d.Policies {
		i := slices.IndexFunc(rules, func(r autoscale.PolicyView) bool { return r.Name == w.Name })
		if i < 0 || len(w.Points) == 0 {
			continue
		}
		own = append(own, rules[i])
		out = append(out, proofGraph(d, w.Points, rules[i:i+1], rules[i].Title))
	}
	if len(d.Points) > 0 {
		rest := slices.DeleteFunc(slices.Clone(rules), func(r autoscale.PolicyView) bool {
			return slices.ContainsFunc(own, func(o autoscale.PolicyView) bool { return o.Name == r.Name })
		})
		out = slices.Insert(out, 0, proofGraph(d, d.Points, rest, title))
	}
	if d.Forecast != nil && len(d.Points) > 0 {
		out = append(out, forecastGraph(d))
	}
	return out
}

// forecastGraph draws the work that a policy saw, where it expects that to lead,
// with its deviation, and how many instances are needed for it.
func forecastGraph(d autoscale.Decision) template.HTML {
	f := d.Forecast
	from, to := d.Points[0].Time, f.Then
	room := max(to.Sub(from)/20, time.Second)
	from, to = from.Add(-room), to.Add(room)
	seen := chart.Line{Name: "work, in servers", Step: to.Sub(from)}
	for _, p := range d.Points {
		seen.Times, seen.Values = append(seen.Times, p.Time), append(seen.Values, p.Value*float64(servers(p, d.Saw)))
	}
	expected := chart.Line{
		Name: "expected", Times: []time.Time{f.At, f.Then}, Values: []float64{f.Work, f.Expected}, Step: to.Sub(from), Dashed: true,
		Min: []float64{f.Work, max(f.Expected-f.Deviation, 0)}, Max: []float64{f.Work, f.Expected + f.Deviation},
	}
	wanted := chart.Line{
		Name: "capacity", Times: []time.Time{from, d.At, to}, Step: to.Sub(from), Values: []float64{float64(d.From), float64(d.To), float64(d.To)},
	}
	c := chart.Chart{
		Label: "the work that the decision saw, and where it expected that to lead", From: from, To: to, Width: pageWidth, Height: tallHeight, Legend: true,
		Lines: []chart.Line{seen, expected}, Steps: []chart.Line{wanted},
		Thresholds: []chart.Threshold{{Value: float64(f.Need), Label: strconv.Itoa(f.Need) + " needed"}},
		Marks:      []chart.Mark{{Time: d.At, Label: string(d.Direction), Color: markColor(string(d.Direction))}},
	}
	return template.HTML(chart.AppendSVG(nil, c))
}

// servers are how many a point is an average of.
func servers(p autoscale.Point, s autoscale.Saw) int {
	return max(cmp.Or(p.Serving, s.InService+s.Draining), 1)
}

func proofGraph(d autoscale.Decision, points []autoscale.Point, rules []autoscale.PolicyView, title string) template.HTML {
	from, to := points[0].Time, d.At
	room := max(to.Sub(from)/20, time.Second)
	from, to = from.Add(-room), to.Add(2*room)
	line := chart.Line{Name: title, Step: to.Sub(from)}
	for _, p := range points {
		line.Times, line.Values = append(line.Times, p.Time), append(line.Values, p.Value)
	}
	c := chart.Chart{
		Label: title + " as the decision saw it", From: from, To: to, Width: pageWidth, Height: tallHeight, Legend: true,
		Lines: []chart.Line{line},
		Steps: []chart.Line{{
			Name: "capacity", Times: []time.Time{from, d.At, to}, Step: to.Sub(from),
			Values: []float64{float64(d.From), float64(d.To), float64(d.To)},
		}},
		Marks: []chart.Mark{{Time: d.At, Label: string(d.Direction), Color: markColor(string(d.Direction))}},
	}
	for _, r := range rules {
		if r.Out != nil {
			c.Thresholds = append(c.Thresholds, chart.Threshold{Value: *r.Out, Label: outLevel(r) + " " + number(*r.Out, ""), Color: levelColor("raise")})
		}
		if r.In != nil {
			c.Thresholds = append(c.Thresholds, chart.Threshold{Value: *r.In, Label: "scale in below " + number(*r.In, ""), Color: levelColor("clear")})
		}
	}
	return template.HTML(chart.AppendSVG(nil, c))
}

// outLevel says what a policy's upper level is.
func outLevel(r autoscale.PolicyView) string {
	if r.Kind == autoscale.ByTrack {
		return "used at most"
	}
	return "scale out above"
}
