package main

import (
	"context"
	"fmt"

	"rondo/autoscale"
	"rondo/autoscale/ec2"
	"rondo/autoscale/ec2/asg"
	"rondo/autoscale/script"
)

// buildClouds makes the cloud of each group: EC2, an Auto Scaling Group in it,
// or a program.
func (p *parts) buildClouds(ctx context.Context, conf autoscaleConfig) (_ autoscale.Clouds, err error) {
	clouds, names := make(autoscale.Clouds), make(map[string]string)
	for _, g := range conf.Groups.Groups {
		if g.Exec != nil {
			if clouds[g.Name], err = script.New(*g.WithDefaults().Exec); err != nil {
				return nil, fmt.Errorf("autoscale: group %q: exec: %w", g.Name, err)
			}
			continue
		}
		if p.cloud == nil {
			if p.cloud, err = ec2.New(ctx, conf.EC2); err != nil {
				return nil, err
			}
		}
		clouds[g.Name] = p.cloud
		if g.ASG != "" {
			names[g.Name] = g.ASG
		}
	}
	if len(names) == 0 {
		return clouds, nil
	}
	p.asgs, err = asg.New(ctx, conf.EC2, p.cloud, names)
	for name := range names {
		clouds[name] = p.asgs
	}
	return clouds, err
}
