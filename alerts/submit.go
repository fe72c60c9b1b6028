package alerts

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrNoRule says that there is no rule of a name.
var ErrNoRule = errors.New("alerts: there is no such rule")

// Submit brings the states of a rule forward by readings that somebody else
// made: results that come by themselves, without a check of ours. When it
// returns nil the new states are on disk, and what there is to tell is in the
// outbox. Label sets that are not mentioned stay as they are; see
// [Supervised.Keeps] for how they outlive the rule's own checks.
func (e *Engine) Submit(ctx context.Context, rule string, readings ...Reading) error {
	e.mu.RLock()
	r := e.rules[rule]
	e.mu.RUnlock()
	if r == nil {
		return fmt.Errorf("%w: %s", ErrNoRule, rule)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		return fmt.Errorf("%w: %s was replaced just now", ErrNoRule, rule)
	}
	b := e.newBatch(r, time.Now())
	for _, rd := range readings {
		key := rd.Labels.String()
		rec, known := b.updated[key] // by an earlier reading of these
		if !known {
			e.mu.RLock()
			rec, known = r.records[key]
			e.mu.RUnlock()
		}
		if !known {
			rec = record{labels: rd.Labels}
		}
		if err := b.step(ctx, key, rec, known, rd); err != nil {
			return err
		}
	}
	if err := b.commit(ctx); err != nil {
		e.stats.StoreErrors.Add(1)
		return err
	}
	e.stats.Submitted.Add(uint64(len(readings)))
	return nil
}

// keeps says whether a label set stays as it is while checks do not mention
// it.
func (r *runner) keeps(rec record) bool { return r.Keeps != nil && r.Keeps(rec.labels) }
