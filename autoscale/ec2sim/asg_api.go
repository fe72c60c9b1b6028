package ec2sim

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// groupActions returns Auto Scaling's.
func groupActions() map[string]action {
	return map[string]action{
		"CreateAutoScalingGroup":              (*Sim).createGroup,
		"UpdateAutoScalingGroup":              (*Sim).updateGroup,
		"DeleteAutoScalingGroup":              (*Sim).deleteGroup,
		"DescribeAutoScalingGroups":           (*Sim).describeGroups,
		"DescribeAutoScalingInstances":        (*Sim).describeMembers,
		"DescribeScalingActivities":           (*Sim).describeActivities,
		"SetDesiredCapacity":                  (*Sim).setDesired,
		"TerminateInstanceInAutoScalingGroup": (*Sim).terminateMember,
		"SetInstanceProtection":               (*Sim).setProtection,
		"SetInstanceHealth":                   (*Sim).setHealth,
		"EnterStandby":                        (*Sim).enterStandby,
		"ExitStandby":                         (*Sim).exitStandby,
		"AttachInstances":                     (*Sim).attachInstances,
		"DetachInstances":                     (*Sim).detachInstances,
		"PutLifecycleHook":                    (*Sim).putLifecycleHook,
		"DeleteLifecycleHook":                 (*Sim).deleteLifecycleHook,
		"DescribeLifecycleHooks":              (*Sim).describeLifecycleHooks,
		"CompleteLifecycleAction":             (*Sim).completeLifecycleAction,
		"RecordLifecycleActionHeartbeat":      (*Sim).recordHeartbeat,
		"SuspendProcesses":                    (*Sim).suspendProcesses,
		"ResumeProcesses":                     (*Sim).resumeProcesses,
		"PutScalingPolicy":                    (*Sim).putPolicy,
		"DeletePolicy":                        (*Sim).deletePolicy,
		"DescribePolicies":                    (*Sim).describePolicies,
		"CreateOrUpdateTags":                  (*Sim).tagGroups,
		"DeleteTags":                          (*Sim).untagGroups,
		"DescribeTags":                        (*Sim).describeGroupTags,
	}
}

// updateGroup changes what a request names, or nothing.
func (s *Sim) updateGroup(p params, now time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.groupOf(p)
	if err != nil {
		return nil, err
	}
	next := *g
	if err := s.readGroup(p, &next); err != nil {
		return nil, err
	}
	if p.get("DesiredCapacity") == "" { // the bounds take it along
		next.Desired = min(max(g.Desired, next.Min), next.Max)
	}
	if err := s.checkGroup(&next); err != nil {
		return nil, err
	}
	if next.Desired != g.Desired {
		next.why = fmt.Sprintf("a user request update of AutoScalingGroup constraints to min: %d, max: %d, desired: %d changing the desired capacity from %d to %d.", next.Min, next.Max, next.Desired, g.Desired, next.Desired)
	}
	*g = next
	s.change(g, now)
	return nil, nil
}

// setDesired sets the capacity that is wanted, within the bounds.
func (s *Sim) setDesired(p params, now time.Time) (any, *apiError) {
	want, bad := strconv.Atoi(p.get("DesiredCapacity"))
	if bad != nil {
		return nil, invalid("DesiredCapacity %q is not a number", p.get("DesiredCapacity"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.groupOf(p)
	switch {
	case err != nil:
		return nil, err
	case want > g.Max:
		return nil, invalid("New SetDesiredCapacity value %d is above max value %d for the AutoScalingGroup.", want, g.Max)
	case want < g.Min:
		return nil, invalid("New SetDesiredCapacity value %d is below min value %d for the AutoScalingGroup.", want, g.Min)
	case p.get("HonorCooldown") == "true" && now.Before(g.acted.Add(time.Duration(g.Cooldown))):
		return nil, apiErrorf("ScalingActivityInProgress", "Scaling activity %s is in progress and blocks this action", g.lastActivity().id)
	}
	if want != g.Desired {
		g.why = fmt.Sprintf("a user request explicitly set group desired capacity changing the desired capacity from %d to %d.", g.Desired, want)
		g.Desired = want
	}
	s.change(g, now)
	return nil, nil
}

// deleteGroup removes a group without instances, or by force with them.
func (s *Sim) deleteGroup(p params, now time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.groupOf(p)
	if err != nil {
		return nil, err
	}
	if len(g.members) > 0 && p.get("ForceDelete") != "true" {
		return nil, apiErrorf("ResourceInUse", "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.")
	}
	g.Min, g.Max, g.Desired, g.deleting, g.hooks = 0, 0, 0, true, nil
	for _, m := range g.members {
		if m.state.ending() {
			m.waits = nil
			s.endMember(m, lifeTerminatingProceed)
		} else {
			s.takeOut(g, m, "an instance was taken out of service in response to the deletion of its group.", now)
		}
	}
	s.change(g, now)
	return nil, nil
}

// processes are what a group does on its own account.
func processes() []string {
	return []string{"Launch", "Terminate", "AddToLoadBalancer", "AlarmNotification", "AZRebalance", "HealthCheck", "InstanceRefresh", "ReplaceUnhealthy", "ScheduledActions"}
}

func (s *Sim) suspendProcesses(p params, now time.Time) (any, *apiError) {
	return s.setProcesses(p, true, now)
}

func (s *Sim) resumeProcesses(p params, now time.Time) (any, *apiError) {
	return s.setProcesses(p, false, now)
}

func (s *Sim) setProcesses(p params, suspended bool, now time.Time) (any, *apiError) {
	names := p.members("ScalingProcesses")
	if len(names) == 0 {
		names = processes()
	}
	for _, name := range names {
		if !contains(processes(), name) {
			return nil, invalid("The process %q is not one of %v", name, processes())
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.groupOf(p)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if suspended {
			g.suspended[name] = true
		} else {
			delete(g.suspended, name)
		}
	}
	s.change(g, now)
	return nil, nil
}

// A policy is a scaling policy, kept so that a controller can see that it is
// not alone: the emulator does not act on it.
type policy struct {
	Group string `xml:"AutoScalingGroupName"`
	Name  string `xml:"PolicyName"`
	ARN   string `xml:"PolicyARN"`
	Type  string `xml:"PolicyType"`
	On    bool   `xml:"Enabled"`
}

// maxPolicies is how many policies a group may have.
const maxPolicies = 50

type putPolicyResult struct {
	ARN string `xml:"PolicyARN"`
}

func (s *Sim) putPolicy(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.groupOf(p)
	if err != nil {
		return nil, err
	}
	one := policy{g.Name, p.get("PolicyName"), "", p.get("PolicyType"), p.get("Enabled") != "false"}
	if one.Type == "" {
		one.Type = "SimpleScaling"
	}
	one.ARN = "arn:aws:autoscaling:" + s.opt.Region + ":" + owner + ":scalingPolicy:" + newRequestID() + ":autoScalingGroupName/" + g.Name + ":policyName/" + one.Name
	n := slices.IndexFunc(g.policies, func(o policy) bool { return o.Name == one.Name })
	switch {
	case one.Name == "":
		return nil, invalid("The request must contain the parameter PolicyName")
	case n >= 0:
		one.ARN = g.policies[n].ARN
		g.policies[n] = one
	case len(g.policies) >= maxPolicies:
		return nil, apiErrorf("LimitExceeded", "You have reached the limit of %d policies.", maxPolicies)
	default:
		g.policies = append(g.policies, one)
	}
	return &putPolicyResult{one.ARN}, nil
}

func (s *Sim) deletePolicy(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.groupOf(p)
	if err != nil {
		return nil, err
	}
	name := p.get("PolicyName")
	g.policies = slices.DeleteFunc(g.policies, func(o policy) bool { return o.Name == name || o.ARN == name })
	return nil, nil
}

type policiesResult struct {
	Items     []policy `xml:"ScalingPolicies>member"`
	NextToken string   `xml:"NextToken,omitempty"`
}

func (s *Sim) describePolicies(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, names := p.get("AutoScalingGroupName"), p.members("PolicyNames")
	var all []policy
	for _, g := range s.groups {
		for _, one := range g.policies {
			if (name == "" || name == g.Name) && (len(names) == 0 || contains(names, one.Name)) {
				all = append(all, one)
			}
		}
	}
	items, next, err := page(p, all)
	return &policiesResult{items, next}, err
}
