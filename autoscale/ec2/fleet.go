package ec2

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	awsec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"rondo/autoscale"
)

// launchFleet asks for an instant fleet: EC2 tries the launch's pools in their
// order until it has as many instances as are wanted, and says of each pool
// that had none why. The fleet itself is but the request's record.
func (c *Cloud) launchFleet(ctx context.Context, l autoscale.Launch) ([]autoscale.Instance, string, error) {
	out, err := c.client.createFleet(ctx, fleetInput(l), once)
	if err != nil {
		return nil, "", classify(err)
	}
	var is []autoscale.Instance
	for _, some := range out.Instances {
		is = append(is, fleetInstances(some)...)
	}
	request, _ := middleware.GetRequestIDMetadata(out.ResultMetadata)
	return is, request, fleetErrors(out.Errors, request)
}

func fleetInput(l autoscale.Launch) *awsec2.CreateFleetInput {
	market := types.DefaultTargetCapacityTypeOnDemand
	if l.Market() == autoscale.Spot {
		market = types.DefaultTargetCapacityTypeSpot
	}
	return &awsec2.CreateFleetInput{
		Type: types.FleetTypeInstant, ClientToken: aws.String(l.Token),
		LaunchTemplateConfigs: []types.FleetLaunchTemplateConfigRequest{{
			LaunchTemplateSpecification: fleetTemplate(l.Template), Overrides: overrides(l),
		}},
		TargetCapacitySpecification: &types.TargetCapacitySpecificationRequest{
			TotalTargetCapacity: aws.Int32(int32(l.Count)), DefaultTargetCapacityType: market,
		},
		OnDemandOptions:   &types.OnDemandOptionsRequest{AllocationStrategy: types.FleetOnDemandAllocationStrategyPrioritized},
		SpotOptions:       &types.SpotOptionsRequest{AllocationStrategy: types.SpotAllocationStrategyCapacityOptimizedPrioritized},
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeInstance, Tags: tags(l.Tags)}},
	}
}

// fleetTemplate names the template's default version where it has no other, as
// RunInstances takes it without being told.
func fleetTemplate(t autoscale.Template) *types.FleetLaunchTemplateSpecificationRequest {
	name := t.LaunchTemplate
	spec := &types.FleetLaunchTemplateSpecificationRequest{Version: aws.String(cmp.Or(t.Version, "$Default"))}
	if strings.HasPrefix(name, "lt-") {
		spec.LaunchTemplateId = aws.String(name)
	} else {
		spec.LaunchTemplateName = aws.String(name)
	}
	return spec
}

// overrides are the pools, those of least priority number first.
func overrides(l autoscale.Launch) (out []types.FleetLaunchTemplateOverridesRequest) {
	for n, p := range l.Pools {
		o := types.FleetLaunchTemplateOverridesRequest{
			InstanceType: types.InstanceType(p.Type), SubnetId: optional(p.Subnet), AvailabilityZone: optional(p.Zone),
			ImageId: optional(l.Template.Image), Priority: aws.Float64(float64(n)),
		}
		if p.Market == autoscale.Spot {
			o.MaxPrice = price(l.Template.Spot.MaxPrice)
		}
		out = append(out, o)
	}
	return out
}

func fleetInstances(some types.CreateFleetInstance) (is []autoscale.Instance) {
	p := fleetPool(some.LaunchTemplateAndOverrides, some.Lifecycle)
	p.Type = cmp.Or(string(some.InstanceType), p.Type)
	for _, id := range some.InstanceIds {
		is = append(is, autoscale.Instance{ID: id, Type: p.Type, Zone: p.Zone, Subnet: p.Subnet, Market: p.Market, Phase: autoscale.Pending})
	}
	return is
}

// fleetPool is the pool that an override asked for.
func fleetPool(from *types.LaunchTemplateAndOverridesResponse, life types.InstanceLifecycle) autoscale.Pool {
	p := autoscale.Pool{Market: autoscale.OnDemand}
	if life == types.InstanceLifecycleSpot {
		p.Market = autoscale.Spot
	}
	if from != nil && from.Overrides != nil {
		o := from.Overrides
		p.Type, p.Zone, p.Subnet = string(o.InstanceType), aws.ToString(o.AvailabilityZone), aws.ToString(o.SubnetId)
	}
	return p
}

// fleetErrors makes one error of what the pools answered: HTTP says 200 even
// where there was no instance to be had. What one pool lacks is no capacity;
// another failure counts where no pool failed for lack of it.
func fleetErrors(from []types.CreateFleetError, request string) error {
	if len(from) == 0 {
		return nil
	}
	e := &autoscale.CallError{RequestID: request}
	for _, f := range from {
		code := aws.ToString(f.ErrorCode)
		e.Refused = append(e.Refused, autoscale.Refusal{Pool: fleetPool(f.LaunchTemplateAndOverrides, f.Lifecycle), Code: code})
		failure := fleetFailure(code)
		if e.Err == nil || failure == autoscale.NoRoom && e.Failure != autoscale.NoRoom {
			e.Failure, e.Code, e.Err = failure, code, errors.New(aws.ToString(f.ErrorMessage))
		}
	}
	return e
}

// fleetFailure classifies a code that has no HTTP status of its own. The
// fleet's answer is certain: what is not in a list was refused for good.
func fleetFailure(code string) autoscale.Failure {
	for _, f := range []autoscale.Failure{autoscale.Throttled, autoscale.NoRoom, autoscale.Denied} {
		if slices.Contains(codes(f), code) {
			return f
		}
	}
	return autoscale.Permanent
}
