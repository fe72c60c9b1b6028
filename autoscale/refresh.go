package autoscale

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// A Refresh replaces the instances of a group that were launched as something
// else than the configuration asks for now, a few at a time:
//
//	launch beyond what    they serve, warm      pause: an     as many outdated
//	the load wants   ───> and well for a   ───> alarm may ──> ones drain, and
//	(canary, then batch)  while (healthy)       still come    are terminated
//	      ^                                                         │
//	      └─────────────── until none is outdated ──────────────────┘
//
// Which of these is next follows from who is there now, and from what the
// journal says was launched and retired for it: a restart in the middle goes on
// where it was. Launches and drains are decisions of [Want] like all others, past
// all guard rails; the group goes on to scale by its load meanwhile. What is
// launched is the new template, whatever for. The load takes outdated ones
// first, and none in the place of a new one that has not proved itself.
//
//	refreshing ──all are new──────────────────────────> done
//	  │   ^ │
//	pause │ └──alarm, or a new one fails──> backing-out ──> backed-out
//	  v   │                 ^                (new ones go, old ones are launched)
//	paused ─────────────────┘
//
// After a back-out the old template is launched until the configuration asks
// for a third, or somebody asks again. Where the configuration changes in the
// middle, the newer template is the target, and begins with a canary again.
type Refresh struct {
	ID    string       `json:"id"`
	State RefreshState `json:"state"`
	Old   Template     `json:"old"` // of the outdated; the zero Template where nobody knows it
	New   Template     `json:"new"`
	To    string       `json:"to"`              // names New, with its types
	Tried []string     `json:"tried,omitempty"` // digests of the targets before New
	Base  int          `json:"base"`            // the capacity that the load wants, without what was launched for the refresh

	Wave   []string `json:"wave,omitempty"`   // launched for it since the newest retirement
	Failed int      `json:"failed,omitempty"` // launches of New in a row that were refused for good
	Alarms []string `json:"alarms,omitempty"` // what fired when it began

	Reverted bool `json:"reverted,omitempty"` // it is backed out because the configuration was: New may be asked for again

	Began time.Time `json:"began"` // of this target
	At    time.Time `json:"at"`    // of the newest step
	By    string    `json:"by"`    // who began it
	Why   string    `json:"why"`   // the newest change of state, or who made it

	Launched int            `json:"launched"`
	Retired  int            `json:"retired"`
	History  []RefreshEvent `json:"history"` // oldest first
}

// RefreshState is how far a refresh is.
type RefreshState string

// The states of a refresh. Those of its end stay until the next begins.
const (
	Refreshing    RefreshState = "refreshing"
	RefreshPaused RefreshState = "paused"
	BackingOut    RefreshState = "backing-out"
	BackedOut     RefreshState = "backed-out"
	RefreshDone   RefreshState = "done"
	RefreshAbort  RefreshState = "aborted"
)

// A RefreshEvent is one step of a refresh.
type RefreshEvent struct {
	At   time.Time `json:"at"`
	What string    `json:"what"` // started, launched, retired, paused, ...
	Text string    `json:"text,omitempty"`
}

// maxRefreshEvents is how many events a refresh remembers.
const maxRefreshEvents = 50

// active says whether there is something left to do.
func (r *Refresh) active() bool {
	return r != nil && (r.State == Refreshing || r.State == RefreshPaused || r.State == BackingOut)
}

// target is what it launches.
func (r *Refresh) target() Template {
	if r.State == BackingOut {
		return r.Old
	}
	return r.New
}

// judge returns who tells the instances that are to be replaced: the outdated, or
// while the refresh is backed out, those of any template that it has tried.
func (r *Refresh) judge() func(Instance) bool {
	if r.State != BackingOut && r.State != BackedOut {
		return r.New.outdates()
	}
	outdated, tried := r.Old.outdates(), append(slices.Clone(r.Tried), r.New.Digest())
	return func(i Instance) bool { return slices.Contains(tried, i.Template) && outdated(i) }
}

// backable are those that drain and may be taken back: not what a back-out has
// retired.
func (r *Refresh) backable(instances []Instance) (out []Instance) {
	bad := func(Instance) bool { return false }
	if r != nil && (r.State == BackingOut || r.State == BackedOut) {
		bad = r.judge()
	}
	for _, i := range instances {
		if i.Phase == Draining && !bad(i) {
			out = append(out, i)
		}
	}
	return out
}

// A RefreshNote is what an entry of KindRefresh brings.
type RefreshNote struct {
	State  RefreshState `json:"state"`
	ID     string       `json:"id,omitempty"`  // of a start
	Old    *Template    `json:"old,omitempty"` // of a start
	New    *Template    `json:"new,omitempty"` // of a start, and of a change of the target
	Base   int          `json:"base,omitempty"`
	Alarms []string     `json:"alarms,omitempty"`
	By     string       `json:"by,omitempty"`  // who; "" where the controller did it by itself
	Why    string       `json:"why,omitempty"` // why

	Reverted bool `json:"reverted,omitempty"` // the configuration asks for the old template again
}

// followRefresh keeps a refresh up with the journal.
func (m *memory) followRefresh(e Entry) {
	if e.Kind == KindLaunch {
		m.knowTemplate(e.Launch.Template)
	}
	if e.Kind == KindOutcome {
		m.noteMade(e)
	}
	switch {
	case e.Kind == KindRefresh && e.Refresh.ID != "":
		m.Refresh = beginRefresh(e)
	case m.Refresh == nil:
	case e.Kind == KindRefresh:
		m.changeRefresh(func(r *Refresh) { r.note(e) })
	case m.Refresh.active():
		m.changeRefresh(func(r *Refresh) { r.follow(e, m.Open, m.Doubt) })
	}
}

// changeRefresh changes a copy: who reads the one before goes on to read it.
func (m *memory) changeRefresh(change func(*Refresh)) {
	r := *m.Refresh
	r.Wave, r.History = slices.Clone(r.Wave), slices.Clone(r.History)
	change(&r)
	m.Refresh = &r
}

// noteMade notes what was launched as what, until lists show its tag.
func (m *memory) noteMade(e Entry) {
	if m.Open == nil || m.Open.Attempt != e.Attempt || e.Failure != "" {
		return
	}
	for _, id := range e.Instances {
		if tag := m.Open.Launch.Tags[TagTemplate]; tag != "" {
			m.Made[id] = tag
		}
	}
}

func beginRefresh(e Entry) *Refresh {
	n := e.Refresh
	r := &Refresh{
		ID: n.ID, State: n.State, New: *n.New, To: n.New.aim(), Base: n.Base, Alarms: n.Alarms,
		Began: e.At, At: e.At, By: cmp.Or(n.By, byConfig), Why: n.Why,
	}
	if n.Old != nil {
		r.Old = *n.Old
	}
	r.event(e.At, "started", "%s: %s", r.By, n.Why)
	return r
}

// note takes over a change of state or of the target.
func (r *Refresh) note(e Entry) {
	n := e.Refresh
	what := string(n.State)
	switch {
	case n.New != nil:
		what = "new target"
		r.Tried = slices.Concat(r.Tried[max(0, len(r.Tried)-maxTemplates+1):], []string{r.New.Digest()})
		r.New, r.To, r.Began, r.Failed, r.Wave = *n.New, n.New.aim(), e.At, 0, nil
	case n.State == Refreshing:
		what = "resumed"
	}
	r.State, r.At, r.Why = n.State, e.At, n.words()
	if n.State == BackingOut {
		r.Wave, r.Reverted = nil, n.Reverted
	}
	if n.Base > 0 { // of one that had ended
		r.Base = n.Base
	}
	r.event(e.At, what, "%s", r.Why)
}

// words say who and why.
func (n RefreshNote) words() string {
	switch {
	case n.By == "":
		return n.Why
	case n.Why == "":
		return n.By
	}
	return n.By + ": " + n.Why
}

// deed is what somebody did, for the audit.
func (n RefreshNote) deed() string {
	if n.Why == "" {
		return string(n.State)
	}
	return string(n.State) + ": " + n.Why
}

// follow keeps up with launches and drains. What the load has changed is what
// it wants from then on.
func (r *Refresh) follow(e Entry, open *Entry, doubt time.Time) {
	own := e.Decision != nil && e.Decision.Refresh == r.ID
	switch {
	case e.Kind == KindOutcome && open != nil && open.Attempt == e.Attempt:
		r.launched(e, *open, doubt)
	case e.Kind == KindDrain && own:
		r.Wave, r.At, r.Retired = nil, e.At, r.Retired+len(e.Instances)
		r.event(e.At, "retired", "%d: %s", len(e.Instances), e.Decision.Reason)
	case e.Kind == KindDrain:
		r.Base = min(r.Base, e.Decision.To)
	case e.Kind == KindReclaim && e.Decision != nil && !own:
		r.Base = max(r.Base, e.Decision.From+len(e.Instances))
	}
	if e.Kind == KindDrain || e.Kind == KindReplace {
		r.Wave = slices.DeleteFunc(r.Wave, func(id string) bool { return slices.Contains(e.Instances, id) })
	}
}

// launched takes note of what became of a launch.
func (r *Refresh) launched(e, open Entry, doubt time.Time) {
	if e.leavesOpen(doubt) {
		return
	}
	ours := open.Launch.Template.aim() == r.target().aim()
	switch {
	case e.Failure == Permanent && ours:
		if r.Failed++; r.Failed == 1 {
			r.event(e.At, "refused", "%s", e.Text)
		}
	case e.Failure != "" || open.Decision.Replaces != "":
	case open.Decision.Refresh == r.ID:
		r.Wave, r.At, r.Launched = append(r.Wave, e.Instances...), e.At, r.Launched+len(e.Instances)
		r.event(e.At, "launched", "%d: %s", len(e.Instances), open.Decision.Reason)
	default:
		r.Base = max(r.Base, open.Decision.From+len(e.Instances))
	}
	if e.Failure == "" {
		r.Failed = 0
	}
}

func (r *Refresh) event(at time.Time, what, format string, args ...any) {
	text := []rune(fmt.Sprintf(format, args...))
	r.History = append(r.History, RefreshEvent{at, what, string(text[:min(len(text), maxTrouble)])})
	r.History = r.History[max(0, len(r.History)-maxRefreshEvents):]
}

// complete says whether a note has all that is needed to follow it.
func (n *RefreshNote) complete() bool {
	return n != nil && n.State != "" && (n.ID == "" || n.New != nil)
}
