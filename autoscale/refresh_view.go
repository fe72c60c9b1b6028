package autoscale

import "time"

// A RefreshView is how far the instances of a group are what its configuration
// asks for, and what is done about it.
type RefreshView struct {
	State    RefreshState `json:"state,omitempty"` // of the newest refresh; "" where there was none
	Outdated int          `json:"outdated"`        // instances that the configuration asks to be something else
	From     string       `json:"from,omitempty"`  // the digest of the old template
	To       string       `json:"to"`              // of the new one: while there is a refresh its target, else the configuration's
	Changes  []Difference `json:"changes"`         // between them, of what matters
	Done     int          `json:"done"`            // instances of the target
	Total    int          `json:"total"`           // and those that are to be replaced
	Step     string       `json:"step,omitempty"`  // what is done next, or waited for
	Why      string       `json:"why,omitempty"`   // it has this state
	By       string       `json:"by,omitempty"`    // who began it
	Began    time.Time    `json:"began,omitzero"`
	Since    time.Time    `json:"since,omitzero"` // the newest step
	Launched int          `json:"launched"`
	Retired  int          `json:"retired"`

	History []RefreshEvent `json:"history"` // newest first
}

// viewRefresh is nil where nothing is outdated, and nothing was refreshed.
// Callers hold g.mu.
func (g *group) viewRefresh() *RefreshView {
	present, _ := g.configured()
	r := g.memory.Refresh
	v := &RefreshView{To: present.Digest(), Changes: []Difference{}, History: []RefreshEvent{}}
	for _, i := range g.instances {
		if i.Outdated {
			v.Outdated++
		}
	}
	switch {
	case r == nil && v.Outdated == 0:
		return nil
	case r == nil || !r.active() && r.To != present.aim():
		if old := g.memory.before(present, g.instances); !old.isZero() {
			v.From, v.Changes = old.Digest(), old.Changes(present)
		}
	}
	if r == nil {
		return v
	}
	v.State, v.Why, v.By, v.Began, v.Since, v.Launched, v.Retired = r.State, r.Why, r.By, r.Began, r.At, r.Launched, r.Retired
	v.Step = g.refreshes
	if r.active() || r.To == present.aim() {
		v.To = r.New.Digest()
		if !r.Old.isZero() {
			v.From, v.Changes = r.Old.Digest(), r.Old.Changes(r.New)
		}
	}
	isStale := r.judge()
	for _, i := range g.instances {
		switch {
		case i.Phase != Pending && i.Phase != Booting && i.Phase != InService && i.Phase != Silent:
		case isStale(i):
			v.Total++
		default:
			v.Done++
		}
	}
	v.Total += v.Done
	for n := range r.History {
		v.History = append(v.History, r.History[len(r.History)-1-n])
	}
	return v
}

// OutdatedBy returns how many of a group's instances another template would make
// outdated, and of how many.
func (v View) OutdatedBy(t Template) (n, of int) {
	outdated := t.outdates()
	for _, i := range v.Instances {
		if i.Phase == Terminating || i.Phase == Terminated {
			continue
		}
		of++
		if outdated(i) {
			n++
		}
	}
	return n, of
}
