package alerts

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"rondo/alerts/state"
)

// maxText bounds the text of a reading, in bytes.
const maxText = 2 << 10

// A batch gathers what one pass over a rule's records changes: it is written
// to the store first, and shown and told only then.
type batch struct {
	e      *Engine
	r      *runner
	policy Policy
	now    time.Time
	look   bool      // what is calm stays as it is
	since  time.Time // see steadiness
	failed bool      // the check did

	changes     []state.Change
	size        int
	updated     map[string]record
	removed     []string
	transitions []Transition
	out         []outgoing
	admitted    int // records that are new
}

// outgoing is an item on its way into a queue.
type outgoing struct {
	q  *queue
	it *item
}

func (e *Engine) newBatch(r *runner, now time.Time) *batch {
	return &batch{e: e, r: r, policy: r.Policy, now: now, updated: make(map[string]record)}
}

// fail adapts the policy to a check that failed: that says nothing of the
// value, so it is unknown, unless the policy keeps states.
func (b *batch) fail() {
	b.failed = true
	if b.policy.Missing != MissingKeep {
		b.policy.Missing = MissingUnknown
	}
}

// absent handles a label set that the check did not mention.
func (b *batch) absent(ctx context.Context, key string, rec record, failed error) error {
	forget := cmp.Or(b.r.Forget, b.e.o.Forget)
	rd := Reading{Labels: rec.labels, Value: math.NaN(), At: b.now, Missing: true, Text: "no reading"}
	if !rec.gone.IsZero() {
		rd.Text = "no reading since " + rec.gone.UTC().Format(time.RFC3339)
	}
	switch {
	case b.calm(rec, rd):
		return nil
	case failed != nil:
		rd.Text = failed.Error()
	case rec.byError:
		return b.end(ctx, key, rec, "the rule can be checked")
	case !rec.gone.IsZero() && b.now.Sub(rec.gone) >= forget:
		return b.end(ctx, key, rec, "missing for "+forget.String()+", forgotten")
	}
	return b.step(ctx, key, rec, true, rd)
}

// step brings one record forward by one reading.
func (b *batch) step(ctx context.Context, key string, rec record, known bool, rd Reading) error {
	if b.e.o.Withdrawn(rec.labels) {
		if !known {
			return nil
		}
		return b.end(ctx, key, rec, "withdrawn")
	}
	if b.e.o.Leaving(rec.labels) || b.settling(rec, rd) || !known && !b.admit(key) {
		return nil
	}
	if known && b.calm(rec, rd) {
		rec.reading = rd
		return b.put(ctx, key, rec, false)
	}
	if len(rd.Text) > maxText {
		rd.Text = strings.ToValidUTF8(rd.Text[:maxText], "")
	}
	before := rec
	var t *Transition
	rec.state, t = Step(b.policy, rec.state, rd, b.now)
	rec.reading = rd
	switch {
	case !rd.Missing:
		rec.gone, rec.seen = time.Time{}, b.now
	case rec.gone.IsZero():
		rec.gone = b.now
	}
	if err := b.e.begin(ctx, b.r, rec, b.now); err != nil {
		return err
	}
	b.hold(&rec)
	if err := b.changed(&rec, t); err != nil {
		return err
	}
	if t != nil && rec.mute == Waits {
		b.e.recheck(stateID{b.r.Rule.ID(), key}, rec)
	}
	stored := known && rec.state.stored() == before.state.stored() && rec.told == before.told && rec.flaps == before.flaps && rec.held == before.held &&
		rec.gone.Equal(before.gone) && rec.byError == before.byError
	return b.put(ctx, key, rec, !stored)
}

// admit says whether there is room for one more record. One that the store
// could not take would keep all others of its batch from being stored.
func (b *batch) admit(labels string) bool {
	if len(labels) > maxLabels {
		b.e.stats.LabelsTooLong.Add(1)
		return false
	}
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	if b.e.states+b.admitted >= b.e.o.MaxStates {
		b.e.stats.StatesFull.Add(1)
		return false
	}
	b.admitted++
	return true
}

// changed records a hard change and tells what there is to tell: the change,
// or an earlier one that was muted until now.
func (b *batch) changed(rec *record, t *Transition) error {
	if t != nil && t.From != t.To {
		rec.ack = rec.ack.after(*t)
	}
	to, flap, news := rec.news()
	if t == nil && !news {
		return nil
	}
	b.e.mu.RLock()
	mute := b.e.muted(b.r, *rec, b.now)
	b.e.mu.RUnlock()
	rec.mute = mute.Reason
	if t != nil {
		t.Expr, t.Annotations = b.r.Expr, storable(annotations(b.r.Annotations, rec.reading.Annotations))
		if rec.last != nil && t.Annotations == nil {
			t.Annotations = rec.last.Annotations // the rule, or what it read, may be gone
		}
		if t.To != OK || rec.told == OK {
			t.Mute = mute
		}
		if !news && rec.flaps {
			t.Mute = Mute{Reason: Flaps}
		}
		rec.last = t
		if err := b.record(*t); err != nil {
			return err
		}
	}
	if !news || rec.last == nil || mute.Muted() && to != OK {
		return nil
	}
	tell := *rec.last
	tell.From, tell.To, tell.Flap, tell.Mute = rec.told, to, flap, Mute{}
	rec.told, rec.flaps = to, rec.state.Flapping.Active
	return b.tell(tell)
}

// news is what a record has to tell, if anything. While a state flaps none of
// its changes are told, only that it does: as a problem, whatever the state was
// just then, so that its end, if that is OK, is a recovery from one.
func (r record) news() (to Status, flap FlapChange, is bool) {
	switch flapping := r.state.Flapping.Active; {
	case flapping && r.flaps:
		return r.told, "", false
	case flapping:
		return cmp.Or(r.state.Hard, r.told, Warning), FlapStart, true
	case r.flaps:
		return r.state.Hard, FlapEnd, true
	}
	return r.state.Hard, "", r.state.Hard != r.told
}

// annotations are those of a rule with those of a reading over them.
func annotations(rule, reading map[string]string) map[string]string {
	if len(reading) == 0 {
		return rule
	}
	all := make(map[string]string, len(rule)+len(reading))
	maps.Copy(all, rule)
	maps.Copy(all, reading)
	return all
}

// maxAnnotations bounds the annotations of a transition, in bytes of JSON. What
// no write of the store takes would keep all else of its batch from being told.
const maxAnnotations = 16 << 10

// storable leaves out the longest annotations where all of them are too long,
// and says so in another one.
func storable(m map[string]string) map[string]string {
	encoded, err := json.Marshal(m)
	if err == nil && len(encoded) <= maxAnnotations {
		return m
	}
	out := make(map[string]string, len(m))
	room := maxAnnotations - 100 // for left_out
	names := slices.SortedFunc(maps.Keys(m), func(a, b string) int { return cmp.Or(cmp.Compare(len(m[a]), len(m[b])), strings.Compare(a, b)) })
	for i, name := range names {
		encoded, err := json.Marshal(map[string]string{name: m[name]})
		if room -= len(encoded); err != nil || room < 0 {
			out["left_out"] = fmt.Sprintf("%d annotations are too long", len(names)-i)
			break
		}
		out[name] = m[name]
	}
	return out
}

// end closes a record and removes it.
func (b *batch) end(ctx context.Context, key string, rec record, why string) error {
	rd := Reading{Labels: rec.labels, Value: math.NaN(), At: b.now, Missing: true, Text: why}
	var t *Transition
	rec.state, t = End(b.policy, rec.state, rd, b.now)
	if err := b.changed(&rec, t); err != nil {
		return err
	}
	b.add(state.Delete(b.key(key)))
	b.removed = append(b.removed, key)
	return b.full(ctx)
}

// Bounds of label sets, as text and in bytes. A series' own are at most
// rrd.MaxKeyLen; a rule may add some.
const (
	maxKeyed  = 1 << 10 // a longer one does not go into a key
	maxLabels = 8 << 10 // of a longer one no state is kept
)

// key is a record's key in the store. Labels that are too long for a key are
// there as their hash; the record's value has them whole.
func (b *batch) key(labels string) string {
	if len(labels) > maxKeyed {
		labels = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(labels)))
	}
	return statePrefix + b.r.Rule.ID() + "\x00" + labels
}

func (b *batch) add(changes ...state.Change) {
	b.changes = append(b.changes, changes...)
	for _, c := range changes {
		b.size += len(c.Key) + len(c.Value)
	}
}

// record adds a transition to the history.
func (b *batch) record(t Transition) error {
	value, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("alerts: transition %s: %w", t.ID, err)
	}
	_, changes := b.e.history.Changes(value)
	b.add(changes...)
	b.transitions = append(b.transitions, t)
	return nil
}

// tell adds a transition to the outbox of every target.
func (b *batch) tell(t Transition) error {
	for _, q := range b.e.live() {
		b.e.mu.Lock()
		b.e.outSeq++
		it := newItem(outKey(q.name, b.e.outSeq), t, b.now)
		b.e.mu.Unlock()
		value, err := it.encode()
		if err != nil {
			return fmt.Errorf("alerts: transition %s: %w", t.ID, err)
		}
		b.add(state.Put(it.key, value))
		b.out = append(b.out, outgoing{q, it})
	}
	return nil
}

// put adds a record's new form; stored says whether the store must know it,
// or only who looks at it now.
func (b *batch) put(ctx context.Context, key string, rec record, stored bool) error {
	b.updated[key] = rec
	if !stored {
		return nil
	}
	value, err := rec.encode(b.r.Rule.ID())
	if err != nil {
		return fmt.Errorf("alerts: state of %s%s: %w", b.r.Rule.ID(), key, err)
	}
	b.add(state.Put(b.key(key), value))
	return b.full(ctx)
}

// full commits a batch that nears the limits of one write. What belongs
// together was added together, so any place between two records will do.
func (b *batch) full(ctx context.Context) error {
	if len(b.changes) < state.MaxChanges/4 && b.size < state.MaxBatch/4 {
		return nil
	}
	return b.commit(ctx)
}

// commit writes what was gathered, and then shows and tells it. If it cannot
// be written, nothing happened: the next check finds the same again.
func (b *batch) commit(ctx context.Context) error {
	if len(b.changes) > 0 {
		if err := b.e.o.Store.Write(ctx, b.changes...); err != nil {
			return fmt.Errorf("alerts: state not stored: %w", err)
		}
	}
	b.publish()
	for _, t := range b.transitions {
		b.e.o.Log.Info("transition", "rule", t.Rule, "labels", t.Labels.String(), "from", t.From, "to", t.To, "value", t.Value, "muted", string(t.Mute.Reason))
	}
	*b = batch{e: b.e, r: b.r, policy: b.policy, now: b.now, look: b.look, since: b.since, failed: b.failed, updated: make(map[string]record)}
	return nil
}

// publish shows what was written to views, history and outbox.
func (b *batch) publish() {
	e := b.e
	e.mu.Lock()
	defer e.mu.Unlock()
	before := len(b.r.records)
	for key, rec := range b.updated {
		id := stateID{b.r.Rule.ID(), key}
		before, known := b.r.records[key]
		if !known {
			e.relations.add(id, rec.labels)
		}
		if before.reading.At.IsZero() || statusValue(before.state) != statusValue(rec.state) { // new, first after a start, or another
			e.chronicle(id.rule, rec, b.now)
		}
		b.r.records[key] = rec
		e.untold(id, rec)
	}
	for _, key := range b.removed {
		id := stateID{b.r.Rule.ID(), key}
		e.relations.remove(id, b.r.records[key].labels)
		delete(b.r.records, key)
		delete(e.pending, id)
	}
	e.states += len(b.r.records) - before
	e.remember(b.transitions)
	for _, o := range b.out {
		e.push(o)
	}
}

// remember keeps transitions for Transitions. The caller holds e.mu.
func (e *Engine) remember(ts []Transition) {
	for _, t := range ts {
		e.stats.Transitions.Add(1)
		if t.Mute.Muted() {
			e.stats.Muted.Add(1)
		}
	}
	e.recent = append(e.recent, ts...)
	if extra := len(e.recent) - e.o.History; extra > 0 {
		e.recent = append(e.recent[:0], e.recent[extra:]...)
	}
}
