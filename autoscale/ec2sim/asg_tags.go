package ec2sim

import (
	"slices"
	"strconv"
	"time"
)

// maxGroupTags is how many tags a group may have.
const maxGroupTags = 50

// tagged calls do for each tag of a request and the group that it names, of
// all or of none. Callers hold s.mu.
func (s *Sim) tagged(p params, do func(g *group, t groupTag) *apiError) *apiError {
	tags := p.groupTags()
	groups := make([]*group, 0, len(tags))
	for n := range tags {
		name := p.get("Tags.member." + strconv.Itoa(n+1) + ".ResourceId")
		g := s.group(name)
		if g == nil {
			return invalid("AutoScalingGroup name not found - AutoScalingGroup: %s not found", name)
		}
		groups = append(groups, g)
	}
	for n, t := range tags {
		if err := do(groups[n], t); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sim) tagGroups(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return nil, s.tagged(p, func(g *group, t groupTag) *apiError {
		n := slices.IndexFunc(g.groupTags, func(o groupTag) bool { return o.Key == t.Key })
		switch {
		case n >= 0:
			g.groupTags[n] = t
		case len(g.groupTags) >= maxGroupTags:
			return apiErrorf("LimitExceeded", "You have reached the limit of %d tags.", maxGroupTags)
		default:
			g.groupTags = append(g.groupTags, t)
		}
		return nil
	})
}

func (s *Sim) untagGroups(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return nil, s.tagged(p, func(g *group, t groupTag) *apiError {
		g.groupTags = slices.DeleteFunc(g.groupTags, func(o groupTag) bool { return o.Key == t.Key })
		return nil
	})
}

type groupTagsResult struct {
	Items     []groupTagItem `xml:"Tags>member"`
	NextToken string         `xml:"NextToken,omitempty"`
}

// describeGroupTags lists tags by the filters auto-scaling-group, key and
// value.
func (s *Sim) describeGroupTags(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fs := p.memberFilters()
	var all []groupTagItem
	for _, g := range s.groups {
		for _, t := range g.tagItems() {
			have := map[string]string{"auto-scaling-group": t.Group, "key": t.Key, "value": t.Value, "propagate-at-launch": strconv.FormatBool(t.Propagate)}
			if !slices.ContainsFunc(fs, func(f filter) bool { return !contains(f.values, have[f.name]) }) {
				all = append(all, t)
			}
		}
	}
	items, next, err := page(p, all)
	return &groupTagsResult{items, next}, err
}
