package autoscale

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// The tags that say which controller acts in a group. A controller is a data
// directory: its ID is random, and kept in the journal.
const (
	TagOwner   = "rondo:owner"   // the controller's ID
	TagEpoch   = "rondo:epoch"   // of its claim; each take-over makes it one more
	TagClaimed = "rondo:claimed" // when it made its claim, RFC 3339
)

// A Tagger is a Cloud that can put tags on instances that run. With one that
// cannot, a controller that was taken over from learns of it by the instances
// that are launched afterwards.
type Tagger interface {
	// Tag puts tags on instances of a group, having read right before that they
	// are the group's. It returns the API's request ID.
	Tag(ctx context.Context, group string, ids []string, tags map[string]string) (string, error)
}

// A Claim is a controller's right to act in a group. It is made before its
// first act there, and stands on each instance that it launches. Where the
// instances of a group carry the claims of two, both know from the tags alone
// which of them goes on: the higher epoch, then the earlier claim, then the
// smaller ID.
//
//	A: epoch 1, 12:00 ──┐                 ┌── A refuses: two-controllers
//	                    ├── B taken over ─┤
//	B: epoch 1, 12:03 ──┘   epoch 2       └── B acts, and tags all of them as its own
type Claim struct {
	Owner string    `json:"owner"`
	Epoch int       `json:"epoch"`
	At    time.Time `json:"at"`
	By    string    `json:"by,omitempty"` // who had it taken over
}

// before says whether c goes before o.
func (c Claim) before(o Claim) bool {
	return cmp.Or(cmp.Compare(o.Epoch, c.Epoch), c.At.Compare(o.At), cmp.Compare(c.Owner, o.Owner)) < 0
}

func (c Claim) String() string {
	return fmt.Sprintf("controller %s (epoch %d, claimed %s)", c.Owner, c.Epoch, c.At.UTC().Format(time.RFC3339))
}

// tags are what an instance carries of the claim.
func (c Claim) tags() map[string]string {
	return map[string]string{TagOwner: c.Owner, TagEpoch: strconv.Itoa(c.Epoch), TagClaimed: c.At.UTC().Format(time.RFC3339Nano)}
}

// never is when a claim was made whose tag does not say when: it is the last.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// claimOf reads the claim that an instance carries; false where it has none: it
// was launched by hand, or before there were claims.
func claimOf(i Instance) (c Claim, ok bool) {
	c.Owner = i.Tags[TagOwner]
	c.Epoch, _ = strconv.Atoi(i.Tags[TagEpoch]) // 0 comes after all others
	at, err := time.Parse(time.RFC3339Nano, i.Tags[TagClaimed])
	if err != nil {
		at = never
	}
	c.At = at
	return c, c.Owner != ""
}

// newOwner makes a controller's ID.
func newOwner() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// ownerIn returns the ID that a journal's controller has given itself.
func ownerIn(entries []Entry) string {
	for _, e := range slices.Backward(entries) {
		switch {
		case e.Claim != nil:
			return e.Claim.Owner
		case e.State != nil && e.State.Claim.Owner != "":
			return e.State.Claim.Owner
		}
	}
	return newOwner()
}

// lookForRivals finds the foremost claim of another controller among the
// instances that live. Callers hold g.mu.
func (g *group) lookForRivals() {
	var rival Claim
	for _, i := range g.instances {
		c, ok := claimOf(i)
		if ok && c.Owner != g.owner && i.Phase != Terminating && (rival.Owner == "" || c.before(rival)) {
			rival = c
		}
	}
	if rival.Owner != "" && rival.Owner != g.rival.Owner {
		g.counts.add("two_controllers", 1)
		g.log.Error("another controller acts in this group", "other", rival.String(), "we_refuse", !g.foremost(rival))
	}
	g.rival = rival
}

// foremost says whether our claim goes before a rival's.
func (g *group) foremost(rival Claim) bool {
	return g.memory.Claim.Owner != "" && g.memory.Claim.before(rival)
}

// refused says whether another controller has the right to act here.
func (g *group) refused() bool { return g.rival.Owner != "" && !g.foremost(g.rival) }

// codeRival is the code of what another controller's claim holds.
const codeRival = "two-controllers"

func (g *group) holdRival() Guard {
	switch {
	case g.rival.Owner == "":
		return passed(codeRival, "no instance is another controller's")
	case g.refused():
		return blocked(codeRival, "%s acts in this group: end it, then rondo group take-over %s", g.rival, g.Name)
	}
	return passed(codeRival, "%s has instances in this group; ours, epoch %d, goes before it", g.rival, g.memory.Claim.Epoch)
}

// claimed makes the first claim, before the first act. Where it cannot be
// written the decision is held.
func (g *group) claimed(ctx context.Context, d *Decision) bool {
	if g.memory.Claim.Owner != "" {
		return true
	}
	err := g.write(ctx, Entry{Kind: KindClaim, At: d.At, Claim: &Claim{Owner: g.owner, Epoch: 1, At: d.At.UTC().Round(0)}})
	if err != nil {
		hold(d, []Guard{blocked("journal", "%v", err)})
	}
	return err == nil
}

// TakeOver claims a group with an epoch above all that its instances carry, so
// that any other controller refuses to act there: after a data directory was
// lost, or moved.
func (c *Controller) TakeOver(ctx context.Context, name, by string) error {
	return c.change(name, func(g *group) error {
		epoch := g.memory.Claim.Epoch
		for _, i := range g.instances {
			other, _ := claimOf(i)
			epoch = max(epoch, other.Epoch)
		}
		claim := Claim{Owner: g.owner, Epoch: epoch + 1, At: g.clock.time().UTC().Round(0), By: clean(by, "someone")}
		if err := g.write(ctx, Entry{Kind: KindClaim, At: claim.At, Claim: &claim, Text: claim.By}); err != nil {
			return err
		}
		c.log.Info("group is taken over", "group", name, "epoch", claim.Epoch, "before", g.rival.String(), "by", claim.By)
		return nil
	})
}

// retag puts our claim on the instances that carry an older one, after a
// take-over. Callers hold g.mu; no call is under way.
func (g *group) retag(ctx context.Context, now time.Time) {
	tagger, ok := g.cloud.(Tagger)
	if !ok || g.rival.Owner == "" || g.memory.Claim.Epoch <= g.rival.Epoch {
		return
	}
	var ids []string
	for _, i := range g.instances {
		if c, ok := claimOf(i); ok && c.Owner != g.owner && i.Phase != Terminating {
			ids = append(ids, i.ID)
		}
	}
	attempt, tags := g.attempt(now), g.memory.Claim.tags()
	if err := g.write(ctx, Entry{Kind: KindRetag, At: now, Attempt: attempt, Instances: ids}); err != nil {
		g.log.Error("journal", "err", err)
		g.ending.fail(now, err)
		return
	}
	g.call(ctx, now, fmt.Sprintf("tagging of %d", len(ids)), &g.ending, func(ctx context.Context) Entry {
		request, err := tagger.Tag(ctx, g.Name, ids, tags)
		return outcome(attempt, request, err)
	})
}
