package main

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"

	"rondo/alerts/fleet"
	"rondo/alerts/fleet/join"
	"rondo/collectors/agent"
	"rondo/syslogd"
	"rondo/syslogd/logstore"
	"rondo/syslogd/syslog"
)

// buildAgents makes the server's end of the agents' protocol. It outlives
// reloads, and so do the agents' sessions.
func (s *server) buildAgents() (err error) {
	s.agents, err = agent.NewServer(agent.Options{
		Store: agentStore{s}, Metrics: s.stores.metrics, Auth: agentKeys{s.join, agent.StaticToken(s.conf.Agents.Token)},
		Heard: s.heardAgent, Log: s.log.With("component", "agents"), Version: release,
	})
	return err
}

// agentStore is where the messages of agents go: the way of all messages, with
// their marks.
type agentStore struct{ s *server }

// PutMarked implements agent.Store.
func (a agentStore) PutMarked(ctx context.Context, batch []syslog.Message, marks []agent.Mark) error {
	all := make([]syslogd.Mark, len(marks))
	for i, m := range marks {
		all[i] = syslogd.Mark{Source: m.Source, Pos: m.Pos}
	}
	return a.s.parts.Load().router.PutMarked(ctx, batch, all)
}

// Marks implements agent.Store.
func (a agentStore) Marks(prefix string) (marks []agent.Mark) {
	for _, m := range a.logs().Marks(prefix) {
		marks = append(marks, agent.Mark{Source: m.Source, Pos: m.Pos})
	}
	return marks
}

// Sync implements agent.Store.
func (a agentStore) Sync(ctx context.Context) error { return a.logs().Put(ctx, nil) }

func (a agentStore) logs() *logstore.Store { return a.s.stores.logs }

// agentKeys knows the keys that were traded for join tokens, and the one that
// stands in the configuration.
type agentKeys struct {
	join  *join.Authority
	token agent.StaticToken
}

// Authorize implements agent.Authorizer.
func (k agentKeys) Authorize(ctx context.Context, key string, peer netip.Addr) (agent.Identity, error) {
	if own, ok := k.join.Authorize(key, peer); ok {
		return agent.Identity{ID: own.ID, Host: own.Host, Group: own.Group, Instance: own.Instance}, nil
	}
	return k.token.Authorize(ctx, key, peer)
}

// heardAgent tells the fleet what an agent says of itself.
func (s *server) heardAgent(c agent.Contact) {
	s.fleet.Report(c.Host, c.Group, c.Instance, fleet.Agent{
		ID: c.ID, Version: c.Version, Type: c.Type, Zone: c.Zone, Tags: c.Tags, Address: c.Addr.String(), Seen: c.Seen,
		Started: c.Started, Lag: c.Lag, Dropped: c.Lost(), Conflict: c.Conflict, Profile: s.handout.of(c.ID).words(),
	})
}

// agentList answers GET /api/agents.
func (s *server) agentList(*http.Request, url.Values) (any, error) { return s.agents.Agents(), nil }
