package redirect

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"rondo/alerts/notify"
)

// Config is the section "autoscale.redirect" of the configuration.
type Config struct {
	Bind       `yaml:",inline"` // of the redirector; listen "": there is none
	TLS        TLS              `yaml:"tls"`
	Limits     Limits           `yaml:"limits"`
	Secret     notify.Secret    `yaml:"secret"`      // what cookies are signed with; "": one of our own making, kept in the data directory
	AgentCheck Bind             `yaml:"agent_check"` // where HAProxy asks
	Groups     []Group          `yaml:"groups"`
}

// TLS names the files of the redirector's certificate, in PEM.
type TLS struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// Limits bound what a client of the redirector can cost.
type Limits struct {
	ReadHeader time.Duration `yaml:"read_header_timeout"`
	Read       time.Duration `yaml:"read_timeout"`
	Write      time.Duration `yaml:"write_timeout"`
	Idle       time.Duration `yaml:"idle_timeout"`
	MaxHeader  int           `yaml:"max_header"` // bytes
	MaxConns   int           `yaml:"max_conns"`  // more wait in the kernel
}

// A Group says how the servers of an autoscaling group are weighed, and where
// its clients are sent.
type Group struct {
	Group string `yaml:"group"`

	URL    string   `yaml:"url"`    // template of a server's address; "": it is weighed, and nobody redirected
	Hosts  []string `yaml:"hosts"`  // names by which clients call it; none: any that no other group has
	Path   string   `yaml:"path"`   // and the beginning of their paths; default /
	Status int      `yaml:"status"` // 307, the default, or 302

	Free  string        `yaml:"free"`  // PromQL: the free share of each host, from 0 to 1; default cpu_free_percent / 100
	Size  string        `yaml:"size"`  // PromQL: what the whole of each host is, such as its CPUs; "": all are alike
	Stale time.Duration `yaml:"stale"` // a server whose heartbeat is so old gets no new session; default 30s
	Cost  float64       `yaml:"cost"`  // what a new session takes of a server of size 1; 0: learnt

	Sessions string        `yaml:"sessions"` // PromQL: the sessions that are alive on each host, where the servers count them
	Session  time.Duration `yaml:"session"`  // a session without a request for so long has ended; default 30m
	Longest  time.Duration `yaml:"longest"`  // no session is longer; default 12h

	RetryAfter time.Duration `yaml:"retry_after"` // told to clients while no server is in service; default 5s
}

// DefaultConfig has no listeners and no groups.
func DefaultConfig() Config {
	return Config{Limits: Limits{
		ReadHeader: 5 * time.Second, Read: 15 * time.Second, Write: 15 * time.Second, Idle: time.Minute,
		MaxHeader: 16 << 10, MaxConns: 10_000,
	}}
}

// defaultFree is what the host collector and the agents send.
const defaultFree = "cpu_free_percent / 100"

// WithDefaults fills in what is not written.
func (g Group) WithDefaults() Group {
	g.Path, g.Status = cmp.Or(g.Path, "/"), cmp.Or(g.Status, http.StatusTemporaryRedirect)
	g.Free, g.Stale = cmp.Or(g.Free, defaultFree), cmp.Or(g.Stale, 30*time.Second)
	g.Session, g.Longest = cmp.Or(g.Session, 30*time.Minute), cmp.Or(g.Longest, 12*time.Hour)
	g.RetryAfter = cmp.Or(g.RetryAfter, 5*time.Second)
	return g
}

// Names are the groups that the section is about.
func (c Config) Names() (out []string) {
	for _, g := range c.Groups {
		out = append(out, g.Group)
	}
	return out
}

// With adds a group that somebody wants to be weighed, unless it is there.
func (c Config) With(group string) Config {
	for _, g := range c.Groups {
		if g.Group == group {
			return c
		}
	}
	c.Groups = append(c.Groups[:len(c.Groups):len(c.Groups)], Group{Group: group})
	return c
}

// minSecret is the shortest secret: who can guess it can choose his server.
const minSecret = 16

// Validate says what is wrong with the configuration. Errors begin with the keys
// that lead to where it is.
func (c Config) Validate() error {
	var errs []error
	if c.Listen != "" {
		errs = append(errs, c.validate("listen", c.TLS.Cert != ""))
	}
	if c.AgentCheck.Listen != "" {
		errs = append(errs, c.AgentCheck.validate("agent_check: listen", false))
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		errs = append(errs, errors.New("tls: cert and key belong together, one is missing"))
	}
	if c.Secret != "" && len(c.Secret) < minSecret {
		errs = append(errs, fmt.Errorf("secret: %d characters are too few, want %d or more (openssl rand -hex 16)", len(c.Secret), minSecret))
	}
	errs = append(errs, c.Limits.validate())
	seen, places := make(map[string]bool), make(map[string]string)
	for n, g := range c.Groups {
		g = g.WithDefaults()
		check := func(ok bool, format string, args ...any) {
			if !ok {
				errs = append(errs, fmt.Errorf("groups: %d: "+format, append([]any{n + 1}, args...)...))
			}
		}
		check(!seen[g.Group], "group: %q stands here twice: give it several hosts", g.Group)
		seen[g.Group] = true
		g.validate(check)
		if g.URL == "" {
			continue
		}
		check(c.Listen != "", "url: there is no redirector: add under redirect:\n  listen: 127.0.0.1:8090")
		for _, place := range g.places() {
			check(places[place] == "", "path: groups %q and %q are both at %s; give one of them hosts or a path of its own", places[place], g.Group, place)
			places[place] = g.Group
		}
	}
	for i, err := range errs {
		if err != nil {
			errs[i] = fmt.Errorf("redirect: %w", err)
		}
	}
	return errors.Join(errs...)
}

// places are where a group's clients call.
func (g Group) places() (out []string) {
	for _, h := range g.Hosts {
		out = append(out, strings.ToLower(h)+g.Path)
	}
	if len(out) == 0 {
		out = []string{g.Path}
	}
	return out
}

func (g Group) validate(check func(bool, string, ...any)) {
	check(g.Group != "", "group: a name is wanted, as in group: web")
	if g.URL != "" {
		t, err := ParseTemplate(g.URL)
		if err == nil {
			err = t.Try(func(text string) error { _, err := parseBase(text); return err })
		}
		check(err == nil, "url: %w", err)
	}
	check(strings.HasPrefix(g.Path, "/"), "path: %q: want one that begins with /", g.Path)
	for _, h := range g.Hosts {
		check(h != "" && !strings.ContainsAny(h, "/:@ "), "hosts: %q: want a name without a port", h)
	}
	check(g.Status == http.StatusTemporaryRedirect || g.Status == http.StatusFound,
		"status: %d: want 307, or 302 for clients that do not know it; a permanent one would tie clients to a server for ever", g.Status)
	check(g.Stale >= time.Second && g.Stale <= time.Hour, "stale: %v: want 1s to 1h", g.Stale)
	check(g.Session >= time.Second && g.Session <= 24*time.Hour, "session: %v: want 1s to 24h", g.Session)
	check(g.Longest >= g.Session && g.Longest <= 30*24*time.Hour, "longest: %v: want session (%v) to 720h", g.Longest, g.Session)
	check(g.Cost >= 0 && !math.IsInf(g.Cost, 0), "cost: %v: want a share of a server above 0, or 0 to have it learnt", g.Cost)
	check(g.RetryAfter >= time.Second && g.RetryAfter <= time.Hour, "retry_after: %v: want 1s to 1h", g.RetryAfter)
}

func (l Limits) validate() error {
	if l.ReadHeader <= 0 || l.Read <= 0 || l.Write <= 0 || l.Idle <= 0 {
		return errors.New("limits: timeouts must be above zero")
	}
	if l.MaxHeader < 4<<10 || l.MaxConns < 1 {
		return errors.New("limits: max_header must be 4096 or more, max_conns 1 or more")
	}
	return nil
}

// A Bind is where we listen, and who may call over plaintext. Loopback may
// always.
type Bind struct {
	Listen string         `yaml:"listen"`
	Allow  []netip.Prefix `yaml:"allow"`
}

// validate refuses to take plaintext from everybody. secured: it is no
// plaintext.
func (b Bind) validate(what string, secured bool) error {
	host, port, err := net.SplitHostPort(b.Listen)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("%s: %q: want an address and a port, such as 127.0.0.1:8090: %w", what, b.Listen, err)
	}
	if secured || len(b.Allow) > 0 || isLoopback(host) {
		return nil
	}
	return fmt.Errorf("%s: %q takes plaintext from other machines: name those that may call, as in\n    allow: [10.0.0.0/8]", what, b.Listen)
}

// isLoopback says whether a host name or address stays on this machine. It
// means the same as in web.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.Unmap().IsLoopback()
}

// allows says whether an address may call.
func (b Bind) allows(a netip.Addr) bool {
	a = a.Unmap()
	if a.IsLoopback() || len(b.Allow) == 0 {
		return true
	}
	for _, n := range b.Allow {
		if n.Contains(a) {
			return true
		}
	}
	return false
}
