package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts/role"
	"rondo/autoscale"
	"rondo/autoscale/roster"
)

// TestClasses: a group is of its roles' classes where it has none of its own,
// and what stands under autoscale goes before what roles say.
func TestClasses(t *testing.T) {
	var c config
	c.Roles = []roleConfig{
		{Role: role.Role{Name: "Front-End", Groups: []string{"web", "shop"}}, Settings: settingsConfig{Parameters: map[string]string{"tier": "1", "port": "80"}}},
		{Role: role.Role{Name: "shop"}},
	}
	c.Autoscale.Management.Classes = []roster.ClassConfig{
		{Group: "web", Classes: []string{"nginx"}, Parameters: map[string]string{"port": "8080"}},
		{Group: "shop", Environment: "staging"},
	}
	f := func(group, classes, environment string, port any) {
		t.Helper()
		m := roster.Member{Group: group, ID: "i-1", Phase: autoscale.Pending}
		n, ok := roster.Classify([]roster.Member{m}, c.classes(), "i-1")
		if d := cmp.Diff([]string{classes}, n.Classes[:1]); !ok || d != "" || n.Environment != environment || n.Parameters["port"] != port {
			t.Errorf("%s: %v %s", group, n, d)
		}
	}
	f("web", "nginx", "", int64(8080))
	f("shop", "role::front_end", "staging", int64(80))
	f("db", "role::db", "", nil)
}
