package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"time"

	"rondo/collectors/agent"
	"rondo/collectors/agent/imds"
	"rondo/collectors/host"
	"rondo/syslogd"
	"rondo/syslogd/filter"
	"rondo/syslogd/stage"
	"rondo/syslogd/syslog/pin"
	"rondo/syslogd/tail"
	"rondo/syslogd/valid"
)

// agentConfig is the whole configuration of an agent.
type agentConfig struct {
	Server       string            `yaml:"server"`       // https://host:port
	Fingerprints []pin.Fingerprint `yaml:"fingerprints"` // of its certificate; none: an authority of the system vouches for it
	TokenFile    string            `yaml:"token_file"`   // a join token, or the key that the server's configuration names
	Data         string            `yaml:"data"`
	Log          slog.Level        `yaml:"log"`

	Host  string            `yaml:"host"`  // this machine's name, if empty
	Group string            `yaml:"group"` // where neither the key nor EC2 says one
	Tags  map[string]string `yaml:"tags"`
	EC2   agentEC2          `yaml:"ec2"`

	Metrics agentMetrics      `yaml:"metrics"`
	Syslog  agentSyslog       `yaml:"syslog"`
	Tail    tail.Config       `yaml:",inline"`
	Filter  *filter.Filter    `yaml:"filter"` // which messages are sent; none: all
	Stages  []stage.Config    `yaml:"stages"` // what is done to them before
	Checks  []agentCheck      `yaml:"checks"` // plugins, whose results are passive ones of the server
	Spool   agent.SpoolConfig `yaml:"spool"`

	Profile    agentProfile `yaml:"profile"`
	AllowPaths allowList    `yaml:"allow_paths"` // files that a profile may name

	Witness witnessConfig `yaml:"witness"` // a server that is watched
	Roster  agentRoster   `yaml:"roster"`  // who is in the server's groups

	tree *node // as it is in the file, for the places of errors; nil: there is none
}

// agentProfile says whether the server may add to what this file says.
type agentProfile struct {
	Off bool `yaml:"off"` // the server is not asked for a profile
}

// agentEC2 says whether this may be an instance.
type agentEC2 struct {
	Off      bool   `yaml:"off"`       // the metadata service is not asked
	Endpoint string `yaml:"endpoint"`  // of the metadata service
	GroupTag string `yaml:"group_tag"` // the tag that names the group
}

// agentMetrics are the figures of this machine.
type agentMetrics struct {
	Off         bool `yaml:"off"`
	host.Config `yaml:",inline"`
}

// agentSyslog are the ways in for messages of this machine.
type agentSyslog struct {
	UDP             string                   `yaml:"udp"`
	TCP             string                   `yaml:"tcp"`
	Unix            string                   `yaml:"unix"` // /dev/log
	Listeners       []syslogd.ListenerConfig `yaml:"listeners"`
	syslogd.Options `yaml:",inline"`
}

// config is the section as the log server has it.
func (s agentSyslog) config() syslogd.Config {
	return syslogd.Config{UDP: s.UDP, TCP: s.TCP, Unix: s.Unix, Listeners: s.Listeners, Options: s.Options}
}

const (
	defaultGroupTag = "rondo:group"
	// agentBatch bounds what is read of files at a time, and agentLine a line: a
	// batch must fit into one push.
	agentBatch = 512 << 10
	agentLine  = 512 << 10
)

// defaultAgentConfig sends the figures of this machine.
func defaultAgentConfig() *agentConfig {
	options := syslogd.DefaultConfig().Options
	options.ReceiveBuffer, options.Sockets = 4<<20, 1
	c := &agentConfig{
		Data: "./agent", EC2: agentEC2{GroupTag: defaultGroupTag}, Metrics: agentMetrics{Config: host.DefaultConfig()},
		Syslog: agentSyslog{Options: options}, Spool: agent.DefaultSpoolConfig(), AllowPaths: defaultAllow(),
	}
	c.Tail.BatchBytes = agentBatch
	return c
}

// loadAgentConfig reads a file; none means the defaults.
func loadAgentConfig(file string) (*agentConfig, error) {
	c := defaultAgentConfig()
	if file == "" {
		return c, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	root, err := parseTree(file, text)
	if err != nil {
		return nil, err
	}
	c.tree = root
	return c, decode(root, c)
}

// isAgentConfig says whether a file is an agent's configuration, which names
// its server, or one that it watches, as a server's does not.
func isAgentConfig(file string) bool {
	text, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	root, err := parseTree(file, text)
	return err == nil && (root.get("server") != nil || root.get("witness") != nil)
}

// locate puts the place in the file before an error that begins with keys.
func (c *agentConfig) locate(err error) error {
	if c.tree != nil {
		if at, _ := c.tree.followed(err.Error()); at.file != "" {
			return fmt.Errorf("%s: %w", at, err)
		}
	}
	return fmt.Errorf("agent: %w", err)
}

// validate says what is wrong, each with its key.
func (c *agentConfig) validate() error {
	var errs []error
	if !c.onlyWitness() {
		errs = append(errs, c.validateServer())
	}
	in := func(section string, err error) {
		for _, e := range valid.Errors(err) {
			errs = append(errs, c.locate(fmt.Errorf("%s%w", section, e)))
		}
	}
	if c.Data == "" {
		errs = append(errs, errors.New("agent: data: a directory is wanted"))
	}
	in("metrics: ", c.Metrics.Validate())
	syslog := c.Syslog.config()
	in("syslog: ", syslog.Validate())
	in("", c.Tail.Validate())
	if c.Tail.BatchBytes > agentBatch {
		in("", fmt.Errorf("batch_bytes: %d is more than %d", c.Tail.BatchBytes, agentBatch))
	}
	for i, f := range c.Tail.Files {
		if f.MaxLine > agentLine {
			in("", fmt.Errorf("files: %d: max_line: %d is more than %d", i+1, f.MaxLine, agentLine))
		}
	}
	if c.Syslog.MaxMessage > agentLine {
		in("syslog: ", fmt.Errorf("max_message: %d is more than %d", c.Syslog.MaxMessage, agentLine))
	}
	in("stages: ", stage.Validate(c.Stages))
	in("spool: ", c.Spool.Validate())
	in("", c.AllowPaths.validate())
	in("", validateAgentChecks(c.Checks))
	in("witness: ", c.Witness.validate())
	in("roster: ", c.Roster.validate())
	return errors.Join(errs...)
}

// onlyWitness says whether the agent sends nothing, but watches a server.
func (c *agentConfig) onlyWitness() bool { return c.Server == "" && c.Witness.Watch.URL != "" }

// validateServer refuses to send keys and logs over a network in the clear.
func (c *agentConfig) validateServer() error {
	u, err := url.Parse(c.Server)
	switch {
	case c.Server == "":
		return errors.New("agent: server: where is it? --server=https://host:port, or server: in the configuration")
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Path != "" && u.Path != "/":
		return fmt.Errorf("agent: server %q: want https://host:port", c.Server)
	case u.Scheme == "http" && !isLoopbackName(u.Hostname()):
		return fmt.Errorf("agent: server %q: the key and the logs would go over the network in the clear; want https://", c.Server)
	case c.TokenFile == "":
		return errors.New("agent: token_file: which file holds the token? --token-file=FILE, or token_file: in the configuration")
	}
	return nil
}

// identity asks who this machine is. Its id is the one that a key is bound to:
// the instance's, or its name.
func (c *agentConfig) identity(ctx context.Context, metadata *imds.Client, log *slog.Logger) (agent.Identity, error) {
	id := agent.Identity{Host: c.Host, Group: c.Group, Tags: c.Tags}
	if id.Host == "" {
		name, err := os.Hostname()
		if err != nil {
			return id, fmt.Errorf("agent: host: the machine has no name, name it in the configuration: %w", err)
		}
		id.Host = name
	}
	if metadata == nil {
		id.ID = id.Host
		return id, nil
	}
	i, err := askMetadata(ctx, metadata)
	switch {
	case errors.Is(err, imds.ErrNone):
		log.Info("no instance metadata service answers: this is no instance of EC2")
	case err != nil:
		log.Warn("the instance metadata service fails", "err", err)
	}
	id.ID, id.Instance, id.Type, id.Zone = cmp.Or(i.ID, id.Host), i.ID, i.Type, i.Zone
	if id.Tags == nil {
		id.Tags = i.Tags
	}
	id.Group = cmp.Or(id.Group, i.Tags[c.EC2.GroupTag])
	return id, nil
}

// askMetadata tries more than once where somebody answers: an instance whose id
// is not known would be another agent.
func askMetadata(ctx context.Context, metadata *imds.Client) (i imds.Instance, err error) {
	const tries, pause = 5, 2 * time.Second
	for try := 1; ; try++ {
		if i, err = metadata.Instance(ctx); err == nil || errors.Is(err, imds.ErrNone) || try == tries {
			return i, err
		}
		select {
		case <-ctx.Done():
			return i, ctx.Err()
		case <-time.After(pause):
		}
	}
}
