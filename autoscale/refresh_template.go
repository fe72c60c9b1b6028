package autoscale

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// TagTemplate is the tag with the digest of what an instance was launched as:
// see [Template.Digest].
const TagTemplate = "rondo:template"

// Digest names what matters of what an instance is launched as: its image,
// launch template, user data as configured, key, profile and security groups.
// Where it runs and how it is paid for do not matter; its type is compared by
// itself, for any of types will do.
func (t Template) Digest() string {
	sum := sha256.New()
	for _, part := range []string{t.Image, t.LaunchTemplate, t.Version, t.Key, t.Profile, hashed(t.UserData)} {
		fmt.Fprintf(sum, "%q\n", part)
	}
	for _, id := range slices.Sorted(slices.Values(t.SecurityGroups)) {
		fmt.Fprintf(sum, "%q\n", id)
	}
	return hex.EncodeToString(sum.Sum(nil)[:6])
}

// aim names what a refresh goes to: the digest, and the types.
func (t Template) aim() string {
	return t.Digest() + " " + strings.Join(slices.Sorted(slices.Values(t.types())), ",")
}

func aimOf(t Template, _ bool) string { return t.aim() }

// outdates returns who tells the instances that were launched as something else
// than t. Of one that nobody knows what it was launched as, what the cloud shows
// must do.
func (t Template) outdates() func(Instance) bool {
	digest, types := t.Digest(), t.types()
	return func(i Instance) bool {
		if i.Template != "" && i.Template != digest {
			return true
		}
		if i.Template == "" && strings.HasPrefix(t.Image, "ami-") && i.Image != "" && i.Image != t.Image {
			return true
		}
		return i.Type != "" && !slices.Contains(types, "") && !slices.Contains(types, i.Type)
	}
}

// as is t with what matters of another template, in its own places and markets.
func (t Template) as(o Template) Template {
	t.Image, t.LaunchTemplate, t.Version, t.Type, t.Types = o.Image, o.LaunchTemplate, o.Version, o.Type, o.Types
	t.Key, t.Profile, t.UserData, t.SecurityGroups = o.Key, o.Profile, o.UserData, o.SecurityGroups
	return t
}

// Changes lists what differs between two templates, of what matters.
func (t Template) Changes(to Template) (out []Difference) {
	for _, d := range Differences(Group{Launch: Template{}.as(t)}, Group{Launch: Template{}.as(to)}) {
		d.Name = strings.TrimPrefix(d.Name, "launch.")
		out = append(out, d)
	}
	return out
}

const (
	maxTemplates    = 6        // a group remembers so many
	maxTemplateText = 48 << 10 // with so much user data, for a snapshot must have room for them: see state.MaxValue
)

// knowTemplate remembers what a launch is made of, the newest last.
func (m *memory) knowTemplate(t Template) {
	aim, text := t.aim(), len(t.UserData)
	known := []Template{t}
	for _, o := range slices.Backward(m.Templates) {
		if text += len(o.UserData); len(known) == maxTemplates || text > maxTemplateText {
			break
		}
		if o.aim() == aim {
			text -= len(o.UserData)
			continue
		}
		known = append(known, o)
	}
	slices.Reverse(known)
	m.Templates = known
}

// before is what the outdated instances were launched as: the newest template
// that one of them has. The zero template where the journal knows of none.
func (m *memory) before(present Template, instances []Instance) Template {
	outdated := present.outdates()
	for _, t := range slices.Backward(m.Templates) {
		digest, other := t.Digest(), t.outdates()
		made := func(i Instance) bool { return i.Template == digest && outdated(i) && !other(i) }
		if t.aim() != present.aim() && slices.ContainsFunc(instances, made) {
			return t
		}
	}
	return Template{}
}

// configured is the template that the configuration asks for, with the image that
// is chosen; false while that is not known for certain. Callers hold g.mu.
func (g *group) configured() (t Template, known bool) {
	t = g.Launch
	t.Image, _ = g.image()
	return t, g.refreshless() == "" && (!t.Images.IsSet() || g.images.Chosen != "")
}

// template is what the next launch is made of: what the configuration asks for;
// while instances are replaced what they are replaced by; and what they were
// before, from when that has failed until the configuration asks for something
// else. Callers hold g.mu.
func (g *group) template() Template {
	t, known := g.configured()
	r := g.memory.Refresh
	switch {
	case r == nil || g.refreshless() != "":
	case r.State == Refreshing || r.State == RefreshPaused:
		return t.as(r.New)
	case r.Old.isZero():
	case r.State == BackingOut || r.State == BackedOut && (!known || r.To == t.aim()):
		return t.as(r.Old)
	}
	return t
}

// isZero says whether it is no template at all.
func (t Template) isZero() bool { return t.aim() == Template{}.aim() }

// noteTemplates puts on the instances what they were launched as: by their tag,
// by the launch that they came of, or by that which is in the journal from
// before there was a tag. Callers hold g.mu.
func (g *group) noteTemplates() {
	present, known := g.configured()
	outdated := present.outdates()
	for n := range g.instances {
		i := &g.instances[n]
		i.Template = cmp.Or(i.Tags[TagTemplate], g.memory.Made[i.ID], g.born[i.Tags[TagDecision]])
		i.Outdated = known && i.Phase != Terminating && outdated(*i)
	}
}

// bornOf are the templates of launches from before there was a tag, by attempt.
func bornOf(name string, entries []Entry) map[string]string {
	born := make(map[string]string)
	for _, e := range entries {
		if e.Group == name && e.Kind == KindLaunch && e.Launch.Tags[TagTemplate] == "" {
			born[e.Attempt] = e.Launch.Template.Digest()
		}
	}
	return born
}
