package autoscale

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// A sight is all that the phases of a group's instances follow from.
type sight struct {
	now     time.Time
	started time.Time  // since when heartbeats are listened to
	listed  []Instance // by the cloud, with its own phases
	memory  *memory
	first   map[string]time.Time // when each was first heard of
	seen    map[string]bool      // instances that were listed before
	heard   func(Instance) (host string, last time.Time)
}

// overdueAfter is how many boot times an instance may take before it counts
// as silent.
const overdueAfter = 3

// reconcile makes one list of what the cloud shows, what the journal knows and
// what the fleet hears, sorted by launch. Instances that are over are left out.
//
// What was launched a moment ago and is not listed yet is Pending, for it
// would be launched again otherwise; what was terminated a moment ago and is
// still listed as running is Terminating.
func (g Group) reconcile(s sight) []Instance {
	var out []Instance
	listed := make(map[string]bool, len(s.listed))
	for _, i := range s.listed {
		listed[i.ID] = true
		if i.Phase = g.phase(&i, s); i.Phase != Terminated {
			out = append(out, i)
		}
	}
	for id, at := range s.memory.Launched {
		if !listed[id] && !s.seen[id] && s.now.Sub(at) <= grace {
			in := s.memory.Where[id]
			out = append(out, Instance{
				ID: id, Type: cmp.Or(in.Type, g.Launch.Type), Zone: in.Zone, Subnet: in.Subnet, Market: in.Market,
				Launched: at, Phase: Pending,
			})
		}
	}
	slices.SortFunc(out, func(a, b Instance) int {
		return cmp.Or(a.Launched.Compare(b.Launched), strings.Compare(a.ID, b.ID))
	})
	disown(out)
	return out
}

// disown leaves a host to the newest of the instances, in the order of their
// launches, that have its name: the address of one that ends is given to another,
// which must not be withdrawn in its place.
func disown(instances []Instance) {
	taken := make(map[string]bool, len(instances))
	for n := range slices.Backward(instances) {
		if host := instances[n].Host; taken[host] {
			instances[n].Host = ""
		} else if host != "" {
			taken[host] = true
		}
	}
}

// once makes one of what a list names twice, as one may whose pages were read
// while it changed: counted as two it would let another go in its place. An end
// is believed, and so is a tag that protects.
func once(listed []Instance) []Instance {
	at := make(map[string]int, len(listed))
	out := make([]Instance, 0, len(listed))
	for _, i := range listed {
		n, twice := at[i.ID]
		if !twice {
			at[i.ID], out = len(out), append(out, i)
			continue
		}
		if ending(i.Phase) > ending(out[n].Phase) {
			out[n].Phase = i.Phase
		}
		if i.Protected() {
			out[n].Tags = i.Tags
		}
	}
	return out
}

// ending orders the cloud's phases by how near they are to the end.
func ending(p Phase) int {
	return slices.Index([]Phase{Pending, Booting, InService, Stopped, Terminating, Terminated}, p)
}

// phase refines the cloud's phase of one instance, and notes its heartbeat.
func (g Group) phase(i *Instance, s sight) Phase {
	switch i.Phase {
	case Pending, Booting, InService:
	default:
		if i.Waits == Ending {
			g.hear(i, s) // it still works, and is to drain
		}
		return i.Phase
	}
	if _, ok := s.memory.Gone[i.ID]; ok {
		return Terminating
	}
	g.hear(i, s)
	if l, ok := s.memory.Leaving[i.ID]; ok && l.Replaced {
		return Replaced
	} else if ok {
		return Draining
	}
	if i.Phase == Pending {
		return Pending
	}
	switch {
	case !i.LastSeen.IsZero() && s.now.Sub(i.LastSeen) <= g.Silent:
		return InService
	// Just after a start nobody had the time to be heard yet.
	case s.now.Sub(s.started) <= g.Silent:
		return Booting
	case i.LastSeen.IsZero() && s.now.Sub(i.Launched) <= overdueAfter*g.Boot:
		return Booting
	}
	return Silent
}

// hear notes an instance's heartbeat. One from before the launch is a former
// instance's of that name.
func (g Group) hear(i *Instance, s sight) {
	if host, last := s.heard(*i); !last.Before(i.Launched) {
		i.Host, i.LastSeen = host, last
		i.FirstSeen = g.firstSeen(*i, s)
	}
}

// firstSeen returns when the instance was first heard of; for one from before
// our time, when it must have been.
func (g Group) firstSeen(i Instance, s sight) time.Time {
	first, ok := s.first[i.ID]
	if !ok {
		first = s.now
		if by := i.Launched.Add(g.Boot); by.Before(s.started) {
			first = by
		}
		s.first[i.ID] = first
	}
	return first
}

// hostNames are the names under which an instance may report, likeliest first.
func hostNames(i Instance) []string {
	short, _, _ := strings.Cut(i.PrivateDNS, ".")
	names := []string{i.PrivateDNS, short, i.ID, i.PrivateIP}
	return slices.DeleteFunc(names, func(n string) bool { return n == "" })
}
