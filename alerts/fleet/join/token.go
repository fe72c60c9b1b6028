package join

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Limits of what is kept.
const (
	MaxCount  = 5000 // instances of one token
	maxTokens = 1000
	maxKeys   = 20_000
	maxGone   = 50_000              // retired instances
	keepOver  = 30 * 24 * time.Hour // how long a token that is over stays listed
)

// MaxLife is the furthest deadline of a token.
const MaxLife = 366 * 24 * time.Hour

// A Token is a join token, without its secret.
type Token struct {
	ID      string    `json:"id"`
	Group   string    `json:"group"`
	Count   int       `json:"count"` // instances that may join with it
	Used    int       `json:"used"`  // instances that did
	Until   time.Time `json:"until"`
	Static  bool      `json:"static,omitempty"` // needs no proof: for hosts outside EC2
	Created time.Time `json:"created"`
	By      string    `json:"by"` // who made it
	Revoked time.Time `json:"revoked,omitzero"`
}

// State says in a word whether the token can be traded at a time.
func (t Token) State(now time.Time) string {
	switch {
	case !t.Revoked.IsZero():
		return "revoked"
	case !now.Before(t.Until):
		return "expired"
	case t.Used >= t.Count:
		return "used up"
	}
	return "open"
}

// A Spec says what a new token is to be.
type Spec struct {
	Group  string
	Count  int
	For    time.Duration
	Static bool
	By     string
}

func (s Spec) validate() error {
	switch {
	case !nameOK(s.Group):
		return fmt.Errorf("join: group %.40q: want a name of letters, digits, dots, dashes and underscores", s.Group)
	case s.Count < 1 || s.Count > MaxCount:
		return fmt.Errorf("join: count %d: want 1 to %d", s.Count, MaxCount)
	case s.For <= 0 || s.For > MaxLife:
		return fmt.Errorf("join: %v: a token is open for more than nothing and at most %d days", s.For, int(MaxLife.Hours()/24))
	}
	return nil
}

const maxName = 64 // of a host (Linux: HOST_NAME_MAX) or a group

// nameOK says whether a name can stand in a label, a URL and a shell's line.
func nameOK(s string) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("._-", c) {
			return false
		}
	}
	return s != "" && len(s) <= maxName && s[0] != '-' && s[0] != '.'
}

// What secrets begin with, so that they are recognized where they should not be.
const (
	tokenPrefix = "rondo_join_"
	keyPrefix   = "rondo_key_"
)

// A digest is what is stored of a secret.
type digest [sha256.Size]byte

func digestOf(secret string) digest { return sha256.Sum256([]byte(secret)) }

// same compares in constant time.
func (d digest) same(other digest) bool { return subtle.ConstantTimeCompare(d[:], other[:]) == 1 }

// MarshalText writes hexadecimal digits.
func (d digest) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%x", d[:]), nil }

var errDigest = errors.New("join: want 64 hexadecimal digits")

// UnmarshalText reads what MarshalText wrote.
func (d *digest) UnmarshalText(b []byte) error {
	var raw []byte
	if _, err := fmt.Sscanf(string(b), "%x", &raw); err != nil || len(raw) != len(d) {
		return errDigest
	}
	copy(d[:], raw)
	return nil
}

// newSecret makes an ID and a text that begins with prefix and holds it.
func newSecret(prefix string) (id, text string) {
	id = strings.ToLower(rand.Text()[:8])
	return id, prefix + id + "_" + strings.ToLower(rand.Text())
}

// secretID takes the ID out of such a text.
func secretID(prefix, text string) (string, bool) {
	rest, ok := strings.CutPrefix(text, prefix)
	id, secret, found := strings.Cut(rest, "_")
	return id, ok && found && len(id) == 8 && len(secret) == 26
}
