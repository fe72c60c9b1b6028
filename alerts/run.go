package alerts

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"rondo/rrd"
)

// A record is the state of one label set with all that goes with it. Records
// are replaced, never changed in place.
type record struct {
	labels  rrd.Labels
	state   State
	told    Status      // newest status that went to the outbox
	flaps   bool        // and it said that the state flaps
	last    *Transition // newest hard change
	ack     *Ack
	gone    time.Time // since when readings are missing; zero while they are not
	byError bool      // stands for a rule that failed, until its labels are read
	held    bool      // was bad while a parent was, and not long enough after that

	// What is not stored.
	reading Reading    // newest
	seen    time.Time  // when the newest one was taken that was not missing
	freed   time.Time  // since when no parent is bad, while held
	mute    MuteReason // of what there is to tell and is not told
}

// A runner is a rule with its records.
type runner struct {
	Supervised
	timing
	mu      sync.Mutex // held while records are brought forward
	gone    bool       // replaced by Reload; guarded by mu
	failing time.Time  // since when its checks fail; guarded by mu
	records map[string]record

	lastCheck time.Time // these three are guarded by Engine.mu, as records are
	took      time.Duration
	checkErr  string
}

// records returns a copy of a runner's records.
func (e *Engine) records(r *runner) map[string]record {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return maps.Clone(r.records)
}

// check checks one rule once, and returns how long the rule took for it. A look
// is a check out of turn, see calm.
func (e *Engine) check(ctx context.Context, r *runner, look bool) (took time.Duration) {
	timeout := r.Timeout
	if timeout <= 0 {
		timeout = 10 * time.Second
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	began := time.Now()
	readings, err := r.Rule.Check(limited, began)
	took = time.Since(began)
	if ctx.Err() != nil {
		return took // we are stopping; what the check says of that is no finding
	}
	if err == nil && limited.Err() != nil {
		err = fmt.Errorf("check took longer than %v", timeout)
	}
	e.stats.Checks.Add(1)
	if look {
		e.stats.Looks.Add(1)
	}
	if err != nil {
		e.stats.CheckErrors.Add(1)
		if look {
			return took // a finding, but for the rule's turn
		}
	}
	now := time.Now()
	if stored := e.apply(ctx, r, look, readings, err, now); stored != nil && ctx.Err() == nil {
		e.stats.StoreErrors.Add(1)
		err = errors.Join(err, stored)
	}
	e.note(r, now, took, err)
	return took
}

// note remembers how the newest check went, and logs when that changes.
func (e *Engine) note(r *runner, at time.Time, took time.Duration, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	e.mu.Lock()
	before := r.checkErr
	r.checkErr, r.lastCheck, r.took = text, at, took
	e.mu.Unlock()
	switch {
	case text != "" && before == "":
		e.o.Log.Warn("rule cannot be checked", "rule", r.Rule.ID(), "err", err)
	case text == "" && before != "":
		e.o.Log.Info("rule can be checked again", "rule", r.Rule.ID())
	}
}

// apply brings all records of a rule forward by what a check found.
func (e *Engine) apply(ctx context.Context, r *runner, look bool, readings []Reading, failed error, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		return nil
	}
	if e.tolerated(r, failed, now) {
		return nil
	}
	records := e.records(r)
	b := e.newBatch(r, now)
	b.look = look
	b.since = e.steadiness.look(now)
	if failed != nil {
		b.fail()
		readings = nil
		if len(records) == 0 {
			readings = []Reading{{At: now, Missing: true, Text: failed.Error()}}
		}
	}
	seen := make(map[string]bool, len(readings))
	for _, rd := range readings {
		key := rd.Labels.String()
		if seen[key] {
			continue // a rule must not say two things of one label set; the first counts
		}
		seen[key] = true
		rec, known := records[key]
		if !known {
			rec = record{labels: rd.Labels}
		}
		rec.byError = failed != nil && !known
		if err := b.step(ctx, key, rec, known, rd); err != nil {
			return err
		}
	}
	for key, rec := range records {
		if seen[key] || failed == nil && r.keeps(rec) && !e.o.Withdrawn(rec.labels) {
			continue
		}
		if err := b.absent(ctx, key, rec, failed); err != nil {
			return err
		}
	}
	return b.commit(ctx)
}

// closeAll ends all states of a rule. The caller holds r.mu.
func (e *Engine) closeAll(r *runner, why string) error {
	ctx := context.Background() // a reload is not to be cut short
	b := e.newBatch(r, time.Now())
	for key, rec := range e.records(r) {
		if err := b.end(ctx, key, rec, why); err != nil {
			return err
		}
	}
	return b.commit(ctx)
}
