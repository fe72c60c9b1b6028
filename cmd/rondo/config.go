package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/alerts/amapi"
	"rondo/alerts/check"
	"rondo/alerts/deadman"
	"rondo/alerts/event"
	"rondo/alerts/fleet"
	"rondo/alerts/notify/direct"
	"rondo/alerts/promrule"
	"rondo/autoscale"
	"rondo/autoscale/dns"
	"rondo/autoscale/ec2"
	"rondo/autoscale/ec2/eip"
	"rondo/autoscale/ec2/elb"
	"rondo/autoscale/redirect"
	hap "rondo/autoscale/redirect/haproxy"
	"rondo/autoscale/roster"
	"rondo/cmd/rondo/backup"
	"rondo/collectors"
	"rondo/collectors/graphite"
	"rondo/collectors/statsd"
	"rondo/rrd/promql"
	"rondo/rrd/seglog"
	"rondo/rrd/store"
	"rondo/syslogd"
	"rondo/syslogd/canary"
	"rondo/syslogd/logstore"
	"rondo/syslogd/valid"
	"rondo/web"
)

// config is the whole configuration. Each section is a struct of the package
// that it configures.
type config struct {
	Data       string            `yaml:"data"`
	Log        slog.Level        `yaml:"log"` // debug, info, warn or error
	Web        web.Config        `yaml:"web"`
	RRD        rrdConfig         `yaml:"rrd"`
	Syslogd    syslogConfig      `yaml:"syslogd"`
	Collectors []collectorConfig `yaml:"collectors"`
	Fleet      fleetConfig       `yaml:"fleet"`
	Agents     agentsConfig      `yaml:"agents"`
	Alerts     alertsConfig      `yaml:"alerts"`
	Roles      []roleConfig      `yaml:"roles"` // what is attached to groups
	Events     event.Config      `yaml:"events"`
	Autoscale  autoscaleConfig   `yaml:"autoscale"`
	Backup     backupConfig      `yaml:"backup"`

	tree *node // what the file says, for the places of errors
}

type rrdConfig struct {
	Store store.Config   `yaml:",inline"`
	Query promql.Options `yaml:"query"`
}

// lasting is c without what a reload replaces.
func (c rrdConfig) lasting() rrdConfig {
	c.Store.Schemas = nil
	return c
}

type syslogConfig struct {
	Server syslogd.Config `yaml:",inline"`
	// Destinations are where messages are delivered to, and Routes say which.
	Destinations []destinationConfig   `yaml:"destinations"`
	Routes       []syslogd.RouteConfig `yaml:"routes"`
	Store        logstore.Config       `yaml:"store"`
	Canary       canary.Config         `yaml:"canary"`
}

type fleetConfig struct {
	Templates []string `yaml:"templates"` // fleet.<group>.<host>.*
}

type alertsConfig struct {
	Rules     check.Config   `yaml:",inline"`
	Receivers direct.Config  `yaml:",inline"`
	Muting    alerts.Muting  `yaml:",inline"`
	Telling   tellingConfig  `yaml:",inline"`
	Deadman   deadman.Config `yaml:"deadman"` // who is told that we live

	Prometheus promrule.Config   `yaml:",inline"`
	files      []promrule.Source // that Prometheus names
}

// mutes is what keeps problems from being told: what is configured as such, and
// what rules know of each other.
func (c alertsConfig) mutes() (alerts.Muting, error) {
	own, err := c.Rules.Dependencies()
	m := c.Muting
	m.Parents = slices.Concat(m.Parents, own)
	return m, err
}

type autoscaleConfig struct {
	Groups   autoscale.Config `yaml:",inline"`
	EC2      ec2.Config       `yaml:"ec2"`
	ELB      elb.Config       `yaml:"elb"`       // target groups that follow groups
	EIP      eip.Config       `yaml:"addresses"` // Elastic IPs that do
	DNS      dns.Config       `yaml:"dns"`       // names that follow groups
	Redirect redirect.Config  `yaml:"redirect"`  // weights of servers, and who is sent where
	HAProxy  hap.Config       `yaml:"haproxy"`   // HAProxies whose servers follow groups

	Management managementConfig `yaml:",inline"`
}

// ofASG names the groups that are Auto Scaling Groups, by these.
func (c autoscaleConfig) ofASG() map[string]string {
	groups := make(map[string]string)
	for _, g := range c.Groups.Groups {
		if g.ASG != "" {
			groups[g.ASG] = g.Name
		}
	}
	return groups
}

// boot is how long an instance of a group may take to boot; 0 for a group that
// is not ours.
func (c autoscaleConfig) boot(group string) time.Duration {
	for _, g := range c.Groups.Groups {
		if g.Name == group {
			return g.WithDefaults().Boot
		}
	}
	return 0
}

// A collectorConfig is one collector: its kind, and what that kind decodes.
type collectorConfig struct {
	kind collectors.Kind
	node *node // without the kind
}

// defaultConfig monitors its own host and listens on loopback.
func defaultConfig() *config {
	c := &config{
		Data:      "./data",
		Web:       web.Default(),
		RRD:       rrdConfig{Store: store.DefaultConfig(), Query: promql.DefaultOptions()},
		Syslogd:   syslogConfig{Server: syslogd.DefaultConfig(), Store: logstore.DefaultConfig(), Canary: canary.DefaultConfig()},
		Fleet:     fleetConfig{Templates: fleet.DefaultTemplates()},
		Alerts:    alertsConfig{Rules: check.DefaultConfig(), Prometheus: promrule.DefaultConfig(), Receivers: direct.DefaultConfig()},
		Events:    event.DefaultConfig(),
		Autoscale: autoscaleConfig{Groups: autoscale.DefaultConfig(), Redirect: redirect.DefaultConfig()},
		Backup:    backupConfig{Config: backup.DefaultConfig()},
		tree:      &node{shape: mapping},
	}
	for _, k := range kinds() {
		if k.Default {
			c.Collectors = append(c.Collectors, collectorConfig{kind: k, node: &node{shape: mapping}})
		}
	}
	return c
}

// loadConfig reads a file and conf.d/*.yml beside it. No file means the
// defaults.
func loadConfig(file string) (*config, error) {
	if file == "" {
		c := defaultConfig()
		return c, c.validate()
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	root, err := parseTree(file, text)
	errs := []error{err}
	more, err := seglog.Find(filepath.Join(filepath.Dir(file), "conf.d"), "*.yml")
	errs = append(errs, err)
	for _, f := range more {
		text, err := os.ReadFile(f)
		if err != nil {
			errs = append(errs, fmt.Errorf("config: %w", err))
			continue
		}
		part, err := parseTree(f, text)
		if err == nil && root != nil {
			err = merge(root, part)
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c, err := configOf(root)
	if err != nil {
		return c, err
	}
	if c.Alerts.files, err = readRuleFiles(filepath.Dir(file), c.Alerts.Prometheus.Files); err != nil {
		return c, err
	}
	return c, c.checkVetoes()
}

// configOf decodes and validates a configuration's tree.
func configOf(root *node) (*config, error) {
	c := defaultConfig()
	if root.shape != empty {
		c.tree = root
	}
	if err := decode(root, c); err != nil {
		return nil, err
	}
	if err := c.validate(); err != nil {
		return c, err
	}
	c.Alerts.Rules = c.Alerts.Rules.And(c.roleRules())
	return c, nil
}

// unmarshalNode finds the collector's kind; the rest of the mapping is
// decoded by the kind itself when it is built.
func (cc *collectorConfig) unmarshalNode(n *node) error {
	k := n.get("kind")
	if k == nil || k.shape != scalar {
		return fmt.Errorf("%s: a collector needs its kind, such as kind: graphite", n.at)
	}
	var known []string
	for _, kind := range kinds() {
		if kind.Name == k.text {
			cc.kind, cc.node = kind, n.without("kind")
			return nil
		}
		known = append(known, kind.Name)
	}
	return fmt.Errorf("%s: collector kind %q: known are %s", k.at, k.text, strings.Join(known, ", "))
}

// build makes the collector. Its sockets are bound when it returns.
func (cc collectorConfig) build(env collectors.Env) (collectors.Collector, error) {
	return cc.kind.Build(env, func(into any) error { return decode(cc.node, into) })
}

// locate puts its place before each error of a collector.
func (cc collectorConfig) locate(err error) error {
	var errs []error
	for _, e := range valid.Errors(err) {
		errs = append(errs, fmt.Errorf("%s: collector %s: %w", cc.node.named(e.Error()).at, cc.kind.Name, e))
	}
	return errors.Join(errs...)
}

// address is where the first collector of a kind listens, or "".
func (c *config) address(kind string) string {
	standard := map[string]string{
		"graphite": graphite.DefaultConfig().Listen,
		"statsd":   statsd.DefaultConfig().Listen,
	}
	for _, cc := range c.Collectors {
		if cc.kind.Name != kind {
			continue
		}
		if l := cc.node.get("listen"); l != nil {
			return l.text
		}
		return standard[kind]
	}
	return ""
}

// validate checks every section and gives each error its place in the file.
func (c *config) validate() error {
	var errs []error
	in := func(section string, err error) {
		for _, e := range valid.Errors(err) {
			errs = append(errs, c.locate(section, e))
		}
	}
	if c.Data == "" {
		errs = append(errs, errors.New("config: data: a directory is wanted"))
	}
	in("web", c.Web.Validate())
	in("rrd", c.RRD.Store.Validate())
	in("rrd", c.RRD.Query.Validate())
	in("syslogd", c.Syslogd.Server.Validate())
	in("syslogd", c.Syslogd.validateRoutes())
	in("syslogd", c.Syslogd.Store.Validate())
	in("syslogd", c.Syslogd.Canary.Validate())
	for _, t := range c.Fleet.Templates {
		_, err := fleet.ParseTemplate(t)
		in("fleet", err)
	}
	in("agents", c.Agents.validate())
	in("autoscale", checkUserData(c.Autoscale.Groups, c.Agents))
	in("alerts", c.Alerts.Rules.Validate(amapi.RuleID))
	in("alerts", c.Alerts.Prometheus.Validate())
	in("alerts", c.Alerts.Receivers.Validate())
	in("alerts", prefixed("deadman", c.Alerts.Deadman.Validate()))
	in("alerts", c.Alerts.Muting.Validate())
	in("alerts", c.Alerts.validateTelling())
	in("events", c.Events.Validate())
	in("autoscale", c.Autoscale.Groups.Validate())
	in("autoscale", c.Autoscale.EC2.Validate())
	in("autoscale", c.Autoscale.ELB.Validate())
	in("autoscale", c.Autoscale.EIP.Validate())
	in("autoscale", c.checkFollowed("addresses", c.Autoscale.EIP.Groups()...))
	in("autoscale", c.checkFollowed("elb", c.Autoscale.ELB.Groups()...))
	in("autoscale", c.checkNames())
	in("autoscale", c.checkBalance())
	in("autoscale", c.Autoscale.Management.validate(c))
	in("roles", c.validateRoles())
	in("backup", c.Backup.validate(c.Data))
	in("alerts", c.checkRuleExpressions())
	in("autoscale", c.checkGroupExpressions())
	return errors.Join(errs...)
}

// lasting names the sections that differ in next and that a reload does not
// replace.
func (c *config) lasting(next *config) []string {
	var changed []string
	for section, same := range map[string]bool{
		"data":           c.Data == next.Data,
		"log":            c.Log == next.Log,
		"web":            reflect.DeepEqual(c.Web, next.Web),
		"rrd":            reflect.DeepEqual(c.RRD.lasting(), next.RRD.lasting()),
		"alerts.deadman": reflect.DeepEqual(c.Alerts.Deadman, next.Alerts.Deadman),
		"backup":         reflect.DeepEqual(c.Backup, next.Backup),
		"agents":         c.Agents.lasting() == next.Agents.lasting(),
		"fleet":          reflect.DeepEqual(c.Fleet, next.Fleet),
		"syslogd.store":  reflect.DeepEqual(c.Syslogd.Store, next.Syslogd.Store),
	} {
		if !same {
			changed = append(changed, section)
		}
	}
	slices.Sort(changed)
	return changed
}

// expressions gathers what is wrong with PromQL.
type expressions []error

func (es *expressions) check(what, name, expr string) {
	if err := promql.Check(expr); expr != "" && err != nil {
		*es = append(*es, fmt.Errorf("%s %q: %w", what, name, err))
	}
}

// checkRuleExpressions parses the PromQL of all rules, so that a misspelt one is
// found before it is needed.
func (c *config) checkRuleExpressions() error {
	var es expressions
	for _, m := range c.Alerts.Rules.Metrics {
		es.check("rule", m.Name, m.Expr)
	}
	for _, f := range c.Alerts.Rules.Forecasts {
		es.check("rule", f.Name, f.Expr)
	}
	for _, j := range c.Alerts.Rules.Joins {
		es.check("rule", j.Name, j.Metric.Expr)
	}
	return errors.Join(es...)
}

// checkGroupExpressions does the same for what groups look at.
func (c *config) checkGroupExpressions() error {
	var es expressions
	for _, g := range c.Autoscale.Groups.Groups {
		for _, s := range g.WithDefaults().Sources() {
			what := "group"
			if s.Key != "" {
				what = fmt.Sprintf("policy %q of group", s.Key)
			}
			es.check(what, g.Name, s.Expr)
		}
		es.check("retire.sessions of group", g.Name, g.Retire.Sessions)
	}
	return errors.Join(es...)
}

// checkVetoes finds rules that groups heed and that there are not: such a veto
// would never hold a launch, and hold each scale-in for ever; and such a refresh
// would be backed out by nothing.
func (c *config) checkVetoes() error {
	rules := append(c.Alerts.Rules.Names(), amapi.RuleID)
	for _, g := range promrule.NewGroups(c.Alerts.files, promrule.Options{}) {
		for _, r := range g.Rules {
			rules = append(rules, r.ID)
		}
	}
	var errs []error
	for _, g := range c.Autoscale.Groups.Groups {
		find := func(what string, named []string) {
			for _, rule := range named {
				if !slices.Contains(rules, rule) {
					errs = append(errs, c.locate("autoscale", fmt.Errorf("autoscale: group %q: %s: there is no rule %q%s", g.Name, what, rule, suggest(rule, rules))))
				}
			}
		}
		find("veto", slices.Concat(g.Veto.Out, g.Veto.In))
		if g.Refresh != nil && !slices.Contains([]string{autoscale.AnyRule, autoscale.NoRule}, strings.Join(g.Refresh.BackOut, " ")) {
			find("refresh.back_out", g.Refresh.BackOut)
		}
	}
	return errors.Join(errs...)
}

// locate puts the place of a section before an error: that of the list item
// whose name the error quotes, else that of the section itself.
func (c *config) locate(section string, err error) error {
	n := c.tree.get(section)
	if n == nil {
		return fmt.Errorf("config: %w", err)
	}
	if n.shape == list { // of items with names
		n = &node{at: n.at, shape: mapping, entries: []entry{{key: section, at: n.at, value: n}}}
	}
	if at, ok := n.followed(err.Error()); ok {
		return fmt.Errorf("%s: %w", at, err)
	}
	n = n.named(err.Error())
	if name := n.get("name"); name != nil {
		_, rest, _ := strings.Cut(err.Error(), strconv.Quote(name.text)+": ")
		if at, ok := n.followed(rest); ok {
			return fmt.Errorf("%s: %w", at, err)
		}
	}
	return fmt.Errorf("%s: %w", n.at, err)
}

// followed is the place that an error leads to which begins with keys and with
// numbers of items, such as "stages: 2: parse: format: ...", as far as they
// are in the file; false if they lead no further than one key.
func (n *node) followed(text string) (at place, ok bool) {
	steps := 0
	for key, rest, more := strings.Cut(text, ": "); more; key, rest, more = strings.Cut(rest, ": ") {
		if i, err := strconv.Atoi(key); err == nil && i > 0 && i <= len(n.items) {
			n = n.items[i-1]
			at = n.at
			steps++
			continue
		}
		i := slices.IndexFunc(n.entries, func(e entry) bool { return e.key == key })
		if i < 0 {
			break
		}
		at, n = n.entries[i].at, n.entries[i].value
		steps++
	}
	return at, steps > 1
}

// named finds the item below n whose name the text quotes first, and within it
// the same again; or n itself.
func (n *node) named(text string) *node {
	found, first := n, len(text)
	for _, e := range n.entries {
		if e.value.shape == mapping {
			if below := e.value.named(text); below != e.value {
				return below
			}
		}
		for _, it := range e.value.items {
			name := it.get("name")
			if name == nil {
				continue
			}
			if at := strings.Index(text, strconv.Quote(name.text)); at >= 0 && at < first {
				found, first = it, at
			}
		}
	}
	if found != n {
		return found.named(text)
	}
	return n
}

// configCmd checks configurations.
type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Check a configuration file, of a server with conf.d beside it, or of an agent."`
}

type configCheckCmd struct {
	File string `arg:"" help:"Configuration file." type:"path" default:"rondo.yml"`
}

func (configCheckCmd) Help() string {
	return `Examples:
  rondo config check /etc/rondo/rondo.yml
  rondo config check /etc/rondo/agent.yml

Says all that is wrong, each with file, line and column. A file that names its
server is an agent's. Exits 0 or 1.`
}

// Run checks everything that can be checked without opening a socket.
func (c configCheckCmd) Run(_ context.Context, out io.Writer) error {
	if _, err := os.Stat(c.File); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if err := checkConfig(c.File); err != nil {
		return fmt.Errorf("configuration is not good:\n%w", err)
	}
	_, err := fmt.Fprintf(out, "%s: configuration is good\n", c.File)
	return err
}

// checkConfig checks a server's file, or an agent's.
func checkConfig(file string) error {
	if isAgentConfig(file) {
		conf, err := loadAgentConfig(file)
		if err != nil {
			return err
		}
		return conf.validate()
	}
	conf, err := loadConfig(file)
	if err != nil {
		return err
	}
	return conf.checkParts()
}

// errDecoded stops the building of a collector after its configuration was
// decoded.
var errDecoded = errors.New("decoded")

// checkParts checks what can be checked beyond validate without opening a
// socket: the collectors' own configuration, and files that are named.
func (c *config) checkParts() error {
	errs := []error{c.checkCollectors()}
	if err := c.Web.CheckFiles(); err != nil {
		errs = append(errs, c.locate("web", err))
	}
	for _, e := range valid.Errors(c.Alerts.Rules.Outside.CheckFiles()) {
		errs = append(errs, c.locate("alerts", e))
	}
	for _, e := range valid.Errors(roster.CheckFiles(c.Autoscale.Management.Files)) {
		errs = append(errs, c.locate("autoscale", e))
	}
	for _, e := range valid.Errors(c.Syslogd.Server.CheckFiles()) {
		errs = append(errs, c.locate("syslogd", fmt.Errorf("listeners: %w", e)))
	}
	return errors.Join(errs...)
}

// checkCollectors lets each collector decode its part and goes no further.
func (c *config) checkCollectors() error {
	var errs []error
	seen := make(map[string]bool)
	for _, cc := range c.Collectors {
		if cc.kind.Single && seen[cc.kind.Name] {
			errs = append(errs, fmt.Errorf("%s: collector %s: there is another one, and there can be only one", cc.node.at, cc.kind.Name))
		}
		seen[cc.kind.Name] = true
		_, err := cc.kind.Build(collectors.Env{Log: slog.New(slog.DiscardHandler)}, func(into any) error {
			if err := decode(cc.node, into); err != nil {
				return err
			}
			if v, ok := into.(interface{ Validate() error }); ok {
				if err := v.Validate(); err != nil {
					return cc.locate(err)
				}
			}
			return errDecoded
		})
		if err != nil && !errors.Is(err, errDecoded) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
