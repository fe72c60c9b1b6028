package fleet

import (
	"maps"
	"strings"
	"time"
)

// An Agent is what the agent of a host last said of itself.
type Agent struct {
	ID       string            `json:"id"`
	Version  string            `json:"version"`
	Type     string            `json:"type,omitempty"` // of the instance
	Zone     string            `json:"zone,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
	Address  string            `json:"address"`
	Seen     time.Time         `json:"seen"` // its last contact
	Started  time.Time         `json:"started"`
	Lag      uint64            `json:"lag_bytes"`          // what it has and we have not
	Dropped  uint64            `json:"dropped"`            // messages, since it was started
	Conflict string            `json:"conflict,omitempty"` // another machine uses its identity
	Profile  string            `json:"profile,omitempty"`  // the one that we hand out to it, with its version, and whether it works by that
}

// Report notes what an agent says of itself and its host. A host that is new
// becomes known by it, before its first sample.
func (f *Fleet) Report(host, group, instance string, a Agent) {
	a.Tags = maps.Clone(a.Tags)
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.find(host)
	if e == nil {
		if e = f.add(Host{ID: host, Group: group, Instance: instance, FirstSeen: a.Seen}); e == nil {
			return
		}
	}
	if instance != "" {
		f.bind(e, instance)
	}
	old := e.Agent
	e.Agent = &a
	if e.Group == "" && group != "" {
		e.Group = strings.Clone(group)
		f.changed.Add(1)
		f.dirty[e.ID] = true
	}
	if old == nil || old.ID != a.ID || old.Version != a.Version || old.Type != a.Type || old.Zone != a.Zone || !maps.Equal(old.Tags, a.Tags) {
		f.dirty[e.ID] = true
	}
}
