package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"rondo/alerts/check/plugin"
	"rondo/collectors/agent"
	"rondo/collectors/agent/enrol"
	"rondo/collectors/agent/imds"
	"rondo/syslogd"
	"rondo/syslogd/syslog"
	"rondo/syslogd/syslog/pin"
	"rondo/syslogd/tail"
)

// agentCmd sends what happens on this machine to a server.
type agentCmd struct {
	Run    agentRunCmd    `cmd:"" default:"withargs" help:"Send this machine's metrics and logs to a server."`
	Status agentStatusCmd `cmd:"" help:"Show how the agent on this machine stands."`
}

type agentRunCmd struct {
	Server    string `help:"The server, https://host:port; wins over the configuration's." placeholder:"URL"`
	TokenFile string `help:"File with the join token, or with the key of the server's configuration." type:"path" placeholder:"FILE"`
	Config    string `help:"Configuration file." type:"path" placeholder:"FILE"`
	Data      string `help:"Data directory; wins over the configuration's." placeholder:"DIR"`
	Witness   string `help:"Watch the server at this address, and tell the receivers of the section witness when it stops answering; without --server that is all." placeholder:"URL"`
}

func (agentRunCmd) Help() string {
	return `Examples:
  rondo agent --server=https://rondo.example:8080 --token-file=/etc/rondo/join-token
  rondo agent --config=/etc/rondo/agent.yml

Without a configuration it sends the metrics of this machine. A configuration
names files, sockets and what is left out:

  server: https://rondo.example:8080
  token_file: /etc/rondo/join-token
  data: /var/lib/rondo-agent
  syslog: {unix: /dev/log, udp: "127.0.0.1:514"}
  files:
    - {paths: ["/var/log/app/*.log"], app: app}
  filter: 'severity<=info'
  stages:
    - redact: {patterns: [aws-key, password]}
  spool: {bytes: 268435456, age: 168h, when_full: drop-oldest}

With a section witness it also watches a server from another machine, and
tells receivers of its own when that stops answering:

  witness:
    url: https://rondo.example:8080
    receivers: [{name: pager, pagerduty: {routing_key: "${PAGERDUTY_KEY}"}}]

While the server is away, files wait where they are, and what comes over
sockets is kept in the data directory.`
}

func (c agentRunCmd) Run(ctx context.Context, stderr errorWriter) error {
	conf, err := loadAgentConfig(c.Config)
	if err != nil {
		return err
	}
	if c.Server != "" {
		conf.Server = c.Server
	}
	if c.TokenFile != "" {
		conf.TokenFile = c.TokenFile
	}
	if c.Data != "" {
		conf.Data = c.Data
	}
	if c.Witness != "" {
		conf.Witness.Watch.URL = c.Witness
	}
	if err := conf.validate(); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: conf.Log}))
	if conf.onlyWitness() {
		return runWitness(ctx, conf, log)
	}
	for {
		err := runAgent(ctx, conf, log)
		if !errors.Is(err, agent.ErrPutBack) || ctx.Err() != nil {
			return err
		}
		log.Error("beginning again where the server is", "err", err)
	}
}

// An agentRun is one running agent.
type agentRun struct {
	conf    *agentConfig
	log     *slog.Logger
	started time.Time
	client  *agent.Client
	spool   *agent.Spool
	syslog  *syslogd.Server
	counts  *syslogd.Stats
	tailed  *tail.Stats // of all tailers, one after the other

	checker  *agentChecker
	hosts    *hostsKeeper    // nil: no file is kept
	profiles *profileClient  // nil: the server is not asked
	changes  chan *agentWork // what is to replace the work
	swapping sync.RWMutex
	work     *agentWork
}

// agentGC is how much garbage may wait, in percent of what is in use. Of an
// agent's memory most would be that, and it makes so little of it that to
// collect it often costs nothing. A limit of memory would cost much more while
// large files are read.
const agentGC = 20

// runAgent runs an agent until ctx ends. What runs, and who waits for it:
//
//	runAgent ── errgroup
//	  ├─ client: one request after the other ──> server
//	  ├─ spool: what waits on disk ──> client
//	  ├─ syslog server: sockets ──> stages ──> spool
//	  ├─ the agent's own figures ──> spool
//	  ├─ journal ──> stages ──> client; FIFOs ──> stages ──> spool
//	  ├─ checks: plugins ──> server
//	  ├─ profile: asks the server what to do
//	  ├─ witness: watches a server, tells receivers
//	  ├─ hosts: who is in the server's groups ──> a block of /etc/hosts
//	  ├─ keepWorking ── errgroup, built anew by a profile
//	  │    ├─ tailer: lines of files ──> stages ──> client
//	  │    ├─ stages: what they have counted ──> spool
//	  │    └─ host metrics ──> spool
//	  └─ status: agent.sock in the data directory
func runAgent(ctx context.Context, conf *agentConfig, log *slog.Logger) (err error) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(agentGC)
	}
	a := &agentRun{conf: conf, log: log, started: time.Now(), counts: syslogd.NewStats(), tailed: tail.NewStats(), changes: make(chan *agentWork)}
	if err := os.MkdirAll(conf.Data, 0o700); err != nil {
		return fmt.Errorf("agent: data directory: %w", err)
	}
	if a.spool, err = agent.OpenSpool(filepath.Join(conf.Data, "spool"), conf.Spool, log); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.spool.Close()) }()
	if err := a.connect(ctx); err != nil {
		return err
	}
	if err := a.build(); err != nil {
		return err
	}
	status, err := listenStatus(conf.Data)
	if err != nil {
		return errors.Join(err, a.stopListening())
	}
	g, ctx := errgroup.WithContext(ctx)
	// What brings messages ends first: the last words of a machine that stops
	// for good are still sent.
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() error { return a.client.Run(sending) })
	g.Go(func() error { return a.spool.Run(sending, a.client) })
	g.Go(func() error {
		defer stop()
		err := a.listen(ctx, status)
		a.lastWords()
		return err
	})
	log.Info("agent runs", "version", release, "server", conf.Server, "data", conf.Data)
	debug.FreeOSMemory() // what the start has needed
	return g.Wait()
}

// listen runs all that brings messages and samples, until ctx ends; log lines for
// a moment longer.
func (a *agentRun) listen(ctx context.Context, status net.Listener) error {
	g, ctx := errgroup.WithContext(ctx)
	lines, stop := a.lasting(ctx, lastLines)
	defer stop()
	g.Go(func() error { return a.serveStatus(ctx, status) })
	g.Go(func() error { return a.syslog.Run(lines) })
	g.Go(func() error { return a.measure(ctx) })
	g.Go(func() error { return a.readStreams(lines) })
	g.Go(func() error { return a.keepWorking(lines) })
	g.Go(func() error { return a.checker.run(ctx) })
	if a.conf.Witness.Watch.URL != "" {
		g.Go(func() error { return runWitness(ctx, a.conf, a.log) })
	}
	if a.profiles != nil {
		g.Go(func() error { return a.profiles.run(ctx) })
	}
	if a.hosts != nil {
		g.Go(func() error { return a.hosts.run(ctx) })
	}
	return g.Wait()
}

// lastWords waits until the spool is empty, if the server is there.
func (a *agentRun) lastWords() {
	a.whileConnected(restTime, func() bool { return a.spool.Stats().Waiting > 0 })
}

// whileConnected waits while there is something to wait for, and the server is
// there, but not for ever.
func (a *agentRun) whileConnected(patience time.Duration, more func() bool) {
	const pause = 20 * time.Millisecond
	for end := time.Now().Add(patience); time.Now().Before(end) && more() && a.client.State().Connected; time.Sleep(pause) {
	}
}

// connect makes the client.
func (a *agentRun) connect(ctx context.Context) error {
	c := a.conf
	transport := agent.NewTransport()
	transport.TLSClientConfig = pin.Client(c.Fingerprints...)
	var metadata *imds.Client
	if !c.EC2.Off {
		metadata = imds.New(c.EC2.Endpoint)
	}
	id, err := c.identity(ctx, metadata, a.log)
	if err != nil {
		return err
	}
	if id.Instance == "" {
		metadata = nil // there is none: nobody need wait for it again
	}
	key, carrier, err := a.credentials(id, metadata, transport)
	if err != nil {
		return err
	}
	a.checker = &agentChecker{
		checks: c.Checks, server: c.Server, host: id.Host, key: key, next: carrier,
		runner: plugin.NewRunner(agentProcesses), log: a.log.With("component", "checks"),
	}
	if c.Roster.Hosts != "" {
		a.hosts = newHostsKeeper(c, key, a.log)
	}
	if !c.Profile.Off {
		a.profiles = newProfileClient(c, key, carrier, a.apply, a.log)
		carrier = a.profiles
	}
	a.client, err = agent.NewClient(agent.ClientOptions{
		URL: c.Server, Key: key, Identity: id, Status: a.status, Transport: carrier, Log: a.log,
	})
	return err
}

// joinPrefix begins a join token, which is traded for a key.
const joinPrefix = "rondo_join_"

// credentials are where the key comes from: a join token is traded for one; any
// other text is the key itself, read each time, so that it can be replaced.
func (a *agentRun) credentials(id agent.Identity, metadata *imds.Client, transport http.RoundTripper) (func() (string, error), http.RoundTripper, error) {
	text, err := os.ReadFile(a.conf.TokenFile)
	if err == nil && !strings.HasPrefix(string(text), joinPrefix) {
		return func() (string, error) {
			text, err := os.ReadFile(a.conf.TokenFile)
			return strings.TrimSpace(string(text)), err
		}, transport, nil
	}
	e, err := enrol.New(enrol.Options{
		Server: a.conf.Server, TokenFile: a.conf.TokenFile, KeyFile: filepath.Join(a.conf.Data, "key"),
		Host: id.Host, Metadata: metadata, Transport: transport, Log: a.log,
	})
	if err != nil {
		return nil, nil, err
	}
	return e.Key, e, nil
}

// build makes what brings messages and samples. Its sockets are bound.
func (a *agentRun) build() (err error) {
	c := a.conf
	if err := a.startWork(); err != nil {
		return err
	}
	machine, _ := os.Hostname() // without a name nothing is renamed
	a.syslog, err = syslogd.NewServer(c.Syslog.config(), agentSink{a, machine}, a.counts, a.log.With("component", "syslogd"))
	return err
}

// stopListening gives back the sockets of a syslog server that never ran.
func (a *agentRun) stopListening() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return a.syslog.Run(ctx)
}

// agentSink is the way of messages that come over sockets.
type agentSink struct {
	a       *agentRun
	machine string // as the kernel calls it
}

// Put implements syslogd.Sink.
func (s agentSink) Put(ctx context.Context, batch []syslog.Message) error {
	return s.a.spool.Put(ctx, s.a.prepare(s.named(batch)))
}

// Write implements syslogd.Writer.
func (s agentSink) Write(ctx context.Context, batch []syslog.Message) error {
	return s.a.spool.Write(ctx, s.a.prepare(s.named(batch)))
}

// named gives messages of this machine the name that the configuration has for
// it.
func (s agentSink) named(batch []syslog.Message) []syslog.Message {
	own := s.a.conf.Host
	if own == "" || own == s.machine {
		return batch
	}
	named := slices.Clone(batch)
	for i := range named {
		if named[i].Host == s.machine {
			named[i].Host = own
		}
	}
	return named
}
