package elb

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"rondo/autoscale"
)

// A target is one entry of a target group.
type target struct {
	ID   string // an instance's ID, or an address
	Port int
}

// health is what the balancer says of a target.
type health struct{ State, Reason string }

// draining says whether the target is on its way out; a Network Load Balancer
// tells whether it was healthy before.
func (h health) draining() bool { return strings.HasSuffix(h.State, "draining") }

func (h health) healthy() bool { return h.State == "healthy" }

// A sight is all that a pass goes by.
type sight struct {
	by      By
	port    int
	members []autoscale.Instance
	fresh   bool              // the list of members is from just now
	ours    map[string]bool   // what names a target of any group's member
	known   map[string]string // what names a target that was this group's once, and the instance
	targets map[target]health
}

// name is what names an instance as a target; "" where there is nothing yet.
func (b By) name(i autoscale.Instance) string {
	if b == ByIP {
		return i.PrivateIP
	}
	return i.ID
}

// goes says whether a phase is one whose targets are taken out, and must
// whether that is so even for the last one that is healthy.
func goes(p autoscale.Phase) (goes, must bool) {
	switch p {
	case autoscale.Draining, autoscale.Replaced:
		return true, false
	case autoscale.Terminating, autoscale.Terminated, autoscale.Stopped:
		return true, true
	case autoscale.Pending, autoscale.Booting, autoscale.InService, autoscale.Silent:
	}
	return false, false
}

// A plan is what makes a target group equal to a group.
type plan struct {
	register, deregister []target
	kept                 map[string]bool // what names the targets that go later, since nobody else is healthy
	foreign              []string        // targets that are not ours
}

// plan compares the members with the targets. It knows no clock and makes no
// call.
func (s sight) plan() plan {
	p := plan{kept: make(map[string]bool)}
	going, stays := make(map[string]bool), 0 // what names who goes, and whether he must
	for _, i := range s.members {
		name := s.by.name(i)
		leaves, must := goes(i.Phase)
		switch {
		case leaves && name != "":
			going[name] = must
		case !leaves:
			stays++
		}
		if t := (target{name, s.port}); i.Phase == autoscale.InService && name != "" {
			if h, listed := s.targets[t]; !listed || h.draining() {
				p.register = append(p.register, t)
			}
		}
	}
	s.sort(&p, going, stays)
	return p
}

// sort goes through the targets and tells who is taken out, who is kept for the
// time being, and who is none of ours.
func (s sight) sort(p *plan, going map[string]bool, stays int) {
	serving := 0 // healthy ones that stay whatever is planned here
	var last []target
	for _, t := range s.inOrder() {
		h := s.targets[t]
		must, leaves := going[t.ID]
		gone := s.isGone(t.ID)
		switch {
		case h.draining():
		case leaves && (must || !h.healthy() || stays == 0):
			p.deregister = append(p.deregister, t)
		case gone && !h.healthy() && s.fresh:
			p.deregister = append(p.deregister, t)
		case leaves || gone && s.fresh:
			last = append(last, t)
		default:
			if h.healthy() {
				serving++
			}
			if _, was := s.known[t.ID]; !was && !s.ours[t.ID] {
				p.foreign = append(p.foreign, t.ID)
			}
		}
	}
	for _, t := range last {
		if serving > 0 {
			p.deregister = append(p.deregister, t)
		} else {
			p.kept[t.ID] = true
		}
	}
	p.foreign = slices.Compact(p.foreign)
}

// isGone says whether what names a target was a member of the group, and is of
// no group any more. Of an empty list nothing is concluded.
func (s sight) isGone(name string) bool {
	_, known := s.known[name]
	return known && !s.ours[name] && len(s.members) > 0
}

// inOrder lists the targets so that the same situation has the same plan.
func (s sight) inOrder() []target {
	return slices.SortedFunc(maps.Keys(s.targets), func(a, b target) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), a.Port-b.Port)
	})
}

// of returns the state of a name's target: of several (on other ports) the one
// that is still in use.
func (s sight) of(name string) (h health, listed bool) {
	for _, t := range s.inOrder() {
		if other := s.targets[t]; t.ID == name && (!listed || h.draining() && !other.draining()) {
			h, listed = other, true
		}
	}
	return h, listed
}

// since keeps when each target began to be unhealthy.
func since(before map[target]time.Time, targets map[target]health, now time.Time) map[target]time.Time {
	out := make(map[target]time.Time)
	for t, h := range targets {
		if h.State != "unhealthy" {
			continue
		}
		out[t] = now
		if at, ok := before[t]; ok {
			out[t] = at
		}
	}
	return out
}
