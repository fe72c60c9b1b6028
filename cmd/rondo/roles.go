package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"rondo/alerts/check"
	"rondo/alerts/fleet"
	"rondo/alerts/role"
	"rondo/syslogd/valid"
)

// roleConfig is an item of the section "roles": all that is attached to the
// hosts of a group.
type roleConfig struct {
	role.Role `yaml:",inline"`
	Settings  settingsConfig `yaml:"settings"`
}

// settingsConfig is what a role's hosts do: the profile of their agents, and
// words for whoever configures them.
type settingsConfig struct {
	profile    `yaml:",inline"`
	Parameters map[string]string `yaml:"parameters"`

	text []byte // the profile as it is handed out; nil: there is none
}

// Bounds of a role's parameters.
const (
	maxParameters = 200
	maxParameter  = 4 << 10 // bytes
)

// unmarshalNode decodes the settings, and writes the profile that is handed out.
func (c *settingsConfig) unmarshalNode(n *node) error {
	type plain settingsConfig // without this method
	if err := decode(n, (*plain)(c)); err != nil {
		return err
	}
	var err error
	if handed := n.without("parameters"); len(handed.entries) > 0 {
		c.text, err = handed.MarshalJSON()
	}
	var errs []error
	for _, e := range valid.Errors(errors.Join(err, c.check())) {
		errs = append(errs, fmt.Errorf("%s: roles: settings: %w", n.at, e))
	}
	return errors.Join(errs...)
}

func (c *settingsConfig) check() error {
	errs := []error{c.validate()}
	if len(c.text) > maxProfile {
		errs = append(errs, fmt.Errorf("%d bytes, at most %d", len(c.text), maxProfile))
	}
	if len(c.Parameters) > maxParameters {
		errs = append(errs, fmt.Errorf("parameters: %d, at most %d", len(c.Parameters), maxParameters))
	}
	for name, v := range c.Parameters {
		if name == "" || len(name)+len(v) > maxParameter {
			errs = append(errs, fmt.Errorf("parameters: %q: want a name, and %d bytes at most with its value", name[:min(len(name), 40)], maxParameter))
		}
	}
	return errors.Join(errs...)
}

// profile is the profile of the role's agents, as one of agents: profiles;
// false where the role has none.
func (c roleConfig) profile() (profileConfig, bool) {
	if c.Settings.text == nil {
		return profileConfig{}, false
	}
	return profileConfig{
		Name: "role " + c.Name, Groups: c.WithDefaults().Groups, profile: c.Settings.profile,
		text: c.Settings.text, version: versionOf(c.Settings.text),
	}, true
}

// profiles are what agents do, the first that fits an agent: those of roles
// stand before those for all.
func (c *config) profiles() []profileConfig {
	var out []profileConfig
	for _, r := range c.Roles {
		if p, ok := r.profile(); ok {
			out = append(out, p)
		}
	}
	return append(out, c.Agents.Profiles...)
}

// roleRules are the rules of all roles.
func (c *config) roleRules() check.Config {
	var all check.Config
	for _, r := range c.Roles {
		all = all.And(r.WithDefaults().Rules())
	}
	return all
}

// validateRoles says what is wrong with each role, and between them.
func (c *config) validateRoles() error {
	var errs []error
	var names []string
	own := c.Alerts.Rules.Names()
	for _, r := range c.Roles {
		bad := func(err error) {
			errs = append(errs, fmt.Errorf("roles: role %q: %w", r.Name, err))
		}
		for _, e := range valid.Errors(r.Validate()) {
			bad(errors.New(strings.TrimPrefix(e.Error(), "alerts: ")))
		}
		if slices.Contains(names, r.Name) {
			bad(errors.New("there is another one of this name"))
		}
		names = append(names, r.Name)
		for _, rule := range r.WithDefaults().Rules().Names() {
			if slices.Contains(own, rule) {
				bad(fmt.Errorf("a rule under alerts has the name %q already", rule))
			}
		}
		for _, e := range valid.Errors(c.checkRoleGroups(r)) {
			bad(e)
		}
	}
	return errors.Join(errs...)
}

// checkRoleGroups finds groups that nobody launches: where there are groups of
// autoscale, one more is likelier a mistake than meant.
func (c *config) checkRoleGroups(r roleConfig) error {
	var known []string
	for _, g := range c.Autoscale.Groups.Groups {
		known = append(known, g.Name)
	}
	if r.Static || len(known) == 0 {
		return nil
	}
	var errs []error
	for _, g := range r.WithDefaults().Groups {
		if !slices.Contains(known, g) {
			errs = append(errs, fmt.Errorf("groups: autoscale has no group %q%s; say static: true for hosts that nobody launches", g, suggest(g, known)))
		}
	}
	return errors.Join(errs...)
}

// greetEvery is how soon it is seen that a host has come or gone.
const greetEvery = 200 * time.Millisecond

// greet has the rules of roles checked as soon as hosts come or go, not at their
// next turn: so a host has its states with its first heartbeat, and leaves none.
func (s *server) greet(ctx context.Context) error {
	tick := time.NewTicker(greetEvery)
	defer tick.Stop()
	met := make(map[string]string) // the members of each role
	for seen := s.fleet.Changes(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := s.fleet.Changes()
		if now == seen {
			continue
		}
		seen = now
		hosts := s.fleet.Hosts()
		for _, r := range s.parts.Load().conf.Roles {
			r := r.WithDefaults()
			members := strings.Join(membersOf(r, hosts), "\xff")
			if members == met[r.Name] {
				continue
			}
			met[r.Name] = members
			for _, rule := range r.Rules().Names() {
				s.engine.Wake(rule)
			}
		}
	}
}

// membersOf are the names of the hosts that are members now.
func membersOf(r role.Role, hosts []fleet.Host) (names []string) {
	for _, h := range hosts {
		if r.Has(h) {
			names = append(names, h.ID)
		}
	}
	return names
}

// roleList is what the roles of a configuration have attached, and who is a
// member.
func (s *server) roleList() []role.View {
	conf := s.parts.Load().conf
	roles := make([]role.Role, len(conf.Roles))
	for i, r := range conf.Roles {
		roles[i] = r.WithDefaults()
	}
	views := role.Views(roles, s.staff().Hosts(), s.engine)
	for i, r := range conf.Roles {
		p, _ := r.profile() // none has no version
		views[i].Profile, views[i].Parameters = p.version, r.Settings.Parameters
	}
	return views
}

// Roles implements pages.Roles.
func (p present) Roles() []role.View { return p.s.roleList() }

// serveRoles answers GET /api/roles and /api/roles/NAME.
func (s *server) serveRoles(r *http.Request, _ url.Values) (any, error) {
	all, name := s.roleList(), r.PathValue("name")
	if name == "" {
		return all, nil
	}
	if i := slices.IndexFunc(all, func(v role.View) bool { return v.Name == name }); i >= 0 {
		return all[i], nil
	}
	return nil, fmt.Errorf("%w: %s", errNoRole, name)
}

// errNoRole is the answer to who asks for a role that there is not.
var errNoRole = errors.New("no such role")
