package join

import (
	"context"
	"fmt"
	"time"

	"rondo/alerts/state"
)

// Retire says that instances go: from now on no document of theirs is taken,
// and after the grace, in which they may send their last lines, their keys end.
// To say so twice does no harm; the first time counts.
func (a *Authority) Retire(ctx context.Context, grace time.Duration, instances ...string) error {
	ends := clock().Add(grace)
	stamp, err := ends.MarshalText()
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	for _, id := range instances {
		if _, known := a.gone[id]; known || id == "" {
			continue
		}
		changes := []state.Change{state.Put(goneKey+id, stamp)}
		oldest := a.oldestGone()
		if oldest != "" {
			changes = append(changes, state.Delete(goneKey+oldest))
		}
		if err := a.store.Write(ctx, changes...); err != nil {
			return fmt.Errorf("join: %w", err)
		}
		a.retired(id, oldest, ends)
	}
	return a.bury(ctx, clock())
}

// retired notes that an instance goes, and forgets the one that went first.
func (a *Authority) retired(id, forget string, ends time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.gone, forget)
	a.gone[id] = ends
	if k := a.keys[id]; k != nil {
		k.Ends = ends
		a.counts.add("keys_retired")
		a.log.Info("key ends: its instance is retired", "id", id, "host", k.Host, "group", k.Group, "ends", ends)
	}
}

// Restore takes back what Retire has said of an instance that stays after all.
// A key that has ended meanwhile is gone: its agent joins anew.
func (a *Authority) Restore(ctx context.Context, instance string) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	if _, gone := a.gone[instance]; !gone {
		return nil
	}
	if err := a.store.Write(ctx, state.Delete(goneKey+instance)); err != nil {
		return fmt.Errorf("join: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.gone, instance)
	if k := a.keys[instance]; k != nil {
		k.Ends = time.Time{}
		a.log.Info("key stays: its instance is not retired after all", "id", instance, "host", k.Host, "group", k.Group)
	}
	return nil
}

// bury forgets keys that have ended.
func (a *Authority) bury(ctx context.Context, now time.Time) error {
	for id, k := range a.keys {
		if !k.ended(now) {
			continue
		}
		if err := a.store.Write(ctx, state.Delete(keyKey+id)); err != nil {
			return fmt.Errorf("join: %w", err)
		}
		a.enter(nil, nil, k)
	}
	return nil
}

func (k *key) ended(now time.Time) bool { return !k.Ends.IsZero() && !now.Before(k.Ends) }

// oldestGone is who must be forgotten for one more to be remembered, or "".
func (a *Authority) oldestGone() string {
	if len(a.gone) < maxGone {
		return ""
	}
	oldest := ""
	for id, at := range a.gone {
		if oldest == "" || at.Before(a.gone[oldest]) {
			oldest = id
		}
	}
	return oldest
}
