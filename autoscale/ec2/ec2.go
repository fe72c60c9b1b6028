package ec2

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"rondo/autoscale"
)

// Config says which EC2 and whose. What is empty comes from AWS's usual
// places: environment (AWS_REGION, AWS_ENDPOINT_URL, ...), shared files,
// instance role.
type Config struct {
	Endpoint  string `yaml:"endpoint"`
	Region    string `yaml:"region"`
	AccessKey string `yaml:"access_key"` // with secret_key: nothing is read from AWS's usual places
	SecretKey string `yaml:"secret_key"`

	// LoopbackOnly refuses any endpoint that is not on this machine: a
	// demonstration must never spend money.
	LoopbackOnly bool `yaml:"-"`
	// Transport carries the calls; nil: the network.
	Transport http.RoundTripper `yaml:"-"`
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	if (c.AccessKey == "") != (c.SecretKey == "") {
		return errors.New("ec2: access_key and secret_key go together")
	}
	if c.AccessKey != "" && c.Region == "" {
		return errors.New("ec2: region is wanted where access_key is given")
	}
	if c.Endpoint != "" {
		if u, err := url.Parse(c.Endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("ec2: endpoint %q: want http(s)://host[:port]", c.Endpoint)
		}
	}
	if c.LoopbackOnly && !loopback(c.Endpoint) {
		return fmt.Errorf("ec2: endpoint %q is not on this machine: refused", c.Endpoint)
	}
	return nil
}

func loopback(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && ip.IsLoopback()
}

// A Cloud is EC2 in one region. It is safe for concurrent use.
type Cloud struct {
	client operations
}

// operations are those of the SDK's client that are called. The client itself
// must not be part of a type that reflection could reach: beside html/template,
// which calls methods by their names, the linker would keep all of its 800
// operations, half of the program.
type operations struct {
	describeInstances  operation[awsec2.DescribeInstancesInput, awsec2.DescribeInstancesOutput]
	runInstances       operation[awsec2.RunInstancesInput, awsec2.RunInstancesOutput]
	createFleet        operation[awsec2.CreateFleetInput, awsec2.CreateFleetOutput]
	createTags         operation[awsec2.CreateTagsInput, awsec2.CreateTagsOutput]
	terminateInstances operation[awsec2.TerminateInstancesInput, awsec2.TerminateInstancesOutput]

	describeInstanceStatus operation[awsec2.DescribeInstanceStatusInput, awsec2.DescribeInstanceStatusOutput]

	// Of preflights and lookups.
	describeInstanceAttribute operation[awsec2.DescribeInstanceAttributeInput, awsec2.DescribeInstanceAttributeOutput]
	describeLaunchTemplates   operation[awsec2.DescribeLaunchTemplatesInput, awsec2.DescribeLaunchTemplatesOutput]
	describeSubnets           operation[awsec2.DescribeSubnetsInput, awsec2.DescribeSubnetsOutput]
	describeImages            operation[awsec2.DescribeImagesInput, awsec2.DescribeImagesOutput]
	callerIdentity            func(context.Context, *sts.GetCallerIdentityInput, ...func(*sts.Options)) (*sts.GetCallerIdentityOutput, error)
}

type operation[In, Out any] func(context.Context, *In, ...func(*awsec2.Options)) (*Out, error)

// New makes a client. It makes no call.
func New(ctx context.Context, c Config) (*Cloud, error) {
	conf, err := SDK(ctx, c)
	if err != nil {
		return nil, err
	}
	return &Cloud{operationsOf(awsec2.NewFromConfig(conf), sts.NewFromConfig(conf))}, nil
}

func operationsOf(c *awsec2.Client, identity *sts.Client) operations {
	return operations{
		describeInstances: c.DescribeInstances, runInstances: c.RunInstances, createFleet: c.CreateFleet, createTags: c.CreateTags,
		terminateInstances: c.TerminateInstances, describeInstanceStatus: c.DescribeInstanceStatus,
		describeInstanceAttribute: c.DescribeInstanceAttribute, describeLaunchTemplates: c.DescribeLaunchTemplates,
		describeSubnets: c.DescribeSubnets, describeImages: c.DescribeImages, callerIdentity: identity.GetCallerIdentity,
	}
}

// Limits of the SDK's own retries, of reads.
const (
	readAttempts = 3
	readPause    = time.Second // a client asks no more than once a second
)

// load returns the SDK's configuration. With keys of its own it does not look
// at the environment or at files.
func load(ctx context.Context, c Config) (aws.Config, error) {
	retryer := func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = readAttempts
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) {
				return readPause + rand.N(readPause), nil
			})
		})
	}
	if c.AccessKey != "" {
		return aws.Config{
			Region: c.Region, Retryer: retryer,
			Credentials: credentials.NewStaticCredentialsProvider(c.AccessKey, c.SecretKey, ""),
		}, nil
	}
	options := []func(*config.LoadOptions) error{config.WithRetryer(retryer)}
	if c.Region != "" {
		options = append(options, config.WithRegion(c.Region))
	}
	conf, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return conf, fmt.Errorf("ec2: %w", err)
	}
	return conf, nil
}

// once is for calls that change something: the controller retries them.
func once(o *awsec2.Options) { o.Retryer = aws.NopRetryer{} }

// pageSize is how many instances one page of a list holds.
const pageSize = 500

// Instances lists all that carry the group's tag; those that are over as
// Terminated, as long as EC2 remembers them (about an hour).
func (c *Cloud) Instances(ctx context.Context, group string) ([]autoscale.Instance, error) {
	return c.describe(ctx, filter("tag:"+autoscale.TagGroup, group))
}

// Instance returns one instance by its ID; false where EC2 does not know it.
func (c *Cloud) Instance(ctx context.Context, id string) (autoscale.Instance, bool, error) {
	is, err := c.describe(ctx, filter("instance-id", id))
	if err != nil || len(is) == 0 {
		return autoscale.Instance{}, false, err
	}
	return is[0], true, nil
}

func filter(name string, values ...string) types.Filter {
	return types.Filter{Name: aws.String(name), Values: values}
}

// errPage says that a list turned in a circle; half a list would look like a
// need to launch the other half.
var errPage = errors.New("EC2 gave the same page token twice")

// describe reads all pages.
func (c *Cloud) describe(ctx context.Context, filters ...types.Filter) ([]autoscale.Instance, error) {
	var out []autoscale.Instance
	in := &awsec2.DescribeInstancesInput{Filters: filters, MaxResults: aws.Int32(pageSize)}
	seen := make(map[string]bool)
	for {
		page, err := c.client.describeInstances(ctx, in)
		if err != nil {
			return nil, classify(err)
		}
		for _, r := range page.Reservations {
			for _, i := range r.Instances {
				out = append(out, instance(i))
			}
		}
		next := aws.ToString(page.NextToken)
		switch {
		case next == "":
			return out, nil
		case seen[next]:
			return nil, &autoscale.CallError{Failure: autoscale.Unclear, Err: errPage}
		}
		seen[next] = true
		in.NextToken = page.NextToken
	}
}

// instance translates. A running instance is Booting until the controller has
// heard of it.
func instance(i types.Instance) autoscale.Instance {
	out := autoscale.Instance{
		ID: aws.ToString(i.InstanceId), Type: string(i.InstanceType), Image: aws.ToString(i.ImageId), Subnet: aws.ToString(i.SubnetId),
		PrivateDNS: aws.ToString(i.PrivateDnsName), PrivateIP: aws.ToString(i.PrivateIpAddress),
		PublicDNS: aws.ToString(i.PublicDnsName), PublicIP: aws.ToString(i.PublicIpAddress),
		Launched: aws.ToTime(i.LaunchTime), Tags: make(map[string]string, len(i.Tags)),
	}
	if i.Placement != nil {
		out.Zone = aws.ToString(i.Placement.AvailabilityZone)
	}
	if i.InstanceLifecycle == types.InstanceLifecycleTypeSpot {
		out.Market = autoscale.Spot
	}
	for _, t := range i.Tags {
		out.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	if i.State != nil {
		out.Phase = phase(i.State.Name)
	}
	return out
}

func phase(s types.InstanceStateName) autoscale.Phase {
	switch s {
	case types.InstanceStateNamePending:
		return autoscale.Pending
	case types.InstanceStateNameRunning:
		return autoscale.Booting
	case types.InstanceStateNameShuttingDown:
		return autoscale.Terminating
	case types.InstanceStateNameStopping, types.InstanceStateNameStopped:
		return autoscale.Stopped
	case types.InstanceStateNameTerminated:
		return autoscale.Terminated
	}
	return autoscale.Stopped // a state that is new to us is no capacity
}

// Launch asks for up to l.Count instances and takes what can be had: in a
// rush some are better than none.
func (c *Cloud) Launch(ctx context.Context, l autoscale.Launch) ([]autoscale.Instance, string, error) {
	if l.Template.Fleet && len(l.Pools) > 0 {
		return c.launchFleet(ctx, l)
	}
	out, err := c.client.runInstances(ctx, runInput(l), once)
	if err != nil {
		return nil, "", classify(err)
	}
	var is []autoscale.Instance
	for _, i := range out.Instances {
		is = append(is, instance(i))
	}
	request, _ := middleware.GetRequestIDMetadata(out.ResultMetadata)
	return is, request, nil
}

func runInput(l autoscale.Launch) *awsec2.RunInstancesInput {
	t := pooled(l)
	in := &awsec2.RunInstancesInput{
		MinCount: aws.Int32(1), MaxCount: aws.Int32(int32(l.Count)), ClientToken: aws.String(l.Token),
		ImageId: optional(t.Image), InstanceType: types.InstanceType(t.Type), SubnetId: optional(t.Subnet),
		KeyName: optional(t.Key), SecurityGroupIds: t.SecurityGroups,
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeInstance, Tags: tags(l.Tags)}},
	}
	if t.UserData != "" {
		in.UserData = aws.String(base64.StdEncoding.EncodeToString([]byte(t.UserData)))
	}
	if t.Zone != "" {
		in.Placement = &types.Placement{AvailabilityZone: aws.String(t.Zone)}
	}
	if t.Spot.Share > 0 {
		in.InstanceMarketOptions = &types.InstanceMarketOptionsRequest{
			MarketType: types.MarketTypeSpot, SpotOptions: &types.SpotMarketOptions{MaxPrice: price(t.Spot.MaxPrice)},
		}
	}
	if t.Profile != "" {
		in.IamInstanceProfile = &types.IamInstanceProfileSpecification{Name: aws.String(t.Profile)}
	}
	if id := t.LaunchTemplate; strings.HasPrefix(id, "lt-") {
		in.LaunchTemplate = &types.LaunchTemplateSpecification{LaunchTemplateId: aws.String(id), Version: optional(t.Version)}
	} else if id != "" {
		in.LaunchTemplate = &types.LaunchTemplateSpecification{LaunchTemplateName: aws.String(id), Version: optional(t.Version)}
	}
	return in
}

// pooled is the launch's template with the pool's type, place and market, of
// which a share is all or nothing.
func pooled(l autoscale.Launch) autoscale.Template {
	t := l.Template
	if len(l.Pools) == 0 {
		return t
	}
	p := l.Pools[0]
	t.Type, t.Zone, t.Subnet, t.Spot.Share = p.Type, p.Zone, p.Subnet, 0
	if p.Market == autoscale.Spot {
		t.Spot.Share = 1
	}
	return t
}

// price is in dollars an hour; nil: up to the price on demand.
func price(dollars float64) *string {
	if dollars <= 0 {
		return nil
	}
	return aws.String(strconv.FormatFloat(dollars, 'f', -1, 64))
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return aws.String(s)
}

// tags are sorted: the same token wants the same parameters in the same order.
func tags(m map[string]string) []types.Tag {
	var out []types.Tag
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, types.Tag{Key: aws.String(k), Value: aws.String(m[k])})
	}
	return out
}

// batch is how many instances one Describe by ID and one Terminate name.
const batch = 100

// Terminate reads each instance's tags and state right before it acts. One
// that is not the group's, or is protected, and nothing at all is terminated;
// one that is over already is left out.
func (c *Cloud) Terminate(ctx context.Context, group string, ids []string) (string, error) {
	var going []string
	for some := range slices.Chunk(ids, batch) {
		is, err := c.describe(ctx, filter("instance-id", some...))
		if err != nil {
			return "", err
		}
		for _, i := range is {
			switch {
			case i.Tags[autoscale.TagGroup] != group:
				return "", refused("%s does not carry the tag %s=%s", i.ID, autoscale.TagGroup, group)
			case i.Protected():
				return "", refused("%s is protected by its tag %s", i.ID, autoscale.TagProtect)
			case i.Phase != autoscale.Terminated && i.Phase != autoscale.Terminating:
				going = append(going, i.ID)
			}
		}
	}
	request := ""
	for some := range slices.Chunk(going, batch) {
		out, err := c.client.terminateInstances(ctx, &awsec2.TerminateInstancesInput{InstanceIds: some}, once)
		if err != nil {
			return "", classify(err)
		}
		request, _ = middleware.GetRequestIDMetadata(out.ResultMetadata)
	}
	return request, nil
}

func refused(format string, args ...any) error {
	return &autoscale.CallError{Failure: autoscale.Permanent, Code: "Refused", Err: fmt.Errorf(format, args...)}
}
