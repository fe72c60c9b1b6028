package alerts

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rondo/alerts/state"
	"rondo/rrd"
)

// inForce returns until when a downtime is in force; ok is false if it is not.
// The caller holds e.mu.
func (e *Engine) inForce(d Downtime, now time.Time) (until time.Time, ok bool) {
	if d.TriggeredBy == "" {
		return d.lasting(now)
	}
	trigger, ok := e.trigger(d)
	if !ok || d.Duration == 0 {
		until, lasts := trigger.lasting(now)
		return until, ok && lasts
	}
	if at := trigger.begun(now, d.Duration); !at.IsZero() {
		until = at.Add(d.Duration)
	}
	return until, now.Before(until)
}

// trigger returns the downtime that triggers another one. The caller holds
// e.mu.
func (e *Engine) trigger(d Downtime) (Downtime, bool) {
	for _, other := range e.downtimes {
		if other.called(d.TriggeredBy) && other.TriggeredBy == "" {
			return other, true
		}
	}
	return Downtime{}, false
}

// over says whether a downtime can never be in force again. The caller holds
// e.mu.
func (e *Engine) over(d Downtime, now time.Time) bool {
	if _, ok := e.inForce(d, now); ok {
		return false
	}
	if d.TriggeredBy != "" {
		trigger, ok := e.trigger(d)
		return !ok || e.over(trigger, now)
	}
	return d.Recurring == nil && !now.Before(d.End)
}

// triggers says whether a downtime in force hangs on another one. The caller
// holds e.mu.
func (e *Engine) triggers(d Downtime, now time.Time) bool {
	for _, other := range e.downtimes {
		if _, ok := e.inForce(other, now); ok && d.called(other.TriggeredBy) {
			return true
		}
	}
	return false
}

// byDowntime mutes what a downtime in force matches.
func (e *Engine) byDowntime(r *runner, rec record, now time.Time) Mute {
	for _, d := range e.downtimes {
		if !d.matches(r, rec) {
			continue
		}
		if until, ok := e.inForce(d, now); ok {
			return Mute{InDowntime, "downtime " + cmp.Or(d.Name, d.ID) + words(until, d.By, d.Comment)}
		}
	}
	return Mute{}
}

// Paused says whether a downtime in force that pauses scaling matches labels,
// such as group="web", and which one, for people. A matcher for the name of a
// rule matches nothing here.
func (e *Engine) Paused(ls rrd.Labels) (why string, paused bool) {
	now := time.Now()
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, d := range e.downtimes {
		if !d.PausesScaling || !matchAll(d.Matchers, "", ls) {
			continue
		}
		if until, ok := e.inForce(d, now); ok {
			return "downtime " + cmp.Or(d.Name, d.ID) + words(until, d.By, d.Comment), true
		}
	}
	return "", false
}

// begin begins the flexible downtimes in whose window a record is not OK. What
// cannot be stored has not begun.
func (e *Engine) begin(ctx context.Context, r *runner, rec record, now time.Time) error {
	if rec.state.Status == OK || len(e.toBegin(r, rec, now)) == 0 {
		return nil
	}
	e.deciding.Lock()
	defer e.deciding.Unlock()
	return e.saveDowntimes(ctx, e.toBegin(r, rec, now)...)
}

// toBegin returns the flexible downtimes that a record lets begin, as begun.
func (e *Engine) toBegin(r *runner, rec record, now time.Time) (begun []Downtime) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, d := range e.downtimes {
		if d.Duration == 0 || d.TriggeredBy != "" || !d.matches(r, rec) {
			continue
		}
		if start, _, ok := d.window(now); ok && d.Began.Before(start) {
			d.Began = now.Round(0)
			begun = append(begun, d)
		}
	}
	return begun
}

// saveDowntimes stores downtimes and then lets them count.
func (e *Engine) saveDowntimes(ctx context.Context, ds ...Downtime) error {
	changes := make([]state.Change, len(ds))
	for i, d := range ds {
		b, err := json.Marshal(d)
		if err != nil {
			return fmt.Errorf("alerts: downtime: %w", err)
		}
		changes[i] = state.Put(downtimePrefix+d.ID, b)
	}
	if err := e.o.Store.Write(ctx, changes...); err != nil {
		return fmt.Errorf("alerts: downtime: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, d := range ds {
		e.downtimes[d.ID] = d
	}
	return nil
}

// AddDowntime stores a downtime and returns it with its ID.
func (e *Engine) AddDowntime(ctx context.Context, d Downtime) (Downtime, error) {
	now := time.Now().Round(0)
	if err := d.Validate(); err != nil {
		return d, fmt.Errorf("alerts: %w", err)
	}
	d.ID, d.Created, d.Configured, d.Began = strings.ToLower(rand.Text()[:10]), now, false, time.Time{}
	d.Start, d.End = d.Start.Round(0), d.End.Round(0)
	if d.TriggeredBy == "" && d.Recurring == nil && d.Start.IsZero() {
		d.Start = now
	}
	e.deciding.Lock()
	defer e.deciding.Unlock()
	if err := e.admitDowntime(d, now); err != nil {
		return d, err
	}
	return d, e.saveDowntimes(ctx, d)
}

// admitDowntime says why a new downtime is refused, or nil.
func (e *Engine) admitDowntime(d Downtime, now time.Time) error {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if _, ok := e.trigger(d); d.TriggeredBy != "" && !ok {
		return fmt.Errorf("alerts: triggered_by: no downtime %q that nothing triggers", d.TriggeredBy)
	}
	if e.over(d, now) {
		return errors.New("alerts: a downtime must end in the future")
	}
	if len(e.downtimes) >= maxDowntimes {
		return fmt.Errorf("alerts: there are already %d downtimes", maxDowntimes)
	}
	for _, other := range e.downtimes {
		if other.called(d.Name) {
			return fmt.Errorf("alerts: there is a downtime named %q", d.Name)
		}
	}
	return nil
}

// RemoveDowntime ends a downtime, by its ID or name, early, with those that it
// triggered, or takes back one to come.
func (e *Engine) RemoveDowntime(ctx context.Context, id string) error {
	e.deciding.Lock()
	defer e.deciding.Unlock()
	e.mu.RLock()
	var found Downtime
	for _, d := range e.downtimes {
		if d.called(id) {
			found = d
		}
	}
	e.mu.RUnlock()
	switch {
	case found.ID == "":
		return fmt.Errorf("%w: downtime %q", ErrNotFound, id)
	case found.Configured:
		return fmt.Errorf("alerts: downtime %q is configured: remove it there", found.Name)
	}
	return e.forgetDowntime(ctx, found.ID)
}

func (e *Engine) forgetDowntime(ctx context.Context, id string) error {
	if err := e.o.Store.Write(ctx, state.Delete(downtimePrefix+id)); err != nil {
		return fmt.Errorf("alerts: downtime: %w", err)
	}
	e.mu.Lock()
	delete(e.downtimes, id)
	e.mu.Unlock()
	return nil
}

// A DowntimeView is a downtime with how it stands.
type DowntimeView struct {
	Downtime
	InForce bool
	Until   time.Time // of one in force
	Next    time.Time // when one that recurs begins next
}

// MarshalJSON adds in_force, until and next to the downtime.
func (v DowntimeView) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		downtimeJSON
		InForce bool      `json:"in_force"`
		Until   time.Time `json:"until,omitzero"`
		Next    time.Time `json:"next,omitzero"`
	}{v.json(), v.InForce, v.Until, v.Next})
}

// Downtimes returns all downtimes that are configured or not over: those in
// force first, then by name and ID.
func (e *Engine) Downtimes() []DowntimeView {
	now := time.Now()
	e.mu.RLock()
	var out []DowntimeView
	for _, d := range e.downtimes {
		if e.over(d, now) && !d.Configured {
			continue
		}
		v := DowntimeView{Downtime: d}
		if v.Until, v.InForce = e.inForce(d, now); !v.InForce {
			v.Until = time.Time{}
		}
		if d.Recurring != nil {
			v.Next, _, _ = d.Recurring.Next(now)
		}
		out = append(out, v)
	}
	e.mu.RUnlock()
	slices.SortFunc(out, func(a, b DowntimeView) int {
		if a.InForce != b.InForce {
			return map[bool]int{true: -1, false: 1}[a.InForce]
		}
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// dropDowntimes forgets those that are over, and what they triggered too.
func (e *Engine) dropDowntimes(ctx context.Context, now time.Time) {
	e.deciding.Lock()
	defer e.deciding.Unlock()
	e.mu.RLock()
	var over []string
	for id, d := range e.downtimes {
		if !d.Configured && e.over(d, now) && !e.triggers(d, now) {
			over = append(over, id)
		}
	}
	e.mu.RUnlock()
	for _, id := range over {
		if err := e.forgetDowntime(ctx, id); err != nil {
			e.o.Log.Debug("downtime that is over stays stored", "err", err) // tried again; it mutes nothing meanwhile
		}
	}
}

func (e *Engine) loadDowntimes() error {
	return e.loaded(downtimePrefix, func(_ string, value []byte) error {
		var d Downtime
		if err := json.Unmarshal(value, &d); err != nil {
			return err
		}
		e.downtimes[d.ID] = d
		return nil
	})
}

// configureDowntimes replaces the downtimes that are configured. One that has begun
// goes on. The caller holds e.mu, or is NewEngine.
func (e *Engine) configureDowntimes(ds []Downtime) {
	before := maps.Clone(e.downtimes)
	maps.DeleteFunc(e.downtimes, func(_ string, d Downtime) bool { return d.Configured })
	for _, d := range ds {
		d.ID, d.Configured = configuredID+d.Name, true
		d.Began = before[d.ID].Began
		e.downtimes[d.ID] = d
	}
}
