package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/alerts/state"
)

// Backoff between tries of a notice, doubled at every failure.
const (
	firstRetry  = time.Second
	lastRetry   = 5 * time.Minute
	maxLater    = time.Hour // a receiver's word that it takes nothing is believed so long
	sendTimeout = time.Minute
)

// An item is a notice in a receiver's queue. The notice itself is in the
// store.
type item struct {
	key    string
	group  string // items of the same go out in order
	reason Reason
	at     time.Time
	tries  int
	due    time.Time // zero: at once
}

// itemJSON is the form of an item in the store.
type itemJSON struct {
	Group  string          `json:"group"`
	Reason string          `json:"reason"`
	At     time.Time       `json:"at"`
	Tries  int             `json:"tries,omitempty"`
	Notice json.RawMessage `json:"notice"`
}

// A receiver is a Receiver with its queue and its gate. Dispatcher.mu guards
// the gate, digest and configured; mu the queue.
type receiver struct {
	Receiver
	configured bool
	gate       Gate
	digest     uint64 // number of the newest
	stats      ReceiverStats
	wake       chan struct{}

	mu       sync.Mutex
	items    []*item // oldest first
	sending  *item
	seq      uint64
	later    time.Time // it takes nothing before
	lastErr  string
	lastTold time.Time
}

// receiver returns the one with a name, and makes it where there is none. The
// caller holds d.mu, or is New.
func (d *Dispatcher) receiver(name string) *receiver {
	r := d.receivers[name]
	if r == nil {
		r = &receiver{Receiver: Receiver{Name: name}, wake: make(chan struct{}, 1)}
		d.receivers[name] = r
	}
	return r
}

// set takes a new configuration. The caller holds Dispatcher.mu.
func (r *receiver) set(c Receiver, configured bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Receiver, r.configured, r.gate.Rate = c, configured, c.Rate
}

func (r *receiver) maxAlerts() int {
	if r.MaxAlerts > 0 {
		return r.MaxAlerts
	}
	return defaultMaxAlerts
}

// stage makes the item of a notice and the change that stores it. The caller
// holds Dispatcher.mu.
func (r *receiver) stage(n notify.Notice) (*item, state.Change, error) {
	b, err := pack(n)
	if err != nil {
		return nil, state.Change{}, fmt.Errorf("dispatch: notice to %s: %w", r.Name, err)
	}
	r.mu.Lock()
	r.seq++
	it := &item{key: outKey(r.Name, r.seq), group: n.GroupKey, reason: Reason(n.Reason), at: n.At}
	r.mu.Unlock()
	value, err := json.Marshal(itemJSON{Group: it.group, Reason: n.Reason, At: it.at, Notice: b})
	return it, state.Put(it.key, value), err
}

// push takes a stored item into the queue. From a full one the oldest goes
// that is not being sent; it is returned.
func (r *receiver) push(it *item, most int) (dropped *item) {
	r.mu.Lock()
	r.items = append(r.items, it)
	if len(r.items) > most {
		i := slices.IndexFunc(r.items, func(x *item) bool { return x != r.sending })
		dropped = r.items[i]
		r.items = slices.Delete(r.items, i, i+1)
		r.stats.Dropped.Add(1)
	}
	r.mu.Unlock()
	signal(r.wake)
	return dropped
}

// room is how many notices that open something the queue takes. The last
// quarter, one place at least, is for digests and for ends, which go alone.
func (r *receiver) room(most int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return most - max(most/4, 1) - len(r.items)
}

// next returns the oldest item that is due, or how long to wait for one (0:
// for ever). An item waits for older ones of its group.
func (r *receiver) next(now time.Time) (*item, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d := r.later.Sub(now); d > 0 {
		return nil, d
	}
	var wait time.Duration
	waiting := make(map[string]bool)
	for _, it := range r.items {
		if waiting[it.group] {
			continue
		}
		d := it.due.Sub(now)
		if d <= 0 {
			r.sending = it
			return it, 0
		}
		waiting[it.group] = true
		if wait == 0 || d < wait {
			wait = d
		}
	}
	return nil, wait
}

// deliver sends what is in a receiver's queue until ctx ends.
func (d *Dispatcher) deliver(ctx context.Context, r *receiver, sender notify.Sender) {
	for ctx.Err() == nil {
		it, wait := r.next(time.Now())
		if it != nil {
			d.try(ctx, r, sender, it)
			continue
		}
		timer := time.NewTimer(wait)
		if wait == 0 {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// try sends one item once.
func (d *Dispatcher) try(ctx context.Context, r *receiver, sender notify.Sender, it *item) {
	log := d.o.Log.With("receiver", r.Name, "group", it.group, "reason", it.reason)
	if time.Since(it.at) > d.o.Expire {
		r.stats.Expired.Add(1)
		log.Error("notice is not told: too old", "tries", it.tries)
		d.done(ctx, r, it)
		return
	}
	stored, n, err := d.read(it)
	if err != nil {
		r.stats.Refused.Add(1)
		log.Error("notice is not told: it cannot be read", "err", err)
		d.done(ctx, r, it)
		return
	}
	// So that a restart can say what may have been sent twice. Where this cannot
	// be noted, for want of room, telling comes first.
	if err := d.o.Store.Write(ctx, state.Put(flightPrefix+r.Name, []byte(it.key))); err != nil {
		d.stats.StoreErrors.Add(1)
	}
	limited, cancel := context.WithTimeout(ctx, sendTimeout)
	err = sender.Send(limited, n)
	cancel()
	switch {
	case err == nil:
		r.stats.Told.Add(1)
		log.Info("told", "key", n.Key, "alerts", len(n.Alerts)+n.Truncated, "tries", it.tries+1)
		r.note("", time.Now())
		d.done(ctx, r, it)
	case alerts.IsPermanent(err):
		r.stats.Refused.Add(1)
		log.Error("notice is not told: refused", "err", err)
		r.note(err.Error(), time.Time{})
		d.done(ctx, r, it)
	case ctx.Err() == nil:
		r.stats.Retried.Add(1)
		if it.tries == 0 {
			log.Warn("notice is not told yet", "err", err)
		}
		d.postpone(ctx, r, it, stored, err)
	}
}

// read loads an item's notice.
func (d *Dispatcher) read(it *item) (j itemJSON, n notify.Notice, err error) {
	value, err := d.o.Store.Get(it.key)
	if err == nil {
		err = json.Unmarshal(value, &j)
	}
	if err == nil {
		n, err = decodeNotice(j.Notice)
	}
	return j, n, err
}

// note remembers how the newest try went.
func (r *receiver) note(err string, told time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastErr = err
	if !told.IsZero() {
		r.lastTold = told
	}
}

// postpone puts an item back after a try that failed. That it failed is
// stored: after a restart it is no try of which nobody knows.
func (d *Dispatcher) postpone(ctx context.Context, r *receiver, it *item, stored itemJSON, cause error) {
	wait := backoff(it.tries)
	later, paused := errors.AsType[*notify.LaterError](cause)
	if paused {
		wait = max(min(later.After, maxLater), firstRetry)
	}
	r.mu.Lock()
	it.tries++
	it.due = time.Now().Add(wait)
	if paused {
		r.later = it.due
	}
	r.lastErr = cause.Error()
	r.mu.Unlock()
	stored.Tries = it.tries
	value, err := json.Marshal(stored)
	if err == nil {
		err = d.o.Store.Write(ctx, state.Put(it.key, value), state.Delete(flightPrefix+r.Name))
	}
	if err != nil {
		d.stats.StoreErrors.Add(1)
	}
}

// backoff is how long to wait after so many earlier failures, and a part of it
// by chance, so that many do not come back at once.
func backoff(tries int) time.Duration {
	d := min(firstRetry<<min(tries, 20), lastRetry)
	return d*3/4 + rand.N(d/2)
}

// done takes an item out of the queue. If the store cannot forget it now, it is
// told once more after a restart, with the same key.
func (d *Dispatcher) done(ctx context.Context, r *receiver, it *item) {
	err := d.o.Store.Write(context.WithoutCancel(ctx), state.Delete(it.key), state.Delete(flightPrefix+r.Name))
	if err != nil {
		d.stats.StoreErrors.Add(1)
		d.o.Log.Warn("notice stays stored", "receiver", r.Name, "err", err)
	}
	r.mu.Lock()
	r.items = slices.DeleteFunc(r.items, func(x *item) bool { return x == it })
	r.mu.Unlock()
}

// sweep forgets notices to receivers that are gone once they are too old, so
// that they are told should the receiver come back in time.
func (d *Dispatcher) sweep(ctx context.Context, now time.Time) {
	d.mu.Lock()
	var gone []*receiver
	for _, r := range d.receivers {
		if !r.configured {
			gone = append(gone, r)
		}
	}
	d.mu.Unlock()
	for _, r := range gone {
		r.mu.Lock()
		old := slices.DeleteFunc(slices.Clone(r.items), func(it *item) bool { return now.Sub(it.at) <= d.o.Expire })
		r.mu.Unlock()
		for _, it := range old {
			r.stats.Expired.Add(1)
			d.done(ctx, r, it)
		}
	}
}
