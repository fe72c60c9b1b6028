package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"rondo/autoscale/ec2sim"
)

//go:embed demo.yml
var demoConfig []byte

// demoCmd shows the main job: a fleet of two simulated web servers that goes
// through a flash crowd, supervised and scaled by a real rondo, with EC2
// played by the emulator.
type demoCmd struct {
	Data   string `help:"Data directory; made anew, and removed at the end, where it is not given." placeholder:"DIR"`
	Listen string `help:"Address of the web pages; 127.0.0.1:8080, or a free port where that is taken." placeholder:"ADDR"`
}

func (demoCmd) Help() string {
	return `Nothing outside this machine is asked: EC2 is an emulator that listens on
loopback, the servers are simulated clients that send to rondo's own sockets.
The story is shortened (a server boots in 12 s, the steps are 1 s); the clock
is not. It is told again every six minutes.`
}

const (
	demoBoot  = 12 * time.Second
	demoFleet = 2
	demoGroup = "web"
	demoStory = "A simulated fleet of web servers, after a published story: a very popular page links to the site, " +
		"the run queue rises to 137 where it should be below 1, 12 more servers end it, 10 are retired later. " +
		"The story is shortened (a server boots in 12 s, steps are 1 s) and starts again every 6 minutes; the clock is real, EC2 is an emulator."
)

const demoGreeting = `rondo demo

  pages     http://%s
  metrics   graphite %s, statsd %s
  logs      syslog %s
  EC2       emulated at %s
  data      %s

The flash crowd comes after %v. Ctrl-C ends the demo.
`

func (c demoCmd) Run(ctx context.Context, out io.Writer, stderr errorWriter) (err error) {
	conf, err := c.config()
	if err != nil {
		return err
	}
	if c.Data == "" {
		if conf.Data, err = os.MkdirTemp("", "rondo-demo-"); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(conf.Data)) }()
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: conf.Log}))
	cloud, err := listenDemoCloud(conf)
	if err != nil {
		return err
	}
	crowd := newCrowd(time.Now())
	sim := ec2sim.New(ec2sim.Options{BootTime: demoBoot, Log: log, Boot: func(ctx context.Context, i ec2sim.Instance) {
		s := demoServer{
			host: i.Hostname(), group: demoGroup, crowd: crowd,
			graphite: conf.address("graphite"), syslog: conf.Syslogd.Server.TCP,
		}
		if err := s.run(ctx); err != nil {
			log.Error("simulated server fails", "host", s.host, "err", err)
		}
	}})
	if err := sim.Seed(demoFleet, map[string]string{"rondo:group": demoGroup, "Name": demoGroup}); err != nil {
		return err
	}
	greet := func() {
		fmt.Fprintf(out, demoGreeting, conf.Web.Listen, conf.address("graphite"), conf.address("statsd"),
			conf.Syslogd.Server.TCP, conf.Autoscale.EC2.Endpoint, conf.Data, crowdArrives)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return sim.Run(ctx) })
	g.Go(func() error { return serveUntil(ctx, cloud, sim) })
	g.Go(func() error { return serve(ctx, conf, serveOptions{log: log, story: demoStory, ready: greet}) })
	g.Go(func() error { tellDeploys(ctx, conf.Data, crowd.start, log); return nil })
	return g.Wait()
}

// tellDeploys marks the deploy of each story until ctx ends, as the command of a
// pipeline would.
func tellDeploys(ctx context.Context, data string, start time.Time, log *slog.Logger) {
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(start.Add(siteDeployed + time.Duration(n-1)*storyLength))):
		}
		add := eventAddCmd{
			clientFlags: clientFlags{Data: data, Output: "json"},
			Title:       fmt.Sprintf("deploy 1.4.%d", n), Text: "the page that was linked to is cached", Tag: []string{"deploy"}, Group: demoGroup, By: "demo",
		}
		if err := add.Run(ctx, io.Discard); err != nil && ctx.Err() == nil {
			log.Error("demo: deploy is not told", "err", err)
		}
	}
}

// config is the demo's configuration with ports that are free. The standard
// ones are taken where they can be.
func (c demoCmd) config() (*config, error) {
	root, err := parseTree("demo.yml", demoConfig)
	if err != nil {
		return nil, err
	}
	if c.Data != "" {
		root.entries = append(root.entries, entry{key: "data", value: &node{shape: scalar, text: c.Data}})
	}
	taken := map[string]string{}
	web := root.get("web").get("listen")
	if c.Listen != "" {
		taken[web.text] = c.Listen
	}
	for _, n := range []*node{web, root.get("syslogd").get("udp"), root.get("syslogd").get("tcp")} {
		n.text = freeAddress(n.text, taken)
	}
	for _, it := range root.get("collectors").items {
		if l := it.get("listen"); l != nil {
			l.text = freeAddress(l.text, taken)
		}
	}
	conf, err := configOf(root)
	if err == nil {
		conf.Autoscale.EC2.LoopbackOnly = true
	}
	return conf, err
}

// freeAddress returns the address itself where its port is free for TCP and
// UDP, else the same host with a port that is.
func freeAddress(addr string, chosen map[string]string) string {
	if a := chosen[addr]; a != "" {
		return a
	}
	chosen[addr] = addr
	host, _, _ := net.SplitHostPort(addr)
	for try := addr; ; try = net.JoinHostPort(host, "0") {
		l, err := net.Listen("tcp", try)
		if err != nil {
			if try != addr {
				return addr // the server's own error will say it
			}
			continue
		}
		p, err := net.ListenPacket("udp", l.Addr().String())
		l.Close()
		if err == nil {
			chosen[addr] = p.LocalAddr().String()
			p.Close()
			return chosen[addr]
		}
	}
}

// listenDemoCloud binds the emulator's address, or another one where that is
// taken, and points the configuration at it.
func listenDemoCloud(conf *config) (net.Listener, error) {
	addr := freeAddress(strings.TrimPrefix(conf.Autoscale.EC2.Endpoint, "http://"), map[string]string{})
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	conf.Autoscale.EC2.Endpoint = "http://" + l.Addr().String()
	return l, nil
}

// serveUntil serves HTTP on a listener, which it closes, until ctx ends.
func serveUntil(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: time.Minute}
	defer context.AfterFunc(ctx, func() { _ = srv.Close() })()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
