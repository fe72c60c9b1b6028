package autoscale

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Transition is what a lifecycle hook of an Auto Scaling Group holds up.
type Transition string

// The transitions that an instance can wait at.
const (
	Launching Transition = "launching" // it runs, and is put in service after the hook
	Ending    Transition = "ending"    // it still runs, and is terminated after the hook
)

// An Attendant is a [Cloud] whose instances need more than to be launched and
// terminated. Without it nothing is attended to: hooks end by their own timeout,
// and what else may end an instance is not kept from it.
type Attendant interface {
	// Attend does what the instances need. It is called again and again while the
	// group acts, and does nothing where nothing is left to do.
	Attend(ctx context.Context, group string, c Care) error
}

// Care is what the instances of a group need, by their IDs.
type Care struct {
	Keep    []string // capacity: nobody but the controller may end them
	Proceed []string // they wait at a hook, and need not: heard of, or drained
	Hold    []string // they wait to be ended, and have not drained
}

// A Remarker is a [Cloud] that knows more of a group than its instances, such
// as why launches that it took on fail. Remarks returns that in sentences; they
// stand with each decision.
type Remarker interface {
	Remarks(group string) []string
}

// A Bounder is a [Cloud] that has bounds of its own for a group's instances. It
// is not asked to go beyond them: an instance must not drain that cannot be
// ended. ok is false before the first list.
type Bounder interface {
	Bounds(group string) (least, most int, ok bool)
}

// bounded is the group within the bounds of its cloud, and what is to be said
// about it. Where these leave no room the group's own count.
func (g *group) bounded(conf Group) (Group, []string) {
	b, can := g.cloud.(Bounder)
	if !can {
		return conf, nil
	}
	least, most, ok := b.Bounds(g.Name)
	if !ok {
		return conf, nil
	}
	var said []string
	conf.least = least
	if least > conf.Min && least <= conf.Max {
		said = append(said, fmt.Sprintf("min is %d, the cloud's own, not %d", least, conf.Min))
		conf.Min = least
	}
	if most < conf.Max && most >= conf.Min {
		said = append(said, fmt.Sprintf("max is %d, the cloud's own, not %d", most, conf.Max))
		conf.Max = most
	}
	return conf, said
}

// remark adds what the cloud and those who follow the group remark to a decision.
func (g *group) remark(d *Decision, said []string) {
	if r, ok := g.cloud.(Remarker); ok {
		said = append(said, r.Remarks(g.Name)...)
	}
	said = append(said, g.house.Remarks(g.Name)...)
	d.Remarks = strings.Join(said, "; ")
}

// attendTimeout bounds one round of care.
const attendTimeout = 20 * time.Second

// attend lets the cloud care for the instances, beside the group's own calls: it
// launches and terminates nothing. Callers hold g.mu.
func (g *group) attend(ctx context.Context, now time.Time) {
	a, ok := g.cloud.(Attendant)
	if !ok || g.Mode != Act || g.inTheWay() != "" {
		return
	}
	c := g.care(now)
	if g.attending || g.caring.left(now) > 0 {
		return
	}
	g.attending = true
	g.calls.Go(func() {
		callCtx, cancel := context.WithTimeout(ctx, attendTimeout)
		defer cancel()
		err := a.Attend(callCtx, g.Name, c)
		g.mu.Lock()
		defer g.mu.Unlock()
		g.attending = false
		switch {
		case err == nil:
			g.caring = backoff{}
		case ctx.Err() == nil:
			if g.caring.err == nil {
				g.log.Warn("instances are not attended to", "err", err)
			}
			g.counts.add("attend_failed_"+string(failureOf(err)), 1)
			g.caring.fail(g.clock.time(), err)
		}
	})
}

// care says what the instances need now. Who waits to be ended by someone else
// is withdrawn first: its silence is no alarm.
func (g *group) care(now time.Time) (c Care) {
	waiting := make(map[string]time.Time)
	for n, i := range g.instances {
		switch i.Phase {
		case Pending, Booting, InService:
			c.Keep = append(c.Keep, i.ID)
		case Silent, Draining, Replaced, Terminating, Stopped, Terminated:
		}
		switch {
		case i.Waits == Launching && !i.LastSeen.IsZero():
			c.Proceed = append(c.Proceed, i.ID)
		case i.Waits == Ending:
			since, again := g.waiting[i.ID]
			if !again {
				since = now
			}
			waiting[i.ID] = since
			_, ours := g.memory.Gone[i.ID]
			if !again && !ours && i.Host != "" {
				g.fleet.Withdraw(i.Host, fmt.Sprintf("autoscale: the cloud ends %s of group %s", i.ID, g.Name))
			}
			if ours || g.drained(&g.instances[n], since, now) {
				c.Proceed = append(c.Proceed, i.ID)
			} else {
				c.Hold = append(c.Hold, i.ID)
			}
		}
	}
	g.waiting = waiting
	return c
}

// ordered is how many instances will come of a launch that returned none, for
// the cloud only takes orders.
func (l Launch) ordered(got []Instance, err error) int {
	if err == nil && len(got) == 0 && len(l.Pools) == 0 {
		return l.Count
	}
	return 0
}
