package logmetric

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"rondo/collectors"
	"rondo/rrd"
	"rondo/syslogd/syslog"
)

// A Collector counts messages as they are stored.
type Collector struct {
	env   collectors.Env
	conf  Config
	leave func()

	mu    sync.Mutex // over all below
	rules []*rule
	tally tally

	tooMany collectors.Notice
	badText collectors.Notice
}

// New makes a collector, which counts from now on.
func New(env collectors.Env, c Config) (*Collector, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("logmetric: %w", err)
	}
	if env.Logs == nil {
		return nil, errors.New("logmetric: there is no log store here")
	}
	rules := c.Rules
	if c.Messages {
		rules = append([]Rule{messagesRule()}, rules...)
	}
	l := &Collector{env: env, conf: c}
	for _, r := range rules {
		l.rules = append(l.rules, newRule(r, c.MaxSeries))
	}
	l.leave = env.Logs.Tap(l.observe)
	return l, nil
}

// observe counts a batch that was stored.
func (l *Collector) observe(batch []syslog.Message) {
	w := newWindow(l.conf.Interval, time.Now())
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range batch {
		for _, r := range l.rules {
			r.take(&batch[i], &w, &l.tally)
		}
	}
}

// Run flushes at every multiple of the interval since the epoch, and at the end
// of ctx what there is.
func (l *Collector) Run(ctx context.Context) error {
	feed := collectors.NewFeed(l.env)
	for {
		now := time.Now()
		end := (rrd.At(now) + 1).SlotEnd(l.conf.Interval)
		wake := time.NewTimer(end.Std().Sub(now))
		select {
		case <-ctx.Done():
			wake.Stop()
			l.leave()
			l.flush(ctx, feed, rrd.At(time.Now()), true)
			return nil
		case <-wake.C:
			l.flush(ctx, feed, end, false)
		}
	}
}

// flush hands over what was counted. The end of ctx does not interrupt it:
// what left the counts is nowhere else.
func (l *Collector) flush(ctx context.Context, feed *collectors.Feed, at rrd.Time, all bool) {
	var samples []rrd.Sample
	w := newWindow(l.conf.Interval, at.Std())
	l.mu.Lock()
	for _, r := range l.rules {
		samples = r.flush(samples, &w, at, l.conf.Expire, all)
	}
	t := l.tally
	l.tally = tally{}
	l.mu.Unlock()
	l.count(t)
	// A store that fails is counted and logged by the feed.
	_ = feed.Append(context.WithoutCancel(ctx), samples)
}

func (l *Collector) count(t tally) {
	for reason, n := range map[string]int{
		"matched": t.matched, "not_a_number": t.notNumber, "other": t.other, "label_cut": t.cut, "clock": t.outside,
	} {
		l.env.Stats.Add(reason, n)
	}
	if t.other > 0 {
		l.tooMany.Warn(l.env.Log, "too many series: messages are counted as "+other, "messages", t.other, "max_series", l.conf.MaxSeries)
	}
	if t.notNumber > 0 {
		l.badText.Warn(l.env.Log, "messages left out: the group value is no number", "messages", t.notNumber)
	}
}
