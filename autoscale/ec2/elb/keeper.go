package elb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"rondo/autoscale"
	"rondo/autoscale/ec2"
)

// A keeper keeps one target group equal to one group.
type keeper struct {
	Binding
	client   operations
	calls    *ec2.Calls
	known    *known
	drain    time.Duration // the group's
	attached func() (is, known bool)
	log      *slog.Logger

	// Of the goroutine that runs.
	described time.Time            // when about is from
	told      string               // the trouble that was logged last
	recent    map[target]time.Time // when it was registered, where the list may not show it yet

	mu       sync.Mutex // guards what follows, which pages and drains ask for
	about    about
	sight    sight // of the newest pass, with what was done since
	when     time.Time
	plan     plan
	acts     bool // the group is not in a dry run
	passive  bool // the target group is the Auto Scaling Group's to fill
	sick     map[target]time.Time
	leaving  map[string]string // by instance: what it waits for; "" where nothing is left
	trouble  error             // of the newest pass
	outcomes map[string]outcome
	refused  map[target]*refusal
}

// A refusal is of one target that the balancer does not take. It is asked for
// again, but keeps no other out.
type refusal struct {
	pause ec2.Backoff
	why   string
}

// When a target group is looked at.
const (
	idle    = 30 * time.Second
	busy    = 3 * time.Second  // while somebody comes or goes
	renew   = 10 * time.Minute // what it is like may change
	settle  = 15 * time.Second // until lists show a registration
	staleBy = 2 * time.Minute  // of a list of members, when nobody is gone for not being on it
)

func (k *keeper) run(ctx context.Context, groups autoscale.Groups) {
	ec2.Follow(ctx, groups, func(ctx context.Context, all []autoscale.Membership) (time.Duration, error) {
		err := k.pass(ctx, all)
		if ctx.Err() == nil {
			k.tell(err)
		}
		return k.next(), err
	})
}

// next is when the target group is to be looked at again by itself.
func (k *keeper) next() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	moving := len(k.plan.register)+len(k.plan.deregister)+len(k.plan.kept)+len(k.leaving) > 0
	for _, h := range k.sight.targets {
		moving = moving || h.State == "initial" || h.draining()
	}
	if moving {
		return busy
	}
	return idle
}

// tell logs trouble when it begins, changes or ends.
func (k *keeper) tell(err error) {
	k.mu.Lock()
	k.trouble = err
	k.mu.Unlock()
	text := ec2.Brief(err)
	switch {
	case text == k.told:
	case text == "":
		k.log.Info("the target group is in order again")
	default:
		k.log.Warn("the target group cannot be kept equal to its group", "err", err)
	}
	k.told = text
}

// pass looks once and does what is left to do. Where the health cannot be read,
// it goes by what was read before.
func (k *keeper) pass(ctx context.Context, all []autoscale.Membership) error {
	at := slices.IndexFunc(all, func(m autoscale.Membership) bool { return m.Group == k.Group })
	passive, known := k.attached()
	if at < 0 || !known {
		return nil // nothing is concluded of a group that is not listed
	}
	if err := k.look(ctx); err != nil {
		return err
	}
	now := time.Now()
	targets, failed := k.read(ctx)
	if failed != nil {
		if targets = k.last(); targets == nil {
			return failed
		}
	}
	s := k.see(now, all, all[at], targets)
	p := s.plan()
	k.publish(now, s, p, all[at], passive, failed == nil)
	if passive || !all[at].Act {
		return failed
	}
	err := k.carryOut(ctx, s, p)
	if failed == nil && err == nil {
		err = k.known.forget(ctx, func(name string) bool { return s.ours[name] || listed(s.targets, name) })
	}
	return cmp.Or(failed, err)
}

// look reads what the target group is like, now and then.
func (k *keeper) look(ctx context.Context) error {
	if !k.described.IsZero() && time.Since(k.described) < renew {
		return nil
	}
	a, err := k.describe(ctx)
	if err == nil && k.By != "" && k.By != a.by {
		err = fmt.Errorf("elb: group %q: target group %s takes targets by %s, not by %s: leave out by, or name another one", k.Group, k.name(), a.by, k.By)
	}
	if err == nil && a.by != ByInstance && a.by != ByIP {
		err = fmt.Errorf("elb: group %q: target group %s takes targets by %s: want one of instances or addresses", k.Group, k.name(), a.by)
	}
	if err != nil {
		if !k.described.IsZero() && ec2.FailureOf(err) != autoscale.Permanent {
			return nil // it will be as it was
		}
		return err
	}
	k.described = time.Now()
	a.port = cmp.Or(k.Port, a.port)
	k.mu.Lock()
	before := k.about
	k.about = a
	k.mu.Unlock()
	if text := k.short(); text != "" && a != before {
		k.log.Warn(text)
	}
	return nil
}

// last are the targets as the newest pass left them; nil where none has read
// them yet.
func (k *keeper) last() map[target]health {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sight.targets
}

// see puts together what the plan is made of.
func (k *keeper) see(now time.Time, all []autoscale.Membership, own autoscale.Membership, targets map[target]health) sight {
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.DeleteFunc(k.recent, func(_ target, at time.Time) bool { return now.Sub(at) > settle })
	targets = maps.Clone(targets)
	for t := range k.recent {
		if _, ok := targets[t]; !ok {
			targets[t] = health{State: "initial"}
		}
	}
	s := sight{
		by: k.about.by, port: k.about.port, members: own.Instances, fresh: now.Sub(own.At) < staleBy,
		ours: make(map[string]bool), known: k.known.ids, targets: targets,
	}
	for _, m := range all {
		for _, i := range m.Instances {
			if name := s.by.name(i); name != "" {
				s.ours[name] = true
			}
		}
	}
	return s
}

func listed(targets map[target]health, name string) bool {
	for t := range targets {
		if t.ID == name {
			return true
		}
	}
	return false
}

// publish lets pages and drains see a pass. What waits for the balancer is told
// by lists alone that were really read.
func (k *keeper) publish(now time.Time, s sight, p plan, own autoscale.Membership, passive, read bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sight, k.plan, k.acts, k.passive = s, p, own.Act, passive
	k.sick = since(k.sick, s.targets, now)
	if !read {
		return
	}
	k.when, k.leaving = now, make(map[string]string)
	for _, i := range s.members {
		if leaves, _ := goes(i.Phase); leaves {
			k.leaving[i.ID] = k.left(s, p, s.by.name(i), own.Act)
		}
	}
}

// left is what the balancer still has to do for an instance that goes.
func (k *keeper) left(s sight, p plan, name string, act bool) string {
	h, listed := s.of(name)
	switch {
	case !listed:
		return ""
	case h.draining():
		return "the load balancer still drains it (up to " + k.about.delay.String() + ", target group " + k.name() + ")"
	case p.kept[name]:
		return "the load balancer has no other healthy target in target group " + k.name()
	case !act:
		return "the load balancer has it in target group " + k.name() + ", and in a dry run nobody takes it out"
	}
	return "the load balancer has not taken it out of target group " + k.name() + " yet"
}

// carryOut makes the calls of a plan: those that let somebody in first.
func (k *keeper) carryOut(ctx context.Context, s sight, p plan) error {
	marks := make(map[string]string)
	for _, i := range s.members {
		name := s.by.name(i)
		if name != "" && (listed(s.targets, name) || slices.Contains(p.register, target{name, s.port})) {
			marks[name] = i.ID
		}
	}
	if err := k.known.add(ctx, marks); err != nil {
		return err
	}
	var errs []error
	for some := range slices.Chunk(k.welcome(p.register), batch) {
		errs = append(errs, k.enter(ctx, some))
	}
	for some := range slices.Chunk(p.deregister, batch) {
		errs = append(errs, k.leave(ctx, some))
	}
	return errors.Join(errs...)
}

// welcome leaves out the targets that were refused just now.
func (k *keeper) welcome(ts []target) (out []target) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for t := range k.refused {
		if !slices.Contains(ts, t) {
			delete(k.refused, t)
		}
	}
	for _, t := range ts {
		if r := k.refused[t]; r == nil || r.pause.Left(time.Now()) == 0 {
			out = append(out, t)
		}
	}
	return out
}

// refuse takes note of a target that the balancer does not take.
func (k *keeper) refuse(t target, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.refused[t] == nil {
		k.refused[t] = new(refusal)
		k.log.Warn("the load balancer does not take a target", "target", t.ID, "port", t.Port, "err", err)
	}
	k.refused[t].pause.Fail(time.Now())
	k.refused[t].why = ec2.Brief(err)
}
