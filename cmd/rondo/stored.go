package main

import (
	"context"
	"iter"
	"slices"
	"sync"

	"rondo/alerts"
	"rondo/alerts/check"
	"rondo/alerts/fleet"
	"rondo/autoscale/redirect"
	"rondo/collectors/logmetric"
	"rondo/rrd"
	"rondo/syslogd"
	"rondo/syslogd/logstore"
	"rondo/syslogd/syslog"
)

// stored is the log store as whoever brings messages sees it: what it took is
// told to the fleet, which learns that the hosts were heard of, and to the
// collectors that make metrics of it.
type stored struct {
	*logstore.Store
	fleet *fleet.Fleet
	taps  *taps
}

// Put implements syslogd.Sink.
func (s stored) Put(ctx context.Context, batch []syslog.Message) error {
	err := s.Store.Put(ctx, batch)
	s.tell(batch, err)
	return err
}

// Write implements syslogd.Writer.
func (s stored) Write(ctx context.Context, batch []syslog.Message) error {
	err := s.Store.Write(ctx, batch)
	s.tell(batch, err)
	return err
}

// PutMarked implements syslogd.Marker.
func (s stored) PutMarked(ctx context.Context, batch []syslog.Message, marks []syslogd.Mark) error {
	err := s.Store.PutMarked(ctx, batch, marks)
	s.tell(batch, err)
	return err
}

func (s stored) tell(batch []syslog.Message, err error) {
	if err != nil || len(batch) == 0 {
		return
	}
	last := ""
	for i := range batch {
		if host := batch[i].Origin(); host != last {
			s.fleet.Logged(host, batch[i].Received)
			last = host
		}
	}
	s.taps.observe(batch)
}

// taps implements collectors.Logs.
type taps struct {
	mu   sync.RWMutex
	list []*tap
}

type tap struct{ observe func([]syslog.Message) }

// Tap implements collectors.Logs.
func (t *taps) Tap(observe func([]syslog.Message)) (leave func()) {
	one := &tap{observe}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list = append(t.list, one)
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.list = slices.DeleteFunc(t.list, func(x *tap) bool { return x == one })
	}
}

func (t *taps) observe(batch []syslog.Message) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, one := range t.list {
		one.observe(batch)
	}
}

// heartbeats are the series whose samples say that a host lives: all but those
// that we make ourselves, of its log lines, of what checks find and of states.
type heartbeats struct{ all fleet.Heads }

// Heads implements fleet.Heads.
func (h heartbeats) Heads(since rrd.Time) iter.Seq2[rrd.Key, rrd.Time] {
	return func(yield func(rrd.Key, rrd.Time) bool) {
		for k, t := range h.all.Heads(since) {
			if !logmetric.FromLogs(k) && !check.FromChecks(k) && !alerts.IsStatus(k) && !redirect.IsFigure(k) && !yield(k, t) {
				return
			}
		}
	}
}
