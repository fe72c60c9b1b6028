package main

import (
	"context"
	"errors"
	"fmt"

	"rondo/autoscale/dns"
	"rondo/autoscale/dns/rfc2136"
	"rondo/autoscale/ec2/route53"
)

// names are the names that follow groups, where the group's sessions say how long
// clients keep an address unless they say otherwise.
func (c autoscaleConfig) names() dns.Config {
	out := c.DNS.Completed()
	for i, it := range out {
		for _, g := range c.Groups.Groups {
			if g.Name == it.Group && it.Traffic == "" {
				out[i].Traffic = g.Retire.Sessions
			}
		}
	}
	return out
}

// followByName makes what keeps them.
func (s *server) followByName(ctx context.Context, conf autoscaleConfig, p *parts) error {
	names := conf.names()
	if len(names) == 0 {
		return nil
	}
	providers, err := conf.nameProviders(ctx, names)
	if err != nil {
		return err
	}
	keeper, err := dns.New(dns.Options{
		Config: names, Providers: providers, Metrics: s.judge, HostOf: s.fleet.HostOf, Rank: s.rank, State: s.stores.state, Log: s.log.With("component", "dns"),
	})
	if err != nil {
		return err
	}
	p.house = append(p.house, keeper)
	return nil
}

// nameProviders makes what keeps the zone of each name. Zones of Route 53 share
// its pace.
func (c autoscaleConfig) nameProviders(ctx context.Context, names dns.Config) (_ map[string]dns.Provider, err error) {
	var account *route53.Account
	providers := make(map[string]dns.Provider)
	for _, it := range names {
		if it.RFC2136 != nil {
			providers[it.Name] = rfc2136.New(it.Zone, *it.RFC2136)
			continue
		}
		if account == nil {
			if account, err = route53.New(ctx, c.EC2); err != nil {
				return nil, err
			}
		}
		providers[it.Name] = account.Zone(it.Route53.ZoneID)
	}
	return providers, nil
}

// checkNames finds what is wrong with names beside their groups.
func (c *config) checkNames() error {
	errs := []error{c.Autoscale.DNS.Validate(), c.checkFollowed("dns", c.Autoscale.DNS.Groups()...)}
	var es expressions
	for _, it := range c.Autoscale.names() {
		es.check("dns: traffic of name", it.Name, it.Traffic)
		for _, g := range c.Autoscale.Groups.Groups {
			if g.Name == it.Group && g.Drain <= it.TTL {
				errs = append(errs, fmt.Errorf("dns: name %q: group %q drains for %v at most, which is over before resolvers forget an address (ttl %v): want a longer drain there", it.Name, g.Name, g.Drain, it.TTL))
			}
		}
	}
	return errors.Join(append(errs, es...)...)
}
