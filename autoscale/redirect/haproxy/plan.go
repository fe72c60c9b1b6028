package haproxy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// A Target is a member of the group as a slot should have it.
type Target struct {
	Instance string
	Address  netip.AddrPort
	State    State // Ready or Drain
	Weight   int
}

// A Change is what one slot is told.
type Change struct {
	Slot     string
	Commands []string
}

// Plan is how the slots of a backend come to have the targets, and which slot
// each has then. A target keeps the slot that has its address; else it gets the
// one that it had before (of an HAProxy that has restarted), else a free one,
// rather one with no request under way. Targets that are ready come first; who
// gets none is not in holds.
func Plan(backend string, slots []Slot, targets []Target, before map[string]string) (changes []Change, holds map[string]string) {
	holds = make(map[string]string) // by instance
	taken := make(map[string]Target)
	take := func(t Target, name string) {
		holds[t.Instance], taken[name] = name, t
	}
	free := func(s Slot) bool { return taken[s.Name].Instance == "" }
	for _, t := range targets {
		its := func(s Slot) bool { return s.Address == t.Address && free(s) }
		if s, ok := find(slots, its, used); ok {
			take(t, s.Name)
		}
	}
	targets = slices.Clone(targets)
	slices.SortStableFunc(targets, func(a, b Target) int { return cmp.Compare(urgency(a.State), urgency(b.State)) })
	for _, t := range targets {
		if holds[t.Instance] != "" {
			continue
		}
		s, ok := find(slots, func(s Slot) bool { return free(s) && s.Name == before[t.Instance] }, idle)
		if !ok {
			s, ok = find(slots, free, idle)
		}
		if ok {
			take(t, s.Name)
		}
	}
	for _, s := range slots {
		t := taken[s.Name]
		if c := s.to(backend, t); len(c) > 0 {
			changes = append(changes, Change{s.Name, c})
		}
	}
	return changes, holds
}

// urgency puts those that get work before those that drain.
func urgency(s State) int {
	if s == Ready {
		return 0
	}
	return 1
}

// find is the slot that will do and ranks highest, of those that do the first.
func find(slots []Slot, will func(Slot) bool, rank func(Slot) int) (best Slot, ok bool) {
	for _, s := range slots {
		if will(s) && (!ok || rank(s) > rank(best)) {
			best, ok = s, true
		}
	}
	return best, ok
}

// used ranks slots for the server whose address they have: one at work first.
func used(s Slot) int {
	if s.State == Maint {
		return 0
	}
	return 1
}

// idle ranks slots for another server than they had: those in maintenance with
// nothing under way first, then those in maintenance.
func idle(s Slot) (n int) {
	if s.State == Maint {
		n += 2
	}
	if s.Requests == 0 {
		n++
	}
	return n
}

// to are the commands that make a slot what t wants; the zero Target is nobody.
func (s Slot) to(backend string, t Target) (commands []string) {
	say := func(format string, args ...any) {
		commands = append(commands, fmt.Sprintf("set server %s/%s ", backend, s.Name)+fmt.Sprintf(format, args...))
	}
	state := s.State
	if t.Instance == "" {
		if state != Maint {
			say("state maint")
		}
		return commands
	}
	if s.Address != t.Address {
		if state != Maint { // what is under way ends where it began
			say("state maint")
			state = Maint
		}
		say("addr %s port %d", t.Address.Addr(), t.Address.Port())
	}
	if s.Weight != t.Weight && t.State == Ready {
		say("weight %d", t.Weight)
	}
	if state != t.State {
		say("state %s", t.State)
	}
	return commands
}
