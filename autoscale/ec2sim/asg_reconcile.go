package ec2sim

import (
	"fmt"
	"slices"
	"time"
)

// groupRetry is how long a group waits after a launch that failed.
const groupRetry = 30 * time.Second

// reconcile brings a group nearer to what is wanted of it, and returns when it
// is to be looked at again; zero: when something changes. Callers hold s.mu.
func (s *Sim) reconcile(g *group, now time.Time) time.Time {
	s.follow(g, now)
	if now.Before(g.due) {
		return s.nextDue(g, g.due)
	}
	s.replaceUnhealthy(g, now)
	s.rebalance(g, now)
	missing := g.Desired + g.surplus - g.capacity()
	switch {
	case missing > 0 && !g.suspended["Launch"] && !now.Before(g.retry):
		s.fill(g, missing, now)
	case missing < 0 && !g.suspended["Terminate"]:
		s.shrink(g, -missing, now)
	}
	if g.deleting && len(g.members) == 0 {
		s.groups = slices.DeleteFunc(s.groups, func(o *group) bool { return o == g })
		return time.Time{}
	}
	if g.retry.After(now) {
		return s.nextDue(g, g.retry)
	}
	return s.nextDue(g, time.Time{})
}

// nextDue is the earliest of at and the deadlines of the group's hooks.
func (s *Sim) nextDue(g *group, at time.Time) time.Time {
	for _, m := range g.members {
		for _, w := range m.waits {
			if at.IsZero() || w.deadline.Before(at) {
				at = w.deadline
			}
		}
	}
	return at
}

// capacity counts the instances that stand for the desired capacity.
func (g *group) capacity() int {
	n := 0
	for _, m := range g.members {
		if !m.state.ending() && m.state != lifeStandby {
			n++
		}
	}
	return n
}

// follow moves the members on as their instances and hooks do.
func (s *Sim) follow(g *group, now time.Time) {
	for _, m := range slices.Clone(g.members) {
		i := s.instances[m.id]
		over := i == nil || i.State == Terminated
		down := over || i.State != Pending && i.State != Running
		s.timeouts(g, m, now)
		switch {
		case m.state.ending():
			if down {
				m.waits = nil
			}
			if over && len(m.waits) == 0 {
				m.activity.finish("Successful", "", now)
				g.remove(m.id)
			}
		case down:
			g.sicken(m, "EC2 health check indicating it has been terminated or stopped")
		case i.impaired(now) && m.state == lifeInService && !now.Before(m.served.Add(time.Duration(g.Grace))):
			g.sicken(m, "EC2 health check indicating it has failed its status checks")
		case m.state == lifePending && i.State == Running:
			s.arrive(g, m, now)
		}
	}
}

// sicken marks a member as unhealthy.
func (g *group) sicken(m *member, why string) {
	if m.health == healthy && m.state != lifeStandby && !g.suspended["HealthCheck"] {
		m.health, m.sick = unhealthy, why
	}
}

// arrive puts an instance that runs in service, or lets it wait for hooks.
func (s *Sim) arrive(g *group, m *member, now time.Time) {
	if m.waits = g.waits(hookLaunching, now); len(m.waits) > 0 {
		m.state, m.activity.code = lifePendingWait, "MidLifecycleAction"
		return
	}
	s.serve(g, m, now)
}

func (s *Sim) serve(g *group, m *member, now time.Time) {
	m.state, m.served, m.waits = lifeInService, now, nil
	m.activity.finish("Successful", "", now)
	for _, t := range s.targetsFor(g) {
		t.register(target{id: m.id, port: t.port}, now)
	}
	s.opt.Log.Info("instance is in service", "instance", m.id, "group", g.Name)
}

// replaceUnhealthy takes the unhealthy out; what is missing then is launched.
func (s *Sim) replaceUnhealthy(g *group, now time.Time) {
	if g.suspended["ReplaceUnhealthy"] || g.suspended["Terminate"] {
		return
	}
	for _, m := range slices.Clone(g.members) {
		if m.health == unhealthy && !m.state.ending() {
			s.takeOut(g, m, "an instance was taken out of service in response to "+m.sick+".", now)
		}
	}
}

// fill launches n instances one by one, each in the zone with the fewest; where
// there is no room in one, in the next.
func (s *Sim) fill(g *group, n int, now time.Time) {
	from := g.capacity()
	cause := fmt.Sprintf("At %s an instance was started in response to a difference between desired and actual capacity, increasing the capacity from %d to %d.", instant(now), from, from+n)
	if g.why != "" {
		cause = "At " + instant(now) + " " + g.why + "  " + cause
		g.why = ""
	}
	for range n {
		if !s.fillOne(g, cause, now) {
			g.retry = now.Add(groupRetry)
			return
		}
	}
	g.acted = now
}

func (s *Sim) fillOne(g *group, cause string, now time.Time) bool {
	like, err := s.groupLike(g)
	if err != nil {
		g.begin("Launching a new EC2 instance", cause, "", now).finish("Failed", err.message+" Launching EC2 instance failed.", now)
		return false
	}
	for _, zone := range g.emptiest() {
		for _, kind := range g.kinds(like) {
			like.Zone, like.Type, like.Subnet = zone, kind, s.subnetIn(g.Subnets, zone)
			if err = s.mayLaunch(like); err == nil {
				s.join(g, s.launch(1, like, 0)[0], cause, now)
				return true
			}
		}
		g.begin("Launching a new EC2 instance", cause, zone, now).finish("Failed", err.message+" Launching EC2 instance failed.", now)
	}
	return false
}

// rebalance launches one instance more where a zone has two fewer than another
// one, as AZRebalance does; when it serves, one of the fuller zone goes.
func (s *Sim) rebalance(g *group, now time.Time) {
	settled := g.capacity() == g.Desired+g.surplus
	for _, m := range g.members {
		settled = settled && (m.state == lifeInService || m.state == lifeStandby)
	}
	if !settled {
		return
	}
	if g.surplus = 0; !s.opt.Rebalance || g.suspended["AZRebalance"] || g.suspended["Launch"] || g.suspended["Terminate"] {
		return
	}
	zones := g.emptiest()
	fullest := zones[len(zones)-1]
	like, err := s.groupLike(g)
	like.Zone, like.Type = zones[0], g.kinds(like)[0]
	if free, _ := s.free(like); err != nil || free == 0 {
		return // it would go to the fuller zones again
	}
	movable := slices.ContainsFunc(g.members, func(m *member) bool { return m.zone == fullest && m.state == lifeInService && !m.protected })
	if movable && g.capacity() == g.Desired && g.inZone(fullest) > g.inZone(zones[0])+1 {
		g.surplus, g.why = 1, "an instance was launched to balance instances in zones "+fullest+" with other zones."
	}
}

// kinds are the instance types to try, in this order.
func (g *group) kinds(like Instance) []string {
	if len(g.Types) == 0 {
		return []string{like.Type}
	}
	return g.Types
}

// emptiest returns the zones by the number of the group's instances.
func (g *group) emptiest() []string {
	zones := slices.Clone(g.Zones)
	slices.SortStableFunc(zones, func(a, b string) int { return g.inZone(a) - g.inZone(b) })
	return zones
}

func (g *group) inZone(zone string) int {
	n := 0
	for _, m := range g.members {
		if m.zone == zone && !m.state.ending() {
			n++
		}
	}
	return n
}

// join makes an instance a member.
func (s *Sim) join(g *group, i Instance, cause string, now time.Time) {
	a := g.begin("Launching a new EC2 instance: "+i.ID, cause, i.Zone, now)
	a.code, a.progress = "PreInService", 30
	g.members = append(g.members, &member{
		id: i.ID, zone: i.Zone, kind: i.Type, template: s.pinned(g.template), state: lifePending, health: healthy, protected: g.Protect, activity: a,
	})
}

// pinned is a template with its ID, name and the number of its version.
func (s *Sim) pinned(r templateRef) templateRef {
	t, err := s.findTemplate(r)
	if r.empty() || err != nil {
		return r
	}
	n, err := t.number(r.Version)
	if err != nil {
		return r
	}
	return templateRef{t.id, t.name, fmt.Sprint(n)}
}

// shrink ends n instances that are not protected, each in the zone with the
// most, those first that do not run yet, then the oldest (or the newest, where
// that is the termination policy).
func (s *Sim) shrink(g *group, n int, now time.Time) {
	from := g.capacity()
	cause := fmt.Sprintf("an instance was taken out of service in response to a difference between desired and actual capacity, shrinking the capacity from %d to %d.", from, from-n)
	if g.why != "" {
		cause = g.why + "  At " + instant(now) + " " + cause
		g.why = ""
	}
	for range n {
		m := g.victim()
		if m == nil {
			if last := g.lastActivity(); last == nil || last.description != protectedWords {
				g.begin(protectedWords, "At "+instant(now)+" "+cause, "", now).finish("Cancelled", protectedWords, now)
			}
			return
		}
		s.takeOut(g, m, cause, now)
	}
	g.acted = now
}

const protectedWords = "Could not scale to desired capacity because all remaining instances are protected from scale-in."

// victim chooses the next instance to end; nil where all are protected.
func (g *group) victim() *member {
	crowd := make(map[string]int)
	for _, m := range g.members {
		if !m.state.ending() {
			crowd[m.zone]++
		}
	}
	var best *member
	for _, m := range g.members { // by launch: the oldest first
		switch {
		case m.state.ending() || m.state == lifeStandby || m.protected:
		case best == nil, crowd[m.zone] > crowd[best.zone]:
			best = m
		case crowd[m.zone] < crowd[best.zone]:
		case m.state != lifeInService && best.state == lifeInService, slices.Contains(g.Termination, "NewestInstance"):
			best = m
		}
	}
	return best
}

// takeOut begins the end of a member: at once, or after it drained from its
// load balancers and the hooks of its termination.
func (s *Sim) takeOut(g *group, m *member, cause string, now time.Time) *activity {
	if m.activity.end.IsZero() {
		m.activity.finish("Failed", "Instance became unhealthy while waiting for instance to be in InService state. Termination Reason: "+s.reason(m.id), now)
	}
	m.activity = g.begin("Terminating EC2 instance: "+m.id, "At "+instant(now)+" "+cause, m.zone, now)
	i := s.instances[m.id]
	alive := i != nil && !i.State.over()
	hooks, drains := g.waits(hookTerminating, now), s.drain(g, m, now)
	if m.waits = slices.Concat(drains, hooks); alive && len(m.waits) > 0 {
		m.state, m.activity.code = lifeTerminating, "WaitingForELBConnectionDraining"
		if len(hooks) > 0 {
			m.state, m.activity.code = lifeTerminatingWait, "MidLifecycleAction"
		}
		s.poke() // for the deadline
		return m.activity
	}
	m.waits = nil
	s.endMember(m, lifeTerminating)
	return m.activity
}

// endMember ends the instance itself.
func (s *Sim) endMember(m *member, state lifecycle) {
	m.state, m.activity.code, m.activity.progress = state, "InProgress", 50
	if i := s.instances[m.id]; i != nil {
		s.end(i, "Server.UserInitiatedShutdown: Auto Scaling terminated the instance")
	}
	s.poke()
}

func (s *Sim) reason(id string) string {
	if i := s.instances[id]; i != nil && i.Reason != "" {
		return i.Reason
	}
	return "Client.UserInitiatedShutdown: User initiated shutdown"
}

func (g *group) remove(id string) {
	g.members = slices.DeleteFunc(g.members, func(m *member) bool { return m.id == id })
}
