package join

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"

	"rondo/alerts/state"
)

// rootKey is where the secret is stored that derived tokens are made of.
const rootKey = "fleet/join/root"

// maxDerived bounds how often a name's token is made anew.
const maxDerived = 100

// Derive returns the text of the token that belongs to a name, and makes that
// token where there is none. The same name has the same text, after a restart
// too, so that a launch that is repeated says the same in its user data; once its
// token is revoked, used up or expired, the name has another one.
//
// The texts are not stored, but a secret is that they follow from: who can read
// it has our keys' place in the store anyway. Static tokens are not derived.
func (a *Authority) Derive(ctx context.Context, name string, s Spec) (string, error) {
	if s.Static {
		return "", errors.New("join: a static token is not derived: it would let in whoever reads it")
	}
	a.deriving.Lock()
	defer a.deriving.Unlock()
	root, err := a.root(ctx)
	if err != nil {
		return "", err
	}
	now := clock()
	for n := range maxDerived {
		id, text := derived(root, fmt.Sprintf("%s/%d", name, n))
		a.mu.RLock()
		t := a.tokens[id]
		open := t != nil && t.State(now) == "open"
		a.mu.RUnlock()
		switch {
		case open:
			return text, nil
		case t == nil:
			_, err := a.make(ctx, id, text, s, now)
			return text, err
		}
	}
	return "", fmt.Errorf("join: %w: %d tokens of %s are over", ErrFull, maxDerived, name)
}

// root returns the secret, which is made when it is first wanted.
func (a *Authority) root(ctx context.Context) ([]byte, error) {
	root, err := a.store.Get(rootKey)
	switch {
	case err == nil && len(root) == sha256.Size:
		return root, nil
	case err != nil && !errors.Is(err, state.ErrNotFound) && !errors.Is(err, state.ErrCorrupt):
		return nil, fmt.Errorf("join: %w", err)
	}
	root = make([]byte, sha256.Size)
	// crypto/rand never fails (see its documentation).
	_, _ = rand.Read(root)
	if err := a.store.Write(ctx, state.Put(rootKey, root)); err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	return root, nil
}

// derived makes the ID and the text of a token of a name.
func derived(root []byte, name string) (id, text string) {
	mac := hmac.New(sha256.New, root)
	mac.Write([]byte("token " + name))
	letters := strings.ToLower(base32.StdEncoding.EncodeToString(mac.Sum(nil)))
	id = letters[:8]
	return id, tokenPrefix + id + "_" + letters[8:34]
}
