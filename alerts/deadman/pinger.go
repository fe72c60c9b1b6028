package deadman

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"rondo/alerts/notify"
	"rondo/alerts/notify/post"
	"rondo/alerts/notify/webhook"
)

// Bounds of intervals.
const (
	minInterval     = time.Second
	maxInterval     = 24 * time.Hour
	defaultInterval = time.Minute
)

// Config says who is told that we live.
type Config struct {
	URL      notify.Secret `yaml:"url"`      // "": nobody
	Interval time.Duration `yaml:"interval"` // default 1m
	Secret   notify.Secret `yaml:"secret"`   // signs; default: it is not signed
	HTTP     post.Config   `yaml:",inline"`
}

// Validate says what is wrong, each with its key.
func (c Config) Validate() error {
	if c.URL == "" {
		return nil
	}
	return errors.Join(post.CheckURL("url", c.URL), c.HTTP.Validate(), checkInterval(c.Interval))
}

func checkInterval(d time.Duration) error {
	if d != 0 && (d < minInterval || d > maxInterval) {
		return fmt.Errorf("interval %v: want %v to %v", d, minInterval, maxInterval)
	}
	return nil
}

// Stats counts signs of life.
type Stats struct {
	Sent   atomic.Uint64
	Failed atomic.Uint64 // not taken by the other side
	Held   atomic.Uint64 // not sent: no rule was checked since the one before
}

// Snapshot returns all counters by name.
func (s *Stats) Snapshot() map[string]uint64 {
	return map[string]uint64{"sent": s.Sent.Load(), "failed": s.Failed.Load(), "held": s.Held.Load()}
}

// A Pinger gives signs of life.
type Pinger struct {
	config Config
	client *post.Client
	moved  func() uint64 // grows while the engine works
	name   string        // ours
	log    *slog.Logger
	stats  Stats
}

// NewPinger makes the pinger of a valid configuration with an address. moved
// is a count that grows while there is life.
func NewPinger(c Config, name string, moved func() uint64, log *slog.Logger) (*Pinger, error) {
	c.Interval = cmp.Or(c.Interval, defaultInterval)
	client, err := post.New(c.HTTP)
	if err != nil {
		return nil, fmt.Errorf("deadman: %w", err)
	}
	return &Pinger{config: c, client: client, moved: moved, name: name, log: log.With("component", "deadman")}, nil
}

// Stats returns the live counters.
func (p *Pinger) Stats() *Stats { return &p.stats }

// Run gives signs of life until ctx ends. What fails is logged when it begins
// to fail, and when it works again.
func (p *Pinger) Run(ctx context.Context) error {
	tick := time.NewTicker(p.config.Interval)
	defer tick.Stop()
	before, failing := p.moved(), ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := p.moved()
		err := p.ping(ctx, now != before)
		before = now
		text := ""
		if err != nil {
			text = err.Error()
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case text != "" && failing == "":
			p.log.Warn("no sign of life is given", "err", err)
		case text == "" && failing != "":
			p.log.Info("signs of life are given again")
		}
		failing = text
	}
}

// sign is the body of a sign of life.
type sign struct {
	From     string    `json:"from"`
	At       time.Time `json:"at"`
	Interval float64   `json:"interval"` // seconds until the next one
	Status   string    `json:"status"`
}

func (p *Pinger) ping(ctx context.Context, alive bool) error {
	if !alive {
		p.stats.Held.Add(1)
		return errors.New("deadman: no rule was checked since the last sign")
	}
	now := time.Now()
	body, err := json.Marshal(sign{p.name, now.UTC(), p.config.Interval.Seconds(), "alive"})
	if err != nil {
		return fmt.Errorf("deadman: %w", err)
	}
	header := map[string]string{"Idempotency-Key": fmt.Sprintf("alive-%s-%d", p.name, now.UnixMilli())}
	if p.config.Secret != "" {
		webhook.Sign(header, p.config.Secret, now, body)
	}
	if _, err := p.client.Post(ctx, post.Request{URL: p.config.URL, Header: header, Body: body}); err != nil {
		p.stats.Failed.Add(1)
		return fmt.Errorf("deadman: %w", err)
	}
	p.stats.Sent.Add(1)
	return nil
}
