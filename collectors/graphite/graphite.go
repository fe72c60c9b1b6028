package graphite

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"rondo/collectors"
	"rondo/rrd"
)

// Config is the collector's section of the configuration.
type Config struct {
	collectors.Bind `yaml:",inline"`
	MaxConnections  int           `yaml:"max_connections"`
	IdleTimeout     time.Duration `yaml:"idle_timeout"`
}

// DefaultConfig listens on loopback, TCP and UDP.
func DefaultConfig() Config {
	return Config{
		Bind:           collectors.Bind{Listen: "127.0.0.1:2003"},
		MaxConnections: 1024,
		IdleTimeout:    5 * time.Minute,
	}
}

// Validate says what is wrong with c.
func (c Config) Validate() error {
	if c.MaxConnections < 1 {
		return fmt.Errorf("max_connections %d: want at least 1", c.MaxConnections)
	}
	if c.IdleTimeout <= 0 {
		return fmt.Errorf("idle_timeout %v: want more than nothing", c.IdleTimeout)
	}
	return c.Bind.Validate()
}

// Kind is what the configuration calls "graphite". It runs by default.
func Kind() collectors.Kind { return collectors.KindOf("graphite", true, DefaultConfig, New) }

// A Collector listens for Graphite lines.
type Collector struct {
	env  collectors.Env
	conf Config
	tcp  net.Listener
	udp  *net.UDPConn

	malformed collectors.Notice
}

// New binds the sockets, which Run will own.
func New(env collectors.Env, c Config) (*Collector, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("graphite: %w", err)
	}
	ctx := context.Background()
	tcp, err := c.ListenTCP(ctx)
	if err != nil {
		return nil, fmt.Errorf("graphite: %w", err)
	}
	// Where the system chose the port, UDP takes the same.
	bind := c.Bind
	bind.Listen = tcp.Addr().String()
	udp, err := bind.ListenUDP(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("graphite: %w", err), tcp.Close())
	}
	return &Collector{env: env, conf: c, tcp: tcp, udp: udp}, nil
}

// Addr is where the collector listens, TCP and UDP.
func (c *Collector) Addr() net.Addr { return c.tcp.Addr() }

// Run serves both sockets until ctx ends, and returns when all that was read
// is appended.
func (c *Collector) Run(ctx context.Context) error {
	feed := collectors.NewFeed(c.env)
	lines := &collectors.LineServer{
		Env: c.env, Feed: feed, Listener: c.tcp, Bind: c.conf.Bind,
		MaxConns: c.conf.MaxConnections, Idle: c.conf.IdleTimeout, Parse: c.parse,
	}
	c.env.Log.Info("listening", "proto", "tcp", "addr", c.tcp.Addr().String())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return lines.Serve(ctx) })
	g.Go(func() error { return c.packets(ctx, feed) })
	return g.Wait()
}

// packets serves UDP. All packets share one buffer: nobody waits for them.
func (c *Collector) packets(ctx context.Context, feed *collectors.Feed) error {
	b := feed.NewBuffer(ctx)
	// What was read is brought home even where we are told to stop.
	home := context.WithoutCancel(ctx)
	s := &collectors.PacketServer{
		Env: c.env, Conn: c.udp, Bind: c.conf.Bind,
		// A store that fails is counted and logged by the feed.
		Handle: func(packet string) { _ = b.Add(home, packet, c.parse) },
	}
	err := s.Serve(ctx)
	_ = b.Close()
	return err
}

// parse counts and reports the lines that AppendSamples leaves out.
func (c *Collector) parse(dst []rrd.Sample, block string) []rrd.Sample {
	dst, bad := AppendSamples(dst, block, time.Now())
	if n := bad.Lines(); n > 0 {
		c.env.Stats.Add("bad_fields", bad.Fields)
		c.env.Stats.Add(string(rrd.RefusedKey), bad.Name)
		c.env.Stats.Add(string(rrd.RefusedValue), bad.Value)
		c.env.Stats.Add("bad_time", bad.Time)
		c.malformed.Warn(c.env.Log, "lines left out", "lines", n, "err", bad.First)
	}
	return dst
}
