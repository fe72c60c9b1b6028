package state

import (
	"bytes"
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
)

// Memory is a Store that keeps everything in memory: for tests, and for runs
// that are to leave nothing behind.
type Memory struct {
	mu     sync.Mutex
	values map[string][]byte
	closed bool
}

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{values: make(map[string][]byte)} }

// Get implements Store.
func (m *Memory) Get(key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	v, ok := m.values[key]
	if !ok {
		return nil, ErrNotFound
	}
	return bytes.Clone(v), nil
}

// Write implements Store.
func (m *Memory) Write(ctx context.Context, changes ...Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := checkBatch(changes); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	for _, c := range changes {
		if c.Delete {
			delete(m.values, c.Key)
		} else {
			m.values[c.Key] = append([]byte{}, c.Value...)
		}
	}
	return nil
}

// Scan implements Store.
func (m *Memory) Scan(r Range) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		entries, err := m.snapshot(r)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// snapshot copies a range, so that the scan holds no lock while its caller
// writes.
func (m *Memory) snapshot(r Range) ([]Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	var out []Entry
	for k, v := range m.values {
		if r.contains(k) {
			out = append(out, Entry{k, bytes.Clone(v)})
		}
	}
	slices.SortFunc(out, func(a, b Entry) int {
		if r.Reverse {
			a, b = b, a
		}
		return strings.Compare(a.Key, b.Key)
	})
	return out, nil
}

// contains says whether the key is part of the range.
func (r Range) contains(key string) bool {
	if !strings.HasPrefix(key, r.Prefix) {
		return false
	}
	switch {
	case r.After == "":
		return true
	case r.Reverse:
		return key < r.After
	}
	return key > r.After
}

// Close implements Store.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
