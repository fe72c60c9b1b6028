package redirect

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"rondo/alerts/state"
	"rondo/autoscale"
)

// Books are what outlasts a reload: who was counted where, the key that signs
// cookies, and the sockets. When each server had its newest request outlasts a
// restart too, so that a drain still knows until when there are sessions.
type Books struct {
	Sockets *Sockets

	store state.Store
	key   []byte
	lost  bool // what an earlier one has kept is not there
	start time.Time

	mu      sync.Mutex
	ledgers map[string]*ledger

	refused [reasons]atomic.Uint64
}

// A reason why a request was refused.
type reason int

const (
	badRequest reason = iota
	noGroup
	noServer
	inLoop
	notAllowed
	badToken
	badQuestion
	reasons
)

// String is the reason's name among the figures.
func (r reason) String() string {
	return [...]string{"bad-request", "no-group", "no-server", "loop", "not-allowed", "bad-cookie", "bad-question"}[r]
}

// Where the state store has it.
const (
	keyPrefix  = "redirect/"
	keySecret  = keyPrefix + "secret"
	newestOf   = keyPrefix + "newest/"
	saveEvery  = 5 * time.Second
	maxServers = 3000 // of one group: what is kept of them fits into one value
)

// OpenBooks opens what an earlier run has kept. lost: it had kept something,
// and that is not there.
func OpenBooks(store state.Store, lost bool) (*Books, error) {
	b := &Books{Sockets: NewSockets(), store: store, lost: lost, start: time.Now(), ledgers: make(map[string]*ledger)}
	var err error
	b.key, err = store.Get(keySecret)
	if err == nil && len(b.key) >= minSecret {
		return b, nil
	}
	if err != nil && !errors.Is(err, state.ErrNotFound) && !errors.Is(err, state.ErrCorrupt) {
		return nil, fmt.Errorf("redirect: %w", err)
	}
	b.key = make([]byte, 32)
	_, _ = rand.Read(b.key) // never fails
	if err := store.Write(context.Background(), state.Change{Key: keySecret, Value: b.key}); err != nil {
		return nil, fmt.Errorf("redirect: %w", err)
	}
	return b, nil
}

// A ledger has the accounts of one group's servers.
type ledger struct {
	mu       sync.Mutex
	accounts map[string]*account // by instance
	newest   map[string]int64    // of their requests, in ms, as an earlier run has kept it
	lost     bool
	start    time.Time
	cost     float64 // learnt
	saved    int64   // the newest of all that is kept

	members autoscale.Membership // the newest: who serves while a reload finds out anew
}

// ledger is the one of a group.
func (b *Books) ledger(group string) (*ledger, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l := b.ledgers[group]; l != nil {
		return l, nil
	}
	l := &ledger{accounts: make(map[string]*account), lost: b.lost, start: b.start, cost: firstCost}
	switch text, err := b.store.Get(newestOf + group); {
	case err == nil:
		l.lost = json.Unmarshal(text, &l.newest) != nil
	case errors.Is(err, state.ErrCorrupt):
		l.lost = true
	case !errors.Is(err, state.ErrNotFound):
		return nil, fmt.Errorf("redirect: %w", err)
	}
	b.ledgers[group] = l
	return l, nil
}

// of is the account of an instance. Callers hold l.mu.
func (l *ledger) of(instance string) *account {
	a := l.accounts[instance]
	if a == nil {
		a = &account{since: time.Now()}
		if ms, ok := l.newest[instance]; ok {
			a.last = time.UnixMilli(ms).Add(saveEvery) // what came after the newest save
		} else if l.lost {
			a.last = l.start
		}
		l.accounts[instance] = a
	}
	return a
}

// forget drops the accounts of instances that are gone, and whose sessions have
// ended: a list may lack somebody for a moment. Callers hold l.mu.
func (l *ledger) forget(members map[string]int, now time.Time, session time.Duration) {
	maps.DeleteFunc(l.accounts, func(id string, a *account) bool {
		_, ok := members[id]
		return !ok && now.Sub(a.last) > session
	})
}

// keep is what has to be saved, and the newest in it; nil if that is saved.
func (l *ledger) keep() (text []byte, newest int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[string]int64)
	for id, a := range l.accounts {
		if ms := a.last.UnixMilli(); !a.last.IsZero() && len(all) < maxServers {
			all[id] = ms
			newest = max(newest, ms)
		}
	}
	if newest == l.saved {
		return nil, newest, nil
	}
	text, err = json.Marshal(all)
	return text, newest, err
}

// save keeps when each server had its newest request.
func (b *Books) save(ctx context.Context) error {
	b.mu.Lock()
	ledgers := maps.Clone(b.ledgers)
	b.mu.Unlock()
	var changes []state.Change
	saved := make(map[*ledger]int64)
	for group, l := range ledgers {
		text, newest, err := l.keep()
		if err != nil {
			return err
		}
		if text != nil {
			changes = append(changes, state.Change{Key: newestOf + group, Value: text})
			saved[l] = newest
		}
	}
	if len(changes) == 0 {
		return nil
	}
	if err := b.store.Write(ctx, changes...); err != nil {
		return err
	}
	for l, newest := range saved {
		l.mu.Lock()
		l.saved = newest
		l.mu.Unlock()
	}
	return nil
}

// refuse counts it.
func (b *Books) refuse(r reason) { b.refused[r].Add(1) }

// Snapshot is what was refused, by reason.
func (b *Books) Snapshot() map[string]uint64 {
	out := make(map[string]uint64)
	for r := range reasons {
		out["refused_"+r.String()] = b.refused[r].Load()
	}
	return out
}
