package canary

import (
	"context"
	"strconv"
	"strings"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/syslog"
)

// A Prober writes text to the log of the messages, as one that nobody reads;
// it is there when Probe returns. (*logstore.Store is one.)
type Prober interface {
	Probe(ctx context.Context, text string) error
}

// Sink stands between the listeners and the sink of the messages, and takes
// the sentinels out.
func (c *Canary) Sink(next syslogd.Writer, store Prober) syslogd.Writer {
	return sink{c, next, store}
}

type sink struct {
	canary *Canary
	next   syslogd.Writer
	store  Prober
}

// Put implements syslogd.Sink.
func (s sink) Put(ctx context.Context, batch []syslog.Message) error {
	return s.pass(ctx, batch, s.next.Put)
}

// Write implements syslogd.Writer.
func (s sink) Write(ctx context.Context, batch []syslog.Message) error {
	return s.pass(ctx, batch, s.next.Write)
}

func (s sink) pass(ctx context.Context, batch []syslog.Message, put func(context.Context, []syslog.Message) error) error {
	others, sentinels := s.canary.part(batch)
	if len(sentinels) == 0 {
		return put(ctx, batch)
	}
	if len(others) > 0 {
		if err := put(ctx, others); err != nil {
			return err
		}
	}
	for i := range sentinels {
		if err := s.store.Probe(ctx, sentinels[i].Raw); err != nil {
			if len(others) > 0 {
				return nil // those are stored; the sentinel is counted as lost
			}
			return err
		}
		s.canary.arrived(&sentinels[i], time.Now())
	}
	return nil
}

// part takes our sentinels out of a batch, which it leaves as it is.
func (c *Canary) part(batch []syslog.Message) (others, sentinels []syslog.Message) {
	for i := range batch {
		if batch[i].App != appName || !c.isOurs(&batch[i]) {
			if sentinels != nil {
				others = append(others, batch[i])
			}
			continue
		}
		if sentinels == nil {
			others = append(others, batch[:i]...)
		}
		sentinels = append(sentinels, batch[i])
	}
	if sentinels == nil {
		return batch, nil
	}
	return others, sentinels
}

// isOurs looks for the number that was drawn at our start.
func (c *Canary) isOurs(m *syslog.Message) bool {
	run, _, _ := strings.Cut(mark(m), "/")
	return run == c.run
}

// mark is what says whose sentinel a message is, and which; see the package.
func mark(m *syslog.Message) string {
	for p := range syslog.SDParams(m.SD) {
		if strings.EqualFold(p.Name, markName) {
			return p.Value()
		}
	}
	return ""
}

// arrived counts a sentinel that is on disk.
func (c *Canary) arrived(m *syslog.Message, now time.Time) {
	_, rest, _ := strings.Cut(mark(m), "/")
	listener, number, _ := strings.Cut(rest, "/")
	seq, err := strconv.ParseUint(number, 10, 64)
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.ways[listener]
	if w == nil || err != nil {
		return // somebody has read the number and plays with it
	}
	w.arrive(seq, now)
	if w.failing {
		w.failing = false
		c.log.Info("sentinels arrive again", "listener", listener)
	}
}
