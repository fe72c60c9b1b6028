package main

import (
	"context"
	"errors"
	"net/http"

	"rondo/autoscale/redirect"
	hap "rondo/autoscale/redirect/haproxy"
)

// buildRedirect makes what weighs the servers of groups, sends clients to them,
// and tells HAProxies of them. Sockets and books outlast a reload.
func (s *server) buildRedirect(ctx context.Context, conf *config, p *parts) (err error) {
	c := conf.Autoscale.weighed()
	if len(c.Groups) == 0 {
		s.books.Sockets.Close()
		return nil
	}
	p.redirect, err = redirect.New(ctx, redirect.Options{
		Config: c, Books: s.books, Metrics: s.judge, Hosts: s.fleet, Aliases: s.aliases, Log: s.log.With("component", "redirect"),
	})
	if err != nil {
		return err
	}
	p.house = append(p.house, p.redirect)
	if len(conf.Autoscale.HAProxy) == 0 {
		return nil
	}
	proxies, err := hap.New(conf.Autoscale.HAProxy, p.redirect, s.log.With("component", "haproxy"))
	if err != nil {
		return err
	}
	p.house = append(p.house, proxies)
	return nil
}

// weighed is the redirector's configuration, with all groups whose weights
// somebody wants.
func (c autoscaleConfig) weighed() redirect.Config {
	weighed := c.Redirect
	for _, group := range c.HAProxy.Groups() {
		weighed = weighed.With(group)
	}
	return weighed
}

// checkBalance says what is wrong with what shares work out over servers.
func (c *config) checkBalance() error {
	var es expressions
	for _, g := range c.Autoscale.Redirect.Groups {
		for _, expr := range []string{g.Free, g.Size, g.Sessions} {
			es.check("autoscale: redirect: group", g.Group, expr)
		}
	}
	return errors.Join(
		c.Autoscale.Redirect.Validate(), c.checkFollowed("redirect", c.Autoscale.Redirect.Names()...), errors.Join(es...),
		c.Autoscale.HAProxy.Validate(), c.checkFollowed("haproxy", c.Autoscale.HAProxy.Groups()...),
	)
}

// serveWeights answers GET /weights.
func (s *server) serveWeights(w http.ResponseWriter, r *http.Request) {
	if p := s.parts.Load(); p.redirect != nil {
		p.redirect.Handler().ServeHTTP(w, r)
		return
	}
	http.Error(w, "no group is weighed: add it under autoscale: redirect: groups:", http.StatusNotFound)
}
