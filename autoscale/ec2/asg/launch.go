package asg

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	sdk "github.com/aws/aws-sdk-go-v2/service/autoscaling"

	"rondo/autoscale"
)

// Launch raises the desired capacity to what the launch says there shall be. It
// returns no instances: they are listed, as orders first.
func (c *Cloud) Launch(ctx context.Context, l autoscale.Launch) ([]autoscale.Instance, string, error) {
	g, err := c.read(ctx, l.Group)
	if err != nil {
		return nil, "", err
	}
	if l.Desired > g.max && g.desired >= g.max {
		return nil, "", refused("%d instances are wanted, the MaxSize of the Auto Scaling Group %s is %d", l.Desired, g.name, g.max)
	}
	if g.desired >= l.Desired {
		return nil, "", c.taken(l.Group, g)
	}
	if _, err := c.claim(ctx, g, l.Tags); err != nil {
		return nil, "", err
	}
	request, err := c.setDesired(ctx, l.Group, g, min(l.Desired, g.max))
	return nil, request, err
}

// taken is what a launch comes to that was asked for before: done, unless it is
// known that it cannot be filled.
func (c *Cloud) taken(group string, g *group) error {
	n, why := c.of(group).stuck()
	if why == "" {
		return nil
	}
	failure, code := reason(why)
	return &autoscale.CallError{
		Failure: failure, Code: code, Err: fmt.Errorf("the Auto Scaling Group %s cannot launch %d that it was asked for: %s", g.name, n, strings.TrimSpace(why)),
	}
}

// reason classifies the words of a scaling activity that failed. They are for
// people, and have EC2's code in them only at times.
func reason(why string) (autoscale.Failure, string) {
	for _, known := range []struct {
		words, code string
		failure     autoscale.Failure
	}{
		{"InsufficientInstanceCapacity", "InsufficientInstanceCapacity", autoscale.NoRoom},
		{"do not have sufficient", "InsufficientInstanceCapacity", autoscale.NoRoom},
		{"no Spot capacity", "InsufficientInstanceCapacity", autoscale.NoRoom},
		{"VcpuLimitExceeded", "VcpuLimitExceeded", autoscale.NoRoom},
		{"vCPU limit", "VcpuLimitExceeded", autoscale.NoRoom},
		{"InstanceLimitExceeded", "InstanceLimitExceeded", autoscale.NoRoom},
		{"instance limit", "InstanceLimitExceeded", autoscale.NoRoom},
		{"free addresses", "InsufficientFreeAddressesInSubnet", autoscale.NoRoom},
		{"not authorized", "UnauthorizedOperation", autoscale.Denied},
	} {
		if strings.Contains(why, known.words) {
			return known.failure, known.code
		}
	}
	return autoscale.Permanent, "LaunchFailed"
}

// setDesired asks for a capacity.
func (c *Cloud) setDesired(ctx context.Context, group string, g *group, desired int) (string, error) {
	k := c.of(group)
	k.set(desired, time.Now())
	out, err := c.client.setDesired(ctx, &sdk.SetDesiredCapacityInput{
		AutoScalingGroupName: aws.String(g.name), DesiredCapacity: aws.Int32(int32(desired)), HonorCooldown: aws.Bool(false),
	}, once)
	if err != nil {
		k.unsure()
		return "", classify(err)
	}
	request, _ := middleware.GetRequestIDMetadata(out.ResultMetadata)
	return request, nil
}

// Terminate ends members, each with the place that it has in the desired
// capacity. It reads them again right before: where one is not the group's, or
// is protected by its tag, nothing at all is done; one that goes already is left
// out, for each call lowers the desired capacity once more.
//
// Orders among the IDs are cancelled, and so are those that cannot be filled:
// who wants fewer does not want these.
func (c *Cloud) Terminate(ctx context.Context, group string, ids []string) (string, error) {
	g, err := c.read(ctx, group)
	if err != nil {
		return "", err
	}
	going, orders, err := c.choose(ctx, g, ids)
	if err != nil || len(going)+orders == 0 {
		return "", err
	}
	k := c.of(group)
	if n, _ := k.stuck(); n > orders {
		orders = n
	}
	want := max(g.desired-orders, g.capacity())
	if low := min(want, g.desired) - len(going); low < g.min {
		return "", refused("%d instances would be left, the MinSize of the Auto Scaling Group %s is %d", low, g.name, g.min)
	}
	request := ""
	if want < g.desired && orders > 0 {
		if request, err = c.setDesired(ctx, group, g, want); err != nil {
			return "", err
		}
	}
	if err := c.unprotect(ctx, g, going); err != nil {
		return "", err
	}
	for _, id := range going {
		if request, err = c.end(ctx, k, id); err != nil {
			return "", err
		}
	}
	return request, nil
}

// choose sorts out who goes, and how many orders are cancelled.
func (c *Cloud) choose(ctx context.Context, g *group, ids []string) (going []string, orders int, err error) {
	described, err := c.instances.ByID(ctx, slices.DeleteFunc(slices.Clone(ids), isOrder))
	if err != nil {
		return nil, 0, err
	}
	for _, id := range ids {
		if g.open(id) {
			orders++
		}
	}
	for _, i := range described {
		m := g.member(i.ID)
		over := i.Phase == autoscale.Terminated || i.Phase == autoscale.Terminating
		switch {
		case m == nil && over:
		case m == nil:
			return nil, 0, refused("%s is not in the Auto Scaling Group %s", i.ID, g.name)
		case m.ending() || over:
		case i.Protected():
			return nil, 0, refused("%s is protected by its tag %s", i.ID, autoscale.TagProtect)
		case m.aside():
			return nil, 0, refused("%s was set aside by someone else: it is %s in the Auto Scaling Group %s", i.ID, m.state, g.name)
		default:
			going = append(going, i.ID)
		}
	}
	return going, orders, nil
}

// end terminates one member. After an answer that is unclear it is not asked
// again before the group has had the time to show that it goes.
func (c *Cloud) end(ctx context.Context, k *known, id string) (string, error) {
	if left := k.doubted(id, time.Now()); left > 0 {
		return "", &autoscale.CallError{
			Failure: autoscale.Unclear, Code: "Doubt", Err: fmt.Errorf("the end of %s was asked for a moment ago without an answer: it is looked at again in %v", id, left.Round(time.Second/10)),
		}
	}
	k.lowered(time.Now())
	out, err := c.client.terminate(ctx, &sdk.TerminateInstanceInAutoScalingGroupInput{
		InstanceId: aws.String(id), ShouldDecrementDesiredCapacity: aws.Bool(true),
	}, once)
	if err != nil {
		k.unsure()
		err = classify(err)
		k.doubts(id, err, time.Now())
		return "", err
	}
	request, _ := middleware.GetRequestIDMetadata(out.ResultMetadata)
	return request, nil
}
