package ec2

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"rondo/autoscale"
)

// A preflight asks EC2 for everything that a group will ask, with DryRun: EC2
// then answers DryRunOperation where it would have done it.
type preflight struct {
	*Cloud
	launch  autoscale.Launch
	account string
	arn     string // the first parts of ARNs here: arn:aws
	needs   []autoscale.Requirement
}

// Preflight implements autoscale.Preflighter.
func (c *Cloud) Preflight(ctx context.Context, l autoscale.Launch, ids []string) autoscale.Preflight {
	p := &preflight{Cloud: c, launch: l, account: "*", arn: "arn:aws"}
	who := p.identify(ctx)
	if _, err := c.client.describeInstances(ctx, &awsec2.DescribeInstancesInput{DryRun: aws.Bool(true), MaxResults: aws.Int32(pageSize)}); err == nil {
		// It would launch, too.
		p.add("dry run", errNoDryRun, "")
		return autoscale.Preflight{Account: who, Requirements: p.needs}
	} else {
		p.add("ec2:DescribeInstances", dried(err), "")
	}
	p.dry("ec2:DescribeInstanceStatus", func(dry *bool) error {
		_, err := c.client.describeInstanceStatus(ctx, &awsec2.DescribeInstanceStatusInput{DryRun: dry})
		return err
	})
	if f := l.Template.Images; f.IsSet() {
		p.dry("ec2:DescribeImages", func(dry *bool) error {
			in := imagesInput(f)
			in.DryRun = dry
			_, err := c.client.describeImages(ctx, in)
			return err
		})
	}
	p.dryLaunch(ctx)
	p.dryEnd(ctx, ids)
	p.template(ctx)
	p.image(ctx)
	p.subnets(ctx)
	return autoscale.Preflight{Account: who, Requirements: p.needs}
}

// identify says in whose name the calls are made.
func (p *preflight) identify(ctx context.Context) string {
	out, err := p.client.callerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		p.add("credentials", classify(err), "")
		return ""
	}
	p.account = aws.ToString(out.Account)
	if parts := strings.SplitN(aws.ToString(out.Arn), ":", 3); len(parts) == 3 {
		p.arn = parts[0] + ":" + parts[1] // of this partition: aws, aws-cn
	}
	p.add("credentials", nil, aws.ToString(out.Arn))
	return p.account
}

// dry asks for an action and notes the answer.
func (p *preflight) dry(action string, ask func(dry *bool) error) {
	p.add(action, dried(ask(aws.Bool(true))), "")
}

// errNoDryRun is of a server that does what it should only talk about.
var errNoDryRun = errors.New("this endpoint knows no dry run: nothing else is asked of it")

// dried is nil where a dry run says that the action is allowed.
func dried(err error) error {
	if err == nil {
		return errNoDryRun
	}
	err = classify(err)
	if ce, ok := errors.AsType[*autoscale.CallError](err); ok && ce.Code == "DryRunOperation" {
		return nil
	}
	return err
}

// add notes one need. An action of IAM's that is denied comes with the
// statement that allows it.
func (p *preflight) add(name string, err error, text string) {
	n := autoscale.Requirement{Name: name, State: autoscale.Granted, Text: text}
	ce, failed := errors.AsType[*autoscale.CallError](err)
	if err != nil {
		n.State, n.Text = autoscale.Unsure, err.Error()
	}
	switch {
	case failed && ce.Failure == autoscale.Denied:
		n.State, n.Policy = autoscale.Refused, p.statement(name)
	case failed && (strings.Contains(ce.Code, "NotFound") || strings.Contains(ce.Code, "Malformed")):
		n.State = autoscale.Missing
	}
	p.needs = append(p.needs, n)
}

// statement is what allows an action, and no more than the group needs of it.
func (p *preflight) statement(action string) *autoscale.Statement {
	instances := p.arn + ":ec2:*:" + p.account + ":instance/*"
	switch action {
	case "ec2:TerminateInstances":
		return autoscale.Allow(action, instances, "aws:ResourceTag/"+autoscale.TagGroup, p.launch.Group)
	case "ec2:CreateTags":
		creator := "RunInstances"
		if p.launch.Template.Fleet {
			creator = "CreateFleet"
		}
		return autoscale.Allow(action, instances, "ec2:CreateAction", creator)
	case "iam:PassRole":
		return autoscale.Allow(action, p.arn+":iam::"+p.account+":role/*", "iam:PassedToService", "ec2.amazonaws.com")
	case "credentials":
		return nil
	}
	return autoscale.Allow(action, "*")
}

// dryLaunch asks for the launch. EC2 denies the whole of it for the lack of any
// one permission, so that a denied one is asked again without its tags and
// without its profile.
func (p *preflight) dryLaunch(ctx context.Context) {
	if p.launch.Template.Fleet {
		p.dry("ec2:CreateFleet", func(dry *bool) error {
			in := fleetInput(p.launch)
			in.DryRun, in.ClientToken = dry, nil
			_, err := p.client.createFleet(ctx, in, once)
			return err
		})
	}
	run := func(change func(*awsec2.RunInstancesInput)) error {
		in := runInput(p.launch)
		in.DryRun, in.ClientToken = aws.Bool(true), nil
		change(in)
		_, err := p.client.runInstances(ctx, in, once)
		return dried(err)
	}
	untagged := func(in *awsec2.RunInstancesInput) { in.TagSpecifications = nil }
	roleless := func(in *awsec2.RunInstancesInput) { in.IamInstanceProfile = nil }
	bare := func(in *awsec2.RunInstancesInput) { untagged(in); roleless(in) }

	whole := run(func(*awsec2.RunInstancesInput) {})
	if !denied(whole) {
		p.add("ec2:RunInstances", whole, "")
		return
	}
	tags, role := run(roleless), run(untagged)
	if err := run(bare); err != nil || !denied(tags) && !denied(role) {
		p.add("ec2:RunInstances", whole, "")
		return
	}
	p.add("ec2:RunInstances", nil, "")
	if denied(tags) {
		p.add("ec2:CreateTags", tags, "")
	}
	if denied(role) {
		p.add("iam:PassRole", role, "")
		p.needs[len(p.needs)-1].Text += "; better name the role of " + p.launch.Template.Profile + " than role/*"
	}
}

func denied(err error) bool {
	ce, ok := errors.AsType[*autoscale.CallError](err)
	return ok && ce.Failure == autoscale.Denied
}

// dryEnd asks for what is done to instances; that takes one.
func (p *preflight) dryEnd(ctx context.Context, ids []string) {
	if len(ids) == 0 {
		for _, action := range []string{"ec2:TerminateInstances", "ec2:DescribeInstanceAttribute"} {
			p.needs = append(p.needs, autoscale.Requirement{Name: action, State: autoscale.Unsure, Text: "the group has no instance to ask about"})
		}
		return
	}
	p.dry("ec2:TerminateInstances", func(dry *bool) error {
		_, err := p.client.terminateInstances(ctx, &awsec2.TerminateInstancesInput{DryRun: dry, InstanceIds: ids[:1]}, once)
		return err
	})
	p.dry("ec2:DescribeInstanceAttribute", func(dry *bool) error {
		_, err := p.client.describeInstanceAttribute(ctx, &awsec2.DescribeInstanceAttributeInput{
			DryRun: dry, InstanceId: aws.String(ids[0]), Attribute: types.InstanceAttributeNameDisableApiTermination,
		})
		return err
	})
}

// template looks whether the launch template exists.
func (p *preflight) template(ctx context.Context) {
	name := p.launch.Template.LaunchTemplate
	if name == "" {
		return
	}
	in := &awsec2.DescribeLaunchTemplatesInput{LaunchTemplateNames: []string{name}}
	if strings.HasPrefix(name, "lt-") {
		in = &awsec2.DescribeLaunchTemplatesInput{LaunchTemplateIds: []string{name}}
	}
	text := ""
	out, err := p.client.describeLaunchTemplates(ctx, in)
	if err == nil && len(out.LaunchTemplates) > 0 {
		text = fmt.Sprintf("default version %d", aws.ToInt64(out.LaunchTemplates[0].DefaultVersionNumber))
	}
	p.exists("launch template "+name, "ec2:DescribeLaunchTemplates", err, text)
}

// exists notes what a look at a thing gave. That nobody may look at it is no
// lack: the group itself does not.
func (p *preflight) exists(name, action string, err error, text string) {
	if err != nil {
		if err = classify(err); denied(err) {
			p.needs = append(p.needs, autoscale.Requirement{Name: name, State: autoscale.Unsure, Text: "looking at it wants " + action, Policy: p.statement(action)})
			return
		}
	}
	p.add(name, err, text)
}

// image looks whether the image exists and can be used.
func (p *preflight) image(ctx context.Context) {
	id := p.launch.Template.Image
	if !strings.HasPrefix(id, "ami-") {
		return // of the launch template, or resolve:ssm, which EC2 looks up itself
	}
	out, err := p.client.describeImages(ctx, &awsec2.DescribeImagesInput{ImageIds: []string{id}})
	text := ""
	switch {
	case err != nil:
	case len(out.Images) == 0:
		p.needs = append(p.needs, autoscale.Requirement{Name: "image " + id, State: autoscale.Missing})
		return
	default:
		text = strings.TrimSpace(aws.ToString(out.Images[0].Name) + " " + string(out.Images[0].State))
	}
	p.exists("image "+id, "ec2:DescribeImages", err, text)
}

// subnets looks whether all subnets exist, and says how much room they have.
func (p *preflight) subnets(ctx context.Context) {
	names := p.launch.Template.Subnets
	if s := p.launch.Template.Subnet; s != "" {
		names = []string{s}
	}
	for _, name := range names {
		text := ""
		out, err := p.client.describeSubnets(ctx, &awsec2.DescribeSubnetsInput{SubnetIds: []string{name}})
		if err == nil && len(out.Subnets) > 0 {
			s := out.Subnets[0]
			text = fmt.Sprintf("%s, %d free addresses", aws.ToString(s.AvailabilityZone), aws.ToInt32(s.AvailableIpAddressCount))
		}
		p.exists("subnet "+name, "ec2:DescribeSubnets", err, text)
	}
}
