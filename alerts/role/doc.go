// Package role is what is attached to a group: what its hosts are checked for,
// what they must log, what their pages show. A new host is complete with its
// first heartbeat, because nothing is ever made for it:
//
//	roles:                 fleet:  web-1/web  web-2/web  db-1/db
//	  web ───────────────────────── = ──────── = ──────── ×
//	   ├─ checks, logs     each check asks who is a member now
//	   └─ dashboard        each page does
//
// A host comes and goes in one place, the fleet: there is nothing to be made when
// it joins and nothing to be forgotten when it is withdrawn.
//
// # Rules
//
// The rules of a role are written as those under alerts, and are about its members
// alone; no matcher is repeated ([check.Config.For]):
//
//	roles:
//	  - name: web
//	    checks:
//	      metrics: [{name: load, expr: "avg by (host) (run_queue)", raise: 8}]
//	      tcp:     [{name: listens, port: 80}]
//	    logs:
//	      - {name: alive, window: 5m, expect: member}
//
// Each has the name of the role before its own, web/load, so that two roles may
// both have a rule "load"; its states carry the label role. A selector gets the
// matcher __group__=~"web", which says where a series belongs however it is named
// ([fleet.Series]). What is checked from outside (tcp, http, ping, plugins, NRPE)
// is checked on each member, at {address} or {private_ip}.
//
// A member that drains keeps its states as they are and gets none: whatever ends
// on it ends on purpose. When it is withdrawn they are closed, without a word.
// One that boots has the time to.
//
// # Panels
//
// A panel is an expression, seen per host (a graph on the page of each member,
// and a curve for each of them on the role's page) or for the group as a whole (a
// graph on the role's page). Panels of a group look at labels, so that their past has
// the hosts that have left since.
package role
