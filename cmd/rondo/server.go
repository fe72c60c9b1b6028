package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"rondo/alerts"
	"rondo/alerts/amapi"
	"rondo/alerts/check"
	"rondo/alerts/deadman"
	"rondo/alerts/event"
	"rondo/alerts/fleet"
	"rondo/alerts/fleet/join"
	"rondo/alerts/notify/dispatch"
	"rondo/alerts/promrule"
	"rondo/autoscale/redirect"
	"rondo/autoscale/roster"
	"rondo/collectors/agent"
	"rondo/rrd"
	"rondo/rrd/promql"
	"rondo/syslogd"
	"rondo/syslogd/canary"
	"rondo/syslogd/loki"
	"rondo/web"
)

// serverCmd runs the server.
type serverCmd struct {
	Config string `help:"Configuration file; conf.d/*.yml beside it is read too. Without one the server listens on loopback and monitors its own host." type:"path" placeholder:"FILE"`
	Data   string `help:"Data directory; wins over the configuration's." placeholder:"DIR" env:"RONDO_DATA"`
}

func (serverCmd) Help() string {
	return `Examples:
  rondo server
  rondo server --config=/etc/rondo/rondo.yml --data=/var/lib/rondo

SIGHUP reads the configuration again: collectors, syslog listeners, rules,
receivers and groups are replaced; a bad file changes nothing. SIGTERM stops.`
}

func (c serverCmd) Run(ctx context.Context, stderr errorWriter) error {
	load := func() (*config, error) {
		conf, err := loadConfig(c.Config)
		if err != nil {
			return nil, err
		}
		if c.Data != "" {
			conf.Data = c.Data
		}
		return conf, conf.checkParts()
	}
	conf, err := load()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: conf.Log}))
	return serve(ctx, conf, serveOptions{log: log, load: load})
}

// serveOptions are what the ways to start a server differ in.
type serveOptions struct {
	log   *slog.Logger
	load  func() (*config, error) // reads the configuration again; nil: never
	story string                  // the demo's banner
	ready func()                  // called once everything listens; may be nil
}

// A server is one running rondo.
type server struct {
	conf     *config
	opt      serveOptions
	log      *slog.Logger
	stores   *stores
	promql   *promql.Engine // for people and dashboards
	judge    *promql.Engine // for rules and groups, which dashboards must not starve
	moves    metricMoves    // what wakes groups
	fleet    *fleet.Fleet
	crew     *crew           // what the autoscaler knows of its hosts
	roster   *roster.Roster  // who is in its groups, with ranks
	join     *join.Authority // lets agents in
	install  *installer      // serves the script that installs them
	handout  *handout        // gives them their profiles
	taps     *taps           // what sees the messages that the log store took
	canary   *canary.Canary
	sockets  *syslogd.Sockets // of the syslog server; they outlive a reload
	engine   *alerts.Engine
	checks   *check.Service                    // what plugins, probes and passive results share
	external *amapi.External                   // alerts of others
	imported atomic.Pointer[[]*promrule.Group] // of Prometheus' rule files
	pinger   *deadman.Pinger                   // nil: nobody is told that we live

	dispatcher *dispatch.Dispatcher
	events     *event.Store // deploys and the like, which mark graphs
	self       *self
	backups    *backups
	loki       *loki.API
	agents     *agent.Server
	books      *redirect.Books       // of sessions; they outlast a reload
	parts      atomic.Pointer[parts] // replaced by a reload
	started    time.Time
}

// gcPercent is how much garbage may wait, in percent of what is in use. Nearly
// all of that is the heads of the stores, which live for hours and hold few
// pointers: a collection is cheap, and memory that waits for one is not.
const gcPercent = 25

// minGarbage may wait in any case: where little is in use, a quarter of it is
// soon gone, and collections are what a relay would do most.
const minGarbage = 8 << 20

// paceGC sets how much garbage may wait, by what was in use at the last
// collection.
func paceGC() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	percent := gcPercent
	if n := live[0].Value.Uint64(); n > 0 {
		percent = max(percent, int(100*minGarbage/n))
	}
	debug.SetGCPercent(min(percent, 400))
}

// serve runs a server until ctx ends. What runs, and who waits for it:
//
//	serve ── errgroup
//	  ├─ web: HTTP on TCP and rondo.sock
//	  ├─ fleet: heartbeats out of the store, each second
//	  ├─ greet: rules of roles are checked when hosts come and go
//	  ├─ engine: rules -> states -> outbox -> receivers, or the dispatcher
//	  ├─ dispatcher: groups -> notices -> outbox -> receivers
//	  ├─ pinger: signs of life ──> an outside address
//	  ├─ events: what became of them ──> logstore
//	  ├─ self: rondo's own figures into the store
//	  ├─ ballast: room for a start on a full disk
//	  ├─ backups: snapshot of the stores ──> directory or bucket
//	  └─ keepParts ── errgroup, built anew by a reload
//	       ├─ collectors: graphite, statsd, host ──> store
//	       ├─ canary ──> the syslog server's listeners
//	       ├─ syslog server ──> router, stages ──> logstore, spool
//	       ├─ router: what its stages have counted, each second
//	       ├─ queues: spool ──> destinations
//	       └─ controller: metric ──> Want ──> EC2
//
// The stores have no place in the group: they are closed, and flushed, after
// everybody who writes to them has ended.
func serve(ctx context.Context, conf *config, opt serveOptions) (err error) {
	if os.Getenv("GOGC") == "" {
		paceGC()
	}
	s := &server{conf: conf, opt: opt, log: opt.log, taps: &taps{}, canary: canary.New(opt.log.With("component", "canary")), crew: newCrew(), sockets: syslogd.NewSockets(), started: time.Now()}
	defer s.sockets.Close()
	if s.stores, err = openStores(conf, s.log); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stores.close()) }()
	if err := s.build(); err != nil {
		return err
	}
	defer s.books.Sockets.Close()
	listeners, err := web.Listen(conf.Web, conf.Data)
	if err != nil {
		return err
	}
	closeListeners := func() {
		for _, l := range listeners {
			_ = l.Close()
		}
	}
	first, err := s.buildParts(ctx, conf)
	if err != nil {
		closeListeners()
		return err
	}
	edge, err := s.edge()
	if err != nil {
		closeListeners()
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return edge.Run(ctx, listeners...) })
	g.Go(func() error { return s.fleet.Run(ctx, heartbeats{s.stores.metrics}) })
	g.Go(func() error { return s.engine.Run(ctx) })
	g.Go(func() error { return s.greet(ctx) })
	g.Go(func() error { return s.dispatcher.Run(ctx) })
	g.Go(func() error { return s.events.Run(ctx) })
	g.Go(func() error { return s.self.run(ctx) })
	if s.pinger != nil {
		g.Go(func() error { return s.pinger.Run(ctx) })
	}
	g.Go(func() error { return newBallast(conf.Data, s.log).Run(ctx) })
	g.Go(func() error { return s.backups.run(ctx) })
	g.Go(func() error { return s.keepParts(ctx, conf, first) })
	s.log.Info("rondo is ready", "version", release, "web", listeners[0].Addr().String(), "data", conf.Data)
	if opt.ready != nil {
		opt.ready()
	}
	err = g.Wait()
	s.log.Info("rondo stops", "cause", cause(ctx, err))
	return err
}

func cause(ctx context.Context, err error) string {
	if err != nil {
		return err.Error()
	}
	return context.Cause(ctx).Error()
}

// build makes what lasts as long as the server.
func (s *server) build() (err error) {
	o := s.conf.RRD.Query
	if s.fleet, err = fleet.New(s.stores.state, fleet.Options{Log: s.log, Templates: s.conf.Fleet.Templates, Arrived: s.arrived}); err != nil {
		return err
	}
	o.Version, o.Revision = release, build().Revision
	series := fleet.Series{Querier: s.stores.metrics, Index: s.stores.metrics, Fleet: s.fleet}
	s.promql, s.judge = promql.New(series, series, o), promql.New(series, series, o)
	if s.roster, err = roster.Open(s.stores.state, s.log.With("component", "roster")); err != nil {
		return err
	}
	if s.join, err = join.New(s.stores.state, join.Policy{}, s.log); err != nil {
		return err
	}
	if err := s.openEvents(); err != nil {
		return err
	}
	if err := s.newDispatcher(s.conf); err != nil {
		return err
	}
	if s.books, err = redirect.OpenBooks(s.stores.state, s.stores.lostState() != ""); err != nil {
		return err
	}
	s.checks = check.NewService(s.stores.metrics, s.log)
	if s.external, err = amapi.OpenExternal(s.stores.state, s.log); err != nil {
		return err
	}
	rules, groups, targets, err := s.rules(s.conf)
	if err != nil {
		return err
	}
	if err := s.buildAgents(); err != nil {
		return err
	}
	mutes, err := s.conf.Alerts.mutes()
	if err != nil {
		return err
	}
	moves := rrd.ShareWatcher(s.stores.metrics, 2)
	s.moves = metricMoves{moves[1]}
	s.engine, err = alerts.NewEngine(alerts.Options{
		Log: s.log, Store: s.stores.state, Moves: moves[0], Withdrawn: s.gone, Leaving: s.staff().leaving, Muting: mutes, Series: s.stores.metrics,
		Tolerate: time.Minute, Settle: 2 * time.Minute,
	}, rules, targets)
	if err != nil {
		return err
	}
	s.checks.Use(rules)
	s.imported.Store(&groups)
	s.external.SubmitTo(s.engine)
	if err := s.buildPinger(); err != nil {
		return err
	}
	s.self = newSelf(s)
	s.loki = loki.New(loki.Options{
		Sink: func() syslogd.Sink { return s.parts.Load().router }, Logs: s.stores.logs, LineBytes: s.lineBytes,
		Version: release, Revision: build().Revision, Log: s.log.With("component", "loki"),
	})
	s.backups = newBackups(s.conf, s.snapshot, s.log)
	return err
}

// buildPinger makes what gives signs of life while rules are checked: that of
// others' alerts is, each second, whatever is configured.
func (s *server) buildPinger() (err error) {
	if s.conf.Alerts.Deadman.URL == "" {
		return nil
	}
	name, err := os.Hostname()
	if err != nil {
		name = "rondo"
	}
	s.pinger, err = deadman.NewPinger(s.conf.Alerts.Deadman, name, s.engine.Stats().Checks.Load, s.log)
	return err
}

// lineBytes is the mean length of the lines in the log store.
func (s *server) lineBytes() float64 {
	st := s.stores.logs.Stats()
	return float64(st.RawBytes) / float64(max(st.Messages, 1))
}

// rules builds the rules and receivers of a configuration; the groups are those
// of Prometheus' rule files, whose rules are among the others.
func (s *server) rules(conf *config) ([]alerts.Supervised, []*promrule.Group, []alerts.Target, error) {
	rules, err := conf.Alerts.Rules.Build(check.Sources{
		Metrics:  s.judge,
		Ranges:   s.judge,
		Sets:     s.stores.metrics,
		Logs:     ruleLogs{s.stores.logs},
		Hosts:    s.staff(),
		Identify: s.fleet.Identify,
		Service:  s.checks,
		Boot:     conf.Autoscale.boot,
	})
	if err != nil {
		return nil, nil, nil, err
	}
	groups := promrule.NewGroups(conf.Alerts.files, promrule.Options{
		Metrics: s.judge, Recorded: s.stores.metrics, Interval: conf.Alerts.Prometheus.Interval,
		ExternalLabels: conf.Alerts.Prometheus.ExternalLabels, ExternalURL: conf.Alerts.Receivers.ExternalURL,
	})
	for _, g := range groups {
		rules = append(rules, g.Supervised()...)
	}
	targets, err := s.targets(conf)
	return append(rules, s.external.Supervised()), groups, targets, err
}

// waker passes transitions on to the present controller.
type waker struct{ s *server }

func (w waker) Act(ctx context.Context, t alerts.Transition) error {
	if p := w.s.parts.Load(); p != nil && p.controller != nil {
		return p.controller.Act(ctx, t)
	}
	return nil
}

// ActAll implements alerts.BulkAction: 20,000 changes cost some writes.
func (w waker) ActAll(ctx context.Context, ts []alerts.Transition) error {
	for _, t := range ts {
		if err := w.Act(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// arrived has a host that was just heard of stand in its group and in the rules
// about hosts at once, not at their next turn.
func (s *server) arrived() {
	p := s.parts.Load()
	if p == nil {
		return
	}
	if p.controller != nil {
		p.controller.Heard()
	}
	for _, rule := range p.conf.Alerts.Rules.OfHosts() {
		s.engine.Wake(rule)
	}
}

// gone says whether labels are of something that was taken away on purpose: a
// host, or all of a group that is shut down.
func (s *server) gone(ls rrd.Labels) bool {
	if s.fleet.Gone(ls) {
		return true
	}
	group, p := ls.Get("group"), s.parts.Load()
	return group != "" && ls.Get("host") == "" && p != nil && p.controller != nil && p.controller.Down(group)
}

// keepParts runs the parts that a reload replaces, and replaces them on
// SIGHUP. Where the new ones cannot be built, the old configuration goes on.
func (s *server) keepParts(ctx context.Context, conf *config, p *parts) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		partsCtx, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- p.run(partsCtx) }()
		next, err := s.nextConfig(ended, hup)
		stop()
		if next == nil {
			return err
		}
		if err := <-ended; err != nil {
			return err
		}
		if conf, p, err = s.replace(ctx, conf, next); err != nil {
			return err
		}
	}
}

// nextConfig waits for a good new configuration, or for the end of the parts:
// then it returns nil and their error.
func (s *server) nextConfig(ended chan error, hup chan os.Signal) (*config, error) {
	for {
		select {
		case err := <-ended:
			return nil, err
		case <-hup:
		}
		if s.opt.load == nil {
			continue
		}
		next, err := s.opt.load()
		if err != nil {
			s.log.Error("new configuration is not good; the old one stays", "err", err)
			continue
		}
		return next, nil
	}
}

// replace builds the parts of next, or those of the present configuration
// again should that fail.
func (s *server) replace(ctx context.Context, present, next *config) (*config, *parts, error) {
	p, err := s.buildParts(ctx, next)
	if err == nil {
		err = s.reloadRules(next)
	}
	if err == nil {
		s.reloadSchemas(present, next)
		s.log.Info("configuration is reloaded")
		for _, section := range s.conf.lasting(next) {
			s.log.Warn("a change needs a restart to take effect", "section", section)
		}
		return next, p, nil
	}
	s.log.Error("new configuration cannot be started; the old one goes on", "err", err)
	if p != nil {
		p.close()
	}
	if p, err = s.buildParts(ctx, present); err != nil {
		return nil, nil, fmt.Errorf("after a failed reload: %w", err)
	}
	return present, p, nil
}

// reloadSchemas lets new series be kept by the new schemas, and says how many
// of those there are differ from them.
func (s *server) reloadSchemas(present, next *config) {
	if reflect.DeepEqual(present.RRD.Store.Schemas, next.RRD.Store.Schemas) {
		return
	}
	schemas, err := next.RRD.Store.Build()
	if err == nil {
		s.stores.metrics.SetSchemas(schemas)
		var n int
		if n, err = s.stores.metrics.Differ(); err == nil && n > 0 {
			s.log.Info(differText(n))
		}
	}
	if err != nil {
		s.log.Error("schemas cannot be applied", "err", err)
	}
}

func (s *server) reloadRules(conf *config) error {
	rules, groups, targets, err := s.rules(conf)
	if err == nil {
		err = s.reloadTelling(conf)
	}
	if err != nil {
		return err
	}
	mutes, err := conf.Alerts.mutes()
	if err == nil {
		err = s.engine.SetMuting(mutes)
	}
	if err != nil {
		return err
	}
	if err := s.events.Configure(conf.Events); err != nil {
		return err
	}
	if err := s.engine.Reload(rules, targets); err != nil {
		return err
	}
	s.checks.Use(rules)
	s.imported.Store(&groups)
	return nil
}
