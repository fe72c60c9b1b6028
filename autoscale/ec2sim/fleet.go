package ec2sim

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// A pool is one of the places where a fleet may find its instances: an
// override of a launch template.
type pool struct {
	item     poolItem
	like     Instance
	priority float64
	price    float64
}

type overrides struct {
	Type     string `xml:"instanceType,omitempty"`
	Subnet   string `xml:"subnetId,omitempty"`
	Zone     string `xml:"availabilityZone,omitempty"`
	Image    string `xml:"imageId,omitempty"`
	Priority string `xml:"priority,omitempty"`
}

type fleetSpec struct {
	ID      string `xml:"launchTemplateId,omitempty"`
	Name    string `xml:"launchTemplateName,omitempty"`
	Version string `xml:"version,omitempty"`
}

type poolItem struct {
	Template  fleetSpec `xml:"launchTemplateSpecification"`
	Overrides overrides `xml:"overrides"`
}

type fleetError struct {
	Pool      poolItem `xml:"launchTemplateAndOverrides"`
	Lifecycle string   `xml:"lifecycle"`
	Code      string   `xml:"errorCode"`
	Message   string   `xml:"errorMessage"`
}

type fleetInstances struct {
	Pool      poolItem `xml:"launchTemplateAndOverrides"`
	Lifecycle string   `xml:"lifecycle"`
	IDs       []string `xml:"instanceIds>item"`
	Type      string   `xml:"instanceType"`
}

type fleetResult struct {
	meta
	ID        string           `xml:"fleetId"`
	Errors    []fleetError     `xml:"errorSet>item"`
	Instances []fleetInstances `xml:"fleetInstanceSet>item"`
}

// maxPools is how many overrides a fleet may have.
const maxPools = 300

// createFleet launches instances where they can be had, and says for each
// override that was tried in vain why.
func (s *Sim) createFleet(p params, now time.Time) (any, *apiError) {
	if p.get("Type") != "instant" {
		return nil, apiErrorf("UnsupportedOperation", "The emulator knows fleets of the type instant only.")
	}
	if len(p.get("ClientToken")) > 64 {
		return nil, apiErrorf("InvalidParameterValue", "ClientToken is longer than 64 characters.")
	}
	onDemand, spot, err := p.targets()
	if err != nil {
		return nil, err
	}
	tags, err := p.tagsOf("instance", "")
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	token, canonical := p.get("ClientToken"), canonical(p.Values)
	r, again, err := s.repeated(token, canonical)
	switch {
	case err != nil:
		return nil, err
	case again:
		answer := *r.fleet
		return &answer, nil
	}
	pools, err := s.pools(p, tags)
	if err != nil {
		return nil, err
	}
	out := &fleetResult{ID: "fleet-" + newRequestID()}
	s.fillFleet(out, p, pools, "", onDemand)
	s.fillFleet(out, p, pools, Spot, spot)
	if token != "" {
		kept := *out
		s.tokens[token] = reservation{params: canonical, at: now, fleet: &kept}
	}
	return out, nil
}

// targets reads how many instances of each market are wanted.
func (p params) targets() (onDemand, spot int, err *apiError) {
	const at = "TargetCapacitySpecification."
	total, err := p.number(at+"TotalTargetCapacity", 0, 1, maxBatch)
	if err != nil || total == 0 {
		return 0, 0, cmp.Or(err, apiErrorf("MissingParameter", "The request must contain the parameter TotalTargetCapacity"))
	}
	if onDemand, err = p.number(at+"OnDemandTargetCapacity", 0, 0, total); err != nil {
		return 0, 0, err
	}
	if spot, err = p.number(at+"SpotTargetCapacity", 0, 0, total-onDemand); err != nil {
		return 0, 0, err
	}
	if p.get(at+"DefaultTargetCapacityType") == string(Spot) {
		return onDemand, total - onDemand, nil
	}
	return total - spot, spot, nil
}

// pools reads the launch templates and their overrides.
func (s *Sim) pools(p params, tags map[string]string) ([]pool, *apiError) {
	var out []pool
	for n := 1; ; n++ {
		config := "LaunchTemplateConfigs." + strconv.Itoa(n)
		r := p.template(config + ".LaunchTemplateSpecification")
		if r.empty() {
			break
		}
		base, err := s.resolve(r)
		if err != nil {
			return nil, err
		}
		base = Instance{Tags: tags}.over(base)
		for m := 1; m == 1 || p.has(config+".Overrides."+strconv.Itoa(m)+"."); m++ {
			one, err := s.pool(p, config+".Overrides."+strconv.Itoa(m)+".", base)
			if err != nil {
				return nil, err
			}
			one.item.Template = fleetSpec{r.ID, r.Name, r.Version}
			if out = append(out, one); len(out) > maxPools {
				return nil, apiErrorf("InvalidParameterValue", "A fleet may have %d overrides.", maxPools)
			}
		}
	}
	if len(out) == 0 {
		return nil, apiErrorf("MissingParameter", "The request must contain the parameter LaunchTemplateConfigs")
	}
	return out, nil
}

// has says whether there is an override with that prefix.
func (p params) has(prefix string) bool {
	return p.get(prefix+"InstanceType")+p.get(prefix+"SubnetId")+p.get(prefix+"AvailabilityZone")+p.get(prefix+"ImageId")+p.get(prefix+"Priority") != ""
}

func (s *Sim) pool(p params, at string, base Instance) (pool, *apiError) {
	o := overrides{p.get(at + "InstanceType"), p.get(at + "SubnetId"), p.get(at + "AvailabilityZone"), p.get(at + "ImageId"), p.get(at + "Priority")}
	like, err := s.completed(Instance{Type: o.Type, Subnet: o.Subnet, Zone: o.Zone, Image: o.Image}.over(base), templateRef{})
	if err != nil {
		return pool{}, err
	}
	if like.Zone != "" && !contains(s.zones(), like.Zone) {
		return pool{}, apiErrorf("InvalidParameterValue", "Invalid availability zone: [%s]", like.Zone)
	}
	priority := 1e9 // those without one come last
	if v, bad := strconv.ParseFloat(o.Priority, 64); bad == nil {
		priority = v
	}
	k, _ := findKind(like.Type)
	return pool{item: poolItem{Overrides: o}, like: like, priority: priority, price: k.price}, nil
}

// fillFleet launches n instances of a market, in the order of the allocation
// strategy: by priority where it says so, else by price.
func (s *Sim) fillFleet(out *fleetResult, p params, pools []pool, market Market, n int) {
	options, lifecycle := "OnDemandOptions", "on-demand"
	if market == Spot {
		options, lifecycle = "SpotOptions", "spot"
	}
	pools = slices.Clone(pools)
	slices.SortStableFunc(pools, func(a, b pool) int {
		switch p.get(options + ".AllocationStrategy") {
		case "prioritized", "capacity-optimized-prioritized":
			return cmp.Compare(a.priority, b.priority)
		}
		return cmp.Compare(a.price, b.price)
	})
	least, _ := p.number(options+".MinTargetCapacity", 1, 1, maxBatch)
	enough := s.fits(pools, market) >= least
	for _, one := range pools {
		if n == 0 {
			return
		}
		one.like.Market, one.like.Token = market, p.get("ClientToken")
		room, err := s.room(one.like, 1)
		if err == nil && !enough {
			err = apiErrorf("UnfulfillableCapacity", "Unable to fulfill the minimum target capacity of %d.", least)
		}
		if err != nil {
			out.Errors = append(out.Errors, fleetError{one.item, lifecycle, err.code, err.message})
			continue
		}
		launched := s.launch(min(n, room), one.like, p.hidden())
		n -= len(launched)
		out.Instances = append(out.Instances, fleetInstances{one.item, lifecycle, idsOf(launched), one.like.Type})
	}
}

// fits is how many instances of a market the pools have room for; what two
// pools share is counted twice.
func (s *Sim) fits(pools []pool, market Market) int {
	n := 0
	for _, one := range pools {
		one.like.Market = market
		free, _ := s.capacity(one.like)
		n = min(n+free, s.opt.Max)
	}
	return n
}
