package check

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/alerts/check/nrpe"
	"rondo/alerts/check/plugin"
	"rondo/alerts/check/probe"
	"rondo/alerts/fleet"
	"rondo/alerts/notify"
)

// Outside are the rules that look at the world outside: by plugins, over the
// network, or by what is sent to us. Each brings its own status.
type Outside struct {
	Plugins []Plugin  `yaml:"plugins"`
	NRPE    []NRPE    `yaml:"nrpe"`
	HTTP    []HTTP    `yaml:"http"`
	TCP     []TCP     `yaml:"tcp"`
	TLS     []TLS     `yaml:"tls"`
	DNS     []DNS     `yaml:"dns"`
	Ping    []Ping    `yaml:"ping"`
	Passive []Passive `yaml:"passive"`
}

func (o Outside) all() []kind {
	return slices.Concat(
		kindsOf(o.Plugins), kindsOf(o.NRPE), kindsOf(o.HTTP), kindsOf(o.TCP), kindsOf(o.TLS), kindsOf(o.DNS), kindsOf(o.Ping),
		kindsOf(o.Passive),
	)
}

// CheckFiles says which files of authorities and certificates cannot be used,
// by rule. The configuration must be valid.
func (o Outside) CheckFiles() error {
	var errs []error
	nowhere := Sources{Service: NewService(nil, slog.New(slog.DiscardHandler)), Hosts: noHosts{}}
	for _, k := range o.all() {
		if _, err := k.build(nowhere); err != nil {
			errs = append(errs, fmt.Errorf("alerts: rule %q: %w", k.name(), err))
		}
	}
	return errors.Join(errs...)
}

// noHosts is a fleet without hosts.
type noHosts struct{}

func (noHosts) Hosts() []fleet.Host { return nil }
func (noHosts) Started() time.Time  { return time.Time{} }

// Plugin is a rule that runs a Nagios plugin, on this machine.
type Plugin struct {
	Common  `yaml:",inline"`
	Targets `yaml:",inline"`
	Command []string                 `yaml:"command"` // program and arguments, which may hold {host}, {address}, {label}; there is no shell
	Env     map[string]notify.Secret `yaml:"env"`     // for passwords: arguments are seen by every user of the machine
}

func validateCommand(argv []string) error {
	if len(argv) == 0 || !strings.HasPrefix(argv[0], "/") || strings.Contains(argv[0], "{") {
		return errors.New("command: want [/path/of/plugin, argument, ...]")
	}
	if words := strings.Fields(argv[0]); len(argv) == 1 && len(words) > 1 {
		return fmt.Errorf("command: %q is one word, for there is no shell: want [%s]", argv[0], strings.Join(words, ", "))
	}
	return nil
}

func (p Plugin) validate() error {
	errs := []error{p.Common.validate(), p.Targets.validate(), validateCommand(p.Command), p.neededBy(p.Command...)}
	for name := range p.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			errs = append(errs, fmt.Errorf("env: %q is no name of a variable", name))
		}
	}
	return errors.Join(errs...)
}

func (p Plugin) build(s Sources) (alerts.Supervised, error) {
	r := &activeRule{bounded: true}
	out, err := p.active(r, s, p.Targets, strings.Join(p.Command, " "))
	r.probe = s.Service.run(p.Common, p.Command, p.Env)
	return out, err
}

// run makes the probe that runs a command.
func (s *Service) run(c Common, argv []string, env map[string]notify.Secret) func(context.Context, plugin.Target) plugin.Result {
	var list []string
	for name, v := range env {
		list = append(list, name+"="+string(v))
	}
	slices.Sort(list)
	return func(ctx context.Context, t plugin.Target) plugin.Result {
		return s.runner.Run(ctx, plugin.Command{Argv: t.Expand(argv...), Env: list, Timeout: c.timeout()})
	}
}

// NRPE is a rule that has NRPE daemons run a command of theirs.
type NRPE struct {
	Common     `yaml:",inline"`
	Targets    `yaml:",inline"`
	Command    string      `yaml:"command"`
	Args       []string    `yaml:"args"`        // may hold {host}, {address}, {label}
	Port       int         `yaml:"port"`        // default 5666
	Version    int         `yaml:"version"`     // 2, 3 or 4; default: the highest that is answered
	TLS        string      `yaml:"tls"`         // on (default) or off
	ServerName string      `yaml:"server_name"` // that the daemon's certificate must be for; default: what is dialled
	Cert       string      `yaml:"cert"`        // files of our own certificate, where the daemon wants one
	Key        string      `yaml:"key"`
	Trust      probe.Trust `yaml:",inline"`
}

func (n NRPE) validate() error {
	errs := []error{n.Common.validate(), n.Targets.validate(), n.needed()}
	if n.Command == "" || strings.ContainsAny(n.Command, "!\x00") {
		errs = append(errs, fmt.Errorf("command %q: want the name of one of the daemon's", n.Command))
	}
	if n.Version != 0 && (n.Version < 2 || n.Version > 4) {
		errs = append(errs, fmt.Errorf("version %d: want 2, 3 or 4", n.Version))
	}
	if n.Port < 0 || n.Port > 65535 {
		errs = append(errs, fmt.Errorf("port %d: want 1 to 65535", n.Port))
	}
	if n.TLS != "" && n.TLS != "on" && n.TLS != "off" {
		errs = append(errs, fmt.Errorf("tls %q: want on or off", n.TLS))
	}
	if (n.Cert == "") != (n.Key == "") {
		errs = append(errs, errors.New("cert and key: want both or none"))
	}
	return errors.Join(errs...)
}

func (n NRPE) build(s Sources) (alerts.Supervised, error) {
	var conf *tls.Config
	if n.TLS != "off" {
		var err error
		if conf, err = n.Trust.Config(n.ServerName); err != nil {
			return alerts.Supervised{}, err
		}
		if n.Cert != "" {
			pair, err := tls.LoadX509KeyPair(n.Cert, n.Key)
			if err != nil {
				return alerts.Supervised{}, fmt.Errorf("cert: %w", err)
			}
			conf.Certificates = []tls.Certificate{pair}
		}
	}
	client, port := nrpe.NewClient(conf, n.Version), strconv.Itoa(cmp.Or(n.Port, 5666))
	r := &activeRule{probe: func(ctx context.Context, t plugin.Target) plugin.Result {
		return client.Check(ctx, net.JoinHostPort(t.At(), port), n.Command, t.Expand(n.Args...)...)
	}}
	return n.active(r, s, n.Targets, "NRPE "+strings.Join(append([]string{n.Command}, n.Args...), " "))
}

// A prober is the configuration of a probe.
type prober interface {
	Validate() error
	Build() (probe.Prober, error)
}

func validateProbe(c Common, t Targets, p prober, needed error) error {
	return errors.Join(c.validate(), t.validate(), p.Validate(), needed)
}

func buildProbe(s Sources, c Common, t Targets, p prober, expr string) (alerts.Supervised, error) {
	built, err := p.Build()
	if err != nil {
		return alerts.Supervised{}, err
	}
	return c.active(&activeRule{probe: built.Probe}, s, t, expr)
}

// HTTP is a rule that makes an HTTP request.
type HTTP struct {
	Common     `yaml:",inline"`
	Targets    `yaml:",inline"`
	probe.HTTP `yaml:",inline"`
}

func (h HTTP) validate() error {
	return validateProbe(h.Common, h.Targets, h.HTTP, h.neededBy(h.URL))
}

func (h HTTP) build(s Sources) (alerts.Supervised, error) {
	return buildProbe(s, h.Common, h.Targets, h.HTTP, "HTTP "+redacted(h.URL))
}

// TCP is a rule that connects to a port.
type TCP struct {
	Common    `yaml:",inline"`
	Targets   `yaml:",inline"`
	probe.TCP `yaml:",inline"`
}

func (c TCP) validate() error { return validateProbe(c.Common, c.Targets, c.TCP, c.needed()) }

func (c TCP) build(s Sources) (alerts.Supervised, error) {
	return buildProbe(s, c.Common, c.Targets, c.TCP, fmt.Sprintf("TCP port %d", c.Port))
}

// TLS is a rule about certificates that end.
type TLS struct {
	Common    `yaml:",inline"`
	Targets   `yaml:",inline"`
	probe.TLS `yaml:",inline"`
}

func (c TLS) validate() error { return validateProbe(c.Common, c.Targets, c.TLS, c.needed()) }

func (c TLS) build(s Sources) (alerts.Supervised, error) {
	return buildProbe(s, c.Common, c.Targets, c.TLS, fmt.Sprintf("certificate of port %d", cmp.Or(c.Port, 443)))
}

// DNS is a rule that asks for a name.
type DNS struct {
	Common    `yaml:",inline"`
	Targets   `yaml:",inline"`
	probe.DNS `yaml:",inline"`
}

func (d DNS) validate() error {
	return validateProbe(d.Common, d.Targets, d.DNS, d.neededBy(d.Query, d.Server))
}

func (d DNS) build(s Sources) (alerts.Supervised, error) {
	return buildProbe(s, d.Common, d.Targets, d.DNS, "DNS "+cmp.Or(d.Type, "A")+" "+d.Query)
}

// Ping is a rule that sends echo requests.
type Ping struct {
	Common     `yaml:",inline"`
	Targets    `yaml:",inline"`
	probe.Ping `yaml:",inline"`
}

func (p Ping) validate() error { return validateProbe(p.Common, p.Targets, p.Ping, p.needed()) }

func (p Ping) build(s Sources) (alerts.Supervised, error) {
	return buildProbe(s, p.Common, p.Targets, p.Ping, "ping")
}

// redacted is a URL without a password that may be in it.
func redacted(to string) string {
	scheme, rest, ok := strings.Cut(to, "://")
	authority, _, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(authority, '@'); ok && at >= 0 {
		return scheme + "://<secret>" + rest[at:]
	}
	return to
}
