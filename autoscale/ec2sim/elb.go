package ec2sim

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// A targetGroup is where a load balancer sends requests. All is guarded by
// Sim.mu.
type targetGroup struct {
	arn, name, protocol string
	kind                string // what names its targets: instance or ip
	port                int
	interval            int // seconds from one health check to the next
	attributes          map[string]string
	targets             []*target
}

// A target is an instance that is registered, or was and drains.
type target struct {
	id       string // or the address
	port     int
	since    time.Time
	draining time.Time // until then; zero: registered
}

// Limits of target groups, as AWS sets them.
const (
	maxTargetGroups = 3000
	maxTargets      = 1000
)

// What names a target group's targets.
const (
	kindInstance = "instance"
	kindIP       = "ip"
)

// drainDelay is the attribute that says how long a target drains, in seconds.
const drainDelay = "deregistration_delay.timeout_seconds"

func elbActions() map[string]action {
	return map[string]action{
		"CreateTargetGroup":             (*Sim).createTargetGroup,
		"DeleteTargetGroup":             (*Sim).deleteTargetGroup,
		"DescribeTargetGroups":          (*Sim).describeTargetGroups,
		"DescribeTargetGroupAttributes": (*Sim).describeTargetGroupAttributes,
		"ModifyTargetGroupAttributes":   (*Sim).modifyTargetGroupAttributes,
		"RegisterTargets":               (*Sim).registerTargets,
		"DeregisterTargets":             (*Sim).deregisterTargets,
		"DescribeTargetHealth":          (*Sim).describeTargetHealth,
	}
}

// targetGroup finds the target group that a request names. Callers hold s.mu.
func (s *Sim) targetGroup(arn string) (*targetGroup, *apiError) {
	for _, g := range s.targetGroups {
		if g.arn == arn {
			return g, nil
		}
	}
	return nil, apiErrorf("TargetGroupNotFound", "One or more target groups not found")
}

func (s *Sim) createTargetGroup(p params, _ time.Time) (any, *apiError) {
	name := p.get("Name")
	if name == "" || len(name) > 32 {
		return nil, invalid("The target group name %q wants 1 to 32 characters", name)
	}
	port, err := p.number("Port", 80, 1, 65535)
	if err != nil {
		return nil, invalid("%s", err.message)
	}
	interval, err := p.number("HealthCheckIntervalSeconds", 30, 5, 300)
	if err != nil {
		return nil, invalid("%s", err.message)
	}
	kind := cmp.Or(p.get("TargetType"), kindInstance)
	if kind != kindInstance && kind != kindIP {
		return nil, invalid("The emulator knows targets of the types instance and ip only")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case slices.ContainsFunc(s.targetGroups, func(g *targetGroup) bool { return g.name == name }):
		return nil, apiErrorf("DuplicateTargetGroupName", "A target group with the same name '%s' exists, but with different settings", name)
	case len(s.targetGroups) >= maxTargetGroups:
		return nil, apiErrorf("TooManyTargetGroups", "You have reached the limit of %d target groups.", maxTargetGroups)
	}
	g := &targetGroup{
		arn:  "arn:aws:elasticloadbalancing:" + s.opt.Region + ":" + owner + ":targetgroup/" + name + "/" + newID("")[:16],
		name: name, protocol: p.get("Protocol"), kind: kind, port: port, interval: interval, attributes: map[string]string{drainDelay: "300", "stickiness.enabled": "false"},
	}
	s.targetGroups = append(s.targetGroups, g)
	return &targetGroupsResult{Items: []targetGroupItem{g.item()}}, nil
}

func (s *Sim) deleteTargetGroup(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	arn := p.get("TargetGroupArn")
	s.targetGroups = slices.DeleteFunc(s.targetGroups, func(g *targetGroup) bool { return g.arn == arn })
	return struct{}{}, nil
}

// modifyTargetGroupAttributes sets attributes, all or none.
func (s *Sim) modifyTargetGroupAttributes(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.targetGroup(p.get("TargetGroupArn"))
	if err != nil {
		return nil, err
	}
	next := maps.Clone(g.attributes)
	for n := 1; n <= 50; n++ {
		at := "Attributes.member." + strconv.Itoa(n)
		key, value := p.get(at+".Key"), p.get(at+".Value")
		switch {
		case key == "":
			continue
		case next[key] == "":
			return nil, invalid("Target group attribute key '%s' is not recognized", key)
		case key == drainDelay:
			if seconds, bad := strconv.Atoi(value); bad != nil || seconds < 0 || seconds > 3600 {
				return nil, invalid("'%s' must be between '0' and '3600'", drainDelay)
			}
		}
		next[key] = value
	}
	g.attributes = next
	return g.attributesResult(), nil
}

// delay is how long a target drains.
func (g *targetGroup) delay() time.Duration {
	n, err := strconv.Atoi(g.attributes[drainDelay])
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// targetsOf reads Targets.member.1.Id and its Port.
func (g *targetGroup) targetsOf(p params) (out []target) {
	for n := 1; n <= maxBatch; n++ {
		at := "Targets.member." + strconv.Itoa(n)
		id := p.get(at + ".Id")
		if id == "" {
			break
		}
		port, err := p.number(at+".Port", g.port, 1, 65535)
		if err != nil {
			port = g.port
		}
		out = append(out, target{id: id, port: port})
	}
	return out
}

// find finds a target; nil where there is none.
func (g *targetGroup) find(t target) *target {
	for _, o := range g.targets {
		if o.id == t.id && o.port == t.port {
			return o
		}
	}
	return nil
}

// registerTargets registers running instances, all or none.
func (s *Sim) registerTargets(p params, now time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.targetGroup(p.get("TargetGroupArn"))
	if err != nil {
		return nil, err
	}
	targets := g.targetsOf(p)
	if len(g.targets)+len(targets) > maxTargets {
		return nil, apiErrorf("TooManyTargets", "You have reached the limit of %d targets.", maxTargets)
	}
	for _, t := range targets {
		if err := s.registrable(g, t); err != nil {
			return nil, err
		}
	}
	for _, t := range targets {
		g.register(t, now)
	}
	return struct{}{}, nil
}

// registrable refuses what cannot be a target. Any address can, whoever has it.
func (s *Sim) registrable(g *targetGroup, t target) *apiError {
	if g.kind == kindIP {
		if _, err := netip.ParseAddr(t.id); err != nil {
			return invalid("The IP address '%s' is not a valid IPv4 address", t.id)
		}
		return nil
	}
	switch i := s.instances[t.id]; {
	case i == nil:
		return apiErrorf("InvalidTarget", "The following targets are not valid instances: '%s'", t.id)
	case i.State != Running:
		return apiErrorf("InvalidTarget", "The following targets are not in a running state and cannot be registered: '%s'", t.id)
	}
	return nil
}

// behind is the instance behind a target; nil where there is none.
func (s *Sim) behind(g *targetGroup, t *target) *Instance {
	if g.kind == kindInstance {
		return s.instances[t.id]
	}
	for _, i := range s.instances {
		if i.PrivateIP == t.id && i.State != Terminated {
			return i
		}
	}
	return nil
}

func (g *targetGroup) register(t target, now time.Time) {
	if old := g.find(t); old == nil {
		g.targets = append(g.targets, &target{id: t.id, port: t.port, since: now})
	} else if !old.draining.IsZero() {
		old.since, old.draining = now, time.Time{}
	}
}

// deregisterTargets lets targets drain; what is not registered is no error.
func (s *Sim) deregisterTargets(p params, now time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.targetGroup(p.get("TargetGroupArn"))
	if err != nil {
		return nil, err
	}
	for _, t := range g.targetsOf(p) {
		g.deregister(t, now)
	}
	return struct{}{}, nil
}

func (g *targetGroup) deregister(t target, now time.Time) {
	if old := g.find(t); old != nil && old.draining.IsZero() {
		old.draining = now.Add(g.delay())
	}
}

// targetsFor are the target groups of an Auto Scaling group that there are.
func (s *Sim) targetsFor(g *group) (out []*targetGroup) {
	for _, arn := range g.TargetGroups {
		if t, err := s.targetGroup(arn); err == nil {
			out = append(out, t)
		}
	}
	return out
}

// drain deregisters a member of an Auto Scaling group, and returns what it has
// to wait for.
func (s *Sim) drain(g *group, m *member, now time.Time) (out []*wait) {
	for _, t := range s.targetsFor(g) {
		one := target{id: m.id, port: t.port}
		if t.find(one) == nil {
			continue
		}
		t.deregister(one, now)
		end := now.Add(t.delay())
		out = append(out, &wait{hook: hook{Default: resultContinue}, deadline: end, limit: end})
	}
	return out
}
