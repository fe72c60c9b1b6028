package asg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/autoscaling"

	"rondo/autoscale"
)

// protectAtOnce is how many instances one SetInstanceProtection may name.
const protectAtOnce = 50

// ourHooks is what the names of hooks begin with that are ours to complete.
const ourHooks = "rondo"

// How often at most the rest of a group is read.
const (
	rereadHooks  = time.Minute
	rereadRivals = 10 * time.Minute
)

// A hook is a lifecycle hook of ours.
type hook struct {
	name    string
	at      autoscale.Transition
	timeout time.Duration // without a heartbeat
}

// Attend implements autoscale.Attendant: it protects from the group's own
// scale-in what is not, and completes or prolongs what waits at hooks of ours.
func (c *Cloud) Attend(ctx context.Context, group string, care autoscale.Care) error {
	k := c.of(group)
	if k == nil || k.shown() == nil {
		return nil // not listed yet
	}
	g := k.shown()
	return errors.Join(c.protect(ctx, k, g, care.Keep), c.release(ctx, k, g, care))
}

// protect protects those of the members that are not protected yet.
func (c *Cloud) protect(ctx context.Context, k *known, g *group, ids []string) error {
	open := slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		m := g.member(id)
		return m == nil || m.protected || !m.counts()
	})
	if err := c.protection(ctx, g, open, true); err != nil {
		return err
	}
	k.protected(open)
	return nil
}

// unprotect lets members go that were protected.
func (c *Cloud) unprotect(ctx context.Context, g *group, ids []string) error {
	return c.protection(ctx, g, slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !g.member(id).protected }), false)
}

func (c *Cloud) protection(ctx context.Context, g *group, ids []string, on bool) error {
	for some := range slices.Chunk(ids, protectAtOnce) {
		_, err := c.client.protect(ctx, &sdk.SetInstanceProtectionInput{
			AutoScalingGroupName: aws.String(g.name), InstanceIds: some, ProtectedFromScaleIn: aws.Bool(on),
		}, once)
		if err != nil {
			return classify(err)
		}
	}
	return nil
}

// release completes the hooks of those that may go on, and keeps those waiting
// that may not.
func (c *Cloud) release(ctx context.Context, k *known, g *group, care autoscale.Care) error {
	if len(care.Proceed)+len(care.Hold) == 0 {
		return nil
	}
	hooks, err := c.hooks(ctx, k, g)
	if err != nil {
		return err
	}
	var errs []error
	for _, h := range hooks {
		for _, id := range care.Proceed {
			if m := g.member(id); m != nil && m.waits() == h.at {
				errs = append(errs, c.complete(ctx, g, h, id))
			}
		}
		for _, id := range care.Hold {
			if m := g.member(id); m != nil && m.waits() == h.at && k.beatDue(id, h.timeout, time.Now()) {
				errs = append(errs, c.heartbeat(ctx, g, h, id))
			}
		}
	}
	return errors.Join(errs...)
}

// hooks returns the group's hooks that are ours.
func (c *Cloud) hooks(ctx context.Context, k *known, g *group) ([]hook, error) {
	if hooks, ok := k.hooksAt(time.Now()); ok {
		return hooks, nil
	}
	out, err := c.client.hooks(ctx, &sdk.DescribeLifecycleHooksInput{AutoScalingGroupName: aws.String(g.name)})
	if err != nil {
		return nil, classify(err)
	}
	var hooks []hook
	for _, h := range out.LifecycleHooks {
		at := autoscale.Launching
		if strings.HasSuffix(aws.ToString(h.LifecycleTransition), "TERMINATING") {
			at = autoscale.Ending
		}
		if name := aws.ToString(h.LifecycleHookName); strings.HasPrefix(name, ourHooks) {
			hooks = append(hooks, hook{name, at, time.Duration(aws.ToInt32(h.HeartbeatTimeout)) * time.Second})
		}
	}
	k.hooksAre(hooks, time.Now())
	return hooks, nil
}

// complete lets an instance go on. That it does not wait any more is as good.
func (c *Cloud) complete(ctx context.Context, g *group, h hook, id string) error {
	_, err := c.client.complete(ctx, &sdk.CompleteLifecycleActionInput{
		AutoScalingGroupName: aws.String(g.name), LifecycleHookName: aws.String(h.name), InstanceId: aws.String(id),
		LifecycleActionResult: aws.String("CONTINUE"),
	}, once)
	return notWaiting(err)
}

func (c *Cloud) heartbeat(ctx context.Context, g *group, h hook, id string) error {
	_, err := c.client.heartbeat(ctx, &sdk.RecordLifecycleActionHeartbeatInput{
		AutoScalingGroupName: aws.String(g.name), LifecycleHookName: aws.String(h.name), InstanceId: aws.String(id),
	}, once)
	return notWaiting(err)
}

// notWaiting drops the error of who waits no more.
func notWaiting(err error) error {
	if err == nil || strings.Contains(err.Error(), "No active Lifecycle Action") {
		return nil
	}
	return classify(err)
}

// rivals notes the scaling policies that the group has of its own: two
// controllers of one number fight. Who may not ask is told so; any other failure
// is asked again with the next list.
func (c *Cloud) rivals(ctx context.Context, g *group, k *known, now time.Time) {
	if !k.rivalsDue(now) {
		return
	}
	names, err := c.policies(ctx, g)
	if ce, ok := errors.AsType[*autoscale.CallError](err); ok && ce.Failure == autoscale.Denied {
		k.rivalsAre(fmt.Sprintf("whether the Auto Scaling Group %s has scaling policies of its own is not known: allow autoscaling:DescribePolicies", g.name), now)
	}
	if err == nil {
		k.rivalsAre(rivalsText(g.name, names), now)
	}
}

// policies names the scaling policies that the group has, and that are enabled.
func (c *Cloud) policies(ctx context.Context, g *group) (names []string, err error) {
	out, err := c.client.policies(ctx, &sdk.DescribePoliciesInput{AutoScalingGroupName: aws.String(g.name)})
	if err != nil {
		return nil, classify(err)
	}
	for _, p := range out.ScalingPolicies {
		if p.Enabled == nil || *p.Enabled {
			names = append(names, aws.ToString(p.PolicyName))
		}
	}
	return names, nil
}

func rivalsText(name string, policies []string) string {
	if len(policies) == 0 {
		return ""
	}
	return fmt.Sprintf("the Auto Scaling Group %s has scaling policies of its own (%s), which change the same number: disable them", name, strings.Join(policies, ", "))
}
