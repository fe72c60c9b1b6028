package asg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/autoscaling"

	"rondo/autoscale"
)

// Preflight implements autoscale.Preflighter. It makes all calls that read; those
// that change something have no dry run in Auto Scaling, which is said.
func (c *Cloud) Preflight(ctx context.Context, l autoscale.Launch, ids []string) (p autoscale.Preflight) {
	g, err := c.read(ctx, l.Group)
	p.Requirements = append(p.Requirements, requirement("autoscaling:DescribeAutoScalingGroups", err))
	if err != nil {
		return p
	}
	p.Requirements[0].Text = fmt.Sprintf("%s: min %d, max %d, desired %d", g.name, g.min, g.max, g.desired)
	add := func(action string, err error) { p.Requirements = append(p.Requirements, requirement(action, err)) }
	_, err = c.unfilled(ctx, g, time.Now())
	add("autoscaling:DescribeScalingActivities", err)
	_, err = c.client.hooks(ctx, &sdk.DescribeLifecycleHooksInput{AutoScalingGroupName: aws.String(g.name)})
	add("autoscaling:DescribeLifecycleHooks", err)
	policies, err := c.policies(ctx, g)
	add("autoscaling:DescribePolicies", err)
	if len(policies) > 0 {
		p.Requirements[0].Text += "; " + rivalsText(g.name, policies)
	}
	_, err = c.instances.ByID(ctx, ids)
	add("ec2:DescribeInstances", err)
	for _, action := range []string{"SetDesiredCapacity", "TerminateInstanceInAutoScalingGroup", "SetInstanceProtection", "CreateOrUpdateTags"} {
		p.Requirements = append(p.Requirements, autoscale.Requirement{
			Name: "autoscaling:" + action, State: autoscale.Unsure, Text: "Auto Scaling has no dry run: the first real call tells",
			Policy: autoscale.Allow("autoscaling:"+action, "arn:aws:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/"+g.name),
		})
	}
	return p
}

// requirement is what one call that reads came to.
func requirement(action string, err error) autoscale.Requirement {
	r := autoscale.Requirement{Name: action, State: autoscale.Granted}
	if err == nil {
		return r
	}
	err = classified(err)
	r.State, r.Text = autoscale.Unsure, err.Error()
	ce, ok := errors.AsType[*autoscale.CallError](err)
	switch {
	case ok && ce.Failure == autoscale.Denied:
		r.State, r.Policy = autoscale.Refused, autoscale.Allow(action, "*")
	case ok && ce.Failure == autoscale.Permanent:
		r.State = autoscale.Missing
	}
	return r
}

// classified is the error of a call, whether it was classified before or not.
func classified(err error) error {
	if _, ok := errors.AsType[*autoscale.CallError](err); ok {
		return err
	}
	return classify(err)
}
