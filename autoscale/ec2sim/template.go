package ec2sim

import (
	"cmp"
	"encoding/base64"
	"maps"
	"strconv"
	"strings"
	"time"
)

// A launchTemplate holds what launches have in common, in versions that are
// numbered from 1.
type launchTemplate struct {
	id, name string
	created  time.Time
	versions []templateVersion
	standard int // the number of the default version
	tags     map[string]string
}

type templateVersion struct {
	description string
	created     time.Time
	data        Instance // what instances are like
}

// Limits of launch templates; AWS allows many more.
const (
	maxTemplates = 500
	maxVersions  = 100
)

// launchData reads what an instance is to be like: RunInstances has it at the
// top, CreateLaunchTemplate under LaunchTemplateData.
func (s *Sim) launchData(p params, prefix string) (Instance, *apiError) {
	image := p.get(prefix + "ImageId")
	if err := wellFormed(image, p.get(prefix+"InstanceType")); err != nil {
		return Instance{}, err
	}
	data, bad := base64.StdEncoding.DecodeString(p.get(prefix + "UserData"))
	if bad != nil || len(data) > 16<<10 {
		return Instance{}, apiErrorf("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data, or more than 16384 bytes.")
	}
	tags, err := p.tagsOf("instance", prefix)
	if err != nil {
		return Instance{}, err
	}
	zone := p.get(prefix + "Placement.AvailabilityZone")
	if zone != "" && !strings.HasPrefix(zone, s.opt.Region) {
		return Instance{}, apiErrorf("InvalidParameterValue", "Invalid availability zone: [%s]", zone)
	}
	market := Market(p.get(prefix + "InstanceMarketOptions.MarketType"))
	if market != "" && market != Spot {
		return Instance{}, apiErrorf("InvalidParameterValue", "Value (%s) for parameter MarketType is invalid.", market)
	}
	return Instance{
		Image: image, Type: p.get(prefix + "InstanceType"), Zone: zone, Subnet: p.get(prefix + "SubnetId"), Key: p.get(prefix + "KeyName"),
		UserData: string(data), Tags: tags, Market: market, Profile: p.get(prefix + "IamInstanceProfile.Name"),
		SecurityGroups: p.list(prefix + "SecurityGroupId"),
	}, nil
}

// over returns what a launch asks for, and from base what it leaves open.
func (i Instance) over(base Instance) Instance {
	i.Image, i.Type, i.Zone = cmp.Or(i.Image, base.Image), cmp.Or(i.Type, base.Type), cmp.Or(i.Zone, base.Zone)
	i.Subnet, i.Key, i.Profile = cmp.Or(i.Subnet, base.Subnet), cmp.Or(i.Key, base.Key), cmp.Or(i.Profile, base.Profile)
	i.UserData, i.Market = cmp.Or(i.UserData, base.UserData), cmp.Or(i.Market, base.Market)
	if len(i.SecurityGroups) == 0 {
		i.SecurityGroups = base.SecurityGroups
	}
	tags := maps.Clone(base.Tags)
	if tags == nil {
		tags = make(map[string]string)
	}
	maps.Copy(tags, i.Tags)
	i.Tags = tags
	return i
}

// A templateRef names a version of a launch template.
type templateRef struct{ ID, Name, Version string }

// template reads prefix.LaunchTemplateId, prefix.LaunchTemplateName and
// prefix.Version.
func (p params) template(prefix string) templateRef {
	return templateRef{p.get(prefix + ".LaunchTemplateId"), p.get(prefix + ".LaunchTemplateName"), p.get(prefix + ".Version")}
}

func (r templateRef) empty() bool { return r.ID == "" && r.Name == "" }

// findTemplate finds a launch template. Callers hold s.mu.
func (s *Sim) findTemplate(r templateRef) (*launchTemplate, *apiError) {
	for _, t := range s.templates {
		if r.ID != "" && t.id == r.ID || r.ID == "" && t.name == r.Name {
			return t, nil
		}
	}
	if r.ID != "" {
		return nil, apiErrorf("InvalidLaunchTemplateId.NotFound", "The specified launch template, with template ID %s, does not exist.", r.ID)
	}
	return nil, apiErrorf("InvalidLaunchTemplateName.NotFoundException", "The specified launch template, with template name %s, does not exist.", r.Name)
}

// number finds a version: $Latest, $Default (as is none) or a number.
func (t *launchTemplate) number(version string) (int, *apiError) {
	switch version {
	case "", "$Default":
		return t.standard, nil
	case "$Latest":
		return len(t.versions), nil
	}
	n, err := strconv.Atoi(version)
	if err != nil || n < 1 || n > len(t.versions) {
		return 0, apiErrorf("InvalidLaunchTemplateId.VersionNotFound", "Could not find launch template version %s for launch template %s", version, t.id)
	}
	return n, nil
}

// resolve returns what a version of a launch template asks for; nothing for
// none. Callers hold s.mu.
func (s *Sim) resolve(r templateRef) (Instance, *apiError) {
	if r.empty() {
		return Instance{}, nil
	}
	t, err := s.findTemplate(r)
	if err != nil {
		return Instance{}, err
	}
	n, err := t.number(r.Version)
	if err != nil {
		return Instance{}, err
	}
	return t.versions[n-1].data, nil
}

// createLaunchTemplate makes a launch template with its first version.
func (s *Sim) createLaunchTemplate(p params, now time.Time) (any, *apiError) {
	name := p.get("LaunchTemplateName")
	if len(name) < 3 || len(name) > 128 {
		return nil, apiErrorf("InvalidLaunchTemplateName.MalformedException", "The launch template name %q wants 3 to 128 characters.", name)
	}
	data, err := s.launchData(p, "LaunchTemplateData.")
	if err != nil {
		return nil, err
	}
	tags, err := p.tagsOf("launch-template", "")
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.findTemplate(templateRef{Name: name}); err == nil {
		return nil, apiErrorf("InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use.")
	}
	if len(s.templates) >= maxTemplates {
		return nil, apiErrorf("ResourceCountExceeded", "You have reached the limit of %d launch templates.", maxTemplates)
	}
	t := &launchTemplate{
		id: newID("lt-"), name: name, created: now, standard: 1, tags: tags,
		versions: []templateVersion{{p.get("VersionDescription"), now, data}},
	}
	s.templates = append(s.templates, t)
	return &createTemplateResult{Template: templateItemOf(t)}, nil
}

// timestamp is how AWS writes times in XML.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
