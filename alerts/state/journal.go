package state

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync"
)

// A Record is one entry of a Journal.
type Record struct {
	Seq   uint64 // ascending from 1, unique for ever; there may be gaps
	Value []byte
}

// A Journal is an append-only list under one prefix of a store. It is safe
// for concurrent use; one prefix must be opened once at a time.
type Journal struct {
	store  Store
	prefix string
	keep   uint64

	mu   sync.Mutex
	last uint64
}

// OpenJournal continues the journal under a prefix. It keeps the newest keep
// records (0: all); older ones go as new ones come.
func OpenJournal(s Store, prefix string, keep int) (*Journal, error) {
	j := &Journal{store: s, prefix: prefix + "/", keep: uint64(max(keep, 0))}
	for r, err := range j.scan(Range{Prefix: j.prefix, Reverse: true}) {
		if err != nil && r.Seq == 0 {
			return nil, fmt.Errorf("state: open journal %s: %w", prefix, err)
		}
		j.last = r.Seq
		break
	}
	return j, j.trim()
}

// trim deletes what lies before the newest keep records, as a smaller keep
// than in an earlier run leaves it.
func (j *Journal) trim() error {
	if j.keep == 0 || j.last <= j.keep {
		return nil
	}
	var batch []Change
	for r, err := range j.scan(Range{Prefix: j.prefix}) {
		if err != nil && r.Seq == 0 {
			return err
		}
		if r.Seq > j.last-j.keep {
			break
		}
		if batch = append(batch, Delete(j.key(r.Seq))); len(batch) == MaxChanges {
			if err := j.store.Write(context.Background(), batch...); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	if len(batch) == 0 {
		return nil
	}
	return j.store.Write(context.Background(), batch...)
}

// Changes takes the next sequence number and returns what a Write must
// contain for the record to be appended. A number whose changes are never
// written stays a gap.
func (j *Journal) Changes(value []byte) (uint64, []Change) {
	j.mu.Lock()
	j.last++
	seq := j.last
	j.mu.Unlock()
	changes := []Change{Put(j.key(seq), value)}
	if j.keep > 0 && seq > j.keep {
		changes = append(changes, Delete(j.key(seq-j.keep)))
	}
	return seq, changes
}

// Append writes one record and returns its number when it is on disk.
func (j *Journal) Append(ctx context.Context, value []byte) (uint64, error) {
	seq, changes := j.Changes(value)
	return seq, j.store.Write(ctx, changes...)
}

// Replace overwrites the record with a number, so that the outcome can join
// what was written before an attempt.
func (j *Journal) Replace(ctx context.Context, seq uint64, value []byte) error {
	return j.store.Write(ctx, Put(j.key(seq), value))
}

// After yields the records with a number above seq, oldest first. A damaged
// one comes with its number and ErrCorrupt, and the sequence goes on.
func (j *Journal) After(seq uint64) iter.Seq2[Record, error] {
	return j.scan(Range{Prefix: j.prefix, After: j.key(seq)})
}

// Newest yields all records, newest first; otherwise as After.
func (j *Journal) Newest() iter.Seq2[Record, error] {
	return j.scan(Range{Prefix: j.prefix, Reverse: true})
}

func (j *Journal) scan(r Range) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for e, err := range j.store.Scan(r) {
			seq, bad := strconv.ParseUint(strings.TrimPrefix(e.Key, j.prefix), 16, 64)
			if e.Key != "" && bad != nil {
				continue // not a record: another key happens to share the prefix
			}
			if !yield(Record{seq, e.Value}, err) {
				return
			}
		}
	}
}

// key writes numbers at a fixed width, so that their order is the keys' order.
func (j *Journal) key(seq uint64) string { return fmt.Sprintf("%s%016x", j.prefix, seq) }
