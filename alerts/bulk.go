package alerts

import (
	"context"
	"time"

	"rondo/alerts/state"
)

// A BulkAction is an Action that takes many transitions at once, oldest first,
// so that 20,000 in one second cost it some writes and not 20,000. It takes
// all or none, and is idempotent on each transition's ID.
type BulkAction interface {
	Action
	ActAll(ctx context.Context, ts []Transition) error
}

// maxBulk bounds what a BulkAction is given at once.
const maxBulk = 500

// ready returns the items that may go out now, oldest first, as next does.
func (q *queue) ready(now time.Time) (items []*item) {
	waiting := make(map[string]bool)
	for _, it := range q.items {
		if len(items) == maxBulk {
			break
		}
		if waiting[it.of] = waiting[it.of] || it.due.After(now); !waiting[it.of] {
			items = append(items, it)
		}
	}
	return items
}

// actAll tries all items that are ready once.
func (e *Engine) actAll(ctx context.Context, q *queue, action BulkAction) {
	now := time.Now()
	e.mu.RLock()
	items := q.ready(now)
	e.mu.RUnlock()
	ts := make([]Transition, len(items))
	for i, it := range items {
		ts[i] = it.t
	}
	limited, cancel := context.WithTimeout(ctx, actTimeout)
	defer cancel()
	log := e.o.Log.With("target", q.name, "transitions", len(ts))
	switch err := action.ActAll(limited, ts); {
	case err == nil:
		e.stats.Told.Add(uint64(len(ts)))
		log.Debug("transitions told")
		e.doneAll(ctx, q, items)
	case ctx.Err() == nil:
		e.stats.Retries.Add(uint64(len(ts)))
		if items[0].tries == 0 {
			log.Warn("transitions are not told yet", "err", err)
		}
		e.mu.Lock()
		for _, it := range items {
			it.due = now.Add(backoff(it.tries))
			it.tries++
		}
		e.mu.Unlock()
	}
}

// doneAll takes items out of the outbox, in one write. If the store cannot
// forget them now, they are told once more after a restart.
func (e *Engine) doneAll(ctx context.Context, q *queue, items []*item) {
	changes := make([]state.Change, len(items))
	gone := make(map[*item]bool, len(items))
	for i, it := range items {
		changes[i] = state.Delete(it.key)
		gone[it] = true
	}
	if err := e.o.Store.Write(context.WithoutCancel(ctx), changes...); err != nil {
		e.o.Log.Warn("outbox entries stay stored", "target", q.name, "err", err)
	}
	e.mu.Lock()
	left := q.items[:0:0]
	for _, it := range q.items {
		if !gone[it] {
			left = append(left, it)
		}
	}
	q.items = left
	e.mu.Unlock()
}
