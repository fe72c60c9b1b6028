package elb

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"rondo/autoscale"
	"rondo/autoscale/ec2"
)

// Waits implements [autoscale.Drainer]: an instance has left when a list that
// was read after its drain began shows it no more.
func (b *Balancer) Waits(group string, i autoscale.Instance, since time.Time) string {
	var waits []string
	for _, k := range b.of(group) {
		if w := k.waits(i, since); w != "" {
			waits = append(waits, w)
		}
	}
	return strings.Join(waits, "; ")
}

func (k *keeper) waits(i autoscale.Instance, since time.Time) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	left, asked := k.leaving[i.ID]
	switch {
	case k.passive:
		return "" // AWS deregisters it when it is terminated, and waits then
	case !asked || !k.when.After(since):
		left = "the load balancer is to be asked about it (target group " + k.name() + ")"
	}
	if left != "" && k.trouble != nil {
		left += ", which fails: " + ec2.Brief(k.trouble)
	}
	return left
}

// Note says how the load balancers find an instance.
func (b *Balancer) Note(group, instance string) string {
	keepers := b.of(group)
	var notes []string
	for _, k := range keepers {
		note := k.note(instance)
		switch {
		case note == "":
		case len(keepers) > 1:
			notes = append(notes, "ELB "+k.name()+": "+note)
		default:
			notes = append(notes, "ELB: "+note)
		}
	}
	return strings.Join(notes, "; ")
}

func (k *keeper) note(instance string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	at := slices.IndexFunc(k.sight.members, func(i autoscale.Instance) bool { return i.ID == instance })
	if at < 0 {
		return ""
	}
	name := k.sight.by.name(k.sight.members[at])
	h, listed := k.sight.of(name)
	if !listed {
		if r := k.refused[target{name, k.sight.port}]; r != nil {
			return "not registered, " + r.why
		}
		if k.sight.members[at].Phase == autoscale.InService {
			return "not registered"
		}
		return ""
	}
	text := h.State
	if since, sick := k.sick[target{name, k.sight.port}]; sick {
		if d := time.Since(since).Round(time.Second); d > 0 {
			text += " for " + d.String()
		}
	}
	if h.Reason != "" && !h.healthy() && !h.draining() {
		text += ", " + h.Reason
	}
	return text
}

// maxSaid bounds how many of the targets that are not ours are named.
const maxSaid = 3

// Remarks are what is to be said of a group's target groups with each decision.
func (b *Balancer) Remarks(group string) (said []string) {
	for _, k := range b.of(group) {
		said = append(said, k.remarks()...)
	}
	return said
}

func (k *keeper) remarks() (said []string) {
	short := k.short()
	k.mu.Lock()
	defer k.mu.Unlock()
	say := func(format string, args ...any) {
		said = append(said, "target group "+k.name()+" "+fmt.Sprintf(format, args...))
	}
	if k.trouble != nil {
		say("cannot be kept equal to the group: %s", ec2.Brief(k.trouble))
	}
	if k.passive {
		say("is attached to the Auto Scaling Group, so AWS fills and drains it: rondo reads it only")
		return said
	}
	if f := k.plan.foreign; len(f) > 0 {
		named := strings.Join(f[:min(maxSaid, len(f))], ", ")
		if more := len(f) - maxSaid; more > 0 {
			named += fmt.Sprintf(" and %d more", more)
		}
		say("has targets that are not rondo's and are left alone: %s", named)
	}
	if short != "" {
		said = append(said, short)
	}
	return said
}

// short says that the group's drain is too short for the deregistration.
func (k *keeper) short() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.about.delay <= k.drain || k.passive {
		return ""
	}
	return fmt.Sprintf("drain %v is shorter than the deregistration delay %v of target group %s: connections that last longer are cut", k.drain, k.about.delay, k.name())
}

// Ailing returns the instances of a group whose targets are unhealthy, where
// these are to be replaced. None is, where more are unhealthy than healthy: then
// it is the check itself, or what they all stand on.
func (b *Balancer) Ailing(group string) map[string]autoscale.Ailment {
	out := make(map[string]autoscale.Ailment)
	for _, k := range b.of(group) {
		for id, at := range k.ailing() {
			if a, ok := out[id]; !ok || at.Before(a.Since) {
				out[id] = autoscale.Ailment{Check: "the health check of target group " + k.name(), Since: at}
			}
		}
	}
	return out
}

func (k *keeper) ailing() map[string]time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.Replace || k.trouble != nil {
		return nil
	}
	found, healthy := make(map[string]time.Time), 0
	for _, i := range k.sight.members {
		t := target{k.sight.by.name(i), k.sight.port}
		if since, sick := k.sick[t]; sick && i.Phase == autoscale.InService {
			found[i.ID] = since
		} else if k.sight.targets[t].healthy() {
			healthy++
		}
	}
	if len(found) > healthy {
		return nil
	}
	return found
}

// Needs implements what a preflight asks of those who follow a group: it makes
// the reading calls. Elastic Load Balancing has no dry run: of the others the
// newest real call tells.
func (b *Balancer) Needs(ctx context.Context, group string) (needs []autoscale.Requirement) {
	for _, k := range b.of(group) {
		needs = append(needs, k.needs(ctx)...)
	}
	return needs
}

func (k *keeper) needs(ctx context.Context) (needs []autoscale.Requirement) {
	_, _ = k.describe(ctx)
	_, _ = k.read(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	actions := []string{describeGroups, describeAttributes, describeHealth}
	if !k.passive {
		actions = append(actions, registerTargets, deregisterTargets)
	}
	for _, action := range actions {
		o, called := k.outcomes[action]
		r := requirement(action, k.TargetGroup, called, o.err)
		r.Text = strings.TrimPrefix(r.Text+", target group "+k.name(), ", ")
		needs = append(needs, r)
	}
	return needs
}

// requirement is what the newest call of an action says of it.
func requirement(action, arn string, called bool, err error) autoscale.Requirement {
	on := "*" // the reading ones know no ARNs
	if action == registerTargets || action == deregisterTargets {
		on = arn
	}
	name := "elasticloadbalancing:" + action
	r := autoscale.Requirement{Name: name, State: autoscale.Granted}
	switch {
	case !called:
		r.State, r.Text, r.Policy = autoscale.Unsure, "Elastic Load Balancing has no dry run: the first real call tells", autoscale.Allow(name, on)
	case err == nil:
	case ec2.FailureOf(err) == autoscale.Denied:
		r.State, r.Text, r.Policy = autoscale.Refused, err.Error(), autoscale.Allow(name, on)
	case ec2.FailureOf(err) == autoscale.Permanent:
		r.State, r.Text = autoscale.Missing, err.Error()
	default:
		r.State, r.Text = autoscale.Unsure, err.Error()
	}
	return r
}
