package eip

import (
	"cmp"
	"slices"
	"strings"

	"rondo/autoscale"
)

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

// first is the first of those that serve: by rank, those without one last, then
// by launch.
func first(members []autoscale.Instance, rank func(id string) int) string {
	var serving []autoscale.Instance
	for _, i := range members {
		if i.Phase == autoscale.InService {
			serving = append(serving, i)
		}
	}
	if len(serving) == 0 {
		return ""
	}
	return slices.MinFunc(serving, func(a, b autoscale.Instance) int {
		return cmp.Or(cmp.Compare(uint(rank(a.ID)-1), uint(rank(b.ID)-1)), a.Launched.Compare(b.Launched), strings.Compare(a.ID, b.ID))
	}).ID
}
