package join

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"rondo/alerts/state"
)

// Where things are stored. An ID of a host holds no slash.
const (
	tokenKey = "fleet/join/token/"   // + token
	usedKey  = "fleet/join/used/"    // + token + "/" + ID
	keyKey   = "fleet/join/key/"     // + ID
	goneKey  = "fleet/join/retired/" // + instance
)

// Errors that callers may test for.
var (
	ErrNotFound = errors.New("join: no such token, key or host")
	ErrFull     = errors.New("join: there is no room for more")
)

// A Key is what an agent was let in with, without its secret.
type Key struct {
	ID       string    `json:"id"` // the instance's, or outside EC2 the host's name
	Host     string    `json:"host"`
	Instance string    `json:"instance,omitempty"`
	Group    string    `json:"group"`
	Token    string    `json:"token"` // the ID of the one it was traded for
	Peer     string    `json:"peer"`  // the address that asked
	Joined   time.Time `json:"joined"`
	Replaced int       `json:"replaced,omitempty"` // keys that this ID had before
	Pending  time.Time `json:"pending,omitzero"`   // launch, as the newest document has it
	Ends     time.Time `json:"ends,omitzero"`      // its instance is retired
	Seen     time.Time `json:"seen,omitzero"`      // when it was last shown; since our start
}

// A token and a key as they are stored; the ID leads to them, the digest says
// whether the secret is right.
type token struct {
	Token
	Digest digest `json:"digest"`

	used map[string]bool // by whom; false: whose key was revoked
}

type key struct {
	Key
	KeyID  string `json:"key_id"`
	Digest digest `json:"digest"`

	seen atomic.Int64 // microseconds since the epoch; 0: not since our start
}

// An Authority makes tokens, trades them for keys, and knows the keys. It is
// safe for concurrent use.
type Authority struct {
	log    *slog.Logger
	store  state.Store
	policy atomic.Pointer[Policy]
	limits limits
	told   *rate.Limiter // how often refusals are logged
	counts counts

	deriving sync.Mutex // one derivation at a time; taken before changing
	changing sync.Mutex // one change at a time, store and all; taken before mu

	// What changes under both locks may be read under either: who shows a key
	// does not wait for the disk of who joins.
	mu     sync.RWMutex
	tokens map[string]*token // by ID
	keys   map[string]*key   // by the ID of the host
	byKey  map[string]*key   // by the key's own ID

	gone map[string]time.Time // retired instances; under changing
}

// New loads what the store has. The policy decides on proofs.
func New(store state.Store, p Policy, log *slog.Logger) (*Authority, error) {
	a := &Authority{
		log: log.With("component", "join"), store: store, limits: newLimits(), told: rate.NewLimiter(1, 10),
		tokens: map[string]*token{}, keys: map[string]*key{}, byKey: map[string]*key{}, gone: map[string]time.Time{},
	}
	a.SetPolicy(p)
	for _, l := range []struct {
		prefix string
		load   func(name string, value []byte) error
	}{{tokenKey, a.loadToken}, {usedKey, a.loadUsed}, {keyKey, a.loadKey}, {goneKey, a.loadGone}} {
		for e, err := range store.Scan(state.Range{Prefix: l.prefix}) {
			if err != nil && !errors.Is(err, state.ErrCorrupt) {
				return nil, fmt.Errorf("join: load: %w", err)
			}
			// What is damaged lets nobody in: a use counts, and who is retired
			// stays so, by the name alone.
			if err := l.load(strings.TrimPrefix(e.Key, l.prefix), e.Value); err != nil {
				a.log.Error("stored token or key is unreadable and left out", "key", e.Key, "err", err)
			}
		}
	}
	return a, nil
}

// SetPolicy decides on proofs from now on.
func (a *Authority) SetPolicy(p Policy) { a.policy.Store(&p) }

func (a *Authority) loadToken(id string, value []byte) error {
	t := &token{used: map[string]bool{}}
	if err := json.Unmarshal(value, t); err != nil {
		return err
	}
	t.Used = 0
	a.tokens[id] = t
	return nil
}

func (a *Authority) loadUsed(name string, value []byte) error {
	id, host, _ := strings.Cut(name, "/")
	if t := a.tokens[id]; t != nil {
		t.use(host, string(value) != revokedUse)
	}
	return nil
}

func (a *Authority) loadKey(id string, value []byte) error {
	k := &key{}
	if err := json.Unmarshal(value, k); err != nil {
		return err
	}
	a.keys[id], a.byKey[k.KeyID] = k, k
	return nil
}

func (a *Authority) loadGone(instance string, value []byte) error {
	var at time.Time
	err := at.UnmarshalText(value)
	a.gone[instance] = at
	if k := a.keys[instance]; k != nil {
		k.Ends = at
	}
	return err
}

// revokedUse is the stored use of a token by a host whose key was revoked.
const revokedUse = "revoked"

// use notes who joined with the token, and whether he may again.
func (t *token) use(id string, again bool) {
	t.used[id] = again
	t.Used = len(t.used)
}

// Create makes a token and returns its text, which is not kept.
func (a *Authority) Create(ctx context.Context, s Spec) (string, Token, error) {
	return a.create(ctx, s, clock())
}

// clock is the time as it is stored.
func clock() time.Time { return time.Now().UTC().Truncate(time.Second) }

func (a *Authority) create(ctx context.Context, s Spec, now time.Time) (string, Token, error) {
	id, text := newSecret(tokenPrefix)
	t, err := a.make(ctx, id, text, s, now)
	if err != nil {
		return "", Token{}, err
	}
	return text, t, nil
}

// make stores the token of that ID and text.
func (a *Authority) make(ctx context.Context, id, text string, s Spec, now time.Time) (Token, error) {
	if err := s.validate(); err != nil {
		return Token{}, err
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	if err := errors.Join(a.prune(ctx, now), a.bury(ctx, now)); err != nil {
		return Token{}, err
	}
	if len(a.tokens) >= maxTokens {
		return Token{}, fmt.Errorf("%w: %d tokens", ErrFull, len(a.tokens))
	}
	t := &token{
		Token:  Token{ID: id, Group: s.Group, Count: s.Count, Until: now.Add(s.For), Static: s.Static, Created: now, By: s.By},
		Digest: digestOf(text), used: map[string]bool{},
	}
	if err := a.put(ctx, tokenKey+id, t); err != nil {
		return Token{}, err
	}
	a.mu.Lock()
	a.tokens[id] = t
	a.mu.Unlock()
	a.counts.add("tokens_created")
	a.log.Info("join token created", "token", id, "group", t.Group, "count", t.Count, "until", t.Until, "static", t.Static, "by", t.By)
	return t.Token, nil
}

// put stores one value.
func (a *Authority) put(ctx context.Context, key string, v any, more ...state.Change) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	if err := a.store.Write(ctx, append(more, state.Put(key, b))...); err != nil {
		return fmt.Errorf("join: %w", err)
	}
	return nil
}

// prune forgets tokens that have been over for long. The caller is the one that
// changes something.
func (a *Authority) prune(ctx context.Context, now time.Time) error {
	for id, t := range a.tokens {
		if now.Sub(t.Until) < keepOver {
			continue
		}
		var changes []state.Change
		for host := range t.used {
			changes = append(changes, state.Delete(usedKey+id+"/"+host))
		}
		// The token goes last: nobody would find uses without it.
		changes = append(changes, state.Delete(tokenKey+id))
		for some := range slices.Chunk(changes, state.MaxChanges) {
			if err := a.store.Write(ctx, some...); err != nil {
				return fmt.Errorf("join: %w", err)
			}
		}
		a.mu.Lock()
		delete(a.tokens, id)
		a.mu.Unlock()
	}
	return nil
}

// Tokens returns all tokens, the newest first.
func (a *Authority) Tokens() []Token {
	a.mu.RLock()
	defer a.mu.RUnlock()
	out := make([]Token, 0, len(a.tokens))
	for _, t := range a.tokens {
		out = append(out, t.Token)
	}
	slices.SortFunc(out, func(a, b Token) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(a.ID, b.ID))
	})
	return out
}

// Keys returns all keys, sorted by ID.
func (a *Authority) Keys() []Key {
	a.mu.RLock()
	defer a.mu.RUnlock()
	out := make([]Key, 0, len(a.keys))
	for _, k := range a.keys {
		out = append(out, k.view())
	}
	slices.SortFunc(out, func(a, b Key) int { return strings.Compare(a.ID, b.ID) })
	return out
}

func (k *key) view() Key {
	v := k.Key
	if us := k.seen.Load(); us != 0 {
		v.Seen = time.UnixMicro(us).UTC()
	}
	return v
}

// Revoke ends a token, or the key of a host or instance, and says which. A host
// whose key was revoked may join again, but not with the token that it has.
func (a *Authority) Revoke(ctx context.Context, name, by string) (what string, err error) {
	a.changing.Lock()
	defer a.changing.Unlock()
	if id, ok := secretID(tokenPrefix, name); ok { // the whole text was pasted
		name = id
	}
	if t := a.tokens[name]; t != nil {
		next := &token{Token: t.Token, Digest: t.Digest, used: t.used}
		next.Revoked = clock()
		if err := a.put(ctx, tokenKey+name, next); err != nil {
			return "", err
		}
		a.mu.Lock()
		a.tokens[name] = next
		a.mu.Unlock()
		a.log.Info("join token revoked", "token", name, "group", t.Group, "by", by)
		return "token " + name, nil
	}
	k := a.find(name)
	if k == nil {
		return "", fmt.Errorf("%w: %.60q", ErrNotFound, name)
	}
	changes := []state.Change{state.Delete(keyKey + k.ID)}
	t := a.tokens[k.Token]
	if t != nil {
		changes = append(changes, state.Put(usedKey+t.ID+"/"+k.ID, []byte(revokedUse)))
	}
	if err := a.store.Write(ctx, changes...); err != nil {
		return "", fmt.Errorf("join: %w", err)
	}
	a.enter(nil, nil, k)
	if t != nil {
		a.mu.Lock()
		t.use(k.ID, false)
		a.mu.Unlock()
	}
	a.log.Info("key revoked", "id", k.ID, "host", k.Host, "group", k.Group, "by", by)
	return "key of " + k.ID, nil
}

// find returns a key by the ID, or by the name, of its host. The caller is the
// one that changes something.
func (a *Authority) find(name string) *key {
	if k := a.keys[name]; k != nil {
		return k
	}
	for _, k := range a.keys {
		if k.Host == name {
			return k
		}
	}
	return nil
}

// Authorize says whose a key is, if it is one and is shown by whom it was given
// to: an instance has one address for life.
func (a *Authority) Authorize(text string, peer netip.Addr) (Key, bool) {
	id, ok := secretID(keyPrefix, text)
	sum, now := digestOf(text), time.Now()
	a.mu.RLock()
	defer a.mu.RUnlock()
	k := a.byKey[id]
	switch {
	case !ok || k == nil || !k.Digest.same(sum):
		a.counts.add("unauthorized_key")
	case k.ended(now):
		a.counts.add("unauthorized_ended")
	case k.Instance != "" && !a.policy.Load().AnyAddress && peer.Unmap().String() != k.Peer:
		a.counts.add("unauthorized_address")
	default:
		k.seen.Store(now.UnixMicro())
		return k.view(), true
	}
	return Key{}, false
}
