package pages

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/autoscale"
)

// maxEvents is how many events a page lists and marks; the newest are kept.
const maxEvents = 60

// An Event is something that happened to the fleet: a hard change of a state,
// or an instance launched or retired.
type Event struct {
	At   time.Time
	Kind string // ok, warning, critical, unknown, out, in
	Text string
	More string
	URL  string
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
	case "critical":
		return "■"
	case "unknown":
		return "?"
	}
	return "●"
}

// events returns what happened in the range, newest first.
func (p *Pages) events(r Range) []Event {
	var out []Event
	if p.deps.Alerts != nil {
		for _, t := range p.deps.Alerts.Transitions(r.Start) {
			out = append(out, transitionEvent(t))
		}
	}
	if p.deps.Groups != nil {
		hosts := p.hostOfInstance()
		for _, v := range p.deps.Groups.Views() {
			for _, d := range v.Recent {
				if acted(d) {
					out = append(out, decisionEvent(d, hosts))
				}
			}
		}
	}
	out = slices.DeleteFunc(out, func(e Event) bool { return e.At.Before(r.Start) || e.At.After(r.End) })
	slices.SortStableFunc(out, func(a, b Event) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Text, b.Text)) })
	return out[:min(len(out), maxEvents)]
}

func transitionEvent(t alerts.Transition) Event {
	e := Event{At: t.At, Kind: t.To.String(), Text: instance(t.Rule, t.Labels), More: t.Text, URL: alertURL(t.Rule, t.Labels)}
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
	return Event{At: d.At, Kind: string(d.Direction), Text: d.Group + ": " + change(d, hostNames(d, hosts)), More: why, URL: groupURL(d.Group)}
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

// marks puts events on a figure's time axis.
func marks(es []Event) []Mark {
	out := make([]Mark, len(es))
	for i, e := range es {
		out[i] = Mark{At: e.At.Unix(), Text: e.Text, Kind: e.Kind}
	}
	return out
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
