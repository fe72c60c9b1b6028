package eip

import "rondo/autoscale"

// An association is who has an address, as AWS says.
type association struct {
	id       string // "": nobody has it
	instance string // "" while an association is there: a network interface of something else
}

// A plan is what is to become of an address.
type plan struct {
	to      string // the instance that gets it; "": it stays where it is
	foreign bool   // it is on something that is none of the group's
	alone   bool   // who has it does not serve, and nobody else does
	hope    bool   // somebody may yet come to serve
}

// next says where an address goes. It knows no clock and makes no call.
func next(at association, members []autoscale.Instance, rank func(id string) int) (p plan) {
	var holder *autoscale.Instance
	for n := range members {
		i := &members[n]
		if i.ID == at.instance && at.instance != "" {
			holder = i
		}
		switch i.Phase {
		case autoscale.Pending, autoscale.Booting, autoscale.Silent, autoscale.InService:
			p.hope = true
		case autoscale.Draining, autoscale.Replaced, autoscale.Terminating, autoscale.Stopped, autoscale.Terminated:
		}
	}
	switch heir := first(members, rank); {
	case at.id != "" && holder == nil:
		p.foreign = true
	case holder != nil && holder.Phase == autoscale.InService:
	case heir == "":
		p.alone = holder != nil
	default:
		p.to = heir
	}
	return p
}

// first is the first of those that serve, "" where nobody does.
func first(members []autoscale.Instance, rank func(id string) int) string {
	for _, i := range autoscale.Ranked(members, rank) {
		if i.Phase == autoscale.InService {
			return i.ID
		}
	}
	return ""
}
