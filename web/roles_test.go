package web_test

import (
	"strings"
	"testing"

	"rondo/web"
)

func TestRolePage(t *testing.T) {
	d := withRoles(14)
	contains(t, d, "/roles/web", "<h1>web</h1>", "the shop", "draining", `href="/hosts/web-3?`, "Waiting", "the greatest 8 of 14", "One for each", "the greatest 8 of 12",
		"Of all", "No points in this range", "web/load", "0123456789abcdef", "&lt;front&gt;", `href="/autoscale?group=web&amp;`, `href="/logs?q=host`)
	contains(t, d, "/roles/nobody", "No host of nobody is here now", "No check and no log rule")
	contains(t, d, "/", `href="/roles/web?`, "14 members (1 draining), 1 rule with 0 states, 4 panels")
	contains(t, d, "/autoscale?group=web", `href="/roles/web?`)
	contains(t, d, "/hosts/web-3", `href="/roles/web?`, "Waiting", "One for each", "__host__")
	s := newServer(t, web.Default(), d)
	for target, status := range map[string]int{"/roles/web": 200, "/roles/nobody": 200, "/roles/none": 404, "/": 200, "/hosts/web-3": 200} {
		w := getPage(t, s, target)
		if w.Code != status {
			t.Errorf("%s: status %d, want %d", target, w.Code, status)
		}
		checkPage(t, target, w.Body.String())
	}
	if body := getPage(t, s, "/hosts/db-1").Body.String(); strings.Contains(body, "Waiting") || strings.Contains(body, "/roles/") {
		t.Error("a host that is no member has panels of a role")
	}
	if body := getPage(t, s, "/hosts/web-3").Body.String(); strings.Contains(body, "Of all") {
		t.Error("a panel of the group is on a member's page")
	}
	d.Metrics, d.Ranger, d.Logs = broken{}, broken{}, broken{}
	contains(t, d, "/roles/web", "could not be read")
}
