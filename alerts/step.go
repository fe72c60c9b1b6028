package alerts

import (
	"fmt"
	"hash/fnv"
	"math"
	"time"

	"rondo/rrd"
)

// A Level is the memory of one threshold. Its clocks are zero while they do
// not run.
type Level struct {
	Active  bool      `json:"active,omitempty"` // raised, hard
	Raised  time.Time `json:"raised,omitzero"`  // since when every reading was beyond
	Cleared time.Time `json:"cleared,omitzero"` // since when every reading was cleared, while active
	Points  Points    `json:"points,omitempty"` // of the newest readings, for Policy.Of
}

// A State is what is remembered of one label set of a rule. The zero State is
// OK and has seen nothing.
type State struct {
	Status   Status    `json:"status"` // present status, soft or hard
	Hard     Status    `json:"hard"`   // newest hard status; while it is not OK it is the present one too
	Attempts int       `json:"attempts,omitempty"`
	Counted  time.Time `json:"counted,omitzero"`  // when the newest attempt was counted
	Missing  bool      `json:"missing,omitempty"` // the newest reading was missing
	Known    Status    `json:"known,omitempty"`   // hard status after the newest reading that was not
	Since    time.Time `json:"since,omitzero"`    // of the present status
	Start    time.Time `json:"start,omitzero"`    // of the episode: its first bad reading; zero while OK
	Changes  uint64    `json:"changes,omitempty"` // hard changes so far, and those of flapping
	Levels   [3]Level  `json:"levels"`            // of Warning, Critical, Unknown
	Flapping Flapping  `json:"flapping,omitzero"`

	Seen  time.Time `json:"-"` // when the newest reading was taken; zero after a restart
	Point time.Time `json:"-"` // when the newest of the levels' Points began; likewise
}

// level is the memory of a status that is not OK.
func (s *State) level(l Status) *Level { return &s.Levels[l-Warning] }

// Soft says whether a problem is seen but not yet believed.
func (s State) Soft() bool { return s.Status != s.Hard }

// stored is what of a state is worth writing: without that which moves at
// every reading.
func (s State) stored() State {
	s.Seen, s.Point, s.Flapping.Noted = time.Time{}, time.Time{}, time.Time{}
	return s
}

// A verdict is what one reading says about one level.
type verdict uint8

const (
	cleared verdict = iota
	between
	beyond
)

// judge compares a reading with every level of the policy.
func (p Policy) judge(r Reading) (v [3]verdict) {
	missing := p.missing(r)
	for l := Warning; l <= Unknown; l++ {
		switch t := p.threshold(l); {
		case missing:
			v[l-Warning] = p.judgeMissing(l)
		case p.Direct:
			v[l-Warning] = judgeDirect(l, r.Status)
		case t == nil:
			v[l-Warning] = cleared
		case p.beyond(r.Value, t.Raise):
			v[l-Warning] = beyond
		case p.beyond(r.Value, t.Clear):
			v[l-Warning] = between
		}
	}
	return v
}

// missing says whether a reading has nothing to say.
func (p Policy) missing(r Reading) bool { return r.Missing || math.IsNaN(r.Value) && !p.Direct }

// judgeDirect compares a status that a check brought along with a level. A
// critical finding is beyond the warning level too; an unknown one says nothing
// of either.
func judgeDirect(l, found Status) verdict {
	switch {
	case found == l, l == Warning && found == Critical:
		return beyond
	case found == Unknown:
		return between
	}
	return cleared
}

func (p Policy) judgeMissing(l Status) verdict {
	switch {
	case p.Missing == MissingOK:
		return cleared
	case p.Missing == MissingRaise && l == p.Severity(), p.Missing == MissingUnknown && l == Unknown:
		return beyond
	case l == Unknown:
		return cleared
	}
	return between
}

// Step brings a state forward by one reading taken at now. The transition is
// nil unless the hard status changed, or flapping started or ended. Step is pure: the same arguments give
// the same results.
func Step(p Policy, s State, r Reading, now time.Time) (State, *Transition) {
	verdicts := p.judge(r)
	s = s.watch(p, now)
	s.Missing = p.missing(r)
	if p.Of != (Of{}) {
		none := s.Missing || p.Direct && r.Status == Unknown
		verdicts = s.ofMany(p, verdicts, none, due(&s.Point, now, p.Interval))
	}
	s.count(p, verdicts, now)
	hard := OK
	for l := Warning; l <= Unknown; l++ {
		s.level(l).step(verdicts[l-Warning], now, p.times(l, s), s.Attempts >= p.attempts())
		if s.level(l).Active {
			hard = l
		}
	}
	status := hard
	if hard == OK && s.Attempts > 0 {
		status = s.soft(verdicts)
	}
	s, t := s.enter(p, status, hard, r, now)
	if !s.Missing {
		s.Known = s.Hard
	}
	return s.flap(p, r, now, t)
}

// count counts attempts: up at a bad reading when the newest one was counted
// a retry interval ago, to zero at a good one, and not at all while a problem
// is hard or a value is between its thresholds.
func (s *State) count(p Policy, verdicts [3]verdict, now time.Time) {
	worst := max(verdicts[0], verdicts[1], verdicts[2])
	switch {
	case s.Hard != OK:
		s.Attempts = p.attempts()
	case worst == beyond && s.Attempts < p.attempts() && due(&s.Counted, now, p.Retry):
		s.Attempts++
	case worst == cleared:
		s.Attempts, s.Counted = 0, time.Time{}
	}
}

// soft is the gravest level that the reading is beyond, or the present status
// where it is beyond none.
func (s *State) soft(verdicts [3]verdict) Status {
	for l := Unknown; l >= Warning; l-- {
		if verdicts[l-Warning] == beyond {
			return l
		}
	}
	return s.Status
}

// step moves the clocks of one level, and raises or ends it.
func (l *Level) step(v verdict, now time.Time, hold Times, attempted bool) {
	if v != beyond {
		l.Raised = time.Time{}
	} else if l.Raised.IsZero() {
		l.Raised = now
	}
	if v != cleared || !l.Active {
		l.Cleared = time.Time{}
	} else if l.Cleared.IsZero() {
		l.Cleared = now
	}
	switch {
	case !l.Active && v == beyond && attempted && now.Sub(l.Raised) >= hold.For:
		l.Active = true
	case l.Active && v == cleared && now.Sub(l.Cleared) >= hold.ClearFor:
		*l = Level{Points: l.Points}
	}
}

// enter puts the new status in place and makes the transition of a hard
// change.
func (s State) enter(p Policy, status, hard Status, r Reading, now time.Time) (State, *Transition) {
	if s.Since.IsZero() || status != s.Status {
		s.Since = now
	}
	if status != OK && s.Start.IsZero() {
		s.Start = now
	}
	var t *Transition
	if hard != s.Hard {
		t = s.transition(p, hard, r, now)
	}
	if s.Hard != OK && hard == OK {
		s.Attempts, s.Counted = 0, time.Time{}
		status, s.Since = OK, now
	}
	s.Status, s.Hard = status, hard
	if status == OK {
		s.Start = time.Time{}
	}
	return s, t
}

// transition is the next change of a state, to a hard status.
func (s *State) transition(p Policy, hard Status, r Reading, now time.Time) *Transition {
	s.Changes++
	began := s.Start
	if began.IsZero() {
		began = now // flapping, and OK at present
	}
	return &Transition{
		ID:   TransitionID(p.Rule, r.Labels, began, s.Changes),
		Rule: p.Rule, Labels: r.Labels, From: s.Hard, To: hard,
		Since: earlier(began, now), At: now, Value: r.Value, Text: r.Text,
	}
}

// End closes a state for a reason other than a good reading: the rule is
// gone, the host was withdrawn. The transition is nil unless a problem was
// hard or the state flapped.
func End(p Policy, s State, r Reading, now time.Time) (State, *Transition) {
	s.Levels, s.Attempts, s.Counted = [3]Level{}, 0, time.Time{}
	s, t := s.enter(p, OK, OK, r, now)
	p.Flap = Flap{}
	return s.flap(p, r, now, t)
}

// TransitionID names a change for ever: the rule, the label set, when the
// episode began (milliseconds since the epoch) and the how manyth change of
// the state it is.
func TransitionID(rule string, ls rrd.Labels, start time.Time, change uint64) string {
	return fmt.Sprintf("%s-%016x-%d-%d", rule, Fingerprint(ls), start.UnixMilli(), change)
}

// Fingerprint hashes labels as Prometheus does (FNV-1a over names and values,
// each followed by 0xff).
func Fingerprint(ls rrd.Labels) uint64 {
	h := fnv.New64a()
	for _, l := range ls {
		h.Write([]byte(l.Name + "\xff" + l.Value + "\xff"))
	}
	return h.Sum64()
}
