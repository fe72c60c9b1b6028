package main

import (
	"errors"
	"fmt"

	"rondo/autoscale/dns"
	"rondo/autoscale/dns/rfc2136"
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
func (s *server) followByName(conf autoscaleConfig, p *parts) error {
	names := conf.names()
	if len(names) == 0 {
		return nil
	}
	providers := make(map[string]dns.Provider)
	for _, it := range names {
		if it.RFC2136 != nil {
			providers[it.Name] = rfc2136.New(it.Zone, *it.RFC2136)
		}
	}
	keeper, err := dns.New(dns.Options{
		Config: names, Providers: providers, Metrics: s.judge, HostOf: s.fleet.HostOf, State: s.stores.state, Log: s.log.With("component", "dns"),
	})
	if err != nil {
		return err
	}
	p.house = append(p.house, keeper)
	return nil
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
