package statsd

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"rondo/collectors"
	"rondo/rrd"
)

// Config is the collector's section of the configuration.
type Config struct {
	collectors.Bind `yaml:",inline"`
	Flush           time.Duration `yaml:"flush"`     // the interval
	Expire          time.Duration `yaml:"expire"`    // silent names are forgotten after that
	MaxNames        int           `yaml:"max_names"` // more are refused
}

// DefaultConfig listens on loopback and flushes every 10 s.
func DefaultConfig() Config {
	return Config{
		Bind:     collectors.Bind{Listen: "127.0.0.1:8125"},
		Flush:    10 * time.Second,
		Expire:   5 * time.Minute,
		MaxNames: 100_000,
	}
}

// Validate says what is wrong with c.
func (c Config) Validate() error {
	switch {
	case c.Flush < time.Second:
		return fmt.Errorf("flush %v: want at least 1s", c.Flush)
	case c.Expire < c.Flush:
		return fmt.Errorf("expire %v: want at least the flush interval, %v", c.Expire, c.Flush)
	case c.MaxNames < 1:
		return fmt.Errorf("max_names %d: want at least 1", c.MaxNames)
	}
	return c.Bind.Validate()
}

// Kind is what the configuration calls "statsd". It runs by default.
func Kind() collectors.Kind { return collectors.KindOf("statsd", true, DefaultConfig, New) }

// A Collector listens for statsd packets.
type Collector struct {
	env  collectors.Env
	conf Config
	conn *net.UDPConn

	mu  sync.Mutex // over sum
	sum *aggregator

	badLines collectors.Notice
}

// New binds the socket, which Run will own.
func New(env collectors.Env, c Config) (*Collector, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("statsd: %w", err)
	}
	conn, err := c.ListenUDP(context.Background())
	if err != nil {
		return nil, fmt.Errorf("statsd: %w", err)
	}
	return &Collector{env: env, conf: c, conn: conn, sum: newAggregator(c.MaxNames, c.Expire)}, nil
}

// Addr is where the collector listens.
func (c *Collector) Addr() net.Addr { return c.conn.LocalAddr() }

// Run takes packets until ctx ends, and then flushes what it has.
func (c *Collector) Run(ctx context.Context) error {
	feed := collectors.NewFeed(c.env)
	s := &collectors.PacketServer{Env: c.env, Conn: c.conn, Bind: c.conf.Bind, Handle: c.take}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.Serve(gctx) })
	g.Go(func() error { c.flushEach(gctx, feed); return nil })
	err := g.Wait()
	c.flush(ctx, feed, time.Now())
	return err
}

func (c *Collector) take(packet string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sum.packet(packet, time.Now())
}

// flushEach flushes at every multiple of the interval since the epoch.
func (c *Collector) flushEach(ctx context.Context, feed *collectors.Feed) {
	for {
		now := time.Now()
		end := (rrd.At(now) + 1).SlotEnd(c.conf.Flush).Std()
		wake := time.NewTimer(end.Sub(now))
		select {
		case <-ctx.Done():
			wake.Stop()
			return
		case <-wake.C:
			c.flush(ctx, feed, end)
		}
	}
}

// flush hands over what was summed up. The end of ctx does not interrupt it:
// what left the sums is nowhere else.
func (c *Collector) flush(ctx context.Context, feed *collectors.Feed, end time.Time) {
	c.mu.Lock()
	samples := c.sum.flush(make([]rrd.Sample, 0, len(c.sum.metrics)), end)
	lines, counts, first, line := c.sum.lines, c.sum.counts, c.sum.first, c.sum.line
	c.sum.lines, c.sum.counts, c.sum.first, c.sum.line = 0, make(map[string]int), nil, ""
	c.mu.Unlock()
	c.env.Stats.Add("lines", lines)
	for reason, n := range counts {
		c.env.Stats.Add(reason, n)
	}
	if first != nil {
		c.badLines.Warn(c.env.Log, "lines left out", "err", first, "line", line)
	}
	// A store that fails is counted and logged by the feed.
	_ = feed.Append(context.WithoutCancel(ctx), samples)
}
