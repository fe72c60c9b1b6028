package alerts

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// An Ack is somebody's word that they know of a problem. It ends when the hard
// status changes or, if it is sticky, when the problem is over; and at its
// expiry. While it lasts a problem is not repeated and not escalated (see
// [Engine.MuteOf]), and a sticky one mutes the telling of its changes.
type Ack struct {
	By      string    `json:"by,omitempty"`
	Comment string    `json:"comment,omitempty"`
	At      time.Time `json:"at"`
	Sticky  bool      `json:"sticky,omitempty"`
	Until   time.Time `json:"until,omitzero"` // expiry; zero: none
}

// inForce returns the acknowledgement, or nil if there is none or it has
// expired.
func (a *Ack) inForce(now time.Time) *Ack {
	if a == nil || !a.Until.IsZero() && !a.Until.After(now) {
		return nil
	}
	return a
}

// after returns what is left of an acknowledgement after a hard change.
func (a *Ack) after(t Transition) *Ack {
	if a == nil || !a.Sticky || t.To == OK {
		return nil
	}
	return a
}

// byAck mutes what is acknowledged. An acknowledgement that is not sticky has
// ended before there is a change that it could mute.
func (e *Engine) byAck(_ *runner, rec record, now time.Time) Mute {
	a := rec.ack.inForce(now)
	if a == nil {
		return Mute{}
	}
	return Mute{Acknowledged, "acknowledged" + words(a.Until, a.By, a.Comment)}
}

// Ack acknowledges all hard problems that meet the matchers and returns how
// many.
func (e *Engine) Ack(ctx context.Context, ms []Matcher, a Ack) (int, error) {
	a.At, a.Until = time.Now(), a.Until.Round(0) // a date: without the reading of the steady clock
	if !a.Until.IsZero() && !a.Until.After(a.At) {
		return 0, errors.New("alerts: an acknowledgement must expire in the future")
	}
	return e.setAck(ctx, ms, &a)
}

// Unack withdraws the acknowledgements of all hard problems that meet the
// matchers and returns how many.
func (e *Engine) Unack(ctx context.Context, ms []Matcher) (int, error) {
	return e.setAck(ctx, ms, nil)
}

func (e *Engine) setAck(ctx context.Context, ms []Matcher, a *Ack) (int, error) {
	if len(ms) == 0 {
		return 0, errors.New("alerts: an acknowledgement needs a matcher")
	}
	n := 0
	for _, r := range e.runners() {
		m, err := e.ackRule(ctx, r, ms, a)
		if n += m; err != nil {
			return n, fmt.Errorf("alerts: acknowledge: %w", err)
		}
	}
	if n == 0 {
		return 0, fmt.Errorf("%w: no hard problem", ErrNotFound)
	}
	return n, nil
}

func (e *Engine) ackRule(ctx context.Context, r *runner, ms []Matcher, a *Ack) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		return 0, nil
	}
	b := e.newBatch(r, time.Now())
	n := 0
	for key, rec := range e.records(r) {
		if rec.state.Hard == OK || a == nil && rec.ack == nil || !matchAll(ms, r.Rule.ID(), rec.labels) {
			continue
		}
		n++
		rec.ack = a
		if err := b.put(ctx, key, rec, true); err != nil {
			return n, err
		}
	}
	return n, b.commit(ctx)
}
