package join

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"rondo/alerts/fleet/iid"
	"rondo/alerts/state"
)

// A Request is what an agent asks with.
type Request struct {
	Token    string `json:"token"`
	Host     string `json:"host"`               // its name
	Instance string `json:"instance,omitempty"` // its ID in EC2
	Document string `json:"document,omitempty"` // instance-identity/rsa2048 of the metadata service
}

// An Answer is the key that an agent got, and what it is from now on.
type Answer struct {
	Key   string `json:"key"`
	ID    string `json:"id"`
	Host  string `json:"host"`
	Group string `json:"group"`
}

// A Refusal is why an agent was not let in. Its reason is a short stable word.
type Refusal struct {
	Reason string
	Text   string
	Err    error // the cause, which is logged and not told to the agent; may be nil
}

func (r *Refusal) Error() string { return "join: refused: " + r.Text }

func refuse(reason, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Text: fmt.Sprintf(format, args...)}
}

// errToken tells nobody whether there is a token of this ID.
var errToken = refuse("token", "the token is not known")

// Redeem trades a token for a key. The error is a *Refusal, or says that the
// store failed: then nothing was traded.
func (a *Authority) Redeem(ctx context.Context, r Request, peer netip.Addr) (Answer, error) {
	now := time.Now()
	answer, err := a.redeem(ctx, r, peer.Unmap(), now)
	if err != nil {
		a.refused(ctx, r, peer, err)
		return Answer{}, err
	}
	return answer, nil
}

func (a *Authority) redeem(ctx context.Context, r Request, peer netip.Addr, now time.Time) (Answer, error) {
	if !a.limits.allow(peer, now) {
		return Answer{}, refuse("rate", "too many requests; try again in a minute")
	}
	if !nameOK(r.Host) || len(r.Token) > 100 || len(r.Document) > iid.MaxSize {
		return Answer{}, refuse("malformed", "the host's name %.60q, the token or the document is malformed", r.Host)
	}
	t, err := a.openToken(r.Token, now)
	if err != nil {
		return Answer{}, err
	}
	var p proof
	if !t.Static {
		// The cloud is asked without a lock: it may take its time.
		if p, err = a.policy.Load().prove(ctx, r, t.Group, peer, now); err != nil {
			return Answer{}, err
		}
	}
	return a.trade(ctx, r, p, peer, now)
}

// openToken finds a token that can be traded now, count aside.
func (a *Authority) openToken(text string, now time.Time) (Token, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	t, err := a.lookup(text, now)
	if err != nil {
		return Token{}, err
	}
	return t.Token, nil
}

// lookup is openToken for who holds one of the locks.
func (a *Authority) lookup(text string, now time.Time) (*token, error) {
	id, ok := secretID(tokenPrefix, text)
	t := a.tokens[id]
	switch {
	case !ok || t == nil || !t.Digest.same(digestOf(text)):
		return nil, errToken
	case !t.Revoked.IsZero():
		return nil, refuse("revoked", "token %s is revoked", id)
	case !now.Before(t.Until):
		return nil, refuse("expired", "token %s was open until %s", id, t.Until.Format(time.RFC3339))
	}
	return t, nil
}

// trade decides, stores, and only then lets in: no two requests can both take
// the last place.
func (a *Authority) trade(ctx context.Context, r Request, p proof, peer netip.Addr, now time.Time) (Answer, error) {
	a.changing.Lock()
	defer a.changing.Unlock()
	t, err := a.lookup(r.Token, now)
	if err != nil {
		return Answer{}, err
	}
	k := Key{
		ID: p.instance, Host: r.Host, Instance: p.instance, Group: t.Group, Token: t.ID,
		Peer: peer.String(), Joined: now.UTC().Truncate(time.Second), Pending: p.pending,
	}
	if t.Static {
		k.ID, k.Instance = r.Host, ""
		if iid.IsInstance(r.Instance) { // an instance that cannot prove it is one is known by its ID all the same
			k.ID, k.Instance = r.Instance, r.Instance
		}
	}
	old := a.keys[k.ID]
	if err := a.admit(t, k, old, peer); err != nil {
		return Answer{}, err
	}
	if old != nil {
		k.Replaced = old.Replaced + 1
		if k.Pending.IsZero() {
			k.Pending = old.Pending
		}
	}
	keyID, text := newSecret(keyPrefix)
	made := &key{Key: k, KeyID: keyID, Digest: digestOf(text)}
	if err := a.put(ctx, keyKey+k.ID, made, state.Put(usedKey+t.ID+"/"+k.ID, nil)); err != nil {
		return Answer{}, err
	}
	a.enter(t, made, old)
	a.counts.add("keys_made")
	if old != nil {
		a.counts.add("keys_replaced")
	}
	a.log.Info("agent joined", "id", k.ID, "host", k.Host, "group", k.Group, "token", t.ID, "peer", k.Peer, "replaced", k.Replaced)
	return Answer{Key: text, ID: k.ID, Host: k.Host, Group: k.Group}, nil
}

// admit says why who has proven to be k.ID gets no key.
func (a *Authority) admit(t *token, k Key, old *key, peer netip.Addr) error {
	_, retired := a.gone[k.ID]
	again, joined := t.used[k.ID]
	switch {
	case retired:
		return refuse("retired", "%s is retired", k.ID)
	case joined && !again:
		return refuse("revoked", "the key that %s had for token %s was revoked; it needs another token", k.ID, t.ID)
	case !joined && len(t.used) >= t.Count:
		return refuse("count", "token %s was for %d, and all have joined", t.ID, t.Count)
	case old == nil && len(a.keys) >= maxKeys:
		return refuse("full", "there are %d keys already", len(a.keys))
	case t.Static && old == nil && a.find(k.Host) != nil:
		return refuse("name", "another host is called %s already", k.Host)
	case t.Static && old != nil && !old.unused(t, peer, k.Joined):
		return refuse("taken", "%s has joined before; to let it join again: rondo token revoke %s, and another token", k.ID, k.ID)
	case k.Host != k.Instance && (iid.IsInstance(k.Host) || k.Host != k.ID && a.keys[k.Host] != nil):
		return refuse("name", "%s cannot be called %s: that is another's ID", k.ID, k.Host)
	case old != nil && !k.Pending.IsZero() && k.Pending.Before(old.Pending):
		return refuse("replay", "%s has shown a newer document before", k.ID)
	}
	return nil
}

// lostAnswer is how long an agent may ask for a key once more.
const lostAnswer = 15 * time.Minute

// unused says whether a key was made by the same token for the same address
// and never shown: the answer with it was lost. After a restart none was shown
// yet, and behind one NAT all have the same address: so it must be a new one.
func (k *key) unused(t *token, peer netip.Addr, now time.Time) bool {
	return k.Token == t.ID && k.Peer == peer.String() && k.seen.Load() == 0 && now.Sub(k.Joined) < lostAnswer
}

// enter makes a stored key count in place of an old one, with the token that it
// was traded for; all may be nil. The caller is the one that changes something.
func (a *Authority) enter(t *token, k, old *key) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if old != nil {
		delete(a.keys, old.ID)
		delete(a.byKey, old.KeyID)
	}
	if k != nil {
		a.keys[k.ID], a.byKey[k.KeyID] = k, k
		t.use(k.ID, true)
	}
}
