package ec2sim

import (
	"net/url"
	"slices"
	"strconv"
	"time"
)

// field returns what a filter of that name looks at.
func (i Instance) field(name string) ([]string, bool) {
	switch name {
	case "instance-state-name":
		return []string{string(i.State)}, true
	case "instance-state-code":
		return []string{strconv.Itoa(i.State.code())}, true
	case "instance-id":
		return []string{i.ID}, true
	case "instance-type":
		return []string{i.Type}, true
	case "image-id":
		return []string{i.Image}, true
	case "availability-zone":
		return []string{i.Zone}, true
	case "client-token":
		return []string{i.Token}, true
	case "reservation-id":
		return []string{i.Reservation}, true
	case "private-dns-name":
		return []string{i.PrivateDNS}, true
	case "private-ip-address":
		return []string{i.PrivateIP}, true
	case "subnet-id":
		return []string{i.Subnet}, true
	case "tag-key":
		return keys(i.Tags), true
	case "instance-lifecycle":
		return present(string(i.Market), i.Market != ""), true
	case "key-name":
		return []string{i.Key}, true
	}
	return tagField(i.Tags, name)
}

// selected returns one page of the instances that a Describe asks for, and
// the token of the next page.
func (s *Sim) selected(p params, now time.Time, also func(Instance) bool) ([]Instance, string, *apiError) {
	ids, fs := p.list("InstanceId"), p.filters()
	size, err := p.number("MaxResults", maxBatch, 5, maxBatch)
	if err != nil {
		return nil, "", err
	}
	if len(ids) > 0 && p.get("MaxResults") != "" {
		return nil, "", apiErrorf("InvalidParameterCombination", "The parameter instancesSet cannot be used with the parameter maxResults")
	}
	if err := check(fs, Instance{}.field); err != nil {
		return nil, "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.visible(ids, now); err != nil {
		return nil, "", err
	}
	after := p.get("NextToken")
	from := 0
	if after != "" {
		if from = 1 + slices.Index(s.order, after); from == 0 {
			return nil, "", apiErrorf("InvalidNextToken", "The token '%s' is invalid", after)
		}
	}
	var out []Instance
	for _, id := range s.order[from:] {
		i := s.instances[id]
		if len(ids) > 0 && !slices.Contains(ids, id) || now.Before(i.Visible) || !also(*i) {
			continue
		}
		if !matches(fs, i.field) {
			continue
		}
		if len(out) == size {
			return out, p.next(out[size-1].ID), nil
		}
		out = append(out, i.copy())
	}
	return out, "", nil
}

// visible says which of the IDs cannot be described. Callers hold s.mu.
func (s *Sim) visible(ids []string, now time.Time) *apiError {
	if err := s.known(ids); err != nil {
		return err
	}
	for _, id := range ids {
		if now.Before(s.instances[id].Visible) {
			return apiErrorf("InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", id)
		}
	}
	return nil
}

func everything(Instance) bool { return true }

// describeInstances lists instances by reservation.
func (s *Sim) describeInstances(p params, now time.Time) (any, *apiError) {
	is, next, err := s.selected(p, now, everything)
	if err != nil {
		return nil, err
	}
	out := &describeResult{NextToken: next}
	for _, i := range is {
		n := len(out.Items)
		if n == 0 || out.Items[n-1].Reservation != i.Reservation {
			out.Items = append(out.Items, reservationItem{Reservation: i.Reservation, Owner: owner})
			n++
		}
		out.Items[n-1].Instances = append(out.Items[n-1].Instances, item(i))
	}
	return out, nil
}

// describeInstanceStatus lists the running instances' checks.
func (s *Sim) describeInstanceStatus(p params, now time.Time) (any, *apiError) {
	all := p.get("IncludeAllInstances") == "true"
	is, next, err := s.selected(p, now, func(i Instance) bool { return all || i.State == Running })
	if err != nil {
		return nil, err
	}
	out := &statusResult{NextToken: next}
	for _, i := range is {
		out.Items = append(out.Items, statusItem{i.ID, i.Zone, stateOf(i.State), s.checks(i, false, now), s.checks(i, true, now)})
	}
	return out, nil
}

// checks are the status checks of an instance: of its host, and of itself,
// which fails where it is impaired.
func (s *Sim) checks(i Instance, itself bool, now time.Time) checkItem {
	switch {
	case i.State != Running:
		return checkItem{Status: "not-applicable"}
	case itself && i.impaired(now):
		return checkItem{"impaired", &checkDetail{timestamp(i.Impaired), "reachability", "failed"}}
	case now.Before(i.Ran.Add(s.opt.CheckTime)):
		return checkItem{"initializing", &checkDetail{"", "reachability", "initializing"}}
	}
	return checkItem{"ok", &checkDetail{"", "reachability", "passed"}}
}

func (i Instance) impaired(now time.Time) bool {
	return !i.Impaired.IsZero() && !now.Before(i.Impaired)
}

// describeTags lists the tags of instances.
func (s *Sim) describeTags(p params, now time.Time) (any, *apiError) {
	fs := p.filters()
	is, next, err := s.selected(params{}, now, everything)
	for next != "" && err == nil {
		var more []Instance
		more, next, err = s.selected(params{Values: url.Values{"NextToken": {next}}}, now, everything)
		is = append(is, more...)
	}
	if err != nil {
		return nil, err
	}
	out := new(tagsResult)
	for _, i := range is {
		for _, t := range sortedTags(i.Tags) {
			have := map[string]string{"resource-id": i.ID, "resource-type": "instance", "key": t.Key, "value": t.Value}
			if !slices.ContainsFunc(fs, func(f filter) bool { return !glob(f.values, have[f.name]) }) {
				out.Items = append(out.Items, resourceTag{i.ID, "instance", t.Key, t.Value})
			}
		}
	}
	return out, nil
}

// describeZones lists the region's zones.
func (s *Sim) describeZones(params, time.Time) (any, *apiError) {
	out := new(zonesResult)
	for _, zone := range s.zones() {
		out.Items = append(out.Items, zoneItem{zone, "available", s.opt.Region, "availability-zone"})
	}
	return out, nil
}

// describeRegions lists the one region.
func (s *Sim) describeRegions(params, time.Time) (any, *apiError) {
	return &regionsResult{Items: []regionItem{{s.opt.Region, "ec2." + s.opt.Region + ".amazonaws.com"}}}, nil
}
