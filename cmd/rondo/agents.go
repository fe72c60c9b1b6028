package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"time"

	"rondo/alerts/fleet"
	"rondo/alerts/fleet/join"
	"rondo/autoscale"
	"rondo/autoscale/ec2"
	"rondo/collectors/agent"
	"rondo/web"
)

// agentsConfig is the section "agents": how agents reach us, whom we let in.
type agentsConfig struct {
	Address  string          `yaml:"address"`  // https://host:port, as agents call us
	Trust    trust           `yaml:"trust"`    // how they know us: fingerprint, or system for the system's authorities
	Binaries string          `yaml:"binaries"` // directory of rondo-linux-arm64 and the like, besides what runs
	Identity join.Config     `yaml:"identity"`
	Token    string          `yaml:"token"`    // a key for agents that have none of their own; who has it can speak for any host. Empty: none
	Profiles []profileConfig `yaml:"profiles"` // what agents do; the first that fits an agent is its own
}

// lasting is what a reload does not replace.
func (c agentsConfig) lasting() [4]string {
	return [4]string{c.Address, string(c.Trust), c.Binaries, c.Token}
}

// trust is how an agent knows its server.
type trust string

const (
	byFingerprint trust = "fingerprint"
	bySystem      trust = "system"
)

// addressOK is what may stand in a shell's line and in YAML as it is.
var addressOK = regexp.MustCompile(`^https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]+)?$`)

func (c agentsConfig) validate() error {
	errs := []error{c.Identity.Validate()}
	if c.Address != "" {
		u, err := url.Parse(c.Address)
		switch {
		case err != nil || !addressOK.MatchString(c.Address):
			errs = append(errs, fmt.Errorf("agents: address %q: want https://host:port, as agents reach this server", c.Address))
		case u.Scheme == "http" && !isLoopbackName(u.Hostname()):
			errs = append(errs, fmt.Errorf("agents: address %q: keys and logs would go over the network in the clear; want https:// (rondo cert make)", c.Address))
		}
	}
	if c.Trust != "" && c.Trust != byFingerprint && c.Trust != bySystem {
		errs = append(errs, fmt.Errorf("agents: trust %q: want fingerprint or system", c.Trust))
	}
	if c.Token != "" && len(c.Token) < minAgentToken {
		errs = append(errs, fmt.Errorf("agents: token: %d characters are too few, want %d or more (openssl rand -hex 16)", len(c.Token), minAgentToken))
	}
	return errors.Join(errs...)
}

// minAgentToken is the shortest token accepted: 16 characters cannot be guessed
// over a network.
const minAgentToken = 16

func isLoopbackName(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// keyGrace is how long an instance that is terminated may still send: its last
// lines are written while it shuts down.
const keyGrace = 5 * time.Minute

// buildJoin lets the authority judge by a configuration.
func (s *server) buildJoin(conf *config, p *parts) error {
	policy, err := conf.Agents.Identity.Policy()
	if err != nil {
		return fmt.Errorf("agents: %w", err)
	}
	if p.cloud != nil {
		policy.Cloud = tagged{p.cloud, conf.Autoscale.ofASG()}
	}
	s.join.SetPolicy(policy)
	return nil
}

// tagged says of an instance what joining needs to know.
type tagged struct {
	cloud *ec2.Cloud
	ofASG map[string]string // groups by their Auto Scaling Group
}

// tagASG is the tag that AWS, and nobody else, puts on instances of an Auto
// Scaling Group.
const tagASG = "aws:autoscaling:groupName"

// Instance implements join.Cloud.
func (t tagged) Instance(ctx context.Context, id string) (join.Instance, error) {
	i, ok, err := t.cloud.Instance(ctx, id)
	if err != nil {
		return join.Instance{}, err
	}
	if !ok {
		return join.Instance{}, join.ErrNoInstance
	}
	ip, _ := netip.ParseAddr(i.PrivateIP) // none: it equals nobody's
	live := i.Phase == autoscale.Pending || i.Phase == autoscale.Booting
	group := cmp.Or(i.Tags[autoscale.TagGroup], t.ofASG[i.Tags[tagASG]])
	return join.Instance{Group: group, PrivateIP: ip, Live: live}, nil
}

// retiring is the fleet as the autoscaler has it: a host that is withdrawn
// because its instance is terminated also loses its key.
type retiring struct {
	*fleet.Fleet
	join *join.Authority
	log  *slog.Logger
}

// Withdraw implements autoscale.Fleet.
func (r retiring) Withdraw(host, reason string) {
	h, _ := r.Host(host)
	r.Fleet.Withdraw(host, reason)
	if err := r.join.Retire(context.Background(), keyGrace, h.Instance); err != nil {
		r.log.Error("the key of a terminated instance does not end", "instance", h.Instance, "err", err)
	}
}

// Expect implements autoscale.Fleet.
func (r retiring) Expect(host string) {
	h, _ := r.Host(host)
	r.Fleet.Expect(host)
	if err := r.join.Restore(context.Background(), h.Instance); err != nil {
		r.log.Error("the key of an instance that stays is to end", "instance", h.Instance, "err", err)
	}
}

// Others implements autoscale.Listener. Our own host is always heard, and proves
// nothing.
func (r retiring) Others(but []string, g autoscale.Group) autoscale.Ears {
	if own, err := os.Hostname(); err == nil {
		but = append(but, own)
	}
	known, heard := r.Fleet.Others(but, g.Silent)
	return autoscale.Ears{Known: known, Heard: heard}
}

// Over implements autoscale.Fleet.
func (r retiring) Over(instance, reason string) {
	if !r.Fleet.Over(instance, reason) {
		return
	}
	if err := r.join.Retire(context.Background(), keyGrace, instance); err != nil {
		r.log.Error("the key of a terminated instance does not end", "instance", instance, "err", err)
	}
}

// mountAgents mounts what agents call, and the commands about them.
func (s *server) mountAgents(w *web.Server) (err error) {
	if s.install, err = newInstaller(s.conf.Agents, s.conf.Web.TLS); err != nil {
		return err
	}
	w.Open("GET /install.sh", http.HandlerFunc(s.install.serveScript))
	w.Open("GET /agent/v1/binary/{platform}", http.HandlerFunc(s.install.serveBinary))
	s.handout = &handout{
		auth: agentKeys{s.join, agent.StaticToken(s.conf.Agents.Token)}, last: map[string]handed{},
		profiles: func() []profileConfig { return s.parts.Load().conf.profiles() },
	}
	w.Open("GET "+profilePath, s.handout)
	w.Open("POST "+resultPath, s.checks.Passive(s.engine, s.ownHost))
	w.Open("POST "+join.Path, s.join.Handler())
	w.Open("POST "+agent.HelloPath, s.handout.announce(s.agents.Handler()))
	w.Open("POST "+agent.PushPath, s.handout.announce(s.agents.Handler()))
	w.Handle("GET /api/agents", answer(s.agentList))
	w.Handle("GET /api/agents/tokens", answer(s.tokenList))
	w.Handle("GET /api/agents/keys", answer(s.keyList))
	w.Command("POST /api/agents/tokens", answer(s.tokenCreate))
	w.Command("POST /api/agents/revoke", answer(s.tokenRevoke))
	return nil
}
