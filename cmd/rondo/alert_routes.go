package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/alerts/notify/dispatch"
	"rondo/rrd"
)

// alertRoutesCmd shows who would be told.
type alertRoutesCmd struct {
	Config string   `help:"Configuration file; conf.d/*.yml beside it is read too." type:"path" default:"rondo.yml" placeholder:"FILE"`
	Test   bool     `help:"Say who is told of an alert with the labels behind it. The first line is the receivers alone."`
	Labels []string `arg:"" optional:"" help:"Labels, as severity=critical team=db." placeholder:"LABEL=VALUE"`
}

func (alertRoutesCmd) Help() string {
	return `Examples:
  rondo alert routes --config=/etc/rondo/rondo.yml
  rondo alert routes --test alertname=load severity=critical host=db-1

Reads the configuration, not a running server, so that routes can be tested
before they are used.`
}

// Run shows the tree, or tests labels.
func (c alertRoutesCmd) Run(_ context.Context, out io.Writer) error {
	conf, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	var names []string
	for _, r := range conf.Alerts.receivers() {
		names = append(names, r.Name)
	}
	tree, err := conf.Alerts.Telling.Dispatch.Tree(names)
	if err != nil {
		return err
	}
	switch {
	case tree == nil:
		return fmt.Errorf("%s has no alerts: route: every receiver is told everything at once", c.Config)
	case c.Test:
		return c.test(out, tree, time.Now())
	case len(c.Labels) > 0:
		return errors.New("labels are for --test")
	}
	var b strings.Builder
	drawRoute(&b, tree, "", "")
	_, err = io.WriteString(out, b.String())
	return err
}

// drawRoute draws a route and what is below it. first stands before its own
// line, rest before all others.
func drawRoute(b *strings.Builder, r *dispatch.Route, first, rest string) {
	fmt.Fprintf(b, "%s%s  %s\n", first, r, routeWords(r))
	for i, child := range r.Routes {
		if i < len(r.Routes)-1 {
			drawRoute(b, child, rest+"├── ", rest+"│   ")
		} else {
			drawRoute(b, child, rest+"└── ", rest+"    ")
		}
	}
}

// routeWords are what a route does.
func routeWords(r *dispatch.Route) string {
	by := strings.Join(r.By, ", ")
	words := []string{
		"receiver: " + r.Receiver,
		fmt.Sprintf("group_by: [%s]", by),
		fmt.Sprintf("wait %v, interval %v, repeat %v", dispatch.ShortDuration(r.Wait), dispatch.ShortDuration(r.Interval), dispatch.ShortDuration(r.Repeat)),
	}
	if r.Owner != "" {
		words = append(words, "owner: "+r.Owner)
	}
	for _, s := range r.Ladder {
		words = append(words, fmt.Sprintf("after %v: %s", dispatch.ShortDuration(s.After), s.To))
	}
	for _, name := range r.MutedBy() {
		words = append(words, name)
	}
	if r.Continue {
		words = append(words, "continue")
	}
	return strings.Join(words, "; ")
}

// test says where labels go: the receivers, as `amtool config routes test` has
// them, and then each route that takes them.
func (c alertRoutesCmd) test(out io.Writer, tree *dispatch.Route, now time.Time) error {
	m := make(map[string]string)
	for _, l := range c.Labels {
		name, value, ok := strings.Cut(l, "=")
		if !ok || name == "" {
			return fmt.Errorf("label %q: want LABEL=VALUE", l)
		}
		m[name] = strings.Trim(value, `"`)
	}
	ls := alerts.NewLabels(m)
	var names []string
	routes := tree.Match(ls)
	for _, r := range routes {
		names = append(names, r.Receiver)
	}
	fmt.Fprintln(out, strings.Join(names, ","))
	for _, r := range routes {
		fmt.Fprintf(out, "  %s: group %s; %s\n", r.Key, groupText(r, ls), routeWords(r))
		if owner := cmp.Or(ls.Get("owner"), r.Owner); owner != "" {
			fmt.Fprintf(out, "    owner: %s\n", owner)
		}
		if why, muted := r.Muted(now); muted {
			fmt.Fprintf(out, "    nothing is told now: %s\n", why)
		}
	}
	return nil
}

func groupText(r *dispatch.Route, ls rrd.Labels) string {
	var parts []string
	for _, l := range r.Group(ls) {
		parts = append(parts, fmt.Sprintf("%s=%q", l.Name, l.Value))
	}
	slices.Sort(parts)
	return "{" + strings.Join(parts, ", ") + "}"
}
