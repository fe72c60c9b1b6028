package pages

import (
	"cmp"
	"context"
	"html/template"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"rondo/autoscale"
)

const (
	groupSteps   = 300
	maxGroups    = 12
	maxInstances = 60
	maxDecisions = 40
	maxDeeds     = 8
)

// A GroupCard is one group at a glance.
type GroupCard struct {
	autoscale.View
	URL      string
	Running  int
	Phases   []PhaseCount
	Mood     Badge
	Holding  string // the cooldown that is left
	Age      string // of the newest decision
	Why      string // of the newest decision
	LastMove *autoscale.Decision
	Graph    Figure // of the metric; empty where the page does not read it
}

// A PhaseCount is how many instances are in a phase.
type PhaseCount struct {
	Phase autoscale.Phase
	Count int
}

func (p *Pages) groupCards(now time.Time) []GroupCard {
	if p.deps.Groups == nil {
		return nil
	}
	var out []GroupCard
	for _, v := range p.deps.Groups.Views() {
		out = append(out, groupCard(v, now))
	}
	return out
}

func groupCard(v autoscale.View, now time.Time) GroupCard {
	c := GroupCard{View: v, URL: groupURL(v.Name), Why: inShort(v.Last), Age: ago(now, v.Last.At)}
	phases := []autoscale.Phase{autoscale.Pending, autoscale.Booting, autoscale.InService, autoscale.Draining, autoscale.Terminating}
	for _, ph := range phases {
		n := 0
		for _, i := range v.Instances {
			if i.Phase == ph {
				n++
			}
		}
		if n > 0 {
			c.Phases = append(c.Phases, PhaseCount{ph, n})
		}
		if ph == autoscale.InService {
			c.Running = n
		}
	}
	switch {
	case v.Stopped:
		c.Mood = Badge{"quiet", "◇", "stopped"}
	case strings.HasPrefix(v.Down, "down"):
		c.Mood = Badge{"quiet", "◇", "down"}
	case v.Mode != "act":
		c.Mood = Badge{"quiet", "◇", "dry run"}
	case !math.IsNaN(v.Value) && v.Value > v.Out && v.Out > v.In:
		c.Mood = Badge{"warning", "▲", above(v)}
	default:
		c.Mood = Badge{"ok", "●", "acting"}
	}
	if v.Cooldown.After(now) {
		c.Holding = span(v.Cooldown.Sub(now))
	}
	if i := slices.IndexFunc(v.Recent, acted); i >= 0 {
		c.LastMove = &v.Recent[i]
	}
	return c
}

// above says what a value is that is too high.
func above(v autoscale.View) string {
	if v.Track {
		return "fuller than aimed at"
	}
	return "above the threshold"
}

// inShort is a decision's reason, what it would change, and what held it.
func inShort(d autoscale.Decision) string {
	s, _ := reasonOf(d)
	if d.From != d.To {
		s += ": " + strconv.Itoa(d.From) + " → " + strconv.Itoa(d.To)
	}
	if d.Held != "" {
		s += "; held back: " + d.Held
	}
	return s
}

// A GroupPage is one group in full.
type GroupPage struct {
	GroupCard
	Metric    Figure
	Signals   []Figure // of policies with a metric of their own
	Capacity  Figure
	Roles     []RoleCard
	Err       string
	WhyNot    string
	More      string // what stands against more
	Less      string // and against less
	Decisions []DecisionRow
	Shown     []InstanceRow
	Deeds     []autoscale.Audit
	Refreshed *RefreshRow
	ShadowIs  string // what the shadow policy has come to
	Commands  []Command
}

// An InstanceRow is one instance, with the host that it is in the fleet.
type InstanceRow struct {
	autoscale.Instance
	Host string // "" until it was heard of
	URL  string
}

// A DecisionRow is one line of the activity log.
type DecisionRow struct {
	autoscale.Decision
	Badge  Badge
	Change string
	Why    string // the reason without its details
	Detail string // the instances chosen
	Seen   string // the points it saw
	Run    string // how often it came to the same
	URL    string // its permanent address
	Proof  Proof
}

type autoscaleView struct {
	Frame
	HasGroups bool
	Groups    []GroupPage
	Total     int
	Only      string
	Happened  EventList
}

// autoscale shows each group's metric with both thresholds above its capacity
// on the same time axis, and every decision with its reason.
func (p *Pages) autoscale(w http.ResponseWriter, r *http.Request) {
	f := p.frame(r, "autoscale", "Autoscale", "group", "events", "marks")
	all, c := p.events(f.Range), choose(r.URL.Query(), quietOnPictures())
	v := autoscaleView{Frame: f, HasGroups: p.deps.Groups != nil, Only: r.URL.Query().Get("group")}
	listed := newSubject()
	for _, g := range p.groupCards(f.Now) {
		if v.Only != "" && g.Name != v.Only {
			continue
		}
		v.Total++
		if len(v.Groups) < maxGroups {
			v.Groups = append(v.Groups, p.groupPage(r.Context(), g, f, len(v.Groups), marks(ofGroup(all, c, g.Name), f.Range)))
			listed.about(g.Name, "")
		}
	}
	v.Happened = p.eventList(r, f, marked(all, c, listed))
	p.render(w, http.StatusOK, "autoscale", v)
}

func (p *Pages) groupPage(ctx context.Context, c GroupCard, f Frame, n int, ms []Mark) GroupPage {
	hosts := p.hostOfInstance()
	g := GroupPage{GroupCard: c, Shown: instanceRows(c.Instances, hosts), WhyNot: whyNot(c)}
	g.Decisions = decisionRows(c.Recent, hosts)
	prove(g.Decisions, c.Policies, cmp.Or(c.Title, "metric"))
	g.Commands = groupCommands(c.View)
	g.Roles = p.rolesOf(c.Name)
	if why, err := p.deps.Groups.Why(c.Name, time.Time{}); err == nil {
		g.More, g.Less = why.More.Text, why.Less.Text
	}
	if deeds, err := p.deps.Groups.Audit(c.Name); err == nil {
		g.Deeds = deeds[:min(len(deeds), maxDeeds)]
	}
	id := strconv.Itoa(n)
	var err error
	g.ShadowIs = shadowWords(c.Shadow, f.Now)
	g.Refreshed = refreshRow(c.Refresh)
	g.Metric, err = p.metricFigure(ctx, c.View, f.Range)
	g.Err = p.failed("The group's metric", err)
	g.Signals = p.signalFigures(ctx, c.View, f.Range, id)
	stored, err := p.storedCapacity(ctx, c.Name, "desired", newGrid(f.Range, groupSteps))
	if err != nil && g.Err == "" {
		g.Err = p.failed("The group's capacity", err)
	}
	g.Metric.ID, g.Capacity = "metric"+id, capacityFigure(c.View, f.Range, f.System.Started, stored)
	g.Capacity.ID = "capacity" + id
	if c.Shadow != nil {
		// A failure of the same store is told by what was read before.
		shadow, _ := p.storedCapacity(ctx, c.Name, "shadow", newGrid(f.Range, groupSteps))
		g.Capacity.Curves = append(g.Capacity.Curves, Curve{Name: "shadow", Avg: shadow, Step: true})
	}
	g.Metric.Marks, g.Capacity.Marks = ms, ms
	for i := range g.Signals {
		g.Signals[i].Marks = ms
	}
	return g
}

// hostOfInstance names the host that each instance is in the fleet.
func (p *Pages) hostOfInstance() map[string]string {
	hosts := make(map[string]string)
	if p.deps.Fleet != nil {
		for _, h := range p.deps.Fleet.Hosts() {
			if h.Instance != "" {
				hosts[h.Instance] = h.ID
			}
		}
	}
	return hosts
}

// instanceRows lists instances by their hosts' names, those without one first:
// they are the newest.
func instanceRows(all []autoscale.Instance, hosts map[string]string) []InstanceRow {
	var rows []InstanceRow
	for _, in := range all[:min(len(all), maxInstances)] {
		row := InstanceRow{Instance: in, Host: hosts[in.ID]}
		if row.Host != "" {
			row.URL = "/hosts/" + url.PathEscape(row.Host)
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b InstanceRow) int { return natural(a.Host, b.Host) })
	return rows
}

// metricFigure draws what the group scales on, with both thresholds.
func (p *Pages) metricFigure(ctx context.Context, v autoscale.View, r Range) (Figure, error) {
	fig, _ := p.newFigure(r, groupSteps)
	fig.Title, fig.Unit = cmp.Or(v.Title, v.Metric), unitOf(v.Metric)
	if v.Title != "" {
		fig.Note = v.Metric
	}
	fig.Link = "/explore?e=" + url.QueryEscape(v.Metric) + "&" + r.Query()
	fig.Thresholds = groupThresholds(v)
	if p.deps.Ranger == nil || v.Metric == "" {
		return fig, nil
	}
	a, err := p.answer(ctx, v.Metric, r, groupSteps)
	fig.Curves = a.curves[:min(len(a.curves), maxCurves)]
	if len(fig.Curves) == 1 {
		fig.Curves[0].Name = cmp.Or(v.Title, "metric")
	}
	return fig, err
}

// signalFigures draw the metrics of policies that have their own.
func (p *Pages) signalFigures(ctx context.Context, v autoscale.View, r Range, id string) (out []Figure) {
	for i, rule := range v.Policies {
		if rule.Metric == "" || rule.Metric == v.Metric {
			continue
		}
		own := autoscale.View{Metric: rule.Metric, Title: rule.Title, Out: math.NaN(), In: math.NaN(), Track: rule.Kind == autoscale.ByTrack}
		if rule.Out != nil {
			own.Out = *rule.Out
		}
		if rule.In != nil {
			own.In = *rule.In
		}
		fig, err := p.metricFigure(ctx, own, r)
		if err != nil {
			fig.Note = p.failed("The metric of "+rule.Name, err)
		}
		fig.ID = "signal" + id + "-" + strconv.Itoa(i)
		out = append(out, fig)
	}
	return out
}

// groupThresholds are the levels between which nothing changes; of a group that
// follows its load, the use that it aims at. Not all policies have levels.
func groupThresholds(v autoscale.View) (ts []Threshold) {
	if v.Track {
		return []Threshold{{"used at most", v.Out, "raise"}}
	}
	if v.Out > v.In {
		ts = append(ts, Threshold{"scale out above", v.Out, "raise"})
	}
	if v.In != 0 {
		ts = append(ts, Threshold{"scale in below", v.In, "clear"})
	}
	return ts
}

// ofGroup are the events that mark a group's graphs.
func ofGroup(all []Event, c choice, group string) []Event {
	return marked(all, c, newSubject().about(group, ""))
}

// whyNot is the present reason for not acting.
func whyNot(c GroupCard) string {
	d := c.Last
	switch {
	case d.At.IsZero():
		return "no decision was made yet"
	case c.Stopped:
		return strings.TrimSuffix("the group is stopped: "+c.StoppedBy, ": ") + "; it decides, but does not act"
	case d.Held != "":
		return d.Held
	case d.DryRun:
		return "dry run: it would change the capacity from " + strconv.Itoa(d.From) + " to " + strconv.Itoa(d.To) + "; set mode: act to let it"
	case d.Direction == autoscale.Stay && strings.HasPrefix(c.Down, "up"):
		return d.Said() + "; " + c.Down
	case d.Direction == autoscale.Stay:
		return d.Said()
	}
	return ""
}

func decisionRows(ds []autoscale.Decision, hosts map[string]string) []DecisionRow {
	var out []DecisionRow
	for _, d := range ds[:min(len(ds), maxDecisions)] {
		out = append(out, decisionRow(d, hosts))
	}
	return out
}

func decisionRow(d autoscale.Decision, hosts map[string]string) DecisionRow {
	row := DecisionRow{Decision: d, Badge: Badge{"quiet", "·", "stayed"}, URL: decisionURL(d.Group, d.Ref())}
	switch {
	case d.Direction == autoscale.Out:
		row.Badge = Badge{"out", "▴", "scale out"}
	case d.Direction == autoscale.In:
		row.Badge = Badge{"in", "▾", "scale in"}
	}
	row.Why, row.Detail = reasonOf(d)
	if names := hostNames(d, hosts); len(names) > 0 {
		row.Detail = strings.Join(names, ", ") + ": " + row.Detail
	}
	row.Detail = strings.TrimSuffix(row.Detail, ": ")
	if d.From != d.To {
		row.Change = strconv.Itoa(d.From) + " → " + strconv.Itoa(d.To)
	}
	if d.Count > 1 {
		row.Run = "decided " + strconv.Itoa(d.Count) + " times since " + clock(d.At, d.First)
	}
	if n := len(d.Points); n > 0 {
		row.Seen = "saw " + number(d.Points[n-1].Value, "") + " last, of " + strconv.Itoa(n) + " points"
		if n == 1 {
			row.Seen = "saw " + number(d.Points[0].Value, "")
		}
	}
	return row
}

// shadowWords say what a shadow policy has come to; nothing without one.
func shadowWords(s *autoscale.ShadowView, now time.Time) string {
	if s == nil {
		return ""
	}
	more := strconv.FormatFloat(math.Abs(s.More()), 'f', 2, 64) + " fewer"
	if s.More() > 0 {
		more = strconv.FormatFloat(s.More(), 'f', 2, 64) + " more"
	}
	return strconv.Itoa(s.Capacity) + " instances; " + more + " instance-hours than the live policy in " + span(now.Sub(s.Since)) +
		", in " + strconv.Itoa(s.Changes) + " changes; " + inShort(s.Decision)
}

// Small is the card's graph, and Peak what it shows in words.
func (c GroupCard) Small() template.HTML { return drawSmall(c.Graph, cardWidth, cardHeight) }

// Peak is the highest value in the range.
func (c GroupCard) Peak() string {
	if c.Graph.Empty() {
		return ""
	}
	return number(c.Graph.Curves[0].Stats().Max, c.Graph.Unit)
}

// Now is the metric's newest value.
func (c GroupCard) Now() string { return number(c.Value, unitOf(c.Metric)) }
