package syslogd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"rondo/rrd/seglog"
	"rondo/syslogd/filter"
	"rondo/syslogd/spool"
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

// RouterOptions are what a Router is made of. Only Store, Stats and Log are
// needed.
type RouterOptions struct {
	Store   Sink
	Discard *filter.Filter // what matches goes nowhere
	Stages  *stage.Pipe    // what all other messages go through
	Routes  []Route        // where they go then; none: to the store
	Spool   *spool.Spool   // where they wait for the queues
	Queues  []*spool.Queue
	Stats   *Stats
	Log     *slog.Logger
}

// A Router is the Sink between the listeners and everything that keeps
// messages: it takes them through the stages, and then along the routes to the
// store and to the queues of destinations.
type Router struct {
	RouterOptions
	plain  bool   // there are no routes: all goes to the store
	rooms  roomer // is asked before the stages are; nil: need not be
	full   state  // the store's disk
	routed sync.Pool
}

// NewRouter returns a router. Then Run must run.
func NewRouter(o RouterOptions) *Router {
	for i := range o.Routes {
		o.Routes[i].name()
	}
	r := &Router{RouterOptions: o, plain: len(o.Routes) == 0}
	if store, ok := o.Store.(roomer); ok && r.remembers() {
		r.rooms = store
	}
	return r
}

// A roomer is a store that knows whether it has room. The error is
// seglog.ErrFull while it has not.
type roomer interface{ Room() error }

// remembers reports whether stages know what went through them before it went
// to the store.
func (r *Router) remembers() bool {
	remembers, stores := r.Stages.Remembers(), r.plain
	for i := range r.Routes {
		stores = stores || r.Routes[i].To&storeSet != 0
		remembers = remembers || r.Routes[i].Stages.Remembers()
	}
	return remembers && stores
}

// room waits until the store has room. A sender that tires of waiting sends
// its messages again: stages that have seen them would take these for repeated
// ones, and none would be stored.
func (r *Router) room(ctx context.Context, batch []syslog.Message) error {
	if r.rooms == nil || len(batch) == 0 {
		return nil
	}
	err := r.insist(ctx, nil, func(context.Context, []syslog.Message) error { return r.rooms.Room() })
	if err != nil {
		return r.counted(len(batch), err)
	}
	return nil
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
			r.tell(ctx, func(p *stage.Pipe) []syslog.Message { return p.Due(now) })
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWait)
			defer cancel()
			r.tell(ctx, func(p *stage.Pipe) []syslog.Message { return p.Close(time.Now()) })
			return nil
		}
	}
}

// tell writes messages that the stages have made: those of all messages go
// along the routes, those of a route to where it leads.
func (r *Router) tell(ctx context.Context, made func(*stage.Pipe) []syslog.Message) {
	put := func(ctx context.Context, batch []syslog.Message) error { return write(ctx, r.Store, batch) }
	all := made(r.Stages)
	r.Stages.Report(r.Stats.Add)
	w := r.take()
	defer r.give(w)
	if len(all) > 0 {
		r.along(w, all)
	}
	for i := range r.Routes {
		route := &r.Routes[i]
		for _, m := range made(route.Stages) {
			w.add(&m, route.To)
			w.tallies[i].made++
			w.tallies[i].routed++
		}
	}
	r.report(w)
	if len(w.batch) == 0 {
		return
	}
	if _, err := r.deliver(ctx, w, put); err != nil {
		r.Log.Error("what stages have counted is not stored", "messages", len(w.batch), "err", err)
	}
}

// Put routes a batch, and returns when it is on disk everywhere. It waits
// while the store's disk is full, and for queues that have senders wait. On
// error, the store has not taken it.
func (r *Router) Put(ctx context.Context, batch []syslog.Message) error {
	end, err := r.route(ctx, batch, r.Store.Put)
	if err != nil {
		return err
	}
	return r.commit(ctx, end)
}

// commit waits until what is in the queues before a position is on the device.
func (r *Router) commit(ctx context.Context, end seglog.Pos) error {
	if end == 0 {
		return nil
	}
	if err := r.Spool.Commit(ctx, end); err != nil {
		return fmt.Errorf("syslogd: %w", err)
	}
	return nil
}

// PutMarked is Put with marks, for a store that keeps them. The marks are those
// of the whole batch, whatever becomes of its messages. They are durable after
// what is in the queues, so that what only these have is not forgotten.
func (r *Router) PutMarked(ctx context.Context, batch []syslog.Message, marks []Mark) error {
	store, ok := r.Store.(Marker)
	if !ok {
		return errors.New("syslogd: the store keeps no marks")
	}
	if err := r.room(ctx, batch); err != nil {
		return err
	}
	w := r.take()
	defer r.give(w)
	r.along(w, r.prepare(batch))
	r.report(w)
	end, err := r.enqueue(ctx, w)
	if err == nil {
		err = r.commit(ctx, end)
	}
	if err != nil {
		return err
	}
	batch = w.stored()
	return r.counted(len(batch), r.putMarked(ctx, store, batch, marks))
}

// putMarked stores a batch with marks. What stages have made too large for one
// write goes in several, of which the last has the marks: then a crash between
// them stores some twice, where otherwise the sender could never go on.
func (r *Router) putMarked(ctx context.Context, store Marker, batch []syslog.Message, marks []Mark) error {
	err := r.insist(ctx, batch, func(ctx context.Context, batch []syslog.Message) error { return store.PutMarked(ctx, batch, marks) })
	half := len(batch) / 2
	if half == 0 || !errors.Is(err, ErrMarked) {
		return err
	}
	if err := r.insist(ctx, batch[:half], store.Put); err != nil {
		return err
	}
	return r.putMarked(ctx, store, batch[half:], marks)
}

// Marks implements Marker. A store that keeps none has none.
func (r *Router) Marks(prefix string) []Mark {
	if store, ok := r.Store.(Marker); ok {
		return store.Marks(prefix)
	}
	return nil
}

// Write is Put without waiting for the device; see Writer.
func (r *Router) Write(ctx context.Context, batch []syslog.Message) error {
	_, err := r.route(ctx, batch, func(ctx context.Context, batch []syslog.Message) error {
		return write(ctx, r.Store, batch)
	})
	return err
}

// route takes a batch through the stages and along the routes, and returns
// where it ends in the queues.
func (r *Router) route(ctx context.Context, batch []syslog.Message, put func(context.Context, []syslog.Message) error) (seglog.Pos, error) {
	if err := r.room(ctx, batch); err != nil {
		return 0, err
	}
	w := r.take()
	defer r.give(w)
	r.along(w, r.prepare(batch))
	r.report(w)
	return r.deliver(ctx, w, put)
}

// prepare leaves out what is to be discarded, and takes the rest through the
// stages.
func (r *Router) prepare(batch []syslog.Message) []syslog.Message {
	batch = r.Stages.Apply(time.Now(), r.keep(batch))
	r.Stages.Report(r.Stats.Add)
	return batch
}

// deliver gives a batch to the queues first, once: the store may have to be
// asked again.
func (r *Router) deliver(ctx context.Context, w *routing, put func(context.Context, []syslog.Message) error) (seglog.Pos, error) {
	end, err := r.enqueue(ctx, w)
	if err != nil {
		return 0, err
	}
	if w.none && w.all&storeSet == 0 {
		return end, nil // none of it is for the store
	}
	return end, r.toStore(ctx, w, put)
}

func (r *Router) enqueue(ctx context.Context, w *routing) (seglog.Pos, error) {
	if w.all&^storeSet == 0 {
		return 0, nil
	}
	to := w.queued()
	end, err := r.Spool.Append(ctx, r.Queues, w.batch, to)
	if err != nil {
		r.Stats.Add("not_queued", len(w.batch))
		return 0, fmt.Errorf("syslogd: %w", err)
	}
	return end, nil
}

// toStore stores what is for the store. The empty batch is stored as well: who
// gives it wants to know all before it on disk.
func (r *Router) toStore(ctx context.Context, w *routing, put func(context.Context, []syslog.Message) error) error {
	batch := w.stored()
	return r.counted(len(batch), r.insist(ctx, batch, put))
}

// counted counts messages that were for the store, by whether it took them.
func (r *Router) counted(n int, err error) error {
	if err != nil {
		r.Stats.Add("not_stored", n)
		return fmt.Errorf("syslogd: store %d messages: %w", n, err)
	}
	r.Stats.Add("stored", n)
	return nil
}

// keep leaves out what is to be discarded. It copies only if there is any.
func (r *Router) keep(batch []syslog.Message) []syslog.Message {
	if r.Discard == nil || r.Discard.Root == nil {
		return batch
	}
	for i := range batch {
		if !r.Discard.Match(&batch[i]) {
			continue
		}
		kept := append([]syslog.Message(nil), batch[:i]...)
		for j := i + 1; j < len(batch); j++ {
			if !r.Discard.Match(&batch[j]) {
				kept = append(kept, batch[j])
			}
		}
		r.Stats.Add("discarded", len(batch)-len(kept))
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
			r.Log.Info("the disk has room again")
		}
		if full {
			r.Stats.Add("store_waits", 1)
			if r.full.begins() {
				r.Log.Error("the disk is full: senders wait", "err", err)
			}
		}
		if err == nil || ctx.Err() != nil || !full && try >= storeTries || errors.Is(err, ErrMarked) {
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
