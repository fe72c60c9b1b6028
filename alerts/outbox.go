package alerts

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"rondo/alerts/state"
)

// Backoff between tries of an action, doubled at every failure.
const (
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
	actTimeout = time.Minute
)

// An item is one transition that one target has not been told yet.
type item struct {
	key    string // in the store
	of     string // rule and labels: items of the same go out in order
	t      Transition
	queued time.Time // not when it became hard: it may have been muted for days
	tries  int
	due    time.Time // zero: at once
}

func newItem(key string, t Transition, queued time.Time) *item {
	return &item{key: key, of: t.Rule + "\x00" + t.Labels.String(), t: t, queued: queued}
}

// outKey names an outbox entry; its order is the order of telling.
func outKey(target string, seq uint64) string {
	return fmt.Sprintf("%s%s/%016x", outPrefix, target, seq)
}

func parseOutKey(key string) (target string, seq uint64, err error) {
	target, hex, _ := strings.Cut(strings.TrimPrefix(key, outPrefix), "/")
	seq, err = strconv.ParseUint(hex, 16, 64)
	if err != nil {
		return "", 0, fmt.Errorf("alerts: outbox key %q: %w", key, err)
	}
	return target, seq, nil
}

// A queue is one target's part of the outbox. Engine.mu guards items and
// action; wake holds a token while there may be something new.
type queue struct {
	name   string
	action Action
	items  []*item // oldest first
	wake   chan struct{}
}

func (q *queue) notify() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// next returns the oldest item that is due, or how long to wait for one (0:
// for ever). An item waits for older ones of the same rule and labels, so that
// no recovery overtakes its problem.
func (q *queue) next(now time.Time) (*item, time.Duration) {
	var wait time.Duration
	waiting := make(map[string]bool)
	for _, it := range q.items {
		if waiting[it.of] {
			continue
		}
		d := it.due.Sub(now)
		if d <= 0 {
			return it, 0
		}
		waiting[it.of] = true
		if wait == 0 || d < wait {
			wait = d
		}
	}
	return nil, wait
}

// deliver tells one target what is in its queue, until ctx ends.
func (e *Engine) deliver(ctx context.Context, q *queue) {
	for ctx.Err() == nil {
		e.mu.RLock()
		it, wait := q.next(time.Now())
		action := q.action
		e.mu.RUnlock()
		bulk, many := action.(BulkAction)
		switch {
		case it != nil && many && time.Since(it.queued) <= e.o.Expire:
			e.actAll(ctx, q, bulk)
		case it != nil && action != nil:
			e.act(ctx, q, action, it)
		case wait > 0:
			timer := time.NewTimer(wait)
			select {
			case <-ctx.Done():
			case <-q.wake:
			case <-timer.C:
			}
			timer.Stop()
		default:
			select {
			case <-ctx.Done():
			case <-q.wake:
			}
		}
	}
}

// act tries one item once.
func (e *Engine) act(ctx context.Context, q *queue, action Action, it *item) {
	log := e.o.Log.With("target", q.name, "transition", it.t.ID)
	if time.Since(it.queued) > e.o.Expire {
		e.stats.Expired.Add(1)
		log.Error("transition is not told: too old", "tries", it.tries)
		e.done(ctx, q, it)
		return
	}
	limited, cancel := context.WithTimeout(ctx, actTimeout)
	defer cancel()
	err := action.Act(limited, it.t)
	switch {
	case err == nil:
		e.stats.Told.Add(1)
		log.Info("transition told", "from", it.t.From, "to", it.t.To, "tries", it.tries+1)
		e.done(ctx, q, it)
	case IsPermanent(err):
		e.stats.Refused.Add(1)
		log.Error("transition is not told: refused", "err", err)
		e.done(ctx, q, it)
	case ctx.Err() == nil:
		e.stats.Retries.Add(1)
		if it.tries == 0 {
			log.Warn("transition is not told yet", "err", err)
		}
		e.mu.Lock()
		it.due = time.Now().Add(backoff(it.tries))
		it.tries++
		e.mu.Unlock()
	}
}

// backoff is how long to wait after so many earlier failures.
func backoff(tries int) time.Duration {
	return min(firstRetry<<min(tries, 20), lastRetry)
}

// done takes an item out of the outbox. If the store cannot forget it now, it
// is told once more after a restart, with the same ID.
func (e *Engine) done(ctx context.Context, q *queue, it *item) {
	if err := e.o.Store.Write(context.WithoutCancel(ctx), state.Delete(it.key)); err != nil {
		e.o.Log.Warn("outbox entry stays stored", "target", q.name, "transition", it.t.ID, "err", err)
	}
	e.mu.Lock()
	q.items = slices.DeleteFunc(q.items, func(x *item) bool { return x == it })
	e.mu.Unlock()
}

// push puts an item into its queue; from a full one the oldest goes. The
// caller holds e.mu.
func (e *Engine) push(o outgoing) {
	o.q.items = append(o.q.items, o.it)
	if extra := len(o.q.items) - e.o.MaxOutbox; extra > 0 {
		e.stats.Overflow.Add(uint64(extra))
		for _, it := range o.q.items[:extra] {
			e.dropped = append(e.dropped, it.key)
		}
		o.q.items = slices.Delete(o.q.items, 0, extra)
	}
	o.q.notify()
}

// sweep removes from the store what overflowed, and what nobody was there to
// be told until it expired.
func (e *Engine) sweep(ctx context.Context, now time.Time) {
	e.mu.Lock()
	keys := e.dropped
	for _, q := range e.queues {
		if q.action != nil {
			continue
		}
		q.items = slices.DeleteFunc(q.items, func(it *item) bool {
			old := now.Sub(it.queued) > e.o.Expire
			if old {
				e.stats.Expired.Add(1)
				keys = append(keys, it.key)
			}
			return old
		})
	}
	e.dropped = nil
	e.mu.Unlock()
	for part := range slices.Chunk(keys, state.MaxChanges) {
		changes := make([]state.Change, len(part))
		for i, key := range part {
			changes[i] = state.Delete(key)
		}
		if err := e.o.Store.Write(ctx, changes...); err != nil {
			e.o.Log.Warn("outbox entries stay stored", "err", err)
		}
	}
}
