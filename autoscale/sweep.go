package autoscale

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Sweeper lists what carries rondo's tags, whichever group it names, and ends
// instances.
type Sweeper interface {
	// Owned lists all instances with the tag [TagGroup].
	Owned(ctx context.Context) ([]Instance, error)
	// Terminate is that of [Cloud].
	Terminate(ctx context.Context, group string, ids []string) (string, error)
}

// A Sweep is what was found by tag and is in no group's books.
type Sweep struct {
	At    time.Time `json:"at"`
	Seen  int       `json:"seen"` // instances with our tags, all told
	Found []Stray   `json:"found"`
	Err   string    `json:"error,omitempty"` // why there is no newer one
}

// A Stray is an instance that a sweep has found.
type Stray struct {
	Instance
	Group  string `json:"group"`  // that its tag names
	Why    string `json:"why"`    // it is here
	Orphan bool   `json:"orphan"` // launched by this controller, and nobody's now: a sweep may end it
}

// Orphans returns those that a sweep may end.
func (s Sweep) Orphans() (out []Stray) {
	for _, i := range s.Found {
		if i.Orphan {
			out = append(out, i)
		}
	}
	return out
}

// How often a controller sweeps by itself; it only reports then.
const (
	firstSweep = time.Minute
	sweepEvery = 10 * time.Minute
)

// A broom keeps the newest sweep.
type broom struct {
	mu     sync.Mutex
	newest Sweep
	told   int // orphans that the log was told of
}

// ErrNoSweeper says that no cloud of this controller can be searched by tag.
var ErrNoSweeper = errors.New("autoscale: no group's instances can be found by tag")

// Sweep lists all that carries rondo's tags, and says what is in no group's
// books: of groups that are not configured (any more), of launches that the
// journal does not know, of other controllers. What belongs to a group that
// there is has been adopted by it, and is only told of.
func (c *Controller) Sweep(ctx context.Context) (Sweep, error) {
	if c.sweeper == nil {
		return Sweep{}, ErrNoSweeper
	}
	ctx, cancel := context.WithTimeout(ctx, 2*listTimeout)
	defer cancel()
	owned, err := c.sweeper.Owned(ctx)
	if err != nil {
		return Sweep{}, fmt.Errorf("autoscale: sweep: %w", err)
	}
	s := Sweep{At: time.Now(), Found: []Stray{}}
	known := c.launches()
	for _, i := range owned {
		if i.Phase == Terminated || i.Phase == Terminating {
			continue
		}
		s.Seen++
		if stray, is := c.stray(i, known); is {
			s.Found = append(s.Found, stray)
		}
	}
	slices.SortFunc(s.Found, func(a, b Stray) int {
		return cmp.Or(strings.Compare(a.Group, b.Group), a.Launched.Compare(b.Launched), strings.Compare(a.ID, b.ID))
	})
	return s, nil
}

// stray says what an instance is that no group's books explain.
func (c *Controller) stray(i Instance, known map[string]bool) (s Stray, is bool) {
	s = Stray{Instance: i, Group: i.Tags[TagGroup]}
	g, err := c.group(s.Group)
	claim, claimed := claimOf(i)
	attempt := i.Tags[TagDecision]
	switch {
	case claimed && claim.Owner != c.owner:
		s.Why = claim.String() + " launched it"
	case err != nil && claimed:
		s.Why, s.Orphan = fmt.Sprintf("group %s is not configured", s.Group), true
	case err != nil:
		s.Why = fmt.Sprintf("group %s is not configured, and it carries no tag %s: by hand, or from before there was one", s.Group, TagOwner)
	case g.ASG != "":
		return s, false // the Auto Scaling Group launched it
	case attempt == "":
		s.Why = "adopted: launched by hand"
	case !known[attempt]:
		s.Why = fmt.Sprintf("adopted: the journal does not know its launch %s", short(attempt))
	default:
		return s, false
	}
	return s, true
}

// launches returns the attempts that the journal knows.
func (c *Controller) launches() map[string]bool {
	known := make(map[string]bool)
	for r, err := range c.journal.log.After(0) {
		if err != nil {
			continue
		}
		if e, err := decodeEntry(r.Value); err == nil && e.Kind == KindLaunch {
			known[e.Attempt] = true
		}
	}
	for _, g := range c.groups {
		g.mu.Lock()
		for _, d := range g.memory.Recent {
			known[d.ID] = true
		}
		g.mu.Unlock()
	}
	return known
}

// Clear sweeps, and terminates the orphans that are not protected. Each group's
// termination is journalled before its call, with who asked for it.
func (c *Controller) Clear(ctx context.Context, by string) (Sweep, error) {
	c.ending.RLock()
	defer c.ending.RUnlock()
	if c.ended {
		return Sweep{}, ErrEnded
	}
	s, err := c.Sweep(ctx)
	if err != nil {
		return s, err
	}
	byGroup := make(map[string][]string)
	for _, i := range s.Orphans() {
		if !i.Protected() {
			byGroup[i.Group] = append(byGroup[i.Group], i.ID)
		}
	}
	var errs []error
	for group, ids := range byGroup {
		errs = append(errs, c.clear(ctx, group, ids, clean(by, "someone")))
	}
	return s, errors.Join(errs...)
}

func (c *Controller) clear(ctx context.Context, group string, ids []string, by string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout) // a reload waits for this
	defer cancel()
	attempt := c.journal.attempt(group, time.Now())
	e := Entry{Kind: KindSweep, Group: group, At: time.Now(), Attempt: attempt, Instances: ids, Text: "swept by " + by}
	if _, err := c.journal.Append(context.WithoutCancel(ctx), e); err != nil {
		return err
	}
	c.log.Info("orphans are terminated", "group", group, "instances", ids, "by", by)
	request, err := c.sweeper.Terminate(ctx, group, ids)
	out := outcome(attempt, request, err)
	out.Group, out.At, out.Instances = group, time.Now(), ids
	_, failed := c.journal.Append(context.WithoutCancel(ctx), out)
	if err == nil {
		c.counts.add("orphans_terminated", len(ids))
	}
	return errors.Join(err, failed)
}

// sweepAll sweeps now and then, until ctx ends.
func (c *Controller) sweepAll(ctx context.Context) {
	if c.sweeper == nil {
		return
	}
	for sleep(ctx, firstSweep); ctx.Err() == nil; sleep(ctx, sweepEvery) {
		s, err := c.Sweep(ctx)
		if ctx.Err() != nil {
			return
		}
		c.swept(s, err)
	}
}

// swept keeps a sweep, and logs what changed.
func (c *Controller) swept(s Sweep, err error) {
	c.broom.mu.Lock()
	defer c.broom.mu.Unlock()
	if err != nil {
		c.counts.add("sweep_failed", 1)
		c.broom.newest.Err = err.Error()
		return
	}
	c.broom.newest = s
	if n := len(s.Orphans()); n != c.broom.told {
		c.broom.told = n
		c.log.Warn("orphans", "count", n, "see", "rondo group sweep")
	}
}

// Swept returns the newest sweep.
func (c *Controller) Swept() Sweep {
	c.broom.mu.Lock()
	defer c.broom.mu.Unlock()
	return c.broom.newest
}
