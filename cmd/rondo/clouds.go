package main

import (
	"context"
	"fmt"

	"rondo/autoscale"
	"rondo/autoscale/ec2"
)

// buildClouds makes the cloud of each group: EC2 for those that launch
// instances themselves.
func (p *parts) buildClouds(ctx context.Context, conf autoscaleConfig) (autoscale.Clouds, error) {
	clouds := make(autoscale.Clouds)
	for _, g := range conf.Groups.Groups {
		if g.ASG != "" || g.Exec != nil {
			return nil, fmt.Errorf("autoscale: group %q: asg and exec are not built into this rondo", g.Name)
		}
		if p.cloud == nil {
			cloud, err := ec2.New(ctx, conf.EC2)
			if err != nil {
				return nil, err
			}
			p.cloud = cloud
		}
		clouds[g.Name] = p.cloud
	}
	return clouds, nil
}
