package pages

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/alerts/event"
	"rondo/autoscale"
)

// Bounds of what a page tells; the newest are kept.
const (
	maxEvents    = 60     // listed
	maxDots      = 400    // in the lane
	maxAll       = 20_000 // gathered for graphs, where they are merged when they crowd: as many as are kept by default
	maxEventText = 200    // bytes of what is searched for
)

// An Event is something that happened to the fleet: a deploy, a hard change of a
// state, an instance launched or retired.
type Event struct {
	At   time.Time
	End  time.Time // of what lasted
	Kind string    // ok, warning, critical, unknown, out, in, deploy, config, incident, refresh, joined, left, mark
	Text string
	More string
	URL  string // a page of ours about it; "" for none
	Link string // elsewhere
	Who  string
	Tags []string

	Group, Host string // that it is about; "" for all
}

// Events are what was told to us: deploys and the like (*event.Store keeps them).
type Events interface {
	List(q event.Query) []event.Event
}

// Glyph is the event's sign in the lane.
func (e Event) Glyph() string {
	switch e.Kind {
	case "out":
		return "▴"
	case "in":
		return "▾"
	case "warning":
		return "▲"
	case "critical", "incident":
		return "■"
	case "unknown":
		return "?"
	case "deploy", "refresh":
		return "◆"
	}
	return "●"
}

// events returns what happened in the range and may be marked, newest first.
func (p *Pages) events(r Range) []Event {
	out := p.toldEvents(r)
	if p.deps.Alerts != nil {
		for _, t := range p.deps.Alerts.Transitions(r.Start) {
			out = append(out, transitionEvent(t))
		}
	}
	out = append(out, p.decisionEvents()...)
	out = slices.DeleteFunc(out, func(e Event) bool { return e.At.After(r.End) || e.last().Before(r.Start) })
	slices.SortStableFunc(out, func(a, b Event) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Text, b.Text)) })
	return out[:min(len(out), maxAll)]
}

func (e Event) last() time.Time {
	if e.End.IsZero() {
		return e.At
	}
	return e.End
}

// toldEvents are those that were told to us. Decisions that a group still
// remembers are left to it: it has more to say of them.
func (p *Pages) toldEvents(r Range) (out []Event) {
	if p.deps.Events == nil {
		return nil
	}
	remembered := p.remembered()
	for _, e := range p.deps.Events.List(event.Query{From: r.Start, To: r.End, Limit: maxAll}) {
		if e.Source == event.SourceAutoscale && remembered[e.Key] {
			continue
		}
		out = append(out, toldEvent(e))
	}
	return out
}

func toldEvent(e event.Event) Event {
	out := Event{
		At: e.At, End: e.End, Kind: kindOf(&e), Text: e.Title, More: e.Text, Link: e.Link, Who: e.Who, Tags: e.Tags,
		Group: e.Labels["group"], Host: e.Labels["host"],
	}
	if e.Source == event.SourceAutoscale && out.Group != "" {
		out.URL = groupURL(out.Group)
	}
	if e.Has(event.TagFailed) {
		out.Text += " (failed)"
	}
	return out
}

// kindOf is the kind of an event by its tags; of an instance, scaling or a
// refresh before that of whoever asked for it.
func kindOf(e *event.Event) string {
	for _, k := range []struct{ tag, kind string }{
		{event.TagScaleOut, "out"}, {event.TagScaleIn, "in"}, {event.TagJoined, "joined"}, {event.TagLeft, "left"}, {event.TagRefresh, "refresh"},
		{event.TagIncident, "incident"}, {event.TagDeploy, "deploy"}, {"release", "deploy"}, {"push", "deploy"}, {event.TagConfig, "config"},
	} {
		if e.Has(k.tag) {
			return k.kind
		}
	}
	return "mark"
}

// decisionEvents are the changes of capacity that groups remember.
func (p *Pages) decisionEvents() (out []Event) {
	if p.deps.Groups == nil {
		return nil
	}
	hosts := p.hostOfInstance()
	for _, v := range p.deps.Groups.Views() {
		for _, d := range v.Recent {
			if acted(d) {
				out = append(out, decisionEvent(d, hosts))
			}
		}
	}
	return out
}

// remembered are the IDs of those decisions.
func (p *Pages) remembered() map[string]bool {
	ids := map[string]bool{}
	if p.deps.Groups == nil {
		return ids
	}
	for _, v := range p.deps.Groups.Views() {
		for _, d := range v.Recent {
			if acted(d) {
				ids[d.ID] = true
			}
		}
	}
	return ids
}

func transitionEvent(t alerts.Transition) Event {
	e := Event{At: t.At, Kind: t.To.String(), Text: instance(t.Rule, t.Labels), More: t.Text, URL: alertURL(t.Rule, t.Labels), Group: t.Labels.Get("group"), Host: t.Labels.Get("host")}
	if h := t.Labels.Get("host"); h != "" {
		e.Text = h + ": " + e.Text
	}
	if t.To == alerts.OK {
		e.Text += " recovered"
	}
	return e
}

// acted says whether a decision changed the capacity.
func acted(d autoscale.Decision) bool {
	return d.Direction != autoscale.Stay && d.Held == "" && !d.DryRun && d.From != d.To
}

// decisionEvent tells a decision in short; the activity log has its details.
func decisionEvent(d autoscale.Decision, hosts map[string]string) Event {
	why, _ := reasonOf(d)
	kind := string(d.Direction)
	if d.Refresh != "" {
		kind = "refresh"
	}
	return Event{At: d.At, Kind: kind, Text: d.Group + ": " + change(d, hostNames(d, hosts)), More: why, URL: groupURL(d.Group), Group: d.Group}
}

// reasonOf parts a decision's reason from what stands beside it already (the
// change of capacity) and from the details after its first semicolon.
func reasonOf(d autoscale.Decision) (why, detail string) {
	why, detail, _ = strings.Cut(d.Reason, "; ")
	return strings.TrimSuffix(why, fmt.Sprintf(": %d -> %d", d.From, d.To)), detail
}

// hostNames are the hosts of a decision's instances, as far as they are known.
func hostNames(d autoscale.Decision, hosts map[string]string) []string {
	var names []string
	for _, id := range d.Instances {
		if h := hosts[id]; h != "" {
			names = append(names, h)
		}
	}
	slices.SortFunc(names, natural)
	return names
}

// fewNames is how many hosts an event names; more are counted only.
const fewNames = 3

// change says what a decision did to the capacity.
func change(d autoscale.Decision, names []string) string {
	n := d.To - d.From
	verb := "launched "
	if n < 0 {
		n, verb = -n, "retired "
	}
	what := strconv.Itoa(n) + " instance"
	if n != 1 {
		what += "s"
	}
	if len(names) == n && n <= fewNames {
		what = strings.Join(names, ", ")
	}
	return verb + what + " (" + strconv.Itoa(d.From) + " → " + strconv.Itoa(d.To) + ")"
}

// A Lane is the events of a range on one line.
type Lane struct {
	Events []Event
	Dots   []Dot
	Ticks  []string
}

// A Dot is an event at its place, 0 to 1000.
type Dot struct {
	Event
	X int
}

func newLane(es []Event, r Range) Lane {
	l := Lane{Events: es, Ticks: ticks(r, 4)}
	for _, e := range slices.Backward(es) {
		if e.At.Before(r.Start) {
			e.At = r.Start // it lasted into the range
		}
		x := float64(e.At.Sub(r.Start)) / float64(r.Span())
		l.Dots = append(l.Dots, Dot{Event: e, X: int(8 + x*984)})
	}
	return l
}

// ticks labels n+1 evenly spaced instants of a range.
func ticks(r Range, n int) []string {
	layout := "15:04:05"
	switch s := r.Span(); {
	case s > 72*time.Hour:
		layout = "01-02"
	case s > 24*time.Hour:
		layout = "01-02 15:04"
	case s > 20*time.Minute:
		layout = "15:04"
	}
	out := make([]string, n+1)
	for i := range out {
		out[i] = r.Start.Add(r.Span() * time.Duration(i) / time.Duration(n)).UTC().Format(layout)
	}
	return out
}
