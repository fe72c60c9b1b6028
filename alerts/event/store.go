package event

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rondo/alerts/state"
	"rondo/syslogd/syslog"
)

// The keys in the state store.
const (
	atPrefix   = "event/at/"   // <id>: the event
	linePrefix = "event/line/" // <id>: what its log line is still to say
	seenPrefix = "event/seen/" // <hook>/<digest>: when a delivery was taken
)

// ErrNotFound is of an ID that no event has.
var ErrNotFound = errors.New("event: no such event")

// A Sink takes log lines: when it returns nil they are on disk.
type Sink interface {
	Put(ctx context.Context, batch []syslog.Message) error
}

// Options of a store.
type Options struct {
	Config Config
	Lines  Sink   // nil: no log store
	Host   string // whose lines they are: ours
	Log    *slog.Logger
}

// A Store keeps events. It is safe for concurrent use.
type Store struct {
	disk  state.Store
	o     Options
	log   *slog.Logger
	hooks atomic.Pointer[hooks]
	stats stats
	wake  chan struct{} // there are lines to write

	turn sync.Mutex // of who changes something: held over the write, so that disk and memory agree

	mu      sync.RWMutex
	conf    Config
	list    []*Event          // by time, then ID; the removed ones too. What a pointer shows never changes
	byID    map[string]*Event //
	sources map[string]int    // how many each has
	waiting map[string]string // ID -> what its line is to say
	seen    []delivery        // taken, the oldest first
}

// Open loads what is kept.
func Open(disk state.Store, o Options) (*Store, error) {
	s := &Store{
		disk: disk, o: o, log: o.Log.With("component", "events"), wake: make(chan struct{}, 1),
		byID: map[string]*Event{}, sources: map[string]int{}, waiting: map[string]string{},
	}
	if err := s.Configure(o.Config); err != nil {
		return nil, err
	}
	for _, load := range []struct {
		prefix string
		take   func(name string, value []byte) error
	}{{atPrefix, s.load}, {linePrefix, s.loadLine}, {seenPrefix, s.loadSeen}} {
		for e, err := range disk.Scan(state.Range{Prefix: load.prefix}) {
			if err == nil {
				err = load.take(strings.TrimPrefix(e.Key, load.prefix), e.Value)
			} else if !errors.Is(err, state.ErrCorrupt) {
				return nil, fmt.Errorf("event: load: %w", err)
			}
			if err != nil {
				s.log.Error("stored event is unreadable and left out", "key", e.Key, "err", err)
			}
		}
	}
	slices.SortFunc(s.list, before)
	slices.SortFunc(s.seen, func(a, b delivery) int { return a.at.Compare(b.at) })
	return s, nil
}

// Configure takes another configuration. What the new bounds do not allow goes
// with the next event.
func (s *Store) Configure(c Config) error {
	h, err := newHooks(c.Hooks)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.conf = c
	s.mu.Unlock()
	s.hooks.Store(h)
	return nil
}

func (s *Store) load(id string, value []byte) error {
	e := new(Event)
	if err := json.Unmarshal(value, e); err != nil {
		return err
	}
	if e.ID != id || e.Number() == 0 {
		return fmt.Errorf("it says that its ID is %q", e.ID)
	}
	s.list = append(s.list, e)
	s.byID[id] = e
	s.sources[e.Source]++
	return nil
}

func before(a, b *Event) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) }

// Get returns the event with an ID.
func (s *Store) Get(id string) (Event, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if e := s.byID[id]; e != nil && !e.Removed {
		return *e, nil
	}
	return Event{}, fmt.Errorf("%w: %q", ErrNotFound, shorten(id, 40))
}

// Outcome is what became of news.
type Outcome string

// The outcomes.
const (
	Added   Outcome = "added"
	Amended Outcome = "amended" // it was known by its key, and there was news
	Known   Outcome = "known"   // it was, and there was none
	Dropped Outcome = "removed" // it was, and somebody has removed it
)

// Add takes an event in, or news of one that is known by its key. When it
// returns it is on disk. Its ID, Added and Removed are not looked at.
func (s *Store) Add(ctx context.Context, news Event, now time.Time) (Event, Outcome, error) {
	return s.add(ctx, news, now, nil)
}

func (s *Store) add(ctx context.Context, news Event, now time.Time, d *delivery) (Event, Outcome, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	news = news.tidy()
	e, what, err := s.resolve(news, now)
	if err != nil {
		s.stats.refuse("bad")
		return e, "", err
	}
	if what == Added || what == Amended {
		err = s.keep(ctx, e, string(what), now, d)
	} else {
		err = s.note(ctx, d, now)
	}
	if err != nil {
		s.stats.refuse("store")
		return e, "", err
	}
	s.stats.take(e.Source, what)
	return e, what, nil
}

// resolve is what an event is to be with the news of it. The caller has the turn.
func (s *Store) resolve(news Event, now time.Time) (Event, Outcome, error) {
	if len(news.Key) > maxKey { // it would be another event otherwise
		return news, "", news.check(now)
	}
	if news.Key != "" {
		s.mu.RLock()
		old := s.byID[keyID(news.Source, news.Key)]
		s.mu.RUnlock()
		if old != nil {
			return s.amend(*old, news, now)
		}
		news.ID = keyID(news.Source, news.Key)
	} else {
		news.ID = s.drawID()
	}
	if news.At.IsZero() {
		news.At = milli(now)
		if !news.End.IsZero() && news.End.Before(news.At) { // only its end is told
			news.At = news.End
		}
	}
	news.Added, news.Removed = milli(now), false
	err := news.check(now)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if age := s.conf.Age; err == nil && now.Sub(news.Last()) > age {
		err = bad("at %s: older than what is kept (events: age: %gd)", news.Last().Format(time.RFC3339), age.Hours()/24)
	}
	return news, Added, err
}

func (s *Store) amend(old, news Event, now time.Time) (Event, Outcome, error) {
	if old.Removed {
		return old, Dropped, nil
	}
	e := old
	switch late := !news.Revised.IsZero() && news.Revised.Before(old.Revised); {
	case !late:
		e = old.amended(news)
	case !news.At.IsZero() && news.At.Before(old.At): // the word of its begin comes after that of its end
		e.At = news.At
	}
	if e.same(old) {
		return old, Known, nil
	}
	return e, Amended, e.check(now)
}

// drawID draws an ID that nobody has. Nothing hangs on whether it can be
// guessed.
func (s *Store) drawID() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for {
		if id := formatID(rand.Uint64()); s.byID[id] == nil && id != formatID(0) {
			return id
		}
	}
}

// keep writes an event, what its line is to say, and what has to go for it. The
// caller has the turn.
func (s *Store) keep(ctx context.Context, e Event, what string, now time.Time, d *delivery) error {
	value, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("event: %w", err)
	}
	changes := []state.Change{state.Put(atPrefix+e.ID, value)}
	if s.o.Lines != nil {
		if s.waits(e.ID) == string(Added) && what == string(Amended) {
			what = string(Added) // nobody has been told that it was added
		}
		changes = append(changes, state.Put(linePrefix+e.ID, []byte(what)))
	}
	changes = append(changes, s.noteChanges(d, now)...)
	gone, why := s.surplus(&e, now)
	for _, g := range gone {
		changes = append(changes, state.Delete(atPrefix+g.ID), state.Delete(linePrefix+g.ID))
	}
	if err := s.disk.Write(ctx, changes...); err != nil {
		return fmt.Errorf("event: %w", err)
	}
	s.apply(&e, what, gone, d, now)
	s.stats.drop(why, len(gone))
	return nil
}

// apply changes memory as the disk was changed.
func (s *Store) apply(e *Event, what string, gone []*Event, d *delivery, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range gone {
		s.take(g)
		delete(s.waiting, g.ID)
	}
	if old := s.byID[e.ID]; old != nil {
		s.take(old)
	}
	at, _ := slices.BinarySearchFunc(s.list, e, before)
	s.list = slices.Insert(s.list, at, e)
	s.byID[e.ID] = e
	s.sources[e.Source]++
	s.remember(d, now)
	if s.o.Lines == nil {
		return
	}
	s.waiting[e.ID] = what
	select {
	case s.wake <- struct{}{}:
	default: // it has been woken
	}
}

// take takes an event out of the lists. The caller holds mu.
func (s *Store) take(e *Event) {
	if at, ok := slices.BinarySearchFunc(s.list, e, before); ok {
		s.list = slices.Delete(s.list, at, at+1)
	}
	delete(s.byID, e.ID)
	if s.sources[e.Source]--; s.sources[e.Source] == 0 {
		delete(s.sources, e.Source)
	}
}

func (s *Store) waits(id string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.waiting[id]
}

// Remove hides an event. Its key stays known for as long as it would have been
// kept. The word that it was removed goes into the log.
func (s *Store) Remove(ctx context.Context, id, who string, now time.Time) (Event, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	e, err := s.Get(id)
	if err != nil {
		return e, err
	}
	e.Removed, e.Text, e.Link, e.Labels, e.Tags = true, "", "", nil, nil
	e.Who = shorten(oneLine(who), maxWho)
	if err := s.keep(ctx, e, removed, now, nil); err != nil {
		return e, err
	}
	s.stats.removed.Add(1)
	return e, nil
}

// maxGone is how many events go at most with one that comes, which bounds a
// write; after a smaller bound was configured it takes some events to get there.
const maxGone = 400

// surplus are the events that have to go when e comes: those that are too old,
// or else the oldest of the source that has most.
func (s *Store) surplus(e *Event, now time.Time) (gone []*Event, why string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	oldest := now.Add(-s.conf.Age)
	for _, o := range s.list {
		if !o.Last().Before(oldest) || len(gone) == maxGone {
			break
		}
		if o.ID != e.ID {
			gone = append(gone, o)
		}
	}
	if len(gone) > 0 {
		return gone, "age"
	}
	over := len(s.list) + 1 - s.conf.Keep
	if s.byID[e.ID] != nil || over <= 0 {
		return nil, ""
	}
	return s.oldestOfLargest(min(over, maxGone)), "full"
}

func (s *Store) oldestOfLargest(n int) (gone []*Event) {
	largest, most := "", 0
	for source, k := range s.sources {
		if k > most || k == most && source < largest {
			largest, most = source, k
		}
	}
	for _, o := range s.list {
		if len(gone) == n {
			break
		}
		if o.Source == largest {
			gone = append(gone, o)
		}
	}
	return gone
}

// Amend changes the event with an ID by what the news says.
func (s *Store) Amend(ctx context.Context, id string, news Event, now time.Time) (Event, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	old, err := s.Get(id)
	if err != nil {
		return old, err
	}
	e, what, err := s.amend(old, news.tidy(), now)
	if err != nil || what != Amended {
		return e, err
	}
	return e, s.keep(ctx, e, string(what), now, nil)
}
