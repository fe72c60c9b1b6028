package asg

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/autoscaling"

	"rondo/autoscale"
	"rondo/autoscale/ec2"
)

// A Cloud is the Auto Scaling Groups of several of rondo's groups. It is safe
// for concurrent use.
type Cloud struct {
	client    operations
	instances *ec2.Cloud
	names     map[string]string // of the Auto Scaling Group, by group

	mu    sync.Mutex
	known map[string]*known // by group
}

// operations are those of the SDK's client that are called; see package ec2 for
// why the client itself is not kept.
type operations struct {
	groups     operation[sdk.DescribeAutoScalingGroupsInput, sdk.DescribeAutoScalingGroupsOutput]
	activities operation[sdk.DescribeScalingActivitiesInput, sdk.DescribeScalingActivitiesOutput]
	policies   operation[sdk.DescribePoliciesInput, sdk.DescribePoliciesOutput]
	hooks      operation[sdk.DescribeLifecycleHooksInput, sdk.DescribeLifecycleHooksOutput]
	setDesired operation[sdk.SetDesiredCapacityInput, sdk.SetDesiredCapacityOutput]
	terminate  operation[sdk.TerminateInstanceInAutoScalingGroupInput, sdk.TerminateInstanceInAutoScalingGroupOutput]
	protect    operation[sdk.SetInstanceProtectionInput, sdk.SetInstanceProtectionOutput]
	complete   operation[sdk.CompleteLifecycleActionInput, sdk.CompleteLifecycleActionOutput]
	heartbeat  operation[sdk.RecordLifecycleActionHeartbeatInput, sdk.RecordLifecycleActionHeartbeatOutput]
	tag        operation[sdk.CreateOrUpdateTagsInput, sdk.CreateOrUpdateTagsOutput]
}

type operation[In, Out any] func(context.Context, *In, ...func(*sdk.Options)) (*Out, error)

// New makes a client for the Auto Scaling Groups that are named, each by the
// name of rondo's group. What EC2 knows of their instances is asked of
// instances. It makes no call.
func New(ctx context.Context, c ec2.Config, instances *ec2.Cloud, names map[string]string) (*Cloud, error) {
	conf, err := ec2.SDK(ctx, c)
	if err != nil {
		return nil, err
	}
	client := sdk.NewFromConfig(conf)
	cloud := &Cloud{instances: instances, names: names, known: make(map[string]*known), client: operations{
		groups: client.DescribeAutoScalingGroups, activities: client.DescribeScalingActivities,
		policies: client.DescribePolicies, hooks: client.DescribeLifecycleHooks,
		setDesired: client.SetDesiredCapacity, terminate: client.TerminateInstanceInAutoScalingGroup,
		protect: client.SetInstanceProtection, complete: client.CompleteLifecycleAction, heartbeat: client.RecordLifecycleActionHeartbeat,
		tag: client.CreateOrUpdateTags,
	}}
	for group := range names {
		cloud.known[group] = newKnown()
	}
	return cloud, nil
}

// once is for calls that change something: the controller retries them.
func once(o *sdk.Options) { o.Retryer = aws.NopRetryer{} }

// Instances lists the members, and what is ordered and is no member yet.
func (c *Cloud) Instances(ctx context.Context, group string) ([]autoscale.Instance, error) {
	began := time.Now()
	g, err := c.read(ctx, group)
	if err != nil {
		return nil, err
	}
	is, err := c.describe(ctx, g)
	if err != nil {
		return nil, err
	}
	k := c.of(group)
	missing := k.sight(g, is, began)
	if missing == 0 {
		k.filled()
	} else {
		since := k.gap()
		why, err := c.unfilled(ctx, g, since)
		if err != nil {
			return nil, err
		}
		k.judge(why)
		if why == "" {
			is = append(is, g.orders(missing, since)...)
		}
	}
	c.rivals(ctx, g, k, began)
	return is, nil
}

// Remarks implements autoscale.Remarker.
func (c *Cloud) Remarks(group string) []string {
	if k := c.of(group); k != nil {
		return k.remarks(time.Now())
	}
	return nil
}

// Bounds implements autoscale.Bounder.
func (c *Cloud) Bounds(group string) (least, most int, ok bool) {
	k := c.of(group)
	if k == nil || k.shown() == nil {
		return 0, 0, false
	}
	g := k.shown()
	return g.min, g.max, true
}

// TargetGroups returns the ARNs of the target groups that AWS fills with a
// group's members; false while the Auto Scaling Group has not been read.
func (c *Cloud) TargetGroups(group string) (arns []string, ok bool) {
	k := c.of(group)
	if k == nil || k.shown() == nil {
		return nil, false
	}
	return k.shown().targetGroups, true
}

// Impaired implements autoscale.StatusChecker: EC2 knows.
func (c *Cloud) Impaired(ctx context.Context, group string, ids []string) (map[string]time.Time, error) {
	return c.instances.Impaired(ctx, group, ids)
}

// Locked implements autoscale.Vetter: EC2 knows, but for orders, which nothing
// keeps from being cancelled.
func (c *Cloud) Locked(ctx context.Context, group string, ids []string) (map[string]string, error) {
	return c.instances.Locked(ctx, group, slices.DeleteFunc(slices.Clone(ids), isOrder))
}

func (c *Cloud) of(group string) *known {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known[group]
}

// orders lists n instances that the group was asked for and does not have yet.
// They are numbered behind the members, so that each number vanishes when its
// instance is there.
func (g *group) orders(n int, since time.Time) (out []autoscale.Instance) {
	like := autoscale.Instance{Phase: autoscale.Pending, Launched: since}
	if len(g.members) > 0 {
		like.Type = g.members[0].kind
	}
	for i := range n {
		like.ID = fmt.Sprintf("%s#%d", g.name, g.capacity()+i+1)
		out = append(out, like)
	}
	return out
}

// isOrder says whether an ID is of something that was ordered: instances' own
// have no #.
func isOrder(id string) bool { return strings.Contains(id, "#") }

// open says whether an order is neither filled nor cancelled.
func (g *group) open(id string) bool {
	_, text, _ := strings.Cut(id, "#")
	n, err := strconv.Atoi(text)
	return err == nil && n > g.capacity() && n <= g.desired
}

// describe lists the members, with what EC2 knows of each. One that EC2 does
// not know yet is as far as the group says.
func (c *Cloud) describe(ctx context.Context, g *group) ([]autoscale.Instance, error) {
	ids := make([]string, len(g.members))
	for n, m := range g.members {
		ids[n] = m.id
	}
	described, err := c.instances.ByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]autoscale.Instance, 0, len(ids))
	for _, m := range g.members {
		i := autoscale.Instance{ID: m.id, Type: m.kind, Zone: m.zone, Image: m.image, Phase: autoscale.Pending}
		if at := slices.IndexFunc(described, func(d autoscale.Instance) bool { return d.ID == m.id }); at >= 0 {
			i = described[at]
		}
		i.Phase, i.Waits = m.phase(i.Phase), m.waits()
		i.Tags = maps.Clone(i.Tags)
		if i.Tags == nil {
			i.Tags = make(map[string]string, len(g.claim))
		}
		maps.Copy(i.Tags, g.claim)
		out = append(out, i)
	}
	return out, nil
}

func refused(format string, args ...any) error {
	return &autoscale.CallError{Failure: autoscale.Permanent, Code: "Refused", Err: fmt.Errorf(format, args...)}
}

// classify says what a failed call left behind.
func classify(err error) error {
	err = ec2.Classify(err)
	if ce, ok := errors.AsType[*autoscale.CallError](err); ok {
		switch ce.Code {
		case "ScalingActivityInProgress", "ResourceContention", "ResourceInUse":
			ce.Failure = autoscale.Throttled // later, when the group is done with something else
		case "LimitExceeded":
			ce.Failure = autoscale.NoRoom
		case "AccessDenied", "AccessDeniedException", "NotAuthorized", "ServiceLinkedRoleFailure":
			ce.Failure = autoscale.Denied
		}
	}
	return err
}
