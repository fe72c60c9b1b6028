// Package redirect shares work out over the servers of autoscaling groups, by
// their free capacity: as an HTTP redirector of its own, as weights for any
// balancer, and as HAProxy's agent check. Package haproxy below it drives
// HAProxy over its socket.
//
//	heartbeats ──> free capacity ──┬─> weights ──┬─> redirector: 307 to a server
//	members of the group ──────────┘             ├─> GET /weights
//	                                             ├─> agent check of HAProxy
//	                                             └─> its socket (package haproxy)
//
// # Weights
//
// Each second an expression is asked for the free share of each host, and
// perhaps another for its size. A server weighs one times the other, and gets a
// new session with the probability of its weight: not all go to the emptiest, as
// they would with "least loaded", and nobody needs to know what a session takes.
// Where the servers are used alike they stay so, each getting what it can carry;
// one that joins is empty, gets more than the others, and is soon level.
//
// A reading is old: it tells of the ten seconds before it. What was sent since,
// and half of what was sent in the time that it is a mean of, is taken off
// ([Table.Left]): so a burst between two heartbeats does not fill the server that
// was emptiest at the first. What a session takes is configured as cost, or learnt
// from what is used and how many there are; a wrong guess makes the discount weak
// or strong for one heartbeat, and the next one puts it right.
//
// A server has one of four weights (see [Source]): measured; the others' mean,
// where its heartbeat is fresh and nothing is read of it, as of one that has
// just joined; none, where its heartbeat is stale; and where nobody is in service
// of those who were, all of them alike, for then it is we who are deaf. While
// anybody is in service no session goes to a server that is silent or drains, and
// none is turned away: when all are full, they share evenly.
//
// # Sessions
//
// A client's first request is redirected, and its cookie says to which instance
// (see token). As long as that is in service or drains, the client is sent there
// again; when it is gone, or the session was idle for session or lasted for
// longest, a new session begins somewhere else. The status is 307, which keeps
// the method and the body (RFC 9110, section 15.4.8) and is not cached; 302 is
// for clients that do not know it. A permanent redirect would tie a client to a
// server that is not permanent.
//
// Cookies are signed and name an instance; an address is made of it by the
// template, so a client cannot have anybody sent to a place that is no member.
// A request that would lead back to where it was made is refused (508).
//
// # How many sessions there are
//
// After the redirect the client talks to the server itself. What the redirector
// sees is each time that the client comes back to the name it knows: cookies are
// written anew then, at most once in a sixtieth of session. So counts are of
// sessions that came by within session, in memory that does not grow with them
// (see account): they are exact for sites whose links lead over the redirector,
// and an upper bound where a visit ends early. Choose session as long as
// somebody may stay on a server without coming by. Servers that count for
// themselves are asked with sessions, an expression, and then are believed: at
// zero for half of stale a server has none.
//
// A server that drains waits until its newest session must have ended; when that
// was is kept in the state store each five seconds, so that a restart or kill -9
// in the middle forgets no drain. The group's drain is the limit. Where a group
// should retire those with the fewest sessions first, its retire.sessions is
//
//	{__name__="rondo.redirect.sessions", group="web"}
//
// A reload loses nothing: sockets, counts and the members known last stay (see
// [Books]). After a restart requests wait up to three seconds for the group's
// members to be known.
//
// # Agent checks
//
// HAProxy connects, sends what agent-send says, and reads one line (HAProxy's
// configuration manual, section 5.2, agent-check). One listener answers for all
// servers, by GROUP/SERVER, where SERVER is an address, an instance's ID or a host:
//
//	agent-send "web/10.0.0.11\n"  ->  up ready 42%   in service; of its weight in the file
//	                                   up drain       drains, or is silent
//	                                   maint          not in the group, or over
//	                                   (closed)       not weighed here, or nobody knows yet: HAProxy changes nothing
package redirect
