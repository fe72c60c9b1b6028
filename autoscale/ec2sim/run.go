package ec2sim

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// runInstances launches instances, once per ClientToken.
func (s *Sim) runInstances(p params, now time.Time) (any, *apiError) {
	low, high, like, err := s.launchParams(p)
	if err != nil {
		return nil, err
	}
	token, canonical := p.get("ClientToken"), canonical(p.Values)
	s.mu.Lock()
	defer s.mu.Unlock()
	r, again, err := s.repeated(token, canonical)
	if again || err != nil {
		return &runResult{reservationItem: reservationOf(s.find(r.ids))}, err
	}
	if like, err = s.completed(like, p.template("LaunchTemplate")); err != nil {
		return nil, err
	}
	like.Token = token
	room, err := s.room(like, low)
	if err != nil {
		return nil, err
	}
	launched := s.launch(min(high, room), like, p.hidden())
	if token != "" {
		s.tokens[token] = reservation{params: canonical, ids: idsOf(launched), at: now}
	}
	s.opt.Log.Info("instances launched", "count", len(launched), "token", token)
	return &runResult{reservationItem: reservationOf(launched)}, nil
}

// maxTokens bounds how many launches are remembered by their token.
const maxTokens = 50_000

// repeated finds what a ClientToken stands for; with other parameters it is an
// error. Callers hold s.mu.
func (s *Sim) repeated(token, canonical string) (reservation, bool, *apiError) {
	r, ok := s.tokens[token]
	switch {
	case token == "" || !ok && len(s.tokens) < maxTokens:
		return reservation{}, false, nil
	case !ok:
		return reservation{}, false, apiErrorf("RequestLimitExceeded", "There are %d launches of one day already.", maxTokens)
	case r.params != canonical:
		return reservation{}, false, apiErrorf("IdempotentParameterMismatch", "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).")
	}
	return r, true, nil
}

// hidden is how long Describe does not show what a request launches.
func (p params) hidden() time.Duration {
	if p.fault.Effect != EffectHide {
		return 0
	}
	return time.Duration(p.fault.Delay)
}

// launchParams reads and checks what RunInstances asks for.
func (s *Sim) launchParams(p params) (low, high int, like Instance, err *apiError) {
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
	like, err = s.launchData(p, "")
	return low, high, like, err
}

// completed adds what the launch template says. Callers hold s.mu.
func (s *Sim) completed(like Instance, r templateRef) (Instance, *apiError) {
	base, err := s.resolve(r)
	if err != nil {
		return like, err
	}
	like = like.over(base)
	if like.Image == "" {
		return like, apiErrorf("MissingParameter", "The request must contain the parameter ImageId")
	}
	if like.Image, err = s.imageOf(like.Image); err != nil {
		return like, err
	}
	like.Type, like.Zone = cmp.Or(like.Type, "m1.small"), cmp.Or(like.Zone, s.zoneOf(like.Subnet))
	return like, wellFormed(like.Image, like.Type)
}

// wellFormed refuses an image and an instance type that can be none; those that
// can are taken as given.
func wellFormed(image, kind string) *apiError {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	id, ok := strings.CutPrefix(image, "ami-")
	if image != "" && !strings.HasPrefix(image, resolveSSM) && (!ok || id == "" || strings.Trim(id, letters) != "") {
		return apiErrorf("InvalidAMIID.Malformed", "Invalid id: %q (expecting \"ami-...; the Id may only contain lowercase alphanumeric characters and a single dash\")", image)
	}
	family, size, ok := strings.Cut(kind, ".")
	if kind != "" && (!ok || family == "" || size == "" || strings.Trim(family+size, letters+"-") != "") {
		return apiErrorf("InvalidParameterValue", "Invalid value '%s' for InstanceType.", kind)
	}
	return nil
}

// tagsOf reads the tags that TagSpecification puts on a kind of resource, such
// as instance.
func (p params) tagsOf(resource, prefix string) (map[string]string, *apiError) {
	tags := make(map[string]string)
	for n := 1; n <= 10; n++ {
		at := prefix + "TagSpecification." + strconv.Itoa(n)
		kind := p.get(at + ".ResourceType")
		if kind == "" {
			break
		}
		some, err := p.tags(at + ".Tag")
		if err != nil {
			return nil, err
		}
		if kind == resource {
			maps.Copy(tags, some)
		}
	}
	return tags, nil
}

// canonical is all of a request that must be the same when its token is.
func canonical(v url.Values) string {
	v = maps.Clone(v)
	v.Del("ClientToken")
	return v.Encode()
}

// terminateInstances ends instances; ending one twice is no error.
func (s *Sim) terminateInstances(p params, _ time.Time) (any, *apiError) {
	ids := p.list("InstanceId")
	if len(ids) == 0 {
		return nil, apiErrorf("MissingParameter", "The request must contain the parameter InstanceId")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.known(ids); err != nil {
		return nil, err
	}
	for _, id := range ids {
		if s.instances[id].Keep {
			return nil, apiErrorf("OperationNotPermitted", "The instance '%s' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.", id)
		}
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
func (s *Sim) createTags(p params, _ time.Time) (any, *apiError) {
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
		all := maps.Clone(tags)
		maps.Copy(all, s.instances[id].Tags)
		if len(all) > maxTags {
			return nil, errTags()
		}
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

// deleteTags removes tags of instances; with a value only where it is theirs.
func (s *Sim) deleteTags(p params, _ time.Time) (any, *apiError) {
	ids := p.list("ResourceId")
	tags, err := p.tags("Tag")
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.known(ids); err != nil {
		return nil, err
	}
	for _, id := range ids {
		maps.DeleteFunc(s.instances[id].Tags, func(k, v string) bool {
			want, ok := tags[k]
			return ok && (want == "" || want == v)
		})
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

// sortedTags yields tags by key, so that answers are the same each time.
func sortedTags(tags map[string]string) []tagItem {
	out := make([]tagItem, 0, len(tags))
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, tagItem{k, tags[k]})
	}
	return out
}
