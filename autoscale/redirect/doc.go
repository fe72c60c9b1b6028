// Package redirect shares work out over the servers of autoscaling groups, by
// their free capacity: as an HTTP redirector of its own, as weights for any
// balancer, and as HAProxy's agent check. Package haproxy below it drives
// HAProxy over its socket.
//
//	heartbeats ──> free capacity ──> weights ──┬─> redirector: 307 to a server
//	members of the group ────────────┘         ├─> GET /weights
//	                                           ├─> agent check of HAProxy
//	                                           └─> its socket (package haproxy)
package redirect
