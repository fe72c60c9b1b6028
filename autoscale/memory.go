package autoscale

import (
	"maps"
	"slices"
	"time"
)

// maxRecent is how many decisions a group shows.
const maxRecent = 50

// grace is how long the cloud's list may lag behind its answers: an instance
// launched that recently and not listed is taken to exist, one terminated that
// recently and still listed as running is taken to be going. EC2 asks
// for minutes of patience; these are five, and time to look.
const grace = 6 * time.Minute

// A memory is what a group's journal entries amount to. It changes by apply
// alone, while the controller runs and when it reads its journal after a
// restart, so that both always agree.
type memory struct {
	Stopped string `json:"stopped,omitempty"`
	Last    Change `json:"last"`

	StoppedAll string    `json:"stopped_all,omitempty"` // by the switch of all groups
	Released   time.Time `json:"released,omitzero"`     // when a switch was released
	Claim      Claim     `json:"claim,omitzero"`        // ours; none: no Owner

	Open     *Entry               `json:"open,omitempty"` // the launch whose outcome is unclear
	Doubt    time.Time            `json:"doubt,omitzero"` // its newest request that may still arrive
	Launched map[string]time.Time `json:"launched,omitempty"`
	Leaving  map[string]leave     `json:"leaving,omitempty"` // chosen to go, not terminated
	Gone     map[string]time.Time `json:"gone,omitempty"`    // termination was accepted
	Bursts   []burst              `json:"bursts,omitempty"`  // launches within launchWindow
	Bill     bill                 `json:"bill,omitzero"`     // of a group with a budget
	Recent   []Decision           `json:"recent,omitempty"`  // oldest first
	Boots    map[string]boots     `json:"boots,omitempty"`   // by kind of instance
	Refused  scarcity             `json:"refused,omitempty"` // what had no room
	Where    map[string]Pool      `json:"where,omitempty"`   // of Launched
	Rest     rest                 `json:"rest,omitzero"`     // of the newest launch
	Image    string               `json:"image,omitempty"`   // of the newest launch
	Heirs    map[string]time.Time `json:"heirs,omitempty"`   // what stands in for an instance that was lost
	Audit    []Audit              `json:"audit,omitempty"`   // what people did, oldest first
	Setups   []Setup              `json:"setups,omitempty"`  // the newest last
	Applied  string               `json:"applied,omitempty"` // the decision that was applied by hand last
	Shade    *shade               `json:"shade,omitempty"`   // what the shadow has come to

	Order     Order             `json:"order,omitzero"`      // the newest
	Refresh   *Refresh          `json:"refresh,omitempty"`   // the newest
	Made      map[string]string `json:"made,omitempty"`      // of Launched: the digests of their templates
	Templates []Template        `json:"templates,omitempty"` // that were launched, the newest last
}

// A leave is the drain of one instance.
type leave struct {
	Since    time.Time `json:"since"`
	Decision string    `json:"decision"`
	Replaced bool      `json:"replaced,omitempty"` // it was lost
	ByHand   bool      `json:"by_hand,omitempty"`  // applied in a dry run
}

func newMemory() *memory {
	return &memory{
		Launched: map[string]time.Time{}, Leaving: map[string]leave{}, Gone: map[string]time.Time{},
		Boots: map[string]boots{}, Refused: scarcity{}, Where: map[string]Pool{}, Heirs: map[string]time.Time{}, Made: map[string]string{},
	}
}

// apply adds one entry.
func (m *memory) apply(e Entry) {
	m.followRefresh(e)
	switch e.Kind {
	case KindDecided:
		m.remember(e)
	case KindLaunch:
		m.Open, m.Doubt, m.Image = &e, e.At, e.Launch.Template.Image
		m.burstOf(e)
		m.remember(e)
	case KindDrain:
		if e.Decision.Refresh == "" {
			m.Last = Change{In, e.At}
		}
		m.remember(e)
		for _, id := range e.Instances {
			m.Leaving[id] = leave{Since: e.At, Decision: e.Decision.ID, ByHand: e.Decision.Who != ""}
		}
	case KindReplace:
		m.replaced(e)
	case KindReclaim:
		for _, id := range e.Instances {
			m.note(m.Leaving[id].Decision, func(d *Decision) { d.Outcome = "taken back: " + e.Text })
			delete(m.Leaving, id)
		}
		if e.Decision != nil {
			if e.Decision.Refresh == "" {
				m.Last = Change{Out, e.At}
			}
			m.remember(e)
		}
	case KindTerminate: // the drain already says it; the call may be repeated freely
	case KindOutcome:
		m.outcome(e)
	case KindHeard:
		m.learn(*e.Boot, e.At)
	case KindBill:
		m.Bill = *e.Bill
	case KindClaim:
		m.Claim = *e.Claim
	case KindShadow:
		m.Shade = e.Shade
	case KindOrder:
		m.Order = *e.Order
	case KindStop:
		*m.switchOf(e) = e.Text
	case KindStart:
		*m.switchOf(e) = ""
		m.Released = e.At
	case KindSnapshot:
		*m = *newMemory().merge(e.State)
	}
	m.audit(e)
	m.forget(e.At)
}

// outcome settles an attempt, or keeps it open while it is unclear.
func (m *memory) outcome(e Entry) {
	text := "done"
	if e.Failure != "" {
		text = e.Text
	}
	settle := func(d *Decision) {
		d.Outcome, d.RequestID = text, e.RequestID
		if e.Failure == "" && d.Direction == Out {
			d.Instances = e.Instances
		}
	}
	if m.Open != nil && m.Open.Attempt == e.Attempt {
		m.note(m.Open.Decision.ID, settle)
		if e.Failure == Unclear {
			m.Doubt = e.At
		}
		for _, r := range e.Refused {
			m.Refused.add(r, e.At)
		}
		if e.leavesOpen(m.Doubt) {
			return
		}
		open := m.Open
		m.Open, m.Rest = nil, rest{open.Launch.restAfter(len(e.Instances)), e.At}
		m.burstWas(e.Attempt, len(e.Instances)+e.Ordered)
		if e.Failure == "" {
			if open.Decision.Replaces == "" && open.Decision.Refresh == "" {
				m.Last = Change{Out, e.At}
			}
			for _, id := range e.Instances {
				m.Launched[id] = e.At
			}
			maps.Copy(m.Where, e.Where)
		}
		return
	}
	for _, id := range e.Instances {
		m.note(m.Leaving[id].Decision, settle)
		if e.Failure == "" {
			delete(m.Leaving, id)
			m.Gone[id] = e.At
		}
	}
}

// doubtLasts is how long a request without an answer may still be on its way.
const doubtLasts = time.Minute

// leavesOpen says whether a launch is as unclear after this outcome as it was
// before. A request that failed for certain says that of itself alone: an
// earlier one, without an answer, may still arrive. One that was turned away
// unread (throttled, denied) says nothing at all.
func (e Entry) leavesOpen(doubt time.Time) bool {
	switch e.Failure {
	case Unclear:
		return true
	case Throttled, Denied:
		return e.Again
	case NoRoom, Permanent:
		return e.Again && e.At.Sub(doubt) < doubtLasts
	}
	return false
}

// merge takes over what a snapshot holds.
func (m *memory) merge(from *memory) *memory {
	if from == nil {
		return m
	}
	m.Stopped, m.Last, m.Open, m.Doubt, m.Bill = from.Stopped, from.Last, from.Open, from.Doubt, from.Bill
	m.StoppedAll, m.Released, m.Claim, m.Order = from.StoppedAll, from.Released, from.Claim, from.Order
	m.Recent, m.Bursts, m.Rest, m.Image = slices.Clone(from.Recent), slices.Clone(from.Bursts), from.Rest, from.Image
	m.Audit, m.Setups, m.Applied, m.Shade = slices.Clone(from.Audit), slices.Clone(from.Setups), from.Applied, from.Shade
	m.Refresh, m.Templates = from.Refresh, slices.Clone(from.Templates)
	maps.Copy(m.Made, from.Made)
	maps.Copy(m.Launched, from.Launched)
	maps.Copy(m.Leaving, from.Leaving)
	maps.Copy(m.Gone, from.Gone)
	maps.Copy(m.Boots, from.Boots)
	maps.Copy(m.Refused, from.Refused)
	maps.Copy(m.Where, from.Where)
	maps.Copy(m.Heirs, from.Heirs)
	return m
}

// remember adds a decision to the recent ones.
func (m *memory) remember(e Entry) {
	d := *e.Decision
	d.Entry = e.Seq
	m.Recent = append(m.Recent, d)
	if over := len(m.Recent) - maxRecent; over > 0 {
		m.Recent = slices.Delete(m.Recent, 0, over)
	}
}

// note changes the recent decision with this ID, if it is still remembered.
func (m *memory) note(id string, change func(*Decision)) {
	for i := range m.Recent {
		if id != "" && m.Recent[i].ID == id {
			change(&m.Recent[i])
		}
	}
}

// forget drops what the cloud's list has caught up with.
func (m *memory) forget(now time.Time) {
	m.forgetBursts(now)
	for _, ids := range []map[string]time.Time{m.Launched, m.Gone} {
		for id, at := range ids {
			if now.Sub(at) > grace {
				delete(ids, id)
				delete(m.Where, id)
				delete(m.Made, id)
			}
		}
	}
	m.Refused.forget(now)
}

// sameRun says whether d continues the run of the same non-decision. Figures
// may differ from tick to tick; the newest are shown.
func sameRun(run, d Decision) bool {
	return run.Code == d.Code && run.By == d.By && run.Direction == d.Direction && run.From == d.From && run.Remarks == d.Remarks
}
