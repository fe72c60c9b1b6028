package ec2sim

import (
	"encoding/base64"
	"time"
)

type templateItem struct {
	ID        string    `xml:"launchTemplateId"`
	Name      string    `xml:"launchTemplateName"`
	Created   string    `xml:"createTime"`
	CreatedBy string    `xml:"createdBy"`
	Default   int       `xml:"defaultVersionNumber"`
	Latest    int       `xml:"latestVersionNumber"`
	Tags      []tagItem `xml:"tagSet>item"`
}

func templateItemOf(t *launchTemplate) templateItem {
	return templateItem{t.id, t.name, timestamp(t.created), "arn:aws:iam::" + owner + ":root", t.standard, len(t.versions), sortedTags(t.tags)}
}

type createTemplateResult struct {
	meta
	Template templateItem `xml:"launchTemplate"`
}

// createTemplateVersion adds a version, on top of SourceVersion where it is
// named.
func (s *Sim) createTemplateVersion(p params, now time.Time) (any, *apiError) {
	data, err := s.launchData(p, "LaunchTemplateData.")
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.findTemplate(templateRef{ID: p.get("LaunchTemplateId"), Name: p.get("LaunchTemplateName")})
	if err != nil {
		return nil, err
	}
	if source := p.get("SourceVersion"); source != "" {
		n, err := t.number(source)
		if err != nil {
			return nil, err
		}
		data = data.over(t.versions[n-1].data)
	}
	if len(t.versions) >= maxVersions {
		return nil, apiErrorf("VersionLimitExceeded", "You have reached the limit of %d versions.", maxVersions)
	}
	t.versions = append(t.versions, templateVersion{p.get("VersionDescription"), now, data})
	return &createVersionResult{Version: t.item(len(t.versions))}, nil
}

// modifyTemplate chooses the default version.
func (s *Sim) modifyTemplate(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.findTemplate(templateRef{ID: p.get("LaunchTemplateId"), Name: p.get("LaunchTemplateName")})
	if err != nil {
		return nil, err
	}
	n, err := t.number(p.get("SetDefaultVersion"))
	if err != nil {
		return nil, err
	}
	t.standard = n
	return &createTemplateResult{Template: templateItemOf(t)}, nil
}

// describeTemplates lists launch templates by ID, name and tag.
func (s *Sim) describeTemplates(p params, _ time.Time) (any, *apiError) {
	ids, names, fs := p.list("LaunchTemplateId"), p.list("LaunchTemplateName"), p.filters()
	if err := check(fs, new(launchTemplate).field); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if _, err := s.findTemplate(templateRef{ID: id}); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		if _, err := s.findTemplate(templateRef{Name: name}); err != nil {
			return nil, err
		}
	}
	out := new(templatesResult)
	for _, t := range s.templates {
		asked := len(ids)+len(names) == 0 || contains(ids, t.id) || contains(names, t.name)
		if asked && matches(fs, t.field) {
			out.Items = append(out.Items, templateItemOf(t))
		}
	}
	return out, nil
}

// field returns what a filter of that name looks at.
func (t *launchTemplate) field(name string) ([]string, bool) {
	switch name {
	case "launch-template-name":
		return []string{t.name}, true
	case "create-time":
		return []string{timestamp(t.created)}, true
	case "tag-key":
		return keys(t.tags), true
	}
	return tagField(t.tags, name)
}

type templatesResult struct {
	meta
	Items []templateItem `xml:"launchTemplates>item"`
}

// describeTemplateVersions lists the versions of one launch template, the
// newest first.
func (s *Sim) describeTemplateVersions(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.findTemplate(templateRef{ID: p.get("LaunchTemplateId"), Name: p.get("LaunchTemplateName")})
	if err != nil {
		return nil, err
	}
	asked := make(map[int]bool)
	for _, version := range p.list("LaunchTemplateVersion") {
		n, err := t.number(version)
		if err != nil {
			return nil, err
		}
		asked[n] = true
	}
	out := new(versionsResult)
	for n := len(t.versions); n > 0; n-- {
		if len(asked) == 0 || asked[n] {
			out.Items = append(out.Items, t.item(n))
		}
	}
	return out, nil
}

type marketItem struct {
	Type Market `xml:"marketType"`
}

type tagSpec struct {
	Kind string    `xml:"resourceType"`
	Tags []tagItem `xml:"tagSet>item"`
}

type dataItem struct {
	Image    string      `xml:"imageId,omitempty"`
	Type     string      `xml:"instanceType,omitempty"`
	Key      string      `xml:"keyName,omitempty"`
	UserData string      `xml:"userData,omitempty"` // base64
	Profile  *profile    `xml:"iamInstanceProfile"`
	Place    *placement  `xml:"placement"`
	Market   *marketItem `xml:"instanceMarketOptions"`
	Groups   []string    `xml:"securityGroupIdSet>item"`
	Tags     []tagSpec   `xml:"tagSpecificationSet>item"`
}

type versionItem struct {
	ID          string   `xml:"launchTemplateId"`
	Name        string   `xml:"launchTemplateName"`
	Number      int      `xml:"versionNumber"`
	Description string   `xml:"versionDescription,omitempty"`
	Created     string   `xml:"createTime"`
	Default     bool     `xml:"defaultVersion"`
	Data        dataItem `xml:"launchTemplateData"`
}

// item shows version number n.
func (t *launchTemplate) item(n int) versionItem {
	v := t.versions[n-1]
	d := v.data
	out := versionItem{t.id, t.name, n, v.description, timestamp(v.created), n == t.standard, dataItem{
		Image: d.Image, Type: d.Type, Key: d.Key, UserData: base64.StdEncoding.EncodeToString([]byte(d.UserData)), Groups: d.SecurityGroups,
	}}
	if d.Profile != "" {
		out.Data.Profile = &profile{Name: d.Profile}
	}
	if d.Zone != "" {
		out.Data.Place = &placement{Zone: d.Zone}
	}
	if d.Market != "" {
		out.Data.Market = &marketItem{d.Market}
	}
	if len(d.Tags) > 0 {
		out.Data.Tags = []tagSpec{{"instance", sortedTags(d.Tags)}}
	}
	return out
}

type createVersionResult struct {
	meta
	Version versionItem `xml:"launchTemplateVersion"`
}

type versionsResult struct {
	meta
	Items []versionItem `xml:"launchTemplateVersionSet>item"`
}
