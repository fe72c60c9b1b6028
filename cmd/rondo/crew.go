package main

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"

	"rondo/alerts/fleet"
	"rondo/autoscale"
	"rondo/rrd"
)

// A crew knows of hosts what the autoscaler knows of their instances: who is
// leaving, and where each is reached. It is a follower of all groups, and
// outlives reloads.
type crew struct {
	hosts atomic.Pointer[map[string]duty] // by host
}

type duty struct {
	group     string
	leaving   bool
	privateIP string
}

func newCrew() *crew {
	c := &crew{}
	c.hosts.Store(&map[string]duty{})
	return c
}

// keep forgets the groups that a configuration no longer has.
func (c *crew) keep(groups []autoscale.Group) {
	next := maps.Clone(*c.hosts.Load())
	maps.DeleteFunc(next, func(_ string, d duty) bool {
		return !slices.ContainsFunc(groups, func(g autoscale.Group) bool { return g.Name == d.group })
	})
	c.hosts.Store(&next)
}

// Run implements follower.
func (c *crew) Run(ctx context.Context, groups autoscale.Groups) error {
	changed, end := groups.Subscribe()
	defer end()
	for {
		c.look(groups.Members())
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// look takes over who is in the groups. Of a group that is not among them
// nothing new is known: what was, stays.
func (c *crew) look(groups []autoscale.Membership) {
	next := maps.Clone(*c.hosts.Load())
	for _, g := range groups {
		maps.DeleteFunc(next, func(_ string, d duty) bool { return d.group == g.Group })
		for _, i := range g.Instances {
			if i.Host != "" {
				next[i.Host] = duty{group: g.Group, leaving: leaves(i.Phase), privateIP: i.PrivateIP}
			}
		}
	}
	c.hosts.Store(&next)
}

// leaves says whether an instance is about to end, or has another in its place.
func leaves(p autoscale.Phase) bool {
	return p == autoscale.Draining || p == autoscale.Replaced || p == autoscale.Terminating
}

// A staff is the fleet, with what the crew knows of each host.
type staff struct {
	*fleet.Fleet
	crew *crew
}

// Hosts implements check.Hosts.
func (s staff) Hosts() []fleet.Host {
	all, known := s.Fleet.Hosts(), *s.crew.hosts.Load()
	for i := range all {
		if d, ok := known[all[i].ID]; ok {
			all[i].Leaving, all[i].PrivateIP = d.leaving, d.privateIP
		}
	}
	return all
}

// leaving says whether labels name a host that is about to end.
func (s staff) leaving(ls rrd.Labels) bool {
	known := *s.crew.hosts.Load()
	name := ls.Get("host")
	if name == "" || len(known) == 0 {
		return false
	}
	if d, ok := known[name]; ok {
		return d.leaving
	}
	h, _ := s.Host(name)
	return known[h.ID].leaving
}

func (s *server) staff() staff { return staff{s.fleet, s.crew} }
