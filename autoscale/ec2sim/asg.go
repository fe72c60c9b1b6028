package ec2sim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A lifecycle is where an instance stands in its Auto Scaling group:
//
//	Pending -> Pending:Wait -> Pending:Proceed -> InService <-> Standby
//	InService -> Terminating -> Terminating:Wait -> Terminating:Proceed -> (gone)
//
// It waits only where the group has hooks for the transition.
type lifecycle string

const (
	lifePending            lifecycle = "Pending"
	lifePendingWait        lifecycle = "Pending:Wait"
	lifeInService          lifecycle = "InService"
	lifeStandby            lifecycle = "Standby"
	lifeTerminatingWait    lifecycle = "Terminating:Wait"
	lifeTerminatingProceed lifecycle = "Terminating:Proceed"
	lifeTerminating        lifecycle = "Terminating"
)

func (l lifecycle) ending() bool { return strings.HasPrefix(string(l), "Terminating") }

// What health an instance has in its group.
const (
	healthy   = "Healthy"
	unhealthy = "Unhealthy"
)

// A GroupSpec is an Auto Scaling group as its owner asks for it.
type GroupSpec struct {
	Name            string            `json:"name"`
	Min             int               `json:"min"`
	Max             int               `json:"max"`
	Desired         int               `json:"desired"`                   // default: Min
	Zones           []string          `json:"zones,omitempty"`           // default: those of Subnets, else all
	Subnets         []string          `json:"subnets,omitempty"`         // instead of Zones
	LaunchTemplate  string            `json:"launch_template,omitempty"` // ID or name; or, without one:
	Version         string            `json:"version,omitempty"`         // of the launch template; default $Default
	Image           string            `json:"image,omitempty"`
	Types           []string          `json:"types,omitempty"` // in this order, where the first has no room
	UserData        string            `json:"user_data,omitempty"`
	Tags            map[string]string `json:"tags,omitempty"` // of the group and its instances
	Cooldown        Duration          `json:"cooldown,omitempty"`
	Grace           Duration          `json:"grace,omitempty"` // of health checks after a launch
	HealthCheckType string            `json:"health_check_type,omitempty"`
	Protect         bool              `json:"protect,omitempty"` // new instances from scale-in
	Termination     []string          `json:"termination,omitempty"`
	TargetGroups    []string          `json:"target_groups,omitempty"`
}

// Limits of groups.
const (
	maxGroups = 500
	maxGroup  = 10_000 // instances that a group may be asked to have

	maxGroupList = 50 // zones, subnets and the like
)

// A group is an Auto Scaling group. All is guarded by Sim.mu.
type group struct {
	GroupSpec
	id         string // in its ARN
	created    time.Time
	template   templateRef
	groupTags  []groupTag
	suspended  map[string]bool // processes
	hooks      []*hook
	policies   []policy
	members    []*member   // by launch
	activities []*activity // newest last
	why        string      // the last request that changed what is wanted
	due        time.Time   // it acts from then on
	surplus    int         // instances beyond what is desired, while zones are balanced
	retry      time.Time   // after a launch that failed
	acted      time.Time   // of the cooldown
	deleting   bool
}

// A member is an instance in a group.
type member struct {
	id, zone, kind string // kind: its type
	template       templateRef
	state          lifecycle
	health         string
	sick           string // why it is unhealthy
	protected      bool
	served         time.Time // in service since
	waits          []*wait
	activity       *activity // that is under way
}

type groupTag struct {
	Key, Value string
	Propagate  bool
}

// CreateGroup makes an Auto Scaling group as CreateAutoScalingGroup would.
func (s *Sim) CreateGroup(spec GroupSpec) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &group{GroupSpec: spec}
	if strings.HasPrefix(spec.LaunchTemplate, "lt-") {
		g.template = templateRef{ID: spec.LaunchTemplate, Version: spec.Version}
	} else if spec.LaunchTemplate != "" {
		g.template = templateRef{Name: spec.LaunchTemplate, Version: spec.Version}
	}
	for _, k := range slices.Sorted(maps.Keys(spec.Tags)) {
		g.groupTags = append(g.groupTags, groupTag{k, spec.Tags[k], true})
	}
	if err := s.addGroup(g, time.Now()); err != nil {
		return fmt.Errorf("ec2sim: group %s: %w", spec.Name, err)
	}
	return nil
}

// addGroup checks a group, fills in what it leaves open and starts it.
// Callers hold s.mu.
func (s *Sim) addGroup(g *group, now time.Time) *apiError {
	if g.Name == "" || len(g.Name) > 255 || strings.Contains(g.Name, ":") {
		return invalid("The name %q of the group wants 1 to 255 characters, and no colon", g.Name)
	}
	if s.group(g.Name) != nil {
		return apiErrorf("AlreadyExists", "AutoScalingGroup by this name already exists - A group with the name %s already exists", g.Name)
	}
	if len(s.groups) >= maxGroups {
		return apiErrorf("LimitExceeded", "You have reached the limit of %d groups.", maxGroups)
	}
	g.Desired = cmp.Or(g.Desired, g.Min)
	g.HealthCheckType = cmp.Or(g.HealthCheckType, "EC2")
	g.Cooldown = cmp.Or(g.Cooldown, Duration(5*time.Minute))
	if len(g.Zones) == 0 && len(g.Subnets) == 0 {
		g.Zones = s.zones()
	}
	for _, subnet := range g.Subnets {
		if zone := s.zoneOf(subnet); !slices.Contains(g.Zones, zone) {
			g.Zones = append(g.Zones, zone)
		}
	}
	if err := s.checkGroup(g); err != nil {
		return err
	}
	g.id, g.created, g.suspended = newRequestID(), now, make(map[string]bool)
	g.why = fmt.Sprintf("a user request created an AutoScalingGroup changing the desired capacity from 0 to %d.", g.Desired)
	s.groups = append(s.groups, g)
	s.change(g, now)
	return nil
}

// checkGroup says what is wrong with what a group asks for. Callers hold s.mu.
func (s *Sim) checkGroup(g *group) *apiError {
	switch {
	case max(len(g.Zones), len(g.Subnets), len(g.TargetGroups), len(g.Termination)) > maxGroupList:
		return invalid("A list of a group may have %d members", maxGroupList)
	case g.Min < 0 || g.Max < g.Min || g.Max > maxGroup:
		return invalid("Min bound, %d, must be less than or equal to max bound, %d", g.Min, g.Max)
	case g.Desired < g.Min:
		return invalid("Desired capacity:%d must be greater than or equal to the minimum specified:%d", g.Desired, g.Min)
	case g.Desired > g.Max:
		return invalid("Desired capacity:%d must be less than or equal to the maximum specified:%d", g.Desired, g.Max)
	case g.template.empty() && g.Image == "":
		return invalid("Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.")
	}
	for _, zone := range g.Zones {
		if !slices.Contains(s.zones(), zone) {
			return invalid("The availability zones of the specified subnets and the AutoScalingGroup do not match: Invalid availability zone %s", zone)
		}
	}
	like, err := s.groupLike(g)
	switch {
	case err != nil:
		return invalid("You must use a valid fully-formed launch template. %s", err.message)
	case len(g.Types) == 0 && like.Type == "":
		return invalid("You must use a valid fully-formed launch template. The launch template or the overrides must name an instance type")
	}
	return nil
}

// groupLike is what a group's instances are like. Callers hold s.mu.
func (s *Sim) groupLike(g *group) (Instance, *apiError) {
	like, err := s.resolve(g.template)
	if err != nil {
		return like, err
	}
	like = Instance{Image: g.Image, UserData: g.UserData}.over(like)
	if like.Image, err = s.imageOf(like.Image); err != nil {
		return like, err
	}
	like.Group = g.Name
	for _, t := range g.groupTags {
		if t.Propagate {
			like.Tags[t.Key] = t.Value
		}
	}
	like.Tags["aws:autoscaling:groupName"] = g.Name
	return like, nil
}

// invalid is how Auto Scaling refuses nearly everything.
func invalid(format string, args ...any) *apiError {
	return apiErrorf("ValidationError", format, args...)
}

// group finds a group; nil where there is none. Callers hold s.mu.
func (s *Sim) group(name string) *group {
	for _, g := range s.groups {
		if g.Name == name {
			return g
		}
	}
	return nil
}

// groupOf finds the group that a request names. Callers hold s.mu.
func (s *Sim) groupOf(p params) (*group, *apiError) {
	name := p.get("AutoScalingGroupName")
	if g := s.group(name); g != nil {
		return g, nil
	}
	return nil, invalid("AutoScalingGroup name not found - AutoScalingGroup: %s not found", name)
}

func (g *group) arn(region string) string {
	return "arn:aws:autoscaling:" + region + ":" + owner + ":autoScalingGroup:" + g.id + ":autoScalingGroupName/" + g.Name
}

// change lets a group act on what has changed.
func (s *Sim) change(g *group, now time.Time) {
	g.due, g.retry = now.Add(s.opt.GroupDelay), time.Time{}
	s.reconcile(g, now)
	s.poke()
}

// members reads name.member.1, name.member.2 and so on.
func (p params) members(name string) []string { return p.list(name + ".member") }

// createGroup makes a group from a request.
func (s *Sim) createGroup(p params, now time.Time) (any, *apiError) {
	g := new(group)
	for _, n := range []string{"MinSize", "MaxSize"} {
		if p.get(n) == "" {
			return nil, invalid("The request must contain the parameter %s", n)
		}
	}
	g.Name = p.get("AutoScalingGroupName")
	g.HealthCheckType = p.get("HealthCheckType")
	if err := s.readGroup(p, g); err != nil {
		return nil, err
	}
	g.groupTags = p.groupTags()
	g.TargetGroups = p.members("TargetGroupARNs")
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.addGroup(g, now); err != nil {
		return nil, err
	}
	for n := 1; p.get(hookSpec(n)+".LifecycleHookName") != ""; n++ {
		if err := g.putHook(p, hookSpec(n)+"."); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func hookSpec(n int) string { return "LifecycleHookSpecificationList.member." + strconv.Itoa(n) }

// readGroup reads what CreateAutoScalingGroup and UpdateAutoScalingGroup have
// in common; what is not there stays as it is.
func (s *Sim) readGroup(p params, g *group) (err *apiError) {
	for name, at := range map[string]*int{"MinSize": &g.Min, "MaxSize": &g.Max, "DesiredCapacity": &g.Desired} {
		if *at, err = p.number(name, *at, 0, maxGroup); err != nil {
			return invalid("%s", err.message)
		}
	}
	for name, at := range map[string]*Duration{"DefaultCooldown": &g.Cooldown, "HealthCheckGracePeriod": &g.Grace} {
		n, err := p.number(name, int(time.Duration(*at)/time.Second), 0, 7*24*3600)
		if err != nil {
			return invalid("%s", err.message)
		}
		*at = Duration(time.Duration(n) * time.Second)
	}
	g.HealthCheckType = cmp.Or(p.get("HealthCheckType"), g.HealthCheckType)
	if zones := p.members("AvailabilityZones"); len(zones) > 0 {
		g.Zones = zones
	}
	if ids := p.get("VPCZoneIdentifier"); ids != "" {
		g.Zones, g.Subnets = p.members("AvailabilityZones"), strings.Split(ids, ",")
	}
	if names := p.members("TerminationPolicies"); len(names) > 0 {
		g.Termination = names
	}
	if v := p.get("NewInstancesProtectedFromScaleIn"); v != "" {
		g.Protect = v == "true"
	}
	for _, prefix := range []string{"LaunchTemplate", mixed + "LaunchTemplateSpecification"} {
		if r := p.template(prefix); !r.empty() {
			g.template, g.Types = r, nil
		}
	}
	for n := 1; n <= 40; n++ {
		if kind := p.get(mixed + "Overrides.member." + strconv.Itoa(n) + ".InstanceType"); kind != "" {
			g.Types = append(g.Types, kind)
		}
	}
	return nil
}

const mixed = "MixedInstancesPolicy.LaunchTemplate."

// groupTags reads Tags.member.1.Key and so on.
func (p params) groupTags() (out []groupTag) {
	for n := 1; n <= 50; n++ {
		at := "Tags.member." + strconv.Itoa(n)
		if key := p.get(at + ".Key"); key != "" {
			out = append(out, groupTag{key, p.get(at + ".Value"), p.get(at+".PropagateAtLaunch") == "true"})
		}
	}
	return out
}
