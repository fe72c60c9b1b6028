package state

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// Limits of one Write and of one value, in bytes and in changes. They follow
// from the size of the store's memory table; a larger batch could not be
// applied atomically.
const (
	MaxKey     = 4 << 10
	MaxValue   = 256 << 10
	MaxBatch   = 512 << 10
	MaxChanges = 2000
)

// Errors that callers may test for.
var (
	ErrNotFound = errors.New("state: no such key")
	ErrCorrupt  = errors.New("state: value is damaged")
	ErrDiskFull = errors.New("state: disk is nearly full")
	ErrInUse    = errors.New("state: directory is in use by another process")
	ErrTooLarge = errors.New("state: batch is too large")
	ErrClosed   = errors.New("state: store is closed")
)

// A Store keeps values under keys, ordered by key. It is safe for concurrent
// use.
type Store interface {
	// Get returns a copy of the value of key, ErrNotFound or ErrCorrupt.
	Get(key string) ([]byte, error)
	// Write applies all changes or none, and returns when they are on disk.
	// Of two changes to one key the later wins. It does not retain values.
	Write(ctx context.Context, changes ...Change) error
	// Scan yields the entries of a range. An entry that is damaged comes with
	// ErrCorrupt and no value, and the scan goes on; any other error ends it.
	// Changes made while scanning are not seen by the scan.
	Scan(r Range) iter.Seq2[Entry, error]
	// Close waits for what is running; all calls after it return ErrClosed.
	Close() error
}

// An Entry is a key and its value; both belong to who receives them.
type Entry struct {
	Key   string
	Value []byte
}

// A Range of keys.
type Range struct {
	Prefix  string
	After   string // only keys after this one in the direction of the scan; "" for all
	Reverse bool   // descending order
}

// A Change puts or deletes one key.
type Change struct {
	Key    string
	Value  []byte
	Delete bool
}

// Put is the change that sets key to value.
func Put(key string, value []byte) Change { return Change{Key: key, Value: value} }

// Delete is the change that removes key; removing what is absent is no error.
func Delete(key string) Change { return Change{Key: key, Delete: true} }

// checkBatch says why a batch cannot be written, or nil.
func checkBatch(changes []Change) error {
	if len(changes) > MaxChanges {
		return fmt.Errorf("%w: %d changes, at most %d", ErrTooLarge, len(changes), MaxChanges)
	}
	size := 0
	for _, c := range changes {
		switch {
		case c.Key == "" || len(c.Key) > MaxKey:
			return fmt.Errorf("%w: key of %d bytes, want 1 to %d", ErrTooLarge, len(c.Key), MaxKey)
		case len(c.Value) > MaxValue:
			return fmt.Errorf("%w: value of %q has %d bytes, at most %d", ErrTooLarge, c.Key, len(c.Value), MaxValue)
		}
		size += len(c.Key) + len(c.Value)
	}
	if size > MaxBatch {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, size, MaxBatch)
	}
	return nil
}
