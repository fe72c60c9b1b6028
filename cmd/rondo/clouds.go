package main

import (
	"context"
	"fmt"

	"rondo/autoscale"
	"rondo/autoscale/ec2"
	"rondo/autoscale/script"
)

// buildClouds makes the cloud of each group: EC2, or a program.
func (p *parts) buildClouds(ctx context.Context, conf autoscaleConfig) (autoscale.Clouds, error) {
	clouds := make(autoscale.Clouds)
	for _, g := range conf.Groups.Groups {
		if g.ASG != "" {
			return nil, fmt.Errorf("autoscale: group %q: asg is not built into this rondo", g.Name)
		}
		if g.Exec != nil {
			cloud, err := script.New(*g.WithDefaults().Exec)
			if err != nil {
				return nil, fmt.Errorf("autoscale: group %q: exec: %w", g.Name, err)
			}
			clouds[g.Name] = cloud
			continue
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
