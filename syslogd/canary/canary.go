package canary

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"rondo/syslogd"
)

// A Canary sends sentinels and counts them. It lasts as long as the program;
// Run and Sink follow the listeners of the moment.
type Canary struct {
	log *slog.Logger
	run string                                                // drawn at our start
	out func(context.Context, syslogd.Endpoint, string) error // send
	// grace is for the sentinels that are on their way when Run is to end.
	grace time.Duration

	mu   sync.Mutex
	ways map[string]*way // by listener
}

// New makes a canary that has not sent anything yet.
func New(log *slog.Logger) *Canary {
	return &Canary{log: log, run: rand.Text(), out: send, grace: time.Second, ways: make(map[string]*way)}
}

// Snapshot returns the counts of each listener that there is or was.
func (c *Canary) Snapshot() map[string]Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string]Counts)
	for name, w := range c.ways {
		all[name] = w.Counts
	}
	return all
}

// Run sends a sentinel into each way at once, and then every interval until
// ctx ends. The listeners must go on until it has returned.
func (c *Canary) Run(ctx context.Context, conf Config, into []syslogd.Endpoint) {
	c.rest()
	var wg sync.WaitGroup
	for _, e := range into {
		if conf.Interval > 0 && c.enter(e) {
			wg.Go(func() { c.walk(ctx, conf, e) })
		}
	}
	<-ctx.Done()
	wg.Wait()
}

// rest takes the ways of an earlier Run for closed, until they are entered.
func (c *Canary) rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.ways {
		w.Closed = "to be configured"
	}
}

// enter says whether a client on this machine is let in.
func (c *Canary) enter(e syslogd.Endpoint) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.ways[e.Name]
	if w == nil {
		w = newWay()
		c.ways[e.Name] = w
	}
	w.Closed = e.Closed
	if e.Closed != "" {
		c.log.Info("no sentinels are sent: a client on this machine is not let in", "listener", e.Name, "wants", e.Closed)
	}
	return e.Closed == ""
}

// walk sends sentinels into one way until ctx ends.
func (c *Canary) walk(ctx context.Context, conf Config, e syslogd.Endpoint) {
	ticker := time.NewTicker(conf.Interval)
	defer ticker.Stop()
	for {
		c.send(ctx, conf, e)
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			c.expire(e.Name, now.Add(-conf.Timeout))
		}
	}
}

// send sends one sentinel, and waits until the listener is done with it.
func (c *Canary) send(ctx context.Context, conf Config, e syslogd.Endpoint) {
	ended := ctx
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), conf.Timeout)
	defer cancel()
	grace := c.grace
	defer context.AfterFunc(ended, func() { time.AfterFunc(grace, cancel) })()
	now := time.Now()
	c.mu.Lock()
	seq := c.ways[e.Name].send(now)
	c.mu.Unlock()
	err := c.out(ctx, e, sentinel(e.Format, fmt.Sprintf("%s/%s/%d", c.run, e.Name, seq), now))
	if err == nil || ctx.Err() != nil {
		return // what was not answered is counted as what it becomes
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ways[e.Name].fail(seq)
	c.complain(e.Name, "sentinels cannot be sent", "err", err)
}

func (c *Canary) expire(listener string, before time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if lost := c.ways[listener].expire(before); lost > 0 {
		c.complain(listener, "sentinels are lost", "lost", lost)
	}
}

// complain tells when it begins that sentinels do not arrive. The caller
// holds c.mu.
func (c *Canary) complain(listener, what string, args ...any) {
	w := c.ways[listener]
	if !w.failing {
		w.failing = true
		c.log.Error(what, append(args, "listener", listener)...)
	}
}
