package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"time"

	"rondo/autoscale/roster"
	"rondo/collectors/agent"
	"rondo/syslogd/syslog/pin"
)

// agentRoster is what an agent does with who is in the server's groups.
type agentRoster struct {
	Hosts string `yaml:"hosts"` // a file such as /etc/hosts, of which a block is kept as the members are
	Group string `yaml:"group"` // of this group alone
}

func (r agentRoster) validate() error {
	switch {
	case r.Hosts == "" && r.Group != "":
		return errors.New("group: says nothing without hosts:")
	case r.Hosts != "" && (!filepath.IsAbs(r.Hosts) || filepath.Clean(r.Hosts) != r.Hosts):
		return fmt.Errorf("hosts: %q: want a whole path, such as /etc/hosts", r.Hosts)
	}
	return nil
}

// A hostsKeeper keeps a block of this machine's hosts file as the server has the
// members of its groups.
type hostsKeeper struct {
	file     roster.HostsFile
	follower roster.Follower
	log      *slog.Logger
}

// newHostsKeeper makes one that has a connection of its own: its answer never
// ends.
func newHostsKeeper(c *agentConfig, key func() (string, error), log *slog.Logger) *hostsKeeper {
	transport := agent.NewTransport()
	transport.TLSClientConfig = pin.Client(c.Fingerprints...)
	sign := func(r *http.Request) error {
		key, err := key()
		r.Header.Set("Authorization", "Bearer "+key)
		return err
	}
	return &hostsKeeper{
		file: roster.HostsFile{Path: c.Roster.Hosts}, log: log.With("component", "hosts"),
		follower: roster.Follower{Client: &http.Client{Transport: transport}, URL: c.Server, Group: c.Roster.Group, Sign: sign},
	}
}

// Pauses between connections. They differ from agent to agent, so that a fleet
// does not come back all at once.
const (
	hostsFirst = time.Second
	hostsLast  = time.Minute
)

// run follows the server until ctx ends. While it is away the block stays.
func (k *hostsKeeper) run(ctx context.Context) error {
	problem := ""
	for pause := hostsFirst; ; pause = min(2*pause, hostsLast) {
		err := k.follower.Follow(ctx, func(v roster.View) error {
			changed, err := k.file.Write(v)
			if err != nil {
				return err
			}
			if pause = hostsFirst; problem != "" || changed {
				k.log.Info("aliases are as the server has them", "file", k.file.Path, "version", v.Version)
			}
			problem = ""
			return nil
		})
		if ctx.Err() != nil {
			return nil
		}
		if err.Error() != problem {
			k.log.Warn("aliases cannot be kept as the server has them; it is tried again", "file", k.file.Path, "err", err)
		}
		problem = err.Error()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause/2 + rand.N(pause)):
		}
	}
}
