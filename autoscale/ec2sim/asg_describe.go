package ec2sim

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The answers of Auto Scaling, in its element names.

type specItem struct {
	ID      string `xml:"LaunchTemplateId,omitempty"`
	Name    string `xml:"LaunchTemplateName,omitempty"`
	Version string `xml:"Version,omitempty"`
}

// specOf shows a launch template, nil for none.
func (s *Sim) specOf(r templateRef) *specItem {
	if r.empty() {
		return nil
	}
	if t, err := s.findTemplate(r); err == nil {
		r.ID, r.Name = t.id, t.name
	}
	return &specItem{r.ID, r.Name, cmp.Or(r.Version, "$Default")}
}

type memberItem struct {
	ID        string    `xml:"InstanceId"`
	Type      string    `xml:"InstanceType"`
	Group     string    `xml:"AutoScalingGroupName,omitempty"` // DescribeAutoScalingInstances only
	Zone      string    `xml:"AvailabilityZone"`
	State     lifecycle `xml:"LifecycleState"`
	Health    string    `xml:"HealthStatus"`
	Protected bool      `xml:"ProtectedFromScaleIn"`
	Template  *specItem `xml:"LaunchTemplate"`
}

func (s *Sim) memberItem(m *member) memberItem {
	return memberItem{ID: m.id, Type: m.kind, Zone: m.zone, State: m.state, Health: m.health, Protected: m.protected, Template: s.specOf(m.template)}
}

type processItem struct {
	Name   string `xml:"ProcessName"`
	Reason string `xml:"SuspensionReason"`
}

type groupTagItem struct {
	Group     string `xml:"ResourceId"`
	Kind      string `xml:"ResourceType"`
	Key       string `xml:"Key"`
	Value     string `xml:"Value"`
	Propagate bool   `xml:"PropagateAtLaunch"`
}

type overrideItem struct {
	Type string `xml:"InstanceType"`
}

type mixedItem struct {
	Spec      *specItem      `xml:"LaunchTemplate>LaunchTemplateSpecification"`
	Overrides []overrideItem `xml:"LaunchTemplate>Overrides>member"`
}

type groupItem struct {
	Name         string         `xml:"AutoScalingGroupName"`
	ARN          string         `xml:"AutoScalingGroupARN"`
	Template     *specItem      `xml:"LaunchTemplate"`
	Mixed        *mixedItem     `xml:"MixedInstancesPolicy"`
	Min          int            `xml:"MinSize"`
	Max          int            `xml:"MaxSize"`
	Desired      int            `xml:"DesiredCapacity"`
	Cooldown     int            `xml:"DefaultCooldown"`
	Zones        []string       `xml:"AvailabilityZones>member"`
	TargetGroups []string       `xml:"TargetGroupARNs>member"`
	Check        string         `xml:"HealthCheckType"`
	Grace        int            `xml:"HealthCheckGracePeriod"`
	Instances    []memberItem   `xml:"Instances>member"`
	Created      string         `xml:"CreatedTime"`
	Suspended    []processItem  `xml:"SuspendedProcesses>member"`
	Subnets      string         `xml:"VPCZoneIdentifier"`
	Status       string         `xml:"Status,omitempty"`
	Tags         []groupTagItem `xml:"Tags>member"`
	Termination  []string       `xml:"TerminationPolicies>member"`
	Protect      bool           `xml:"NewInstancesProtectedFromScaleIn"`
}

func (s *Sim) groupItem(g *group) groupItem {
	out := groupItem{
		Name: g.Name, ARN: g.arn(s.opt.Region), Min: g.Min, Max: g.Max, Desired: g.Desired, Cooldown: g.Cooldown.seconds(),
		Zones: g.Zones, TargetGroups: g.TargetGroups, Check: g.HealthCheckType, Grace: g.Grace.seconds(), Created: timestamp(g.created),
		Subnets: strings.Join(g.Subnets, ","), Tags: g.tagItems(), Termination: g.Termination, Protect: g.Protect,
	}
	if len(g.Termination) == 0 {
		out.Termination = []string{"Default"}
	}
	if len(g.Types) == 0 {
		out.Template = s.specOf(g.template)
	} else {
		out.Mixed = &mixedItem{Spec: s.specOf(g.template)}
		for _, kind := range g.Types {
			out.Mixed.Overrides = append(out.Mixed.Overrides, overrideItem{kind})
		}
	}
	if g.deleting {
		out.Status = "Delete in progress"
	}
	for _, name := range slices.Sorted(maps.Keys(g.suspended)) {
		out.Suspended = append(out.Suspended, processItem{name, "User suspended at " + timestamp(g.created)})
	}
	for _, m := range g.members {
		out.Instances = append(out.Instances, s.memberItem(m))
	}
	return out
}

func (g *group) tagItems() (out []groupTagItem) {
	for _, t := range g.groupTags {
		out = append(out, groupTagItem{g.Name, "auto-scaling-group", t.Key, t.Value, t.Propagate})
	}
	return out
}

func (d Duration) seconds() int { return int(time.Duration(d) / time.Second) }

type groupsResult struct {
	Items     []groupItem `xml:"AutoScalingGroups>member"`
	NextToken string      `xml:"NextToken,omitempty"`
}

// describeGroups lists groups by name and by the filters tag-key, tag-value
// and tag:KEY.
func (s *Sim) describeGroups(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	names, fs := p.members("AutoScalingGroupNames"), p.memberFilters()
	var all []groupItem
	for _, g := range s.groups {
		if len(names) > 0 && !contains(names, g.Name) {
			continue
		}
		ok, err := g.match(fs)
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, s.groupItem(g))
		}
	}
	items, next, err := page(p, all)
	return &groupsResult{items, next}, err
}

// memberFilters reads Filters.member.1.Name, Filters.member.1.Values.member.1.
func (p params) memberFilters() (out []filter) {
	for n := 1; n <= maxBatch; n++ {
		at := "Filters.member." + strconv.Itoa(n)
		name := p.get(at + ".Name")
		if name == "" {
			break
		}
		out = append(out, filter{name, p.members(at + ".Values")})
	}
	return out
}

func (g *group) match(fs []filter) (bool, *apiError) {
	for _, f := range fs {
		ok := false
		for _, t := range g.groupTags {
			key, of := strings.CutPrefix(f.name, "tag:")
			switch {
			case of:
				ok = ok || key == t.Key && contains(f.values, t.Value)
			case f.name == "tag-key":
				ok = ok || contains(f.values, t.Key)
			case f.name == "tag-value":
				ok = ok || contains(f.values, t.Value)
			default:
				return false, invalid("Filter type %s is not correct. Allowed Filter types are: tag-key tag-value tag:<key>", f.name)
			}
		}
		if !ok {
			return false, nil
		}
	}
	return true, nil
}

type membersResult struct {
	Items     []memberItem `xml:"AutoScalingInstances>member"`
	NextToken string       `xml:"NextToken,omitempty"`
}

func (s *Sim) describeMembers(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := p.members("InstanceIds")
	var all []memberItem
	for _, g := range s.groups {
		for _, m := range g.members {
			if len(ids) == 0 || contains(ids, m.id) {
				item := s.memberItem(m)
				item.Group = g.Name
				item.Health = strings.ToUpper(item.Health) // here, and only here, in capitals
				all = append(all, item)
			}
		}
	}
	items, next, err := page(p, all)
	return &membersResult{items, next}, err
}

// page returns one page of a list of Auto Scaling's, and the token of the next.
func page[T any](p params, all []T) ([]T, string, *apiError) {
	size, err := p.number("MaxRecords", 100, 1, 100)
	if err != nil {
		return nil, "", invalid("%s", err.message)
	}
	from := 0
	if token := p.get("NextToken"); token != "" {
		n, bad := strconv.Atoi(strings.TrimPrefix(token, "from-"))
		if bad != nil || n < 1 {
			return nil, "", apiErrorf("InvalidNextToken", "The token '%s' is invalid.", token)
		}
		from = min(n, len(all))
	}
	if len(all)-from <= size {
		return all[from:], "", nil
	}
	return all[from : from+size], p.next("from-" + strconv.Itoa(from+size)), nil
}

func contains(list []string, v string) bool { return slices.Contains(list, v) }
