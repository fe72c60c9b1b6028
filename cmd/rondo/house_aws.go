package main

import (
	"context"

	"rondo/autoscale/ec2/eip"
	"rondo/autoscale/ec2/elb"
)

// followInAWS makes what follows groups in AWS: target groups and addresses.
func (s *server) followInAWS(ctx context.Context, conf *config, p *parts) error {
	if len(conf.Autoscale.ELB) > 0 {
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
	}
	if len(conf.Autoscale.EIP) > 0 {
		m, err := eip.New(ctx, eip.Options{Config: conf.Autoscale.EIP, EC2: conf.Autoscale.EC2, Log: s.log.With("component", "addresses")})
		if err != nil {
			return err
		}
		p.house = append(p.house, m)
	}
	return nil
}
