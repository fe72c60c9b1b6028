package main

import (
	"context"

	"rondo/autoscale/ec2/elb"
)

// followInAWS makes what follows groups in AWS: target groups.
func (s *server) followInAWS(ctx context.Context, conf *config, p *parts) error {
	if len(conf.Autoscale.ELB) == 0 {
		return nil
	}
	o := elb.Options{Config: conf.Autoscale.ELB, EC2: conf.Autoscale.EC2, Store: s.stores.state, Log: s.log.With("component", "elb")}
	for _, g := range conf.Autoscale.Groups.Groups {
		o.Groups = append(o.Groups, g.WithDefaults())
	}
	if p.asgs != nil {
		o.Attached = p.asgs.TargetGroups
	}
	b, err := elb.New(ctx, o)
	if err != nil {
		return err
	}
	p.house = append(p.house, b)
	return nil
}
