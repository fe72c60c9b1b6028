package elb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"rondo/autoscale"
)

// operations are those of the SDK's client that are called; see package ec2 for
// why the client itself is not kept.
type operations struct {
	groups     operation[sdk.DescribeTargetGroupsInput, sdk.DescribeTargetGroupsOutput]
	attributes operation[sdk.DescribeTargetGroupAttributesInput, sdk.DescribeTargetGroupAttributesOutput]
	health     operation[sdk.DescribeTargetHealthInput, sdk.DescribeTargetHealthOutput]
	register   operation[sdk.RegisterTargetsInput, sdk.RegisterTargetsOutput]
	deregister operation[sdk.DeregisterTargetsInput, sdk.DeregisterTargetsOutput]
}

type operation[In, Out any] func(context.Context, *In, ...func(*sdk.Options)) (*Out, error)

func operationsOf(conf aws.Config) operations {
	// A failed call is repeated by the next pass, which knows better by then.
	client := sdk.NewFromConfig(conf, func(o *sdk.Options) { o.Retryer = aws.NopRetryer{} })
	return operations{
		groups: client.DescribeTargetGroups, attributes: client.DescribeTargetGroupAttributes, health: client.DescribeTargetHealth,
		register: client.RegisterTargets, deregister: client.DeregisterTargets,
	}
}

// The actions, as IAM and the API name them.
const (
	describeGroups     = "DescribeTargetGroups"
	describeAttributes = "DescribeTargetGroupAttributes"
	describeHealth     = "DescribeTargetHealth"
	registerTargets    = "RegisterTargets"
	deregisterTargets  = "DeregisterTargets"
)

// Limits of one call.
const (
	batch      = 100    // targets in one call
	maxTargets = 10_000 // listed by one; AWS's own quota is 1,000
)

// about is what a target group is like.
type about struct {
	port  int
	by    By
	delay time.Duration // of the deregistration
}

// delayAttribute says how long a target drains, in seconds.
const delayAttribute = "deregistration_delay.timeout_seconds"

// describe reads what the target group is like.
func (k *keeper) describe(ctx context.Context) (a about, err error) {
	err = k.call(ctx, describeGroups, func(ctx context.Context) error {
		out, err := k.client.groups(ctx, &sdk.DescribeTargetGroupsInput{TargetGroupArns: []string{k.TargetGroup}})
		if err != nil {
			return err
		}
		if len(out.TargetGroups) != 1 {
			return fmt.Errorf("%d target groups are listed for one ARN", len(out.TargetGroups))
		}
		a.port, a.by = int(aws.ToInt32(out.TargetGroups[0].Port)), By(out.TargetGroups[0].TargetType)
		return nil
	})
	if err != nil {
		return a, err
	}
	return a, k.call(ctx, describeAttributes, func(ctx context.Context) error {
		out, err := k.client.attributes(ctx, &sdk.DescribeTargetGroupAttributesInput{TargetGroupArn: &k.TargetGroup})
		if err != nil {
			return err
		}
		for _, at := range out.Attributes {
			if aws.ToString(at.Key) != delayAttribute {
				continue
			}
			seconds, err := strconv.Atoi(aws.ToString(at.Value))
			if err != nil || seconds < 0 {
				return fmt.Errorf("%s is %q: want seconds", delayAttribute, aws.ToString(at.Value))
			}
			a.delay = time.Duration(seconds) * time.Second
		}
		return nil
	})
}

// read lists the targets and their states.
func (k *keeper) read(ctx context.Context) (targets map[target]health, err error) {
	return targets, k.call(ctx, describeHealth, func(ctx context.Context) error {
		out, err := k.client.health(ctx, &sdk.DescribeTargetHealthInput{TargetGroupArn: &k.TargetGroup})
		if err != nil {
			return err
		}
		if len(out.TargetHealthDescriptions) > maxTargets {
			return fmt.Errorf("%d targets are listed, %d are taken", len(out.TargetHealthDescriptions), maxTargets)
		}
		targets = make(map[target]health, len(out.TargetHealthDescriptions))
		for _, d := range out.TargetHealthDescriptions {
			if d.Target == nil || d.TargetHealth == nil {
				return errors.New("a target is listed without its name or its state")
			}
			targets[target{aws.ToString(d.Target.Id), int(aws.ToInt32(d.Target.Port))}] = health{string(d.TargetHealth.State), string(d.TargetHealth.Reason)}
		}
		return nil
	})
}

// enter registers targets. One that is refused keeps no other out: the call is
// then made for each half.
func (k *keeper) enter(ctx context.Context, ts []target) error {
	err := k.call(ctx, registerTargets, func(ctx context.Context) error {
		_, err := k.client.register(ctx, &sdk.RegisterTargetsInput{TargetGroupArn: &k.TargetGroup, Targets: described(ts)})
		return err
	})
	ce, ok := errors.AsType[*autoscale.CallError](err)
	switch {
	case err == nil:
		k.done(ts, health{State: "initial"})
		k.log.Info("targets are registered", "targets", names(ts))
	case ok && ce.Code == "InvalidTarget" && len(ts) > 1:
		half := len(ts) / 2
		return errors.Join(k.enter(ctx, ts[:half]), k.enter(ctx, ts[half:]))
	case ok && ce.Code == "InvalidTarget":
		k.refuse(ts[0], err)
		return nil
	}
	return err
}

// leave deregisters targets; one that is not registered is no error.
func (k *keeper) leave(ctx context.Context, ts []target) error {
	err := k.call(ctx, deregisterTargets, func(ctx context.Context) error {
		_, err := k.client.deregister(ctx, &sdk.DeregisterTargetsInput{TargetGroupArn: &k.TargetGroup, Targets: described(ts)})
		return err
	})
	if err == nil {
		k.done(ts, health{State: "draining"})
		k.log.Info("targets are deregistered", "targets", names(ts))
	}
	return err
}

func names(ts []target) (out []string) {
	for _, t := range ts {
		out = append(out, fmt.Sprintf("%s:%d", t.ID, t.Port))
	}
	return out
}

func described(ts []target) (out []types.TargetDescription) {
	for _, t := range ts {
		out = append(out, types.TargetDescription{Id: aws.String(t.ID), Port: aws.Int32(int32(t.Port))})
	}
	return out
}

// call makes one call when it is its turn, and keeps how it went, for what is
// asked of its permission.
func (k *keeper) call(ctx context.Context, action string, do func(context.Context) error) error {
	err := k.calls.Do(ctx, action, do)
	if _, called := errors.AsType[*autoscale.CallError](err); err == nil || called {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.outcomes[action] = outcome{err}
	}
	return err
}

// An outcome is how the newest call of an action went.
type outcome struct{ err error }

// done notes what a call has changed, which the next list may not show yet.
func (k *keeper) done(ts []target, h health) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	targets := maps.Clone(k.sight.targets)
	for _, t := range ts {
		targets[t] = h
		if !h.draining() {
			k.recent[t] = now
		}
	}
	k.sight.targets = targets
}
