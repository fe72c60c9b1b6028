package dns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// A Provider keeps a zone, or talks to who does.
type Provider interface {
	// Addresses returns the A and AAAA records of names as the zone's primary has
	// them now; a name without any is left out.
	Addresses(ctx context.Context, names []string) (map[string]Set, error)
	// Texts returns the TXT records of a name.
	Texts(ctx context.Context, name string) (Texts, error)
	// Update makes all of an update or nothing of it, and only where the zone is
	// still what the update says that it was: else it fails with [Changed]. It
	// returns when the primary has taken it. Where that takes its time to tell its
	// servers, the receipt is what to ask for with Settled; else it is "".
	Update(ctx context.Context, u Update) (receipt string, err error)
	// Settled says whether all servers have the update of a receipt.
	Settled(ctx context.Context, receipt string) (bool, error)
	// Lag is how long that may take at most, for updates whose receipt is lost.
	Lag() time.Duration
}

// A Set is the addresses of one name.
type Set struct {
	Addrs []netip.Addr
	TTL   time.Duration // the longer of its A and AAAA records
	Other string        // what the name is instead, such as a CNAME: not ours to write
}

// Texts are the TXT records of one name, each as one string.
type Texts struct {
	Values []string
	TTL    time.Duration
}

// An Update of a zone: addresses and the ledger that says whose they are, at
// once. So there is no moment at which a ledger and what it speaks of differ.
type Update struct {
	Zone   string
	Sets   []SetChange
	Ledger TextChange
}

// A SetChange makes the addresses of a name others.
type SetChange struct {
	Name    string
	Was, Is Set
}

// A TextChange makes the texts of a name others.
type TextChange struct {
	Name    string
	Was, Is Texts
}

// Reason says why a provider did not do what it was asked.
type Reason string

// The reasons.
const (
	Changed     Reason = "changed"     // somebody else changed the zone meanwhile
	Unreachable Reason = "unreachable" // no connection
	Timeout     Reason = "timeout"     // no answer in time
	Refused     Reason = "refused"     // REFUSED: it does not allow us
	NotAuth     Reason = "notauth"     // NOTAUTH: it is not the primary of the zone
	BadKey      Reason = "badkey"      // it does not know the key
	BadSig      Reason = "badsig"      // the secret is another one
	BadTime     Reason = "badtime"     // one of the clocks is wrong
	Unsigned    Reason = "unsigned"    // the answer carries no signature, or a wrong one
	Throttled   Reason = "throttled"   // asked too often
	Denied      Reason = "denied"      // credentials or permissions
	Failed      Reason = "failed"      // anything else
)

// An Error is why a provider did not do what it was asked.
type Error struct {
	Reason Reason
	Err    error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error.
func Errorf(r Reason, format string, args ...any) error {
	return &Error{r, fmt.Errorf(format, args...)}
}

// reasonOf is why err is; what nobody classified has failed.
func reasonOf(err error) Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return Timeout
	}
	return Failed
}
