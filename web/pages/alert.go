package pages

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/alerts/fleet"
	"rondo/rrd"
)

// alertLines is how many log lines a state shows that a log rule counted.
const alertLines = 20

type alertView struct {
	Frame
	Problem
	Gone     bool // there is no such state now
	Tries    string
	Against  string
	Figure   Figure
	HasPlot  bool
	Err      string
	Band     Band
	Facts    []Fact // how it is judged
	Extra    []Fact // annotations
	Links    []NamedLink
	Lines    LogList
	Changes  []TransitionRow
	MoreOf   int
	Knows    []Knows
	Commands []Command
}

// A NamedLink leads from a state to more of it.
type NamedLink struct{ Label, URL string }

// A Command is a line to copy, and what it does.
type Command struct{ What, Line string }

// alertURL is the page of one state, without the range.
func alertURL(rule string, ls rrd.Labels) string {
	return "/alerts?rule=" + url.QueryEscape(rule) + "&labels=" + url.QueryEscape(ls.String())
}

// one finds the state that the URL names: by its rule and labels, or by the
// rule alone where that has a single state.
func one(all []alerts.View, q url.Values) (alerts.View, bool) {
	var of []alerts.View
	for _, v := range all {
		if v.Rule != q.Get("rule") {
			continue
		}
		if q.Has("labels") && v.Labels.String() == q.Get("labels") {
			return v, true
		}
		of = append(of, v)
	}
	if len(of) == 1 && !q.Has("labels") {
		return of[0], true
	}
	return alerts.View{}, false
}

// past makes the state of the URL from its newest hard change, where it is no
// more: links in mails outlive what they are about.
func (p *Pages) past(q url.Values) (alerts.View, bool) {
	for _, t := range p.deps.Alerts.Transitions(time.Time{}) {
		if t.Rule == q.Get("rule") && t.Labels.String() == q.Get("labels") {
			return alerts.View{Rule: t.Rule, Labels: t.Labels, Status: t.To, Hard: true, Since: t.At, Value: t.Value, Text: t.Text, Expr: t.Expr, Raise: math.NaN()}, true
		}
	}
	return alerts.View{}, false
}

// alert shows one state in full: what it saw, how that is judged, what became
// of it and who knows.
func (p *Pages) alert(w http.ResponseWriter, r *http.Request, s alerts.View, gone bool) {
	q := r.URL.Query()
	f := p.frame(r, "alerts", instance(s.Rule, s.Labels), "rule", "labels", "marks")
	v := alertView{Frame: f, Problem: problem(s), Gone: gone}
	row := stateRow(p.judged(s), f.Range)
	v.Tries, v.Against = row.Tries, row.Against
	sup, known := p.deps.Alerts.Supervised(s.Rule)
	if known {
		v.Facts, v.Extra = judgement(sup), annotations(sup)
	}
	v.Links = alertLinks(row, f.Range)
	p.saw(r.Context(), &v, sup)
	v.Band = p.band(r.Context(), s.Rule, s.Labels, f.Range)
	for _, t := range p.deps.Alerts.Transitions(f.Range.Start) {
		if t.Rule == s.Rule && t.Labels.String() == s.Labels.String() && !t.At.After(f.Range.End) {
			v.Changes, v.MoreOf = appendChange(v.Changes, v.MoreOf, t)
		}
	}
	told := choose(q, []string{"alert", "instance"})
	v.Figure.Marks = append(changeMarks(v.Changes, f.Range), marks(marked(p.events(f.Range), told, p.subjectOf([]rrd.Labels{s.Labels})), f.Range)...)
	v.Knows = p.knows(s)
	if !gone {
		v.Commands = commands(s)
	}
	p.render(w, http.StatusOK, "alert", v)
}

func alertLinks(row StateRow, r Range) (out []NamedLink) {
	if row.Explore != "" {
		out = append(out, NamedLink{"Explore", row.Explore})
	}
	if row.Logs != "" {
		out = append(out, NamedLink{"Logs", row.Logs})
	}
	if row.Host != "" {
		out = append(out, NamedLink{"Host " + row.Host, "/hosts/" + url.PathEscape(row.Host) + "?" + r.Query()})
	}
	return out
}

// saw fills in the points that a state is judged by: the expression over the
// range with the thresholds, or the lines that a log rule counts.
func (p *Pages) saw(ctx context.Context, v *alertView, sup alerts.Supervised) {
	if v.Filter != "" {
		v.Lines = p.logList(ctx, v.Filter, v.Range, alertLines)
	}
	if v.Query == "" || p.deps.Ranger == nil {
		return
	}
	fig, _ := p.newFigure(v.Range, exploreSteps)
	fig.ID, fig.Title, fig.Unit, fig.Thresholds = "saw", v.Query, unitOf(v.Query), policyLevels(sup.Policy)
	if len(fig.Thresholds) == 0 && !sup.Policy.Direct {
		fig.Thresholds = levels(v.View)
	}
	a, err := p.answer(ctx, v.Query, v.Range, exploreSteps)
	v.Err = p.failed("The points", err)
	fig.Curves, fig.Note = p.curvesOf(a, v.Labels)
	v.Figure, v.HasPlot = fig, err == nil
}

// curvesOf are the curves of one state among all that its rule looks at.
func (p *Pages) curvesOf(a answered, ls rrd.Labels) (out []Curve, note string) {
	template := p.templateOf(ls.Get("host"))
	for i, s := range a.Series {
		name := s.Labels.Get(rrd.NameLabel)
		if within(s.Labels, ls) && (name == "" || strings.HasPrefix(name, template)) {
			out = append(out, a.curves[i])
		}
	}
	if len(out) == 0 && len(a.curves) == 1 {
		out = a.curves
	}
	if len(a.Series) > 1 {
		note = "of " + count(int64(len(a.Series))) + " series that the rule looks at"
	}
	return out[:min(len(out), maxCurves)], note
}

// templateOf is what the names of a host's metrics begin with, where the host
// stands in the name and not in a label.
func (p *Pages) templateOf(host string) string {
	if p.deps.Fleet == nil || host == "" {
		return ""
	}
	hosts := p.deps.Fleet.Hosts()
	if i := slices.IndexFunc(hosts, func(h fleet.Host) bool { return h.ID == host }); i >= 0 {
		return hosts[i].Template
	}
	return ""
}

// within says whether a series' labels are all among those of a state.
func within(k, ls rrd.Labels) bool {
	for _, l := range k {
		if l.Name != rrd.NameLabel && ls.Get(l.Name) != l.Value {
			return false
		}
	}
	return true
}

// policyLevels are the lines that a value is judged by.
func policyLevels(pol alerts.Policy) (out []Threshold) {
	for _, l := range []struct {
		name string
		t    *alerts.Threshold
	}{{"critical", pol.Critical}, {"warning", pol.Warning}} {
		if l.t == nil {
			continue
		}
		out = append(out, Threshold{l.name + " " + side(pol), l.t.Raise, "raise"})
		if l.t.Clear != l.t.Raise {
			out = append(out, Threshold{l.name + " ends at", l.t.Clear, "clear"})
		}
	}
	return out
}

func side(pol alerts.Policy) string {
	if pol.Below {
		return "below"
	}
	return "above"
}

// judgement is how readings become states, in words.
func judgement(sup alerts.Supervised) []Fact {
	pol, unit := sup.Policy, unitOf(sup.Expr)
	var out []Fact
	add := func(name, text string) {
		if text != "" {
			out = append(out, Fact{name, text})
		}
	}
	for name, t := range map[string]*alerts.Threshold{"Critical": pol.Critical, "Warning": pol.Warning} {
		if t != nil {
			add(name, side(pol)+" "+number(t.Raise, unit)+", over at "+number(t.Clear, unit))
		}
	}
	slices.SortFunc(out, func(a, b Fact) int { return strings.Compare(a.Name, b.Name) })
	if pol.Direct {
		add("Status", "as the check itself says")
	}
	add("Looked at", "every "+span(pol.Interval))
	if pol.For > 0 {
		add("Raised after", span(pol.For)+" of bad readings")
	}
	if pol.ClearFor > 0 {
		add("Over after", span(pol.ClearFor)+" of good ones")
	}
	if pol.Of.N > 0 {
		add("Readings", strconv.Itoa(pol.Of.M)+" of the newest "+strconv.Itoa(pol.Of.N)+" must be bad")
	}
	if n := pol.MaxAttempts; n > 1 {
		add("Attempts", strconv.Itoa(n)+" until it is hard")
	}
	if pol.Retry > 0 {
		add("Retried", "every "+span(pol.Retry)+" while soft")
	}
	add("Missing readings", missingWords(pol))
	if pol.Flap.High > 0 {
		add("Flaps", "from "+number(pol.Flap.High, "%")+" of change on, until "+number(pol.Flap.Low, "%"))
	}
	return out
}

// missingWords say what silence means to the rule.
func missingWords(pol alerts.Policy) string {
	s := map[alerts.Missing]string{
		alerts.MissingUnknown: "make it unknown", alerts.MissingOK: "are well", alerts.MissingKeep: "leave it as it is", alerts.MissingRaise: "are the problem",
	}[pol.Missing]
	if pol.MissingFor > 0 {
		s += " after " + span(pol.MissingFor)
	}
	return s
}

func annotations(sup alerts.Supervised) (out []Fact) {
	for name, text := range sup.Annotations {
		out = append(out, Fact{name, text})
	}
	slices.SortFunc(out, func(a, b Fact) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func changeMarks(rows []TransitionRow, r Range) []Mark {
	var es []Event
	for _, t := range rows[:min(len(rows), maxEvents)] {
		es = append(es, Event{At: t.At, Kind: t.To.Class, Text: t.From.Text + " to " + t.To.Text})
	}
	return marks(es, r)
}

// Flaps says how much a state changes, where somebody looks.
func (v alertView) Flaps() string {
	if v.Change == 0 {
		return ""
	}
	return fixed(v.Change, 1, "%")
}

// commands are what one may want to say of a state, ready to copy: changing
// something needs the token or the socket, which a page has not.
func commands(s alerts.View) []Command {
	of := matcherWords(s.Rule, s.Labels)
	out := []Command{
		{"Silence it for two hours", "rondo alert silence --for 2h -m " + shellWord("why") + " " + of},
		{"See first what that is about", "rondo alert silence --preview " + of},
		{"Plan a downtime", "rondo alert downtime add --for 2h -m " + shellWord("why") + " " + of},
		{"See what the rule would have told", "rondo alert replay --from=-30d " + shellFlag("--rule", s.Rule)},
	}
	switch {
	case s.Ack != nil:
		out = append([]Command{{"Take the acknowledgement back", "rondo alert unack " + of}}, out...)
	case s.Status != alerts.OK && s.Hard:
		out = append([]Command{{"Say that you know of it", "rondo alert ack -m " + shellWord("why") + " " + of}}, out...)
	}
	return out
}

// matcherWords match one state, for a shell.
func matcherWords(rule string, ls rrd.Labels) string {
	words := []string{shellWord(alerts.RuleLabel + "=" + matchValue(rule))}
	for _, l := range ls {
		if l.Name != rrd.NameLabel && l.Name != alerts.RuleLabel {
			words = append(words, shellWord(l.Name+"="+matchValue(l.Value)))
		}
	}
	return strings.Join(words, " ")
}

// matchValue quotes a value that a matcher could misread.
func matchValue(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !isPlain(r) && r != '/' && r != ':' }) {
		return s
	}
	return strconv.Quote(s)
}

func shellFlag(name, value string) string { return name + "=" + shellWord(value) }

// shellWord quotes what a shell would take apart.
func shellWord(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !isPlain(r) && !strings.ContainsRune("=/:,@%+", r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// A Knows is somebody who was told of a state, or will be.
type Knows struct {
	Receiver string
	Text     string
}

// knows says who was told of the group that a state is in.
func (p *Pages) knows(s alerts.View) (out []Knows) {
	if p.deps.Telling == nil {
		return nil
	}
	now, behind := time.Now(), behindOf(p.deps.Telling.Receivers())
	for _, g := range p.deps.Telling.Groups() {
		if g.Firing == 0 || !inGroup(s, g.Labels) {
			continue
		}
		for name, t := range g.Told {
			if t.Firing > 0 {
				out = append(out, Knows{name, behind.told(name, t.At, now) + ", of " + count(int64(t.Firing)) + " in the group " + groupName(g.Labels)})
			}
		}
		for name, at := range g.Escalates {
			out = append(out, Knows{name, "will be told in " + span(at.Sub(now)) + ", unless it is acknowledged"})
		}
	}
	slices.SortFunc(out, func(a, b Knows) int {
		return cmp.Or(strings.Compare(a.Receiver, b.Receiver), strings.Compare(a.Text, b.Text))
	})
	return out
}

// inGroup says whether a state has the labels that a group was gathered by.
func inGroup(s alerts.View, labels map[string]string) bool {
	if s.Status == alerts.OK {
		return false
	}
	for name, value := range labels {
		have := s.Labels.Get(name)
		switch {
		case name == alerts.RuleLabel && have == "":
			have = s.Rule
		case name == "severity" && have == "":
			have = s.Status.String()
		}
		if have != value {
			return false
		}
	}
	return true
}
