package dispatch

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"rondo/alerts/notify"
	"rondo/rrd"
)

// An Alert is one problem, or its end, as groups hold it. It is replaced by
// its next form, never changed in place.
type Alert struct {
	notify.Alert
	ID   uint64     // the fingerprint of its labels
	Rule string     // the rule, and the labels of the rule's state,
	Of   rrd.Labels // by which the engine knows the problem
}

// A Group is what is told together: the alerts that one route gathers by the
// same labels. It knows no clock and no store: Step says what there is to tell.
type Group struct {
	Route  *Route
	Labels rrd.Labels
	Alerts map[uint64]*Alert // by fingerprint
	Next   time.Time         // of the next regular look
	Told   map[string]Told   // by receiver: what it was told last

	looked time.Time // of the newest Step
}

// Told is what one receiver knows of a group.
type Told struct {
	At       time.Time       // of the newest notice
	Since    time.Time       // since when it knows of a problem; zero: of none
	Firing   map[uint64]bool // fingerprints in the newest notice
	Resolved map[uint64]bool
	Digest   uint64 // number of the receiver's newest digest at that time, part of the key in the store
	ByDigest bool   // a digest told it; else the group spoke for itself
}

// A Reason is why something is told, as notify.Notice has it.
type Reason string

// The reasons.
const (
	ReasonNew        Reason = "new"        // the receiver knew of no problem in the group
	ReasonChanged    Reason = "changed"    // more alerts fire, or some do no more
	ReasonResolved   Reason = "resolved"   // none fires any more
	ReasonRepeated   Reason = "repeat"     // nothing has changed for repeat_interval
	ReasonEscalation Reason = "escalation" // nobody has acknowledged it in time
	ReasonDigest     Reason = "digest"     // of more groups than the receiver may be told of
)

// A Send is something to tell to one receiver.
type Send struct {
	Receiver string
	Reason   Reason
	Alerts   []*Alert // the firing ones first, the gravest first
	Told     Told     // what the receiver knows then
	Quiet    bool     // it is not told after all: it wants no ends of problems
}

// A World is what a group has to know of others.
type World struct {
	Suppressed   func(*Alert) bool // inhibited or silenced: not told anew, not repeated
	Acknowledged func(*Alert) bool
	SendResolved func(receiver string) bool
}

// NewGroup returns an empty group of a route. Its first look is a group_wait
// after its first alert.
func NewGroup(r *Route, labels rrd.Labels, first time.Time) *Group {
	return &Group{Route: r, Labels: labels, Alerts: make(map[uint64]*Alert), Told: make(map[string]Told), Next: first.Add(r.Wait)}
}

// Key names the group as Alertmanager does.
func (g *Group) Key() string { return notify.GroupKey(g.Route.Key, g.Labels) }

// Step looks at the group at a moment: at Next, when more rungs of the ladder
// are reached, or at any other, which does no harm. What it returns is told
// once the caller has it accepted, see Accept.
func (g *Group) Step(now time.Time, w World) (sends []Send) {
	tick := !now.Before(g.Next)
	if tick {
		g.Next = now.Add(g.Route.Interval)
	}
	g.looked = now
	if _, muted := g.Route.Muted(now); muted {
		return nil
	}
	if tick {
		for _, r := range g.audience() {
			if s, ok := g.Decide(r, now, w); ok {
				sends = append(sends, s)
			}
		}
	}
	return append(sends, g.escalate(now, w)...)
}

// Due is when Step is to be called next.
func (g *Group) Due() time.Time {
	due := g.Next
	since := g.Told[g.Route.Receiver].Since
	if since.IsZero() {
		return due
	}
	for _, rung := range g.Route.Ladder {
		at := since.Add(rung.After)
		if at.After(g.looked) && at.Before(due) {
			due = at
		}
	}
	return due
}

// audience are the receivers to look after: that of the route, and others who
// know of a problem in the group.
func (g *Group) audience() []string {
	all := []string{g.Route.Receiver}
	for _, r := range slices.Sorted(maps.Keys(g.Told)) {
		if r != g.Route.Receiver && len(g.Told[r].Firing) > 0 {
			all = append(all, r)
		}
	}
	if g.Route.Receiver == "" { // the route is gone
		return all[1:]
	}
	return all
}

// escalate tells further rungs of the ladder, while somebody should look after
// a problem and nobody does.
func (g *Group) escalate(now time.Time, w World) (sends []Send) {
	since := g.Told[g.Route.Receiver].Since
	if since.IsZero() {
		return nil
	}
	for _, rung := range g.Route.Ladder {
		if now.Sub(since) < rung.After || len(g.Told[rung.To].Firing) > 0 || !g.waits(w) {
			continue
		}
		firing, _ := g.split(Told{}, w)
		sends = append(sends, g.send(rung.To, ReasonEscalation, firing, nil, now))
	}
	return sends
}

// waits says whether something fires that nobody has acknowledged.
func (g *Group) waits(w World) bool {
	for _, a := range g.Alerts {
		if a.Firing() && !w.Suppressed(a) && !w.Acknowledged(a) {
			return true
		}
	}
	return false
}

// Decide says what there is to tell to one receiver, if anything. It is
// Alertmanager's rule for notices that repeat what is known (its notification
// log), with two differences: the end of a problem that was told is told even
// while it is inhibited, and an alert whose end a receiver does not want to
// hear of is a new one when it comes again.
func (g *Group) Decide(receiver string, now time.Time, w World) (Send, bool) {
	told, known := g.Told[receiver]
	firing, resolved := g.split(told, w)
	if _, rung := g.Route.rung(receiver); receiver != g.Route.Receiver && !rung {
		// The configuration has forgotten this receiver, which still knows of a
		// problem: it hears of the end, and of nothing else.
		firing = slices.DeleteFunc(firing, func(a *Alert) bool { return !told.Firing[a.ID] })
	}
	ends := w.SendResolved(receiver)
	s := g.send(receiver, ReasonChanged, firing, resolved, now)
	switch {
	case !subset(firing, told.Firing):
		if len(told.Firing) == 0 {
			s.Reason = ReasonNew
		}
	case len(firing) == 0:
		// Of no alert at all there is nothing to tell: they were lost from the store.
		s.Reason, s.Quiet = ReasonResolved, !ends || len(resolved) == 0
		return s, len(told.Firing) > 0
	case known && !subset(resolved, told.Resolved):
		s.Quiet = !ends
	default:
		s.Reason = ReasonRepeated
		return s, known && now.Sub(told.At) >= g.Route.Repeat && g.Route.Receiver != "" && g.waits(w)
	}
	if s.Quiet {
		s.Told.At = told.At
	}
	if !ends {
		s.Alerts = s.Alerts[:len(firing)]
	}
	return s, true
}

// split returns the alerts that concern a receiver. What is suppressed is left
// out, unless the receiver knows of it already.
func (g *Group) split(told Told, w World) (firing, resolved []*Alert) {
	for _, a := range g.Alerts {
		switch {
		case !told.Firing[a.ID] && w.Suppressed(a):
		case a.Firing():
			firing = append(firing, a)
		default:
			resolved = append(resolved, a)
		}
	}
	slices.SortFunc(firing, graver)
	slices.SortFunc(resolved, graver)
	return firing, resolved
}

// graver orders alerts: by severity, then by age, then by labels.
func graver(a, b *Alert) int {
	return cmp.Or(cmp.Compare(b.Severity, a.Severity), a.Starts.Compare(b.Starts), slices.CompareFunc(a.Labels, b.Labels, func(x, y rrd.Label) int {
		return cmp.Or(strings.Compare(x.Name, y.Name), strings.Compare(x.Value, y.Value))
	}))
}

// send makes what is told, and what is known then.
func (g *Group) send(receiver string, why Reason, firing, resolved []*Alert, now time.Time) Send {
	before := g.Told[receiver]
	t := Told{At: now, Since: before.Since, Firing: ids(firing), Resolved: ids(resolved)}
	switch {
	case len(firing) == 0:
		t.Since = time.Time{}
	case len(before.Firing) == 0:
		t.Since = now
	}
	return Send{Receiver: receiver, Reason: why, Alerts: slices.Concat(firing, resolved), Told: t}
}

func ids(as []*Alert) map[uint64]bool {
	out := make(map[uint64]bool, len(as))
	for _, a := range as {
		out[a.ID] = true
	}
	return out
}

func subset(as []*Alert, of map[uint64]bool) bool {
	return !slices.ContainsFunc(as, func(a *Alert) bool { return !of[a.ID] })
}

// Accept notes that a receiver knows, or will know: what is to be told is
// stored.
func (g *Group) Accept(s Send) { g.Told[s.Receiver] = s.Told }

// Spent returns the alerts that the group need not keep: they are over, and
// nobody has to be told any more.
func (g *Group) Spent() (spent []uint64) {
	for id, a := range g.Alerts {
		if !a.Firing() && !g.unheard(id) {
			spent = append(spent, id)
		}
	}
	return spent
}

// unheard says whether some receiver believes that an alert fires.
func (g *Group) unheard(id uint64) bool {
	for _, t := range g.Told {
		if t.Firing[id] {
			return true
		}
	}
	return false
}
