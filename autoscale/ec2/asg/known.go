package asg

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"rondo/autoscale"
)

// known is what one look at a group leaves for the next. None of it is needed
// for safety: a restart begins with an empty one.
type known struct {
	mu       sync.Mutex
	desired  int       // as it was read, or set by us; -1: not yet
	touched  time.Time // our newest call that changes the desired capacity
	listed   time.Time // the newest list
	before   time.Time // and the one before
	stranger string    // who else changed it
	strange  time.Time
	since    time.Time // orders are open since then
	why      string    // they cannot be filled
	missing  int
	group    *group // as the newest list showed it
	seen     map[string]time.Time
	doubt    map[string]time.Time // terminations without an answer
	beats    map[string]time.Time // newest heartbeat of a hook
	rivals   string               // the group's own scaling policies
	asked    time.Time            // for these
	hooks    []hook
	hooked   time.Time // when the hooks were read
}

func newKnown() *known {
	return &known{desired: -1, seen: map[string]time.Time{}, doubt: map[string]time.Time{}, beats: map[string]time.Time{}}
}

// settling is how long a change of ours may take until every list shows it, and
// how long strange is told.
const (
	settling = 5 * time.Second
	telling  = 10 * time.Minute
)

// sight takes over what a list that was begun then showed, and returns how many
// instances are ordered and no members. Members whose launch EC2 does not know
// yet were launched when they were first seen.
func (k *known) sight(g *group, is []autoscale.Instance, began time.Time) (missing int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.desired >= 0 && began.Sub(k.touched) <= settling:
		g.desired = k.desired // a list that lags must not order again
	case k.desired >= 0 && g.desired != k.desired:
		k.stranger = fmt.Sprintf("someone else set the desired capacity of %s from %d to %d", g.name, k.desired, g.desired)
		k.strange = began
	}
	k.desired, k.group, k.before, k.listed = g.desired, g, k.listed, began
	ids := make(map[string]bool, len(is))
	for n := range is {
		id := is[n].ID
		ids[id] = true
		if _, ok := k.seen[id]; !ok {
			k.seen[id] = began
		}
		if is[n].Launched.IsZero() {
			is[n].Launched = k.seen[id]
		}
	}
	for _, by := range []map[string]time.Time{k.seen, k.doubt, k.beats} {
		for id := range by {
			if !ids[id] {
				delete(by, id)
			}
		}
	}
	k.missing = max(0, g.desired-g.capacity())
	return k.missing
}

// filled says that there are no open orders.
func (k *known) filled() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.since, k.why = time.Time{}, ""
}

// gap returns since when orders are open: of someone else's, since the newest
// list without them.
func (k *known) gap() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.since.IsZero() {
		k.since = k.before
	}
	if k.since.IsZero() {
		k.since = k.listed
	}
	return k.since
}

// judge notes why open orders cannot be filled; "": they may.
func (k *known) judge(why string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.why = why
}

// stuck returns how many open orders cannot be filled, and why.
func (k *known) stuck() (int, string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.why == "" {
		return 0, ""
	}
	return k.missing, k.why
}

// set notes a desired capacity that we are about to ask for. A new order is
// judged anew.
func (k *known) set(desired int, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if desired > k.desired {
		k.since, k.why = now, ""
	}
	k.desired, k.touched = desired, now
}

// unsure says that a call of ours failed, or may have: what the next list says
// is believed.
func (k *known) unsure() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.desired = -1
}

// lowered notes that one of our terminations lowers the desired capacity.
func (k *known) lowered(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.touched = now; k.desired > 0 {
		k.desired--
	}
}

// remarks are what people should know about the group besides its instances.
func (k *known) remarks(now time.Time) (out []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.why != "" {
		out = append(out, fmt.Sprintf("the Auto Scaling Group %s cannot launch %d that it was asked for: %s", k.group.name, k.missing, strings.TrimSpace(k.why)))
	}
	if !k.strange.IsZero() && now.Sub(k.strange) < telling {
		out = append(out, k.stranger)
	}
	if k.rivals != "" {
		out = append(out, k.rivals)
	}
	return slices.Clip(out)
}

// shown is the group as the newest list had it; nil before the first.
func (k *known) shown() *group {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.group
}

// protected notes that members are protected now, until the next list says so.
func (k *known) protected(ids []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(ids) == 0 {
		return
	}
	g := *k.group // a list that others read stays as it is
	g.members = slices.Clone(g.members)
	for n := range g.members {
		g.members[n].protected = g.members[n].protected || slices.Contains(ids, g.members[n].id)
	}
	k.group = &g
}

// doubts notes a termination whose outcome is unclear.
func (k *known) doubts(id string, err error, now time.Time) {
	if ce, ok := errors.AsType[*autoscale.CallError](err); ok && ce.Failure != autoscale.Unclear {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.doubt[id] = now
}

// doubted returns for how long a termination must not be repeated.
func (k *known) doubted(id string, now time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	at, ok := k.doubt[id]
	if !ok {
		return 0
	}
	return max(0, settling-now.Sub(at))
}

// beatDue says whether an instance that is held at a hook wants a heartbeat, and
// notes it: three in each timeout.
func (k *known) beatDue(id string, timeout time.Duration, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if at, ok := k.beats[id]; ok && now.Sub(at) < timeout/3 {
		return false
	}
	k.beats[id] = now
	return true
}

// hooksAt returns the hooks that were read, if that is not long ago.
func (k *known) hooksAt(now time.Time) ([]hook, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.hooks, !k.hooked.IsZero() && now.Sub(k.hooked) < rereadHooks
}

func (k *known) hooksAre(hooks []hook, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.hooks, k.hooked = hooks, now
}

func (k *known) rivalsDue(now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.asked.IsZero() || now.Sub(k.asked) >= rereadRivals
}

func (k *known) rivalsAre(text string, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.rivals, k.asked = text, now
}
