package roster

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Kind is what happened to a member.
type Kind string

// What can happen to a member of the list.
const (
	Joined  Kind = "joined"
	Changed Kind = "changed"
	Left    Kind = "left"
)

// An Event is one thing that a new version brought.
type Event struct {
	Kind    Kind   `json:"-"`
	Version uint64 `json:"version"`
	Member  Member `json:"member"`
}

// differences are the events that lead from one list to another, in the order
// left, changed, joined: an alias is free before somebody gets it.
func differences(before, after []Member) []Event {
	type key struct{ group, id string }
	was := make(map[key]Member, len(before))
	for _, m := range before {
		was[key{m.Group, m.ID}] = m
	}
	var changed, joined, events []Event
	for _, m := range after {
		old, there := was[key{m.Group, m.ID}]
		delete(was, key{m.Group, m.ID})
		switch {
		case !there:
			joined = append(joined, Event{Kind: Joined, Member: m})
		case old != m:
			changed = append(changed, Event{Kind: Changed, Member: m})
		}
	}
	for _, m := range before {
		if _, gone := was[key{m.Group, m.ID}]; gone {
			events = append(events, Event{Kind: Left, Member: m})
		}
	}
	return slices.Concat(events, changed, joined)
}

// Bounds of those who follow.
const (
	MaxReaders = 4096 // of events, at one time
	backlog    = 32   // versions that may wait for one of them
	remembered = 128  // versions, for those who come back
)

// A step is one version and what it brought.
type step struct {
	tag    string
	events []Event
}

// A feed tells of new versions. Readers are sent each; subscribers are only
// woken.
type feed struct {
	refused, slow atomic.Uint64

	mu      sync.Mutex
	past    []step
	readers map[chan step]bool
	ears    map[chan struct{}]bool
}

func (f *feed) subscribe() (<-chan struct{}, func()) {
	ear := make(chan struct{}, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ears == nil {
		f.ears = make(map[chan struct{}]bool)
	}
	f.ears[ear] = true
	return ear, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.ears, ear)
	}
}

// read returns a channel of all steps to come, which is closed when its reader
// is too slow; nil where there is no room for one more. last is what the reader
// has: what it missed since comes first, known is false if that is not kept.
func (f *feed) read(last, present string) (steps chan step, missed []step, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.readers) >= MaxReaders {
		f.refused.Add(1)
		return nil, nil, false
	}
	if f.readers == nil {
		f.readers = make(map[chan step]bool)
	}
	steps = make(chan step, backlog)
	f.readers[steps] = true
	at := slices.IndexFunc(f.past, func(s step) bool { return s.tag == last })
	if at >= 0 {
		return steps, slices.Clone(f.past[at+1:]), true
	}
	return steps, nil, last == present
}

func (f *feed) leave(steps chan step) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.readers, steps)
}

// tell gives a step to all.
func (f *feed) tell(tag string, events []Event) {
	s := step{tag, events}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.past = append(f.past, s)
	f.past = f.past[max(0, len(f.past)-remembered):]
	for steps := range f.readers {
		select {
		case steps <- s:
		default:
			f.slow.Add(1)
			delete(f.readers, steps)
			close(steps)
		}
	}
	f.ring()
}

// wake wakes subscribers where there is no other version, but more is known.
func (f *feed) wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ring()
}

// ring wakes subscribers. Callers hold f.mu.
func (f *feed) ring() {
	for ear := range f.ears {
		select {
		case ear <- struct{}{}:
		default: // it has not looked since the last time
		}
	}
}

func (f *feed) snapshot(m map[string]uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m["readers"] = uint64(len(f.readers))
	m["readers_refused"], m["readers_slow"] = f.refused.Load(), f.slow.Load()
}
