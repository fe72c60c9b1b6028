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
)

// maxSilences bounds the silences in force; more are refused.
const maxSilences = 1000

// ErrNotFound is returned where nothing matches a command.
var ErrNotFound = errors.New("alerts: nothing matches")

// A Silence mutes the telling of problems that meet all its matchers, until
// its end.
type Silence struct {
	ID       string    `json:"id"`
	Matchers []Matcher `json:"matchers"`
	From     time.Time `json:"from,omitzero"` // zero: at once
	Until    time.Time `json:"until"`
	By       string    `json:"by,omitempty"`
	Comment  string    `json:"comment,omitempty"`
	Created  time.Time `json:"created"`

	// EndWhenClear ends the silence before Until: when a problem has matched it
	// and then none did for five minutes.
	EndWhenClear bool `json:"end_when_clear,omitempty"`
	Matched      bool `json:"matched,omitempty"` // a problem has, as far as it is of interest

	clear time.Time // since when none does
}

// InForce says whether the silence mutes at now.
func (s Silence) InForce(now time.Time) bool { return !now.Before(s.From) && s.Until.After(now) }

// Silence stores a silence and returns it with its ID.
func (e *Engine) Silence(ctx context.Context, s Silence) (Silence, error) {
	now := time.Now().Round(0) // a date: without the reading of the steady clock
	s.From, s.Until = s.From.Round(0), s.Until.Round(0)
	e.deciding.Lock()
	defer e.deciding.Unlock()
	switch {
	case len(s.Matchers) == 0:
		return s, errors.New("alerts: a silence needs a matcher")
	case !s.Until.After(now):
		return s, errors.New("alerts: a silence must end in the future")
	case len(e.Silences()) >= maxSilences:
		return s, fmt.Errorf("alerts: there are already %d silences", maxSilences)
	}
	s.ID, s.Created = strings.ToLower(rand.Text()[:10]), now
	e.mu.RLock()
	s.Matched = s.EndWhenClear && e.problems(s.Matchers)
	e.mu.RUnlock()
	return s, e.saveSilence(ctx, s)
}

// saveSilence stores a silence and then lets it count.
func (e *Engine) saveSilence(ctx context.Context, s Silence) error {
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("alerts: silence: %w", err)
	}
	if err := e.o.Store.Write(ctx, state.Put(silencePrefix+s.ID, b)); err != nil {
		return fmt.Errorf("alerts: silence: %w", err)
	}
	e.mu.Lock()
	e.silences[s.ID] = s
	e.mu.Unlock()
	return nil
}

// Unsilence ends a silence early.
func (e *Engine) Unsilence(ctx context.Context, id string) error {
	e.deciding.Lock()
	defer e.deciding.Unlock()
	return e.unsilence(ctx, id)
}

// unsilence is Unsilence. The caller holds e.deciding.
func (e *Engine) unsilence(ctx context.Context, id string) error {
	e.mu.RLock()
	_, ok := e.silences[id]
	e.mu.RUnlock()
	if !ok {
		return fmt.Errorf("%w: silence %q", ErrNotFound, id)
	}
	if err := e.o.Store.Write(ctx, state.Delete(silencePrefix+id)); err != nil {
		return fmt.Errorf("alerts: silence: %w", err)
	}
	e.mu.Lock()
	delete(e.silences, id)
	e.mu.Unlock()
	return nil
}

// Silences returns those in force or yet to come, the next to end first.
func (e *Engine) Silences() []Silence {
	now := time.Now()
	e.mu.RLock()
	defer e.mu.RUnlock()
	return slices.SortedFunc(func(yield func(Silence) bool) {
		for s := range maps.Values(e.silences) {
			if s.Until.After(now) && !yield(s) {
				return
			}
		}
	}, func(a, b Silence) int { return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.ID, b.ID)) })
}

// bySilence mutes what a silence in force matches.
func (e *Engine) bySilence(r *runner, rec record, now time.Time) Mute {
	for _, s := range e.silences {
		if s.InForce(now) && matchAll(s.Matchers, r.Rule.ID(), rec.labels) {
			return Mute{Silenced, "silence " + s.ID + words(s.Until, s.By, s.Comment)}
		}
	}
	return Mute{}
}

// dropSilences forgets those that have ended.
func (e *Engine) dropSilences(ctx context.Context, now time.Time) {
	e.deciding.Lock()
	defer e.deciding.Unlock()
	e.mu.Lock()
	var ended []string
	var matched []Silence
	for id, s := range e.silences {
		before := s.Matched
		if e.clear(&s, now) || !s.Until.After(now) {
			ended = append(ended, id)
		} else if s.Matched != before {
			matched = append(matched, s)
		}
		e.silences[id] = s
	}
	e.mu.Unlock()
	for _, s := range matched {
		if err := e.saveSilence(ctx, s); err != nil {
			e.o.Log.Debug("silence is not stored anew", "err", err) // after a restart it may last until its time
		}
	}
	for _, id := range ended {
		if err := e.unsilence(ctx, id); err != nil {
			e.o.Log.Debug("ended silence stays stored", "err", err) // tried again; it mutes nothing meanwhile
		}
	}
}
