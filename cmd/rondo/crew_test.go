package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts/fleet"
	"rondo/alerts/state"
	"rondo/autoscale"
	"rondo/rrd"
)

// TestCrew: what the autoscaler knows of hosts is known of them, for as long as
// nothing else is known.
func TestCrew(t *testing.T) {
	f, err := fleet.New(state.NewMemory(), fleet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"web-1.example.com", "web-2", "web-3", "db-1"} {
		f.Report(id, "", "", fleet.Agent{Seen: time.Now()})
	}
	s := staff{f, newCrew()}
	members := func(group string, instances ...autoscale.Instance) autoscale.Membership {
		return autoscale.Membership{Group: group, Instances: instances}
	}
	known := func(want string) {
		t.Helper()
		var got []string
		for _, h := range s.Hosts() {
			if leaving := s.leaving(rrd.Labels{{Name: "host", Value: h.ID}}); leaving != h.Leaving {
				t.Errorf("%s: leaving is %v and %v", h.ID, leaving, h.Leaving)
			}
			got = append(got, fmt.Sprint(h.ID, " ", h.PrivateIP, " ", h.Leaving))
		}
		if d := cmp.Diff(want, strings.Join(got, "; ")); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
	known("db-1  false; web-1.example.com  false; web-2  false; web-3  false")
	s.crew.look([]autoscale.Membership{
		members("web", autoscale.Instance{ID: "i-1", Host: "web-1.example.com", PrivateIP: "10.0.0.1", Phase: autoscale.InService},
			autoscale.Instance{ID: "i-2", Host: "web-2", PrivateIP: "10.0.0.2", Phase: autoscale.Draining},
			autoscale.Instance{ID: "i-3", PrivateIP: "10.0.0.3", Phase: autoscale.Booting}),
		members("db", autoscale.Instance{ID: "i-4", Host: "db-1", PrivateIP: "10.0.0.4", Phase: autoscale.Replaced}),
	})
	known("db-1 10.0.0.4 true; web-1.example.com 10.0.0.1 false; web-2 10.0.0.2 true; web-3  false")
	if s.leaving(rrd.Labels{{Name: "host", Value: "web-1"}}) || !s.leaving(rrd.Labels{{Name: "host", Value: "web-2.example.com"}}) || s.leaving(nil) {
		t.Error("a host is not known by its other name")
	}

	// A cloud that cannot be asked changes nothing; a drain that was called off does.
	s.crew.look([]autoscale.Membership{members("web", autoscale.Instance{ID: "i-2", Host: "web-2", PrivateIP: "10.0.0.2", Phase: autoscale.InService})})
	known("db-1 10.0.0.4 true; web-1.example.com  false; web-2 10.0.0.2 false; web-3  false")
	s.crew.keep([]autoscale.Group{{Name: "web"}})
	known("db-1  false; web-1.example.com  false; web-2 10.0.0.2 false; web-3  false")
}

// TestRolesAreHandedOn: their settings to agents, before those for all, and
// their parameters to configuration management.
func TestRolesAreHandedOn(t *testing.T) {
	n, err := parseTree("rondo.yml", []byte(`agents: {profiles: [{name: all, interval: 9s}]}
roles:
  - {name: web, groups: [web, shop], settings: {interval: 5s, parameters: {tier: front, port: "80"}}}
  - {name: shop, settings: {parameters: {tier: shop, tax: "19"}}}
`))
	if err != nil {
		t.Fatal(err)
	}
	c, err := configOf(n)
	if err != nil {
		t.Fatal(err)
	}
	h := &handout{profiles: c.profiles}
	var got []string
	for _, group := range []string{"web", "shop", "db"} {
		p := h.find("x", group)
		got = append(got, group+" "+p.Name+" "+string(p.text))
	}
	for _, k := range c.classes() {
		got = append(got, k.Group+" "+fmt.Sprint(k.Parameters))
	}
	want := []string{
		`web role web {"interval":"5s"}`, `shop role web {"interval":"5s"}`, `db all {"interval":"9s"}`,
		"web map[port:80 tier:front]", "shop map[port:80 tier:front]", "shop map[tax:19 tier:shop]",
	}
	if d := cmp.Diff(want, slices.Clone(got)); d != "" {
		t.Error(d)
	}
	for text, want := range map[string]string{
		`{name: web, settings: {interval: 1ms}}`:                       `rondo.yml:1:32: roles: settings: interval: 1ms is less than 1s`,
		`{name: web, settings: {data: /x}}`:                            `unknown key "data"`,
		`{name: web, settings: {parameters: {"": x}}}`:                 `parameters: "": want a name`,
		`{name: web, checks: {metrics: [{name: a, expr: x}]}}`:         `rule "a": raise is missing`,
		`{name: web}, {name: web}`:                                     `there is another one of this name`,
		`{name: web, checks: {tcp: [{name: a, port: 0, groups: []}]}}`: `rule "a": port 0`,
	} {
		n, err := parseTree("rondo.yml", []byte("roles: ["+text+"]\n"))
		if err == nil {
			_, err = configOf(n)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
