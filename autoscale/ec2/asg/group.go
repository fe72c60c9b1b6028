package asg

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"rondo/autoscale"
)

// A group is an Auto Scaling Group as it was read.
type group struct {
	name              string
	min, max, desired int
	noLaunch          string // why it launches nothing: its process Launch is suspended
	members           []member
	claim             map[string]string // the tags of a controller's claim
	targetGroups      []string          // ARNs of those that AWS fills with its members
}

// A member is an instance in it.
type member struct {
	id, zone, kind, image string
	state                 types.LifecycleState
	protected             bool // from the group's own scale-in
}

// read reads a group as it is now.
func (c *Cloud) read(ctx context.Context, group string) (*group, error) {
	name, ok := c.names[group]
	if !ok {
		return nil, refused("group %q has no Auto Scaling Group", group)
	}
	in := &sdk.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{name}}
	seen := make(map[string]bool)
	for {
		page, err := c.client.groups(ctx, in)
		if err != nil {
			return nil, classify(err)
		}
		for _, g := range page.AutoScalingGroups {
			if aws.ToString(g.AutoScalingGroupName) == name {
				return groupOf(g)
			}
		}
		next := aws.ToString(page.NextToken)
		if next == "" || seen[next] {
			return nil, refused("there is no Auto Scaling Group %s in this region and account", name)
		}
		seen[next], in.NextToken = true, page.NextToken
	}
}

// groupOf translates. A group whose capacity is counted in anything but
// instances is refused: numbers would mean different things to it and to rondo.
func groupOf(g types.AutoScalingGroup) (*group, error) {
	out := &group{
		name: aws.ToString(g.AutoScalingGroupName),
		min:  int(aws.ToInt32(g.MinSize)), max: int(aws.ToInt32(g.MaxSize)), desired: int(aws.ToInt32(g.DesiredCapacity)),
		claim: claimOf(g.Tags), targetGroups: slices.Clone(g.TargetGroupARNs),
	}
	for _, s := range g.TrafficSources { // the newer way to attach them
		if arn := aws.ToString(s.Identifier); aws.ToString(s.Type) != "elb" && !slices.Contains(out.targetGroups, arn) {
			out.targetGroups = append(out.targetGroups, arn)
		}
	}
	if unit := aws.ToString(g.DesiredCapacityType); unit != "" && unit != "units" {
		return nil, refused("the Auto Scaling Group %s counts its capacity as %s; instances are wanted", out.name, unit)
	}
	for _, i := range g.Instances {
		if w := aws.ToString(i.WeightedCapacity); w != "" && w != "1" {
			return nil, refused("the Auto Scaling Group %s weighs its instances (%s weighs %s); rondo counts them", out.name, aws.ToString(i.InstanceId), w)
		}
		out.members = append(out.members, member{
			id: aws.ToString(i.InstanceId), zone: aws.ToString(i.AvailabilityZone), kind: aws.ToString(i.InstanceType),
			image: aws.ToString(i.ImageId), state: i.LifecycleState, protected: aws.ToBool(i.ProtectedFromScaleIn),
		})
	}
	for _, p := range g.SuspendedProcesses {
		if aws.ToString(p.ProcessName) == "Launch" {
			out.noLaunch = "its process Launch is suspended: " + aws.ToString(p.SuspensionReason)
		}
	}
	return out, nil
}

// capacity counts the members that stand for the desired capacity.
func (g *group) capacity() (n int) {
	for _, m := range g.members {
		if m.counts() {
			n++
		}
	}
	return n
}

// member finds one; nil where it is none.
func (g *group) member(id string) *member {
	for n := range g.members {
		if g.members[n].id == id {
			return &g.members[n]
		}
	}
	return nil
}

// ending says whether the group ends the instance, or has.
func (m member) ending() bool { return strings.HasPrefix(string(m.state), "Terminat") }

// aside says whether the instance is no capacity of the group's, though it may
// run: in standby, being detached, in a warm pool, or in a state that is new to
// us.
func (m member) aside() bool {
	return !m.ending() && !strings.HasPrefix(string(m.state), "Pending") && !strings.HasPrefix(string(m.state), "ReplacingRootVolume") &&
		m.state != types.LifecycleStateInService && m.state != types.LifecycleStateRootVolumeReplaced
}

func (m member) counts() bool { return !m.ending() && !m.aside() }

// phase joins where the instance is in its group with the phase that EC2 knows.
// One that is over in EC2 is that, whatever the group has noticed.
func (m member) phase(own autoscale.Phase) autoscale.Phase {
	switch {
	case own == autoscale.Terminated || own == autoscale.Terminating || own == autoscale.Stopped:
		return own
	case m.state == types.LifecycleStateTerminated:
		return autoscale.Terminated
	case m.ending():
		return autoscale.Terminating
	case m.aside():
		return autoscale.Stopped
	}
	return own
}

// waits says at which transition a lifecycle hook holds the instance up.
func (m member) waits() autoscale.Transition {
	switch m.state {
	case types.LifecycleStatePendingWait:
		return autoscale.Launching
	case types.LifecycleStateTerminatingWait:
		return autoscale.Ending
	}
	return ""
}

// patience is how long an order may be open without any activity.
const patience = 15 * time.Minute

// unfilled says why orders that are open since then cannot be filled, in the
// words of the group's newest launch; "" while they may.
func (c *Cloud) unfilled(ctx context.Context, g *group, since time.Time) (string, error) {
	if g.noLaunch != "" {
		return g.noLaunch, nil
	}
	out, err := c.client.activities(ctx, &sdk.DescribeScalingActivitiesInput{AutoScalingGroupName: aws.String(g.name), MaxRecords: aws.Int32(20)})
	if err != nil {
		return "", classify(err)
	}
	began := since.Truncate(time.Second) // activities may have whole seconds
	for _, a := range out.Activities {   // the newest first
		if !strings.HasPrefix(aws.ToString(a.Description), "Launching") || aws.ToTime(a.StartTime).Before(began) {
			continue
		}
		if a.StatusCode != types.ScalingActivityStatusCodeFailed && a.StatusCode != types.ScalingActivityStatusCodeCancelled {
			return "", nil
		}
		return aws.ToString(a.StatusMessage), nil
	}
	if waited := time.Since(since); waited > patience {
		return fmt.Sprintf("nothing has come of it for %s", waited.Round(time.Minute)), nil
	}
	return "", nil
}
