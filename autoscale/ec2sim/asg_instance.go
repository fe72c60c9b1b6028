package ec2sim

import (
	"fmt"
	"slices"
	"time"
)

// managed finds the group and member of an instance. Callers hold s.mu.
func (s *Sim) managed(id string) (*group, *member, *apiError) {
	for _, g := range s.groups {
		for _, m := range g.members {
			if m.id == id {
				return g, m, nil
			}
		}
	}
	return nil, nil, invalid("Instance Id not found - No managed instance found for instance ID: %s", id)
}

// named finds the members of one group that a request names. Callers hold
// s.mu.
func (s *Sim) named(p params, at ...lifecycle) (*group, []*member, *apiError) {
	g, err := s.groupOf(p)
	if err != nil {
		return nil, nil, err
	}
	var out []*member
	for _, id := range p.members("InstanceIds") {
		n := slices.IndexFunc(g.members, func(m *member) bool { return m.id == id })
		if n < 0 {
			return nil, nil, invalid("The instance %s is not part of Auto Scaling group %s.", id, g.Name)
		}
		m := g.members[n]
		if len(at) > 0 && !slices.Contains(at, m.state) {
			return nil, nil, invalid("The instance %s is not in %s.", id, at[0])
		}
		out = append(out, m)
	}
	return g, out, nil
}

// lower takes n off the desired capacity where a request says so.
func (g *group) lower(p params, n int, what string) *apiError {
	if p.get("ShouldDecrementDesiredCapacity") == "" {
		return invalid("The request must contain the parameter ShouldDecrementDesiredCapacity")
	}
	if p.get("ShouldDecrementDesiredCapacity") != "true" {
		return nil
	}
	if g.Desired-n < g.Min {
		return invalid("Currently, desiredSize equals %d and minSize %d. %s without replacement will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.", g.Desired, g.Min, what)
	}
	g.Desired -= n
	return nil
}

// terminateMember ends one instance, and lowers the desired capacity with it
// or lets the group launch another one. Scale-in protection does not hold it.
func (s *Sim) terminateMember(p params, now time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, m, err := s.managed(p.get("InstanceId"))
	if err != nil {
		return nil, err
	}
	if m.state.ending() {
		return nil, apiErrorf("ScalingActivityInProgress", "Activity %s is in progress for instance %s.", m.activity.id, m.id)
	}
	from := g.Desired
	counts := 1
	if m.state == lifeStandby {
		counts = 0
	}
	if err := g.lower(p, counts, "Terminating instance"); err != nil {
		return nil, err
	}
	cause := fmt.Sprintf("instance %s was taken out of service in response to a user request", m.id)
	if g.Desired < from {
		cause += fmt.Sprintf(", shrinking the capacity from %d to %d", from, g.Desired)
	}
	a := s.takeOut(g, m, cause+".", now)
	s.change(g, now)
	return &activityResult{activityItemOf(a)}, nil
}

func (s *Sim) setProtection(p params, now time.Time) (any, *apiError) {
	if len(p.members("InstanceIds")) > 50 {
		return nil, apiErrorf("LimitExceeded", "A request may name 50 instances.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ms, err := s.named(p, lifeInService, lifePending, lifePendingWait, lifeStandby)
	if err != nil {
		return nil, err
	}
	for _, m := range ms {
		m.protected = p.get("ProtectedFromScaleIn") == "true"
	}
	s.reconcile(g, now)
	return struct{}{}, nil
}

func (s *Sim) setHealth(p params, now time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, m, err := s.managed(p.get("InstanceId"))
	if err != nil {
		return nil, err
	}
	respects := p.get("ShouldRespectGracePeriod") != "false"
	switch status := p.get("HealthStatus"); {
	case status == healthy:
		m.health = healthy
	case status != unhealthy:
		return nil, invalid("Health status %q: want %s or %s", status, healthy, unhealthy)
	case respects && now.Before(m.served.Add(time.Duration(g.Grace))):
		// Within its grace period an instance stays healthy.
	default:
		m.health, m.sick = unhealthy, "a user health-check"
	}
	s.change(g, now)
	return nil, nil
}

// enterStandby takes instances out of service without ending them.
func (s *Sim) enterStandby(p params, now time.Time) (any, *apiError) {
	return s.leave(p, now, "Moving EC2 instance to Standby: ", "was moved to standby in response to a user request", func(_ *group, m *member) { m.state = lifeStandby })
}

// detachInstances makes instances the owner's own.
func (s *Sim) detachInstances(p params, now time.Time) (any, *apiError) {
	return s.leave(p, now, "Detaching EC2 instance: ", "was detached in response to a user request", func(g *group, m *member) {
		g.remove(m.id)
		if i := s.instances[m.id]; i != nil {
			i.Group = ""
			delete(i.Tags, "aws:autoscaling:groupName")
		}
	})
}

// leave is what standby and detachment have in common.
func (s *Sim) leave(p params, now time.Time, what, why string, do func(*group, *member)) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ms, err := s.named(p, lifeInService)
	if err != nil {
		return nil, err
	}
	from := g.Desired
	if err := g.lower(p, len(ms), "Taking instances out"); err != nil {
		return nil, err
	}
	out := new(activitiesResult)
	for _, m := range ms {
		do(g, m)
		cause := fmt.Sprintf("At %s instance %s %s, with the capacity from %d to %d.", instant(now), m.id, why, from, g.Desired)
		m.activity = g.begin(what+m.id, cause, m.zone, now)
		m.activity.finish("Successful", "", now)
		out.Items = append(out.Items, activityItemOf(m.activity))
	}
	s.change(g, now)
	return out, nil
}

// exitStandby puts instances back in service, and raises the desired capacity.
func (s *Sim) exitStandby(p params, now time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ms, err := s.named(p, lifeStandby)
	if err != nil {
		return nil, err
	}
	if g.Desired+len(ms) > g.Max {
		return nil, invalid("Cannot move instances out of standby: desired capacity %d would be above max %d.", g.Desired+len(ms), g.Max)
	}
	g.Desired += len(ms)
	out := new(activitiesResult)
	for _, m := range ms {
		m.state = lifeInService
		cause := fmt.Sprintf("At %s instance %s was moved out of standby in response to a user request, increasing the capacity to %d.", instant(now), m.id, g.Desired)
		m.activity = g.begin("Moving EC2 instance out of Standby: "+m.id, cause, m.zone, now)
		m.activity.finish("Successful", "", now)
		out.Items = append(out.Items, activityItemOf(m.activity))
	}
	s.change(g, now)
	return out, nil
}

// attachInstances takes running instances in, and raises the desired capacity.
func (s *Sim) attachInstances(p params, now time.Time) (any, *apiError) {
	ids := p.members("InstanceIds")
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.groupOf(p)
	if err != nil {
		return nil, err
	}
	if g.Desired+len(ids) > g.Max {
		return nil, invalid("Exceeded max size: AutoScalingGroup %s has max %d, and would have %d.", g.Name, g.Max, g.Desired+len(ids))
	}
	for _, id := range ids {
		i := s.instances[id]
		switch {
		case i == nil:
			return nil, invalid("Invalid Instance ID(s): [%s] specified", id)
		case i.State != Running:
			return nil, invalid("Instance %s is in %s state, but must be in running state.", id, i.State)
		case i.Group != "":
			return nil, invalid("Instance %s is already part of AutoScalingGroup:%s", id, i.Group)
		case !slices.Contains(g.Zones, i.Zone):
			return nil, invalid("Instance %s is in availability zone %s, which is not one of the group's.", id, i.Zone)
		}
	}
	for _, id := range ids {
		s.attach(g, s.instances[id], now)
	}
	g.Desired += len(ids)
	s.change(g, now)
	return nil, nil
}

func (s *Sim) attach(g *group, i *Instance, now time.Time) {
	i.Group = g.Name
	if i.Tags == nil {
		i.Tags = make(map[string]string)
	}
	i.Tags["aws:autoscaling:groupName"] = g.Name
	s.join(g, *i, "At "+instant(now)+" an instance was added in response to user request.", now)
	m := g.members[len(g.members)-1]
	m.activity.description = "Attaching an existing EC2 instance: " + i.ID
	s.serve(g, m, now)
}
