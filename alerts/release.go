package alerts

import (
	"context"
	"time"
)

// Times between looks at what is muted, so that it is told when the reason
// ends and not only when the rule is checked next.
const (
	releaseParents = time.Second // what waits for a parent
	releaseAll     = 10          // looks at parents to one at everything
)

// untold keeps the states that have something to tell that is muted, and what
// by. The caller holds e.mu.
func (e *Engine) untold(id stateID, rec record) {
	if _, _, news := rec.news(); news {
		e.pending[id] = rec.mute
	} else {
		delete(e.pending, id)
	}
}

// release tells what is muted no more.
func (e *Engine) release(ctx context.Context, now time.Time, all bool) {
	keys := make(map[*runner][]string)
	e.mu.RLock()
	for id, reason := range e.pending {
		if r := e.rules[id.rule]; r != nil && (all || reason == Waits) {
			keys[r] = append(keys[r], id.labels)
		}
	}
	e.mu.RUnlock()
	for r, keys := range keys {
		if err := e.releaseRule(ctx, r, keys, now); err != nil && ctx.Err() == nil {
			e.stats.StoreErrors.Add(1)
			e.o.Log.Warn("what is muted no more is not told yet", "rule", r.Rule.ID(), "err", err)
		}
	}
}

func (e *Engine) releaseRule(ctx context.Context, r *runner, keys []string, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		return nil
	}
	b := e.newBatch(r, now)
	records := e.records(r)
	for _, key := range keys {
		rec, ok := records[key]
		if !ok {
			continue
		}
		before := rec
		if err := b.changed(&rec, nil); err != nil {
			return err
		}
		if rec.told == before.told && rec.flaps == before.flaps {
			continue
		}
		if err := b.put(ctx, key, rec, true); err != nil {
			return err
		}
	}
	return b.commit(ctx)
}
