// Package roster says who is in each group, for all that has to know: with
// ranks and aliases that stay, with versions, over HTTP, as files and as answers
// for configuration management.
//
//	controller ──Members──> [Of] ──> Roster ──┬─ GET /api/roster, /api/roster/events (SSE)
//	                       (pure)  │          ├─ files on the server, out of templates  ([Keeper])
//	                         alerts/state     ├─ ENC, Ansible's inventory               ([Classify], [InventoryOf])
//	                                          └─ hooks                                  (package hooks)
//
// # Ranks and aliases
//
// Each instance that serves has a rank in its group, 1 and up, and by it an
// alias: web-1, web-2. Both are its own while it lives:
//
//   - An instance gets the lowest free rank when it begins to serve, and keeps
//     it while it is in service or silent. Those that wait for theirs get them
//     in the order of their launches.
//   - One that is leaving (draining, replaced, terminating) keeps its alias, so
//     that what is under way ends in peace, until another wants it.
//   - Who is alone is the first: where one instance is left of a group, or takes
//     the place of the one that was lost, its rank is 1. So the alias db-1 of a
//     group of one stays, whoever stands behind it.
//
// The first of a group, its lowest rank in service, goes by the group's plain
// name too: db. Failover is by these names, in the hosts file and in DNS, and
// not by addresses: what talks to db finds the new server under the old name.
//
// A group whose cloud has not answered since the start is as it was before: what
// is known is kept in alerts/state, ranks and all, and nobody leaves because
// somebody could not be asked.
//
// # Versions
//
// Whatever changes makes a new version, a number that rises, over restarts too.
// It is in the ETag, and is the ID of the events; a digest of the members
// stands beside it, so that a directory that was restored from a backup cannot
// pass an old number off as a new list.
//
//	GET /api/roster?group=web                     If-None-Match: "42-1f0c9a53" is answered 304
//	{"version":42,"at":"…","members":[{"group":"web","rank":1,"alias":"web-1","id":"i-…","host":"ip-10-0-0-7",
//	  "private_ip":"10.0.0.7","zone":"a","type":"c7g.large","phase":"in-service","launched":"…","since":"…"}]}
//
//	GET /api/roster/events?group=web              text/event-stream, as WHATWG's HTML has it
//	event: view        the whole, at first, and where Last-Event-ID is too old
//	event: joined      {"version":43,"member":{…}}    it is new in the list, launched but perhaps not serving yet
//	event: changed     {"version":43,"member":{…}}    another phase, rank or address
//	event: left        {"version":44,"member":{…}}    gone from the list
//	id: 44-…           with the last event of each version
//	: beat             each 15 seconds
//
// Both answer people as all pages do, and agents by their own keys. There is
// room for [MaxReaders]; one that does not read what it is sent, so that 32
// versions wait for it, is cut and comes back with its Last-Event-ID.
//
// # Templates
//
// Those built in are hosts, inventory (INI), inventory-json, haproxy and nginx;
// else a template is a file of text/template, which is given a [Data]. Besides
// the functions that text/template has:
//
//	serving "web"    members of a group that are in service, by rank; all groups' without a name
//	members "web"    those that have a rank, silent and leaving ones too
//	first "web"      the first of them that is in service; nil if nobody is
//	address .        where a member is reached: private IP, else private DNS, else public IP, DNS
//	port             the port: of the file's configuration
//	json .           as JSON, quoted for JSON and YAML
//	join ", " LIST   strings in a row
//	version          of the roster; a file with it in changes with each version
//
// Output is limited to 4 MiB, and what fails changes nothing.
package roster
