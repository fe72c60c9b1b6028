package store

import (
	"fmt"

	"rondo/rrd"
)

func (t *table) loadRedefinition(id uint32, def uint64) error {
	s := t.at(id)
	if s == nil || def >= uint64(len(t.byID)) || t.byID[def] == nil {
		return fmt.Errorf("series %d: its new definition %d cannot be set", id, def)
	}
	s.def.used.Add(-1)
	s.def = t.byID[def]
	s.def.used.Add(1)
	return nil
}

func (t *table) loadRenaming(id uint32, key rrd.Key) error {
	s := t.at(id)
	if s == nil || t.has(key) {
		return fmt.Errorf("series %d: it cannot be renamed", id)
	}
	if err := key.Validate(); err != nil {
		return fmt.Errorf("series %d: %w", id, err)
	}
	t.setKey(s, key)
	return nil
}

// redefine notes which definitions the given series have now. The log is
// durable up to here when the next samples are acknowledged, see settled.
func (t *table) redefine(ids map[uint32]uint64, now func(id uint32) *definition) error {
	var records [][]byte
	for id, before := range ids {
		if def := now(id); uint64(def.id) != before {
			records = append(records, appendUvarint(appendUvarint([]byte{'R'}, uint64(id)), uint64(def.id)))
		}
	}
	if len(records) == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err := t.log.Append(records...)
	return err
}

// intern returns the definition as the table has it, and enters it if it is
// new. It is durable then.
func (t *table) intern(d rrd.Definition) (*definition, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	bytes := appendDefinition(nil, &d)
	if def := t.defs[string(bytes)]; def != nil {
		return def, nil
	}
	id := len(t.byID)
	if _, err := t.log.Append(append(appendUvarint([]byte{'D'}, uint64(id)), bytes...)); err != nil {
		return nil, err
	}
	if err := t.define(id, d); err != nil {
		return nil, err
	}
	return t.byID[id], nil
}

// setKey gives a series another key. At work the caller holds the table's lock
// and the series' shard.
func (t *table) setKey(s *series, key rrd.Key) {
	t.unname(s.key)
	t.index.remove(s.id, s.key)
	s.key, s.watch = key, unmatched
	t.name(key, s.id)
	t.index.add(s.id, key)
}

// rename gives a series another key, in the log first.
func (t *table) rename(from, to rrd.Key, shard func(id uint32) *shard) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	id, ok := t.lookup(from)
	switch {
	case !ok || t.at(id).of != nil: // a set's belong to it
		return ErrNoSeries
	case t.has(to):
		return ErrSeriesName
	}
	if _, err := t.log.Append(append(appendUvarint([]byte{'K'}, uint64(id)), to...)); err != nil {
		return err
	}
	sh := shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	t.setKey(t.at(id), to)
	return nil
}
