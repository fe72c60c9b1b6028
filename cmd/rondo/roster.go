package main

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/goccy/go-yaml"

	"rondo/autoscale/fanout"
	"rondo/autoscale/hooks"
	"rondo/autoscale/roster"
	"rondo/web"
)

// managementConfig is how the rest of the house follows the groups: files on
// the server, answers for configuration management, commands and hooks.
type managementConfig struct {
	Files    []roster.FileConfig  `yaml:"files"`
	Classes  []roster.ClassConfig `yaml:"classes"`
	Commands []fanout.Config      `yaml:"commands"`
	Hooks    []hooks.Config       `yaml:"hooks"`
}

// validate checks the section, and that it names groups and commands that there
// are.
func (c managementConfig) validate(conf *config) error {
	errs := []error{roster.ValidateFiles(c.Files), fanout.Validate(c.Commands), hooks.Validate(c.Hooks, c.Commands)}
	for _, f := range c.Files {
		errs = append(errs, conf.checkFollowed("files", f.Groups...))
	}
	for _, k := range c.Classes {
		errs = append(errs, conf.checkFollowed("classes", k.Group))
	}
	for _, h := range c.Hooks {
		errs = append(errs, conf.checkFollowed("hooks", h.Group))
	}
	return errors.Join(errs...)
}

// groupNames are the groups of a configuration.
func (c *config) groupNames() (names []string) {
	for _, g := range c.Autoscale.Groups.Groups {
		names = append(names, g.Name)
	}
	return names
}

// buildManagement makes what of the house goes by the roster.
func (s *server) buildManagement(ctx context.Context, conf *config, p *parts) (err error) {
	c, groups := conf.Autoscale.Management, conf.groupNames()
	log := s.log.With("component", "roster")
	// Who ended while nobody looked is in no list by now: its silence is no alarm.
	left := func(m roster.Member) {
		s.fleet.Over(m.ID, "autoscale: "+m.ID+" is in group "+m.Group+" no more")
	}
	p.house = append(p.house, roster.Source{Roster: s.roster, Groups: groups, Left: left})
	if p.files, err = roster.NewKeeper(c.Files, groups, s.roster, s.stores.state, log); err != nil {
		return err
	}
	remote, err := s.runInAWS(ctx, conf, p)
	if err != nil {
		return err
	}
	if p.jobs, err = fanout.Jobs(c.Commands, remote); err != nil {
		return err
	}
	p.hooks, err = hooks.New(c.Hooks, p.jobs, s.roster, s.stores.state, s.log.With("component", "hooks"))
	if err != nil {
		return err
	}
	p.house = append(p.house, p.files, p.hooks)
	return nil
}

// mountRoster mounts who is in the groups, for people, for configuration
// management, and for agents with their keys.
func (s *server) mountRoster(w *web.Server) {
	w.Shared("GET "+roster.Path, s.isAgent, s.roster.Handler())
	w.SharedStream("GET "+roster.EventsPath, s.isAgent, s.roster.Events())
	w.Handle("GET /api/inventory", http.HandlerFunc(s.serveInventory))
	w.Shared("GET /api/enc/{host}", s.isItself, http.HandlerFunc(s.serveNode))
	w.Handle("GET /api/commands", answer(s.commandList))
	w.StreamCommand("POST /api/commands/{name}", signed(w, &runs{s: s, places: make(chan struct{}, maxRuns)}))
}

// isAgent says whether a request comes with the key of an agent.
func (s *server) isAgent(r *http.Request) bool {
	_, err := s.handout.caller(r)
	return err == nil
}

// isItself says whether a request comes with the key of the agent that it is
// about: what others are told may be none of its business.
func (s *server) isItself(r *http.Request) bool {
	who, err := s.handout.caller(r)
	m, ok := roster.Find(s.roster.View().Members, r.PathValue("host"))
	return err == nil && ok && (who.Host == "" || who.ID == m.ID || who.Host == m.Host)
}

// classes say what instances are: the roles of their groups, and over these what
// stands under autoscale. A group whose classes are not named there is of the
// classes that its roles are called by.
func (c *config) classes() (all []roster.ClassConfig) {
	own := c.Autoscale.Management.Classes
	for _, r := range c.Roles {
		for _, group := range r.WithDefaults().Groups {
			k := roster.ClassConfig{Group: group, Parameters: r.Settings.Parameters}
			if !slices.ContainsFunc(own, func(o roster.ClassConfig) bool { return o.Group == group && len(o.Classes) > 0 }) {
				k.Classes = []string{roster.RoleClass(r.Name)}
			}
			all = append(all, k)
		}
	}
	return append(all, own...)
}

// serveInventory answers with Ansible's inventory, of ?group= or of all.
func (s *server) serveInventory(w http.ResponseWriter, r *http.Request) {
	text, err := roster.InventoryOf(s.roster.View().Of(r.URL.Query().Get("group")).Members).MarshalJSON()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(text, '\n')) // the asker has gone
}

// serveNode answers as an external node classifier.
func (s *server) serveNode(w http.ResponseWriter, r *http.Request) {
	node, ok := roster.Classify(s.roster.View().Members, s.parts.Load().conf.classes(), r.PathValue("host"))
	if !ok {
		http.Error(w, "no member of a group has this name", http.StatusNotFound)
		return
	}
	text, err := yaml.Marshal(node)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(append([]byte("---\n"), text...)) // the asker has gone
}

// rosterFigures are the counters of what goes by the roster.
func (s *server) rosterFigures(p *parts) map[string]uint64 {
	m := s.roster.Snapshot()
	if p.files != nil {
		for _, more := range []map[string]uint64{p.files.Snapshot(), p.hooks.Snapshot()} {
			maps.Copy(m, more)
		}
	}
	return m
}

// rank is an instance's rank in its group; 0 where it has none.
func (s *server) rank(group, instance string) int {
	for _, m := range s.roster.View().Members {
		if m.Group == group && m.ID == instance {
			return m.Rank
		}
	}
	return 0
}

// aliases are those of a group's instances, by their IDs.
func (s *server) aliases(group string) map[string]string {
	out := make(map[string]string)
	for _, m := range s.roster.View().Members {
		if m.Group == group {
			out[m.ID] = m.Alias
		}
	}
	return out
}
