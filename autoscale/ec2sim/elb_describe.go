package ec2sim

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

type targetGroupItem struct {
	ARN       string `xml:"TargetGroupArn"`
	Name      string `xml:"TargetGroupName"`
	Protocol  string `xml:"Protocol"`
	Port      int    `xml:"Port"`
	VPC       string `xml:"VpcId"`
	Interval  int    `xml:"HealthCheckIntervalSeconds"`
	Threshold int    `xml:"HealthyThresholdCount"`
	Kind      string `xml:"TargetType"`
}

func (g *targetGroup) item() targetGroupItem {
	return targetGroupItem{g.arn, g.name, cmp.Or(g.protocol, "HTTP"), g.port, vpc, g.interval, 1, g.kind}
}

type targetGroupsResult struct {
	Items []targetGroupItem `xml:"TargetGroups>member"`
}

func (s *Sim) describeTargetGroups(p params, _ time.Time) (any, *apiError) {
	arns, names := p.members("TargetGroupArns"), p.members("Names")
	s.mu.Lock()
	defer s.mu.Unlock()
	out := new(targetGroupsResult)
	for _, g := range s.targetGroups {
		if len(arns)+len(names) == 0 || contains(arns, g.arn) || contains(names, g.name) {
			out.Items = append(out.Items, g.item())
		}
	}
	if len(arns)+len(names) > 0 && len(out.Items) == 0 {
		return nil, apiErrorf("TargetGroupNotFound", "One or more target groups not found")
	}
	return out, nil
}

type attributeItem struct {
	Key   string `xml:"Key"`
	Value string `xml:"Value"`
}

type attributesResult struct {
	Items []attributeItem `xml:"Attributes>member"`
}

func (g *targetGroup) attributesResult() *attributesResult {
	out := new(attributesResult)
	for _, k := range slices.Sorted(maps.Keys(g.attributes)) {
		out.Items = append(out.Items, attributeItem{k, g.attributes[k]})
	}
	return out
}

func (s *Sim) describeTargetGroupAttributes(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.targetGroup(p.get("TargetGroupArn"))
	if err != nil {
		return nil, err
	}
	return g.attributesResult(), nil
}

type healthItem struct {
	ID          string `xml:"Target>Id"`
	Port        int    `xml:"Target>Port"`
	State       string `xml:"TargetHealth>State"`
	Reason      string `xml:"TargetHealth>Reason,omitempty"`
	Description string `xml:"TargetHealth>Description,omitempty"`
}

type healthResult struct {
	Items []healthItem `xml:"TargetHealthDescriptions>member"`
}

// describeTargetHealth lists the health of all targets, or of those named: what
// is not registered is unused.
func (s *Sim) describeTargetHealth(p params, now time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.targetGroup(p.get("TargetGroupArn"))
	if err != nil {
		return nil, err
	}
	g.targets = slices.DeleteFunc(g.targets, func(t *target) bool { return s.gone(g, t, now) })
	named := g.targetsOf(p)
	out := new(healthResult)
	for _, t := range named {
		if g.find(t) == nil {
			out.Items = append(out.Items, healthItem{t.id, t.port, "unused", "Target.NotRegistered", "Target is not registered to the target group"})
		}
	}
	for _, t := range g.targets {
		if len(named) == 0 || slices.ContainsFunc(named, func(o target) bool { return o.id == t.id && o.port == t.port }) {
			out.Items = append(out.Items, s.health(g, t, now))
		}
	}
	return out, nil
}

// gone says whether a target has drained, or its instance is over. An address
// stays, whoever had it.
func (s *Sim) gone(g *targetGroup, t *target, now time.Time) bool {
	i := s.behind(g, t)
	return g.kind == kindInstance && (i == nil || i.State == Terminated) || !t.draining.IsZero() && !now.Before(t.draining)
}

// health is initial for one health check, then healthy, where the instance
// runs and answers: a silent one does not.
func (s *Sim) health(g *targetGroup, t *target, now time.Time) healthItem {
	out := healthItem{ID: t.id, Port: t.port}
	i := s.behind(g, t)
	checked := t.since.Add(time.Duration(g.interval) * time.Second)
	switch {
	case !t.draining.IsZero():
		out.State, out.Reason, out.Description = "draining", "Target.DeregistrationInProgress", "Target deregistration is in progress"
	case i != nil && i.State != Running:
		out.State, out.Reason, out.Description = "unused", "Target.InvalidState", "Target is in the "+string(i.State)+" state"
	case now.Before(checked):
		out.State, out.Reason, out.Description = "initial", "Elb.InitialHealthChecking", "Initial health checks in progress"
	case i == nil || i.Silent || i.impaired(now):
		out.State, out.Reason, out.Description = "unhealthy", "Target.Timeout", "Request timed out"
	default:
		out.State = "healthy"
	}
	return out
}
