package main

import (
	"context"
	"slices"

	"rondo/autoscale/ec2/eip"
	"rondo/autoscale/ec2/elb"
	"rondo/autoscale/ec2/ssm"
	"rondo/autoscale/fanout"
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
		m, err := eip.New(ctx, eip.Options{Config: conf.Autoscale.EIP, EC2: conf.Autoscale.EC2, Rank: s.rank, Log: s.log.With("component", "addresses")})
		if err != nil {
			return err
		}
		p.house = append(p.house, m)
	}
	return nil
}

// runInAWS makes what runs commands on instances by AWS, where there are such
// commands.
func (s *server) runInAWS(ctx context.Context, conf *config, p *parts) (map[string]fanout.Runner, error) {
	if !slices.ContainsFunc(conf.Autoscale.Management.Commands, func(c fanout.Config) bool { return c.Over == fanout.OverSSM }) {
		return nil, nil
	}
	var err error
	p.ssm, err = ssm.New(ctx, conf.Autoscale.EC2, s.log.With("component", "ssm"))
	return map[string]fanout.Runner{fanout.OverSSM: p.ssm}, err
}
