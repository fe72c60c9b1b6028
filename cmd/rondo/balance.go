package main

import (
	"context"
	"errors"
	"net/http"

	"rondo/autoscale/redirect"
)

// buildRedirect makes what weighs the servers of groups and sends clients to
// them. Its sockets and books outlast a reload.
func (s *server) buildRedirect(ctx context.Context, conf *config, p *parts) (err error) {
	c := conf.Autoscale.weighed()
	if len(c.Groups) == 0 {
		s.books.Sockets.Close()
		return nil
	}
	p.redirect, err = redirect.New(ctx, redirect.Options{
		Config: c, Books: s.books, Metrics: s.judge, Hosts: s.fleet, Log: s.log.With("component", "redirect"),
	})
	if err != nil {
		return err
	}
	p.house = append(p.house, p.redirect)
	return nil
}

// weighed is the redirector's configuration, with all groups whose weights
// somebody wants.
func (c autoscaleConfig) weighed() redirect.Config { return c.Redirect }

// checkBalance says what is wrong with what shares work out over servers.
func (c *config) checkBalance() error {
	var es expressions
	for _, g := range c.Autoscale.Redirect.Groups {
		for _, expr := range []string{g.Free, g.Size, g.Sessions} {
			es.check("autoscale: redirect: group", g.Group, expr)
		}
	}
	return errors.Join(c.Autoscale.Redirect.Validate(), c.checkFollowed("redirect", c.Autoscale.Redirect.Names()...), errors.Join(es...))
}

// serveWeights answers GET /weights.
func (s *server) serveWeights(w http.ResponseWriter, r *http.Request) {
	if p := s.parts.Load(); p.redirect != nil {
		p.redirect.Handler().ServeHTTP(w, r)
		return
	}
	http.Error(w, "no group is weighed: add it under autoscale: redirect: groups:", http.StatusNotFound)
}
