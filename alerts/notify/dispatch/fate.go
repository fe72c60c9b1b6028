package dispatch

import (
	"cmp"
	"slices"
	"strings"

	"rondo/alerts/notify"
	"rondo/rrd"
)

// A Fate is what routes and inhibition make of an alert at a moment.
type Fate struct {
	Groups      []Place // one for each route that it takes
	InhibitedBy string  // fingerprint of an alert that mutes it; "": none does
}

// A Place is a group, whether there is anything in it or not.
type Place struct {
	Route    string // its ID
	Receiver string
	Labels   rrd.Labels
}

// Receivers are those of the routes, each once.
func (f Fate) Receivers() (names []string) {
	for _, g := range f.Groups {
		if !slices.Contains(names, g.Receiver) {
			names = append(names, g.Receiver)
		}
	}
	return names
}

// Fates are those of alerts with these labels, in their order; nil where there
// is no route. Receivers on ladders hear of an alert only if nobody looks
// after it, and are not among them.
func (d *Dispatcher) Fates(of []rrd.Labels) []Fate {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conf.root == nil {
		return nil
	}
	out := make([]Fate, len(of))
	for i, ls := range of {
		for _, r := range d.conf.root.Match(ls) {
			out[i].Groups = append(out[i].Groups, Place{r.ID, r.Receiver, r.Group(ls)})
		}
		if s := d.inhibits.source(&Alert{Alert: notify.Alert{Labels: ls}}); s != nil {
			out[i].InhibitedBy = s.Fingerprint
		}
	}
	return out
}

// A Membership is a group and who is in it.
type Membership struct {
	Place
	Alerts []*Alert // that fire, the gravest first; not to be changed
}

// Members are the groups in which something fires, by labels and receivers.
// Those whose route is gone, which only tell ends, are left out. It is nil where
// there is no route.
func (d *Dispatcher) Members() []Membership {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conf.root == nil {
		return nil
	}
	out := []Membership{}
	for _, n := range d.groups {
		m := Membership{Place: Place{n.Route.ID, n.Route.Receiver, n.Labels}}
		for _, a := range n.Alerts {
			if a.Firing() {
				m.Alerts = append(m.Alerts, a)
			}
		}
		if slices.SortFunc(m.Alerts, graver); m.Receiver != "" && len(m.Alerts) > 0 {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b Membership) int {
		return cmp.Or(strings.Compare(a.Labels.String(), b.Labels.String()), strings.Compare(a.Receiver, b.Receiver))
	})
	return out
}
