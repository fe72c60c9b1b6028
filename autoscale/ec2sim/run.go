package ec2sim

import (
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// hiddenParam carries a fault of EffectHide into runInstances; no client's
// parameter begins with an underscore.
const hiddenParam = "_hide"

// runInstances launches instances, once per ClientToken.
func (s *Sim) runInstances(p params, now time.Time) (result, *apiError) {
	low, high, like, err := s.launchParams(p)
	if err != nil {
		return nil, err
	}
	hidden, _ := time.ParseDuration(p.get(hiddenParam))
	token, canonical := p.get("ClientToken"), canonical(p.Values)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.tokens[token]; ok && token != "" {
		if r.params != canonical {
			return nil, apiErrorf("IdempotentParameterMismatch", "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).")
		}
		return &runResult{reservationItem: reservationOf(s.find(r.ids))}, nil
	}
	room := s.opt.Max - s.alive()
	if room < low || len(s.order) >= maxListed {
		return nil, apiErrorf("InstanceLimitExceeded", "You have requested more instances (%d) than your current instance limit of %d allows for the specified instance type.", low, s.opt.Max)
	}
	launched := s.launch(min(high, room), like, hidden)
	if token != "" {
		s.tokens[token] = reservation{canonical, idsOf(launched), now}
	}
	s.opt.Log.Info("instances launched", "count", len(launched), "token", token)
	return &runResult{reservationItem: reservationOf(launched)}, nil
}

// maxListed bounds what is kept, the terminated included.
const maxListed = 20_000

// launchParams reads and checks what RunInstances asks for.
func (s *Sim) launchParams(p params) (low, high int, like Instance, err *apiError) {
	template := p.get("LaunchTemplate.LaunchTemplateId") + p.get("LaunchTemplate.LaunchTemplateName")
	image := p.get("ImageId")
	if image == "" && template == "" {
		return 0, 0, like, apiErrorf("MissingParameter", "The request must contain the parameter ImageId")
	}
	if image != "" && !strings.HasPrefix(image, "ami-") {
		return 0, 0, like, apiErrorf("InvalidAMIID.Malformed", "Invalid id: %q (expecting \"ami-...\")", image)
	}
	if p.get("MinCount") == "" || p.get("MaxCount") == "" {
		return 0, 0, like, apiErrorf("MissingParameter", "The request must contain the parameters MinCount and MaxCount")
	}
	if low, err = p.number("MinCount", 1, 1, maxBatch); err != nil {
		return 0, 0, like, err
	}
	if high, err = p.number("MaxCount", 1, low, maxBatch); err != nil {
		return 0, 0, like, err
	}
	if token := p.get("ClientToken"); len(token) > 64 {
		return 0, 0, like, apiErrorf("InvalidParameterValue", "ClientToken is longer than 64 characters.")
	}
	data, bad := base64.StdEncoding.DecodeString(p.get("UserData"))
	if bad != nil || len(data) > 16<<10 {
		return 0, 0, like, apiErrorf("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data, or more than 16384 bytes.")
	}
	tags, err := p.instanceTags()
	if err != nil {
		return 0, 0, like, err
	}
	zone := p.get("Placement.AvailabilityZone")
	if zone != "" && !strings.HasPrefix(zone, s.opt.Region) {
		return 0, 0, like, apiErrorf("InvalidParameterValue", "Invalid availability zone: [%s]", zone)
	}
	return low, high, Instance{
		Image: image, Type: orElse(p.get("InstanceType"), "m1.small"), Zone: zone,
		Subnet: p.get("SubnetId"), Key: p.get("KeyName"), UserData: string(data), Token: p.get("ClientToken"), Tags: tags,
	}, nil
}

// instanceTags reads the tags that TagSpecification puts on instances.
func (p params) instanceTags() (map[string]string, *apiError) {
	tags := make(map[string]string)
	for n := 1; n <= 10; n++ {
		at := "TagSpecification." + strconv.Itoa(n)
		kind := p.get(at + ".ResourceType")
		if kind == "" {
			break
		}
		some, err := p.tags(at + ".Tag")
		if err != nil {
			return nil, err
		}
		if kind == "instance" {
			maps.Copy(tags, some)
		}
	}
	return tags, nil
}

// canonical is all of a request that must be the same when its token is.
func canonical(v url.Values) string {
	v = maps.Clone(v)
	v.Del("ClientToken")
	v.Del(hiddenParam)
	return v.Encode()
}

// terminateInstances ends instances; ending one twice is no error.
func (s *Sim) terminateInstances(p params, _ time.Time) (result, *apiError) {
	ids := p.list("InstanceId")
	if len(ids) == 0 {
		return nil, apiErrorf("MissingParameter", "The request must contain the parameter InstanceId")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.known(ids); err != nil {
		return nil, err
	}
	out := new(terminateResult)
	for _, id := range ids {
		i := s.instances[id]
		before := i.State
		s.end(i, "Client.UserInitiatedShutdown: User initiated shutdown")
		out.Items = append(out.Items, changeItem{id, stateOf(i.State), stateOf(before)})
	}
	return out, nil
}

// known says which ID there is no instance of. Callers hold s.mu.
func (s *Sim) known(ids []string) *apiError {
	for _, id := range ids {
		if !strings.HasPrefix(id, "i-") {
			return apiErrorf("InvalidInstanceID.Malformed", "Invalid id: %q", id)
		}
		if s.instances[id] == nil {
			return apiErrorf("InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", id)
		}
	}
	return nil
}

// createTags adds or replaces tags of instances.
func (s *Sim) createTags(p params, _ time.Time) (result, *apiError) {
	ids := p.list("ResourceId")
	tags, err := p.tags("Tag")
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 || len(tags) == 0 {
		return nil, apiErrorf("MissingParameter", "The request must contain the parameters ResourceId and Tag")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.known(ids); err != nil {
		return nil, err
	}
	for _, id := range ids {
		i := s.instances[id]
		if i.Tags == nil {
			i.Tags = make(map[string]string)
		}
		maps.Copy(i.Tags, tags)
	}
	return &returnResult{Return: true}, nil
}

// find returns copies of the instances with these IDs. Callers hold s.mu.
func (s *Sim) find(ids []string) []Instance {
	out := make([]Instance, 0, len(ids))
	for _, id := range ids {
		if i := s.instances[id]; i != nil {
			out = append(out, i.copy())
		}
	}
	return out
}

func idsOf(is []Instance) []string {
	out := make([]string, 0, len(is))
	for _, i := range is {
		out = append(out, i.ID)
	}
	return out
}

func orElse(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// sortedTags yields tags by key, so that answers are the same each time.
func sortedTags(tags map[string]string) []tagItem {
	out := make([]tagItem, 0, len(tags))
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, tagItem{k, tags[k]})
	}
	return out
}
