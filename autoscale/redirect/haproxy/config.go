package haproxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"rondo/autoscale/redirect"
)

// Config is the section "autoscale.haproxy" of the configuration.
type Config []Backend

// A Backend of an HAProxy that follows a group.
type Backend struct {
	Group   string         `yaml:"group"`
	Socket  string         `yaml:"socket"`  // of its stats: a path, or host:port
	Backend string         `yaml:"backend"` // default: as the group is called
	Address string         `yaml:"address"` // template of a server's IP address and port
	Slots   string         `yaml:"slots"`   // what the names of our servers begin with; "": all are ours
	Quiet   *time.Duration `yaml:"quiet"`   // a server that drains is done when no request came for so long; default 2s
}

// WithDefaults fills in what is not written.
func (b Backend) WithDefaults() Backend {
	if b.Backend == "" {
		b.Backend = b.Group
	}
	if b.Quiet == nil {
		b.Quiet = new(2 * time.Second)
	}
	return b
}

// Groups are those that are followed.
func (c Config) Groups() (out []string) {
	for _, b := range c {
		out = append(out, b.Group)
	}
	return out
}

// Validate says what is wrong with the configuration. Errors begin with the keys
// that lead to where it is.
func (c Config) Validate() error {
	var errs []error
	seen := make(map[string]bool)
	for n, b := range c {
		b = b.WithDefaults()
		check := func(ok bool, format string, args ...any) {
			if !ok {
				errs = append(errs, fmt.Errorf("haproxy: %d: "+format, append([]any{n + 1}, args...)...))
			}
		}
		b.validate(check)
		place := b.Socket + " " + b.Backend + "/" + b.Slots
		check(!seen[place], "backend: two groups have the slots %s%s of one HAProxy", b.Backend, "/"+b.Slots)
		seen[place] = true
	}
	return errors.Join(errs...)
}

func (b Backend) validate(check func(bool, string, ...any)) {
	check(b.Group != "", "group: a name is wanted, as in group: web")
	check(b.Socket != "", "socket: want that of HAProxy's stats, as in socket: /run/haproxy/admin.sock")
	if !strings.HasPrefix(b.Socket, "/") && b.Socket != "" {
		_, _, err := net.SplitHostPort(b.Socket)
		check(err == nil, "socket: %q: want a path that begins with /, or host:port", b.Socket)
	}
	check(b.Backend == "" || isName(b.Backend), "backend: %q is no name of HAProxy's", b.Backend)
	check(b.Slots == "" || isName(b.Slots), "slots: %q is no beginning of a name of HAProxy's", b.Slots)
	check(*b.Quiet >= 0 && *b.Quiet <= 24*time.Hour, "quiet: %v: want 0 to 24h", *b.Quiet)
	t, err := redirect.ParseTemplate(b.Address)
	if err == nil {
		err = t.Try(func(text string) error { _, err := netip.ParseAddrPort(text); return err })
	}
	check(err == nil, `address: want an IP address and a port, such as "{private_ip}:8080": %v`, err)
}

// isName says whether HAProxy takes a text as a name, and our commands may hold
// it: they end at a semicolon, and words at a blank.
func isName(s string) bool {
	return s != "" && len(s) <= 128 && strings.IndexFunc(s, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && !strings.ContainsRune("-_.:", c)
	}) < 0
}
