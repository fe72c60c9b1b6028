package syslogd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"rondo/rrd/seglog"
	"rondo/syslogd/filter"
	"rondo/syslogd/stage"
	"rondo/syslogd/syslog"
)

// How a Router waits for a store that refuses: without end while the disk is
// full, because the sender can be made to wait; a few times otherwise, because
// the batch itself may be what the store cannot take.
const (
	storeTries   = 3
	firstPause   = 50 * time.Millisecond
	longestPause = 2 * time.Second
)

// A Router is the Sink between the listeners and everything that keeps
// messages: all go to the store, and to each relay whose filter matches.
type Router struct {
	store   Sink
	relays  []*Relay
	discard *filter.Filter // nil: none
	stages  *stage.Pipe    // nil: none
	stats   *Stats
	log     *slog.Logger
	full    state // the store's disk
}

// NewRouter routes to a store and to relays. Messages that match discard, if
// it is not nil, go nowhere; all others go through the stages first, if there
// are any. Then Run must run.
func NewRouter(store Sink, relays []*Relay, discard *filter.Filter, stages *stage.Pipe, stats *Stats, log *slog.Logger) *Router {
	return &Router{store: store, relays: relays, discard: discard, stages: stages, stats: stats, log: log}
}

// Run writes what the stages have to say, each second and when ctx ends: then
// whoever else uses the router must have ended.
func (r *Router) Run(ctx context.Context) error {
	const lastWait = 10 * time.Second // for a disk that is full
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			r.tell(ctx, r.stages.Due(now))
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWait)
			defer cancel()
			r.tell(ctx, r.stages.Close(time.Now()))
			return nil
		}
	}
}

// tell writes messages that the stages have made.
func (r *Router) tell(ctx context.Context, made []syslog.Message) {
	r.stages.Report(r.stats.Add)
	if len(made) == 0 {
		return
	}
	err := r.deliver(ctx, made, func(ctx context.Context, batch []syslog.Message) error { return write(ctx, r.store, batch) })
	if err != nil {
		r.log.Error("what stages have counted is not stored", "messages", len(made), "err", err)
	}
}

// Put routes a batch, and returns when it is on disk everywhere. It waits
// while the store's disk is full. On error, the store has not taken it.
func (r *Router) Put(ctx context.Context, batch []syslog.Message) error {
	if err := r.route(ctx, batch, r.store.Put); err != nil {
		return err
	}
	return r.syncRelays(ctx)
}

func (r *Router) syncRelays(ctx context.Context) error {
	for _, relay := range r.relays {
		if err := relay.sync(ctx); err != nil {
			return err
		}
	}
	return nil
}

// PutMarked is Put with marks, for a store that keeps them. The marks are those
// of the whole batch, whatever becomes of its messages.
func (r *Router) PutMarked(ctx context.Context, batch []syslog.Message, marks []Mark) error {
	store, ok := r.store.(Marker)
	if !ok {
		return errors.New("syslogd: the store keeps no marks")
	}
	err := r.route(ctx, batch, func(ctx context.Context, batch []syslog.Message) error { return store.PutMarked(ctx, batch, marks) })
	if err != nil {
		return err
	}
	return r.syncRelays(ctx)
}

// Write is Put without waiting for the device; see Writer.
func (r *Router) Write(ctx context.Context, batch []syslog.Message) error {
	return r.route(ctx, batch, func(ctx context.Context, batch []syslog.Message) error {
		return write(ctx, r.store, batch)
	})
}

// route takes a batch through the stages and delivers what is left of it.
func (r *Router) route(ctx context.Context, batch []syslog.Message, put func(context.Context, []syslog.Message) error) error {
	batch = r.stages.Apply(time.Now(), r.keep(batch))
	r.stages.Report(r.stats.Add)
	return r.deliver(ctx, batch, put)
}

// deliver gives a batch to the relays first, once: the store may have to be
// asked again.
func (r *Router) deliver(ctx context.Context, batch []syslog.Message, put func(context.Context, []syslog.Message) error) error {
	for _, relay := range r.relays {
		relay.enqueue(batch)
	}
	if err := r.insist(ctx, batch, put); err != nil {
		r.stats.Add("not_stored", len(batch))
		return fmt.Errorf("syslogd: store %d messages: %w", len(batch), err)
	}
	r.stats.Add("stored", len(batch))
	return nil
}

// keep leaves out what is to be discarded. It copies only if there is any.
func (r *Router) keep(batch []syslog.Message) []syslog.Message {
	if r.discard == nil || r.discard.Root == nil {
		return batch
	}
	for i := range batch {
		if !r.discard.Match(&batch[i]) {
			continue
		}
		kept := append([]syslog.Message(nil), batch[:i]...)
		for j := i + 1; j < len(batch); j++ {
			if !r.discard.Match(&batch[j]) {
				kept = append(kept, batch[j])
			}
		}
		r.stats.Add("discarded", len(batch)-len(kept))
		return kept
	}
	return batch
}

// insist tries to store a batch until it is taken, or there is no hope.
func (r *Router) insist(ctx context.Context, batch []syslog.Message, put func(context.Context, []syslog.Message) error) error {
	pause := firstPause
	for try := 1; ; try++ {
		err := put(ctx, batch)
		full := errors.Is(err, seglog.ErrFull)
		if err == nil && r.full.ends() {
			r.log.Info("the disk has room again")
		}
		if full {
			r.stats.Add("store_waits", 1)
			if r.full.begins() {
				r.log.Error("the disk is full: senders wait", "err", err)
			}
		}
		if err == nil || ctx.Err() != nil || !full && try >= storeTries {
			return err
		}
		if !sleep(ctx, pause) {
			return err
		}
		pause = min(2*pause, longestPause)
	}
}

// sleep reports false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
