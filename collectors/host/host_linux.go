package host

import (
	"context"
	"fmt"
	"time"

	"rondo/collectors"
)

// collector reads /proc at every tick.
type collector struct {
	env    collectors.Env
	conf   Config
	src    source
	failed collectors.Notice
}

func build(env collectors.Env, c Config) (collectors.Collector, error) {
	src, err := newSource(c.Proc)
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	return &collector{env: env, conf: c, src: src}, nil
}

// Run measures until ctx ends. The first reading comes at once, but for the
// shares of CPU time, which need two.
func (c *collector) Run(ctx context.Context) error {
	feed := collectors.NewFeed(c.env)
	tick := time.NewTicker(c.conf.Interval)
	defer tick.Stop()
	var last reading
	for {
		now, err := c.src.read(time.Now())
		if err != nil {
			c.env.Stats.Add("unreadable", 1)
			c.failed.Warn(c.env.Log, "part of the host could not be measured", "err", err)
		}
		// A store that fails is counted and logged by the feed.
		_ = feed.Append(ctx, appendSamples(nil, c.conf.Host, &last, &now))
		last = now
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
