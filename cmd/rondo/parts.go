package main

import (
	"context"
	"maps"

	"golang.org/x/sync/errgroup"

	"rondo/autoscale"
	"rondo/autoscale/ec2"
	"rondo/autoscale/ec2/asg"
	"rondo/autoscale/ec2/ssm"
	"rondo/autoscale/fanout"
	"rondo/autoscale/hooks"
	"rondo/autoscale/redirect"
	"rondo/autoscale/roster"
	"rondo/collectors"
	"rondo/syslogd"
	"rondo/syslogd/canary"
)

// parts are what a reload replaces: everything that holds a socket of its own
// or follows the configuration, but for the stores, the web server and the
// alert engine.
type parts struct {
	conf       *config
	collectors []collectors.Collector
	stats      map[string]*collectors.Stats // by kind
	syslog     *syslogd.Server
	syslogged  *syslogd.Stats
	router     *syslogd.Router // what every message goes through
	redact     redaction       // what imported messages go through
	canary     *canary.Canary
	// destinations are the queues, and where these are delivered to.
	destinations []destination
	controller   *autoscale.Controller // nil where there is no group
	house        house                 // what follows its groups
	redirect     *redirect.Redirector  // nil where no group is weighed
	files        *roster.Keeper        // nil where there is no group
	jobs         map[string]fanout.Job // commands, by name
	hooks        *hooks.Hooks          // nil where there is no group
	cloud        *ec2.Cloud            // nil where no group is in EC2
	asgs         *asg.Cloud            // nil where no group is an Auto Scaling Group
	ssm          *ssm.Runner           // nil where no command is run by it
}

// buildParts builds the parts of a configuration. All sockets are bound when
// it returns, so that a port in use is found at once.
func (s *server) buildParts(ctx context.Context, conf *config) (_ *parts, err error) {
	p := &parts{conf: conf, canary: s.canary, stats: map[string]*collectors.Stats{}, syslogged: syslogd.NewStats()}
	if old := s.parts.Load(); old != nil { // what was counted before a reload stays counted
		p.stats, p.syslogged = maps.Clone(old.stats), old.syslogged
	}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if err := s.buildController(ctx, conf, p); err != nil {
		return nil, err
	}
	if err := s.buildJoin(conf, p); err != nil {
		return nil, err
	}
	if err := s.buildSyslog(conf, p); err != nil {
		return nil, err
	}
	for _, cc := range conf.Collectors {
		name := cc.kind.Name
		if p.stats[name] == nil {
			p.stats[name] = &collectors.Stats{}
		}
		c, err := cc.build(collectors.Env{
			Log: s.log.With("collector", name), Store: s.stores.metrics, Stats: p.stats[name],
			Sets: s.stores.metrics, Logs: s.taps, Data: conf.Data,
		})
		if err != nil {
			return nil, err
		}
		p.collectors = append(p.collectors, c)
	}
	s.parts.Store(p)
	return p, nil
}

func (s *server) buildSyslog(conf *config, p *parts) error {
	log := s.log.With("component", "syslogd")
	err := s.buildRouter(conf, p, log)
	if err != nil {
		return err
	}
	if p.redact, err = redactor(conf.Syslogd.Server.Stages); err != nil {
		return err
	}
	p.syslog, err = s.sockets.NewServer(conf.Syslogd.Server, s.canary.Sink(p.router, s.stores.logs), p.syslogged, log)
	return err
}

func (s *server) buildController(ctx context.Context, conf *config, p *parts) error {
	s.crew.keep(conf.Autoscale.Groups.Groups)
	if len(conf.Autoscale.Groups.Groups) == 0 {
		s.books.Sockets.Close()
		s.roster.Clear(ctx)
		return nil
	}
	clouds, err := p.buildClouds(ctx, conf.Autoscale)
	if err != nil {
		return err
	}
	if err := s.buildHouse(ctx, conf, p); err != nil {
		return err
	}
	journal, err := autoscale.OpenLog(s.stores.state, conf.Autoscale.Groups)
	if err != nil {
		return err
	}
	o := autoscale.Options{
		Config: conf.Autoscale.Groups, Cloud: clouds, Metrics: s.judge, Moves: s.moves, Fleet: retiring{s.fleet, s.join, s.log}, Alerts: s.engine, Deaf: conf.Alerts.Rules.AtOnce(),
		Drainer: p.house.drainers(s.fleet), Notes: p.house.notes, House: p.house, Journal: journal, Lost: s.stores.lostState(), UserData: s.fillUserData, Log: s.log.With("component", "autoscale"),
	}
	if p.cloud != nil {
		o.Sweeper = p.cloud
	}
	p.controller, err = autoscale.New(ctx, o)
	return err
}

// run runs the parts until ctx ends or one fails, and closes them.
func (p *parts) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	// What takes messages from the syslog server ends after it, else the last
	// ones would not be counted, or not be relayed before the next start.
	after, stop := context.WithCancel(context.WithoutCancel(ctx))
	for _, c := range p.collectors {
		g.Go(func() error { return c.Run(after) })
	}
	for _, d := range p.destinations {
		g.Go(func() error { return d.queue.Run(after, d.to) })
	}
	g.Go(func() error { return p.router.Run(after) })
	// The server ends after the canary: what that has sent is still received.
	serving, stopServer := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() error {
		defer stopServer()
		p.canary.Run(ctx, p.conf.Syslogd.Canary, p.syslog.Endpoints())
		return nil
	})
	g.Go(func() error {
		defer stop()
		if err := p.syslog.Run(serving); err != nil {
			return err
		}
		<-ctx.Done() // a server without a listener ends at once
		return nil
	})
	if p.controller != nil {
		g.Go(func() error { return p.controller.Run(ctx) })
		for _, f := range p.house {
			g.Go(func() error { return f.Run(ctx, p.controller) })
		}
	}
	return g.Wait()
}

// close gives back the sockets of parts that never ran: whoever owns them
// closes them at the end of Run, which an ended context makes immediate.
func (p *parts) close() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range p.collectors {
		_ = c.Run(ctx)
	}
	if p.syslog != nil {
		_ = p.syslog.Run(ctx)
	}
}
