package dispatch

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"rondo/alerts"
	"rondo/alerts/state"
)

// encode is the form of a group in the store.
func (n *node) encode() ([]byte, error) {
	return json.Marshal(groupJSON{n.Route.ID, n.Route.Key, alerts.MapOf(n.Labels), n.Next})
}

// load reads what an earlier run has stored.
func (d *Dispatcher) load() error {
	taken, err := d.o.Store.Get(takenKey)
	if err != nil && !errors.Is(err, state.ErrNotFound) && !errors.Is(err, state.ErrCorrupt) {
		return fmt.Errorf("dispatch: load: %w", err)
	}
	d.taken = unpackTaken(taken)
	for _, load := range []struct {
		prefix string
		take   func(key string, value []byte) error
	}{
		{groupPrefix, d.loadGroup}, {alertPrefix, d.loadAlert}, {digestPrefix, d.loadDigest},
		{toldPrefix, d.loadTold}, {outPrefix, d.loadOut}, {flightPrefix, d.loadFlight},
	} {
		for e, err := range d.o.Store.Scan(state.Range{Prefix: load.prefix}) {
			if err == nil {
				err = load.take(e.Key, e.Value)
			} else if !errors.Is(err, state.ErrCorrupt) {
				return fmt.Errorf("dispatch: load: %w", err)
			}
			if err != nil {
				d.o.Log.Error("stored entry is unreadable and left out", "key", e.Key, "err", err)
			}
		}
	}
	return nil
}

func (d *Dispatcher) loadGroup(key string, value []byte) error {
	var j groupJSON
	if err := json.Unmarshal(value, &j); err != nil {
		return fmt.Errorf("dispatch: stored group: %w", err)
	}
	id := strings.TrimPrefix(key, groupPrefix)
	g := NewGroup(&Route{ID: j.Route, Key: j.Key}, alerts.NewLabels(j.Labels), j.Next)
	d.groups[id] = &node{Group: g, id: id, waiting: make(map[string]bool)}
	return nil
}

func (d *Dispatcher) loadAlert(key string, value []byte) error {
	group, _, err := splitKey(alertPrefix, key)
	if err != nil {
		return err
	}
	a, err := decodeAlert(value)
	if err != nil {
		return err
	}
	n := d.groups[group]
	if n == nil {
		return errors.New("dispatch: an alert without its group")
	}
	n.Alerts[a.ID] = a
	return nil
}

func (d *Dispatcher) loadDigest(key string, value []byte) (err error) {
	r := d.receiver(strings.TrimPrefix(key, digestPrefix))
	r.digest, err = strconv.ParseUint(string(value), 10, 64)
	return err
}

// loadTold takes what a receiver was told last: not what a digest would have
// told that was not made to the end.
func (d *Dispatcher) loadTold(key string, value []byte) error {
	rest, digest, err := splitKey(toldPrefix, key)
	if err != nil {
		return err
	}
	t, err := decodeTold(value)
	if err != nil {
		return err
	}
	group, receiver, _ := strings.Cut(rest, "/")
	n := d.groups[group]
	if n == nil || digest > d.receiver(receiver).digest {
		d.dirty[key] = none
		return nil
	}
	if old, ok := n.Told[receiver]; ok { // keys are in order: this one is newer
		d.dirty[toldKey(group, receiver, old.Digest)] = none
	}
	n.Told[receiver] = t
	return nil
}

func (d *Dispatcher) loadOut(key string, value []byte) error {
	name, seq, err := splitKey(outPrefix, key)
	if err != nil {
		return err
	}
	var j itemJSON
	if err := json.Unmarshal(value, &j); err != nil {
		return fmt.Errorf("dispatch: stored notice: %w", err)
	}
	r := d.receiver(name)
	r.seq = max(r.seq, seq)
	r.items = append(r.items, &item{key: key, group: j.Group, reason: Reason(j.Reason), at: j.At, tries: j.Tries})
	return nil
}

// loadFlight counts what was being sent when the process ended: only this may
// have arrived without our knowing.
func (d *Dispatcher) loadFlight(key string, value []byte) error {
	name := strings.TrimPrefix(key, flightPrefix)
	r := d.receiver(name)
	for _, it := range r.items {
		if it.key == string(value) {
			r.stats.Repeated.Add(1)
			d.o.Log.Warn("notice was being sent when the process ended: it is sent again, with the same key", "receiver", name, "group", it.group)
		}
	}
	return nil
}
