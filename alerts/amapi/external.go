package amapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"strings"
	"sync"
	"time"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/alerts/state"
	"rondo/rrd"
)

// RuleID is the rule whose states are the alerts of others.
const RuleID = "external"

const (
	prefix         = "alert/external/"
	resolveTimeout = 5 * time.Minute
	keepResolved   = 15 * time.Minute // as Prometheus goes on sending the end of an alert
	maxEntries     = 10_000
	maxKey         = 64 // of a stored entry
	maxLabelBytes  = 8 << 10
	maxEntryBytes  = 64 << 10
)

// Submitter takes readings; alerts.Engine is one.
type Submitter interface {
	Submit(ctx context.Context, rule string, readings ...alerts.Reading) error
}

// An entry is one alert of somebody else.
type entry struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	StartsAt     time.Time         `json:"starts_at"`
	EndsAt       time.Time         `json:"ends_at"`
	UpdatedAt    time.Time         `json:"updated_at"`
	GeneratorURL string            `json:"generator_url,omitempty"`
}

// External is the rule of alerts that others have found. It implements
// alerts.Rule. It is safe for concurrent use.
type External struct {
	store state.Store
	log   *slog.Logger

	turn sync.Mutex // held while states are brought forward, so that no older word comes after a newer one
	to   Submitter  // guarded by turn

	mu      sync.Mutex       // never held while readings are submitted: the engine asks for what is known
	entries map[string]entry // by their labels as text; changed by who has the turn
}

// OpenExternal loads what was sent before a restart.
func OpenExternal(store state.Store, log *slog.Logger) (*External, error) {
	x := &External{store: store, log: log.With("component", "external"), entries: make(map[string]entry)}
	grace := time.Now().Add(resolveTimeout)
	for e, err := range store.Scan(state.Range{Prefix: prefix}) {
		var v entry
		if err == nil {
			err = json.Unmarshal(e.Value, &v)
		} else if !errors.Is(err, state.ErrCorrupt) {
			return nil, fmt.Errorf("amapi: load: %w", err)
		}
		if err != nil {
			x.log.Error("stored alert is unreadable and left out", "key", e.Key, "err", err)
			continue
		}
		if v.EndsAt.After(v.UpdatedAt) && v.EndsAt.Before(grace) {
			v.EndsAt = grace
		}
		x.entries[v.key()] = v
	}
	return x, nil
}

// SubmitTo says who takes the readings. It must be called before the engine
// runs and before Take.
func (x *External) SubmitTo(s Submitter) {
	x.turn.Lock()
	defer x.turn.Unlock()
	x.to = s
}

// Supervised is the rule as an engine takes it.
func (x *External) Supervised() alerts.Supervised {
	return alerts.Supervised{
		Rule: x, Policy: alerts.Policy{Direct: true, Missing: alerts.MissingOK},
		Interval: time.Second, Forget: time.Second, Passive: true, Waits: true, Keeps: x.knows,
	}
}

func (x *External) knows(ls rrd.Labels) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	_, ok := x.entries[ls.String()]
	return ok
}

// ID implements alerts.Rule.
func (x *External) ID() string { return RuleID }

// Check implements alerts.Rule: it submits the end of what has ended since,
// and forgets what ended long ago. It returns no reading.
func (x *External) Check(ctx context.Context, now time.Time) ([]alerts.Reading, error) {
	x.turn.Lock()
	defer x.turn.Unlock()
	ended, gone := x.over(now)
	if len(gone) > 0 {
		if err := x.store.Write(ctx, gone...); err != nil {
			x.log.Warn("ended alerts stay stored", "err", err)
		}
	}
	if len(ended) == 0 {
		return nil, nil
	}
	return nil, x.put(ctx, ended, now)
}

// over are the alerts that have ended since the last look, and the stored ones
// that ended long ago, which are forgotten.
func (x *External) over(now time.Time) (ended []entry, gone []state.Change) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for key, e := range x.entries {
		switch {
		case e.EndsAt.After(e.UpdatedAt) && !e.EndsAt.After(now):
			e.UpdatedAt = now // from here on it has ended, as if somebody had said so
			ended = append(ended, e)
		case now.Sub(e.EndsAt) > keepResolved && len(gone) < state.MaxChanges:
			gone = append(gone, state.Delete(storeKey(e)))
			delete(x.entries, key)
		}
	}
	return ended, gone
}

// Take takes alerts in. When it returns nil they are on disk.
func (x *External) Take(ctx context.Context, es []entry, now time.Time) error {
	x.turn.Lock()
	defer x.turn.Unlock()
	if n := x.with(es); n > maxEntries {
		return fmt.Errorf("amapi: %d alerts of others: at most %d", n, maxEntries)
	}
	return x.put(ctx, es, now)
}

// with is how many alerts there would be with some more.
func (x *External) with(es []entry) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	fresh := make(map[string]bool)
	for _, e := range es {
		if _, ok := x.entries[e.key()]; !ok {
			fresh[e.key()] = true
		}
	}
	return len(x.entries) + len(fresh)
}

// put stores alerts and submits what they say, by portions that one write
// takes. The caller has the turn.
func (x *External) put(ctx context.Context, es []entry, now time.Time) error {
	if x.to == nil {
		return errors.New("amapi: the engine is not there yet")
	}
	for len(es) > 0 {
		n, changes, err := portion(es)
		if err != nil {
			return fmt.Errorf("amapi: %w", err)
		}
		if err := x.store.Write(ctx, changes...); err != nil {
			return fmt.Errorf("amapi: %w", err)
		}
		readings := make([]alerts.Reading, n)
		x.mu.Lock()
		for i, e := range es[:n] {
			readings[i] = e.reading(now)
			x.entries[e.key()] = e // before they are submitted: the engine keeps what is known
		}
		x.mu.Unlock()
		if err := x.to.Submit(ctx, RuleID, readings...); err != nil {
			return fmt.Errorf("amapi: %w", err)
		}
		es = es[n:]
	}
	return nil
}

// portion is how many of some entries one write takes, and that write.
func portion(es []entry) (n int, changes []state.Change, err error) {
	const most = 256 // as many as Prometheus sends at once
	size := 0
	for _, e := range es[:min(most, len(es))] {
		b, err := json.Marshal(e)
		if err != nil {
			return 0, nil, err
		}
		if size += len(b) + maxKey; n > 0 && size > state.MaxBatch {
			break
		}
		changes = append(changes, state.Put(storeKey(e), b))
		n++
	}
	return n, changes, nil
}

func (e entry) key() string { return alerts.NewLabels(e.Labels).String() }

func storeKey(e entry) string {
	return fmt.Sprintf("%s%016x", prefix, alerts.Fingerprint(alerts.NewLabels(e.Labels)))
}

// find is the entry of a label set.
func (x *External) find(ls rrd.Labels) (entry, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	e, ok := x.entries[ls.String()]
	return e, ok
}

func (e entry) reading(now time.Time) alerts.Reading {
	rd := alerts.Reading{
		Labels: alerts.NewLabels(e.Labels), Value: math.NaN(), At: now, Annotations: maps.Clone(e.Annotations),
		Text: cmp.Or(e.Annotations["summary"], e.Annotations["description"], e.Annotations["message"], "alert of another system"),
	}
	if rd.Annotations == nil {
		rd.Annotations = make(map[string]string)
	}
	if _, said := rd.Annotations["source"]; !said && e.GeneratorURL != "" {
		rd.Annotations["source"] = e.GeneratorURL
	}
	if e.EndsAt.After(now) {
		rd.Status = status(e.Labels[notify.SeverityLabel])
	}
	return rd
}

// status is a severity in our words. Others have many; what is not known to be
// less is critical.
func status(severity string) alerts.Status {
	switch strings.ToLower(severity) {
	case "warning", "warn", "info", "informational", "notice", "none", "low", "minor":
		return alerts.Warning
	}
	return alerts.Critical
}
