package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"rondo/alerts/fleet/join"
	"rondo/autoscale"
)

// What stands in a group's user data for a join token, and for the shell's
// line that installs an agent with one.
const (
	tokenPlace   = "{{rondo.token}}"
	installPlace = "{{rondo.install}}"
)

// A launch's token is its group's of that week: a launch that is repeated gets
// the same, and there are few of them. It lives on for who boots slowly.
const (
	tokenWeek  = 7 * 24 * time.Hour
	tokenGrace = 2 * 24 * time.Hour
)

// fillUserData puts in what the journal, the pages and the logs shall not hold.
func (s *server) fillUserData(ctx context.Context, l autoscale.Launch) (string, error) {
	text := l.Template.UserData
	if !strings.Contains(text, tokenPlace) && !strings.Contains(text, installPlace) {
		return text, nil
	}
	week := l.Asked.UTC().Truncate(tokenWeek)
	token, err := s.join.Derive(ctx, "launch/"+l.Group+"/"+week.Format(time.DateOnly), join.Spec{
		Group: l.Group, Count: join.MaxCount, For: week.Add(tokenWeek + tokenGrace).Sub(l.Asked), By: "autoscale",
	})
	if err != nil {
		return "", err
	}
	return strings.NewReplacer(tokenPlace, token, installPlace, s.install.command(token)).Replace(text), nil
}

// checkUserData says which group's user data cannot be filled in.
func checkUserData(c autoscale.Config, agents agentsConfig) error {
	var errs []error
	for _, g := range c.Groups {
		text := g.Launch.UserData
		if strings.Contains(text, installPlace) && agents.Address == "" {
			errs = append(errs, fmt.Errorf("autoscale: group %q: launch.user_data: %s wants agents: address", g.Name, installPlace))
		}
		rest := strings.NewReplacer(tokenPlace, "", installPlace, "").Replace(text)
		if at := strings.Index(rest, "{{rondo."); at >= 0 {
			errs = append(errs, fmt.Errorf("autoscale: group %q: launch.user_data: %.20q: want %s or %s", g.Name, rest[at:], tokenPlace, installPlace))
		}
	}
	return errors.Join(errs...)
}
