// Package dns has names follow the members of groups: where DNS is the balancer,
// or the name of a group of one.
//
//	autoscale:
//	  dns:
//	    - group: web
//	      name: web.example.com
//	      zone: example.com
//	      ttl: 30s
//	      records: all                  # or first: the name of one, which its heir takes over
//	      address: private              # or public
//	      each: "{host}.example.com"    # a name for every instance as well
//	      traffic: sum by (host) (rate(requests[30s]))
//	      rfc2136: {server: 10.0.0.53:53, key: rondo, secret: ${DNS_SECRET}}
//	      # or route53: {zone_id: Z2ABCDEF123456}
//
// # Who is in a name
//
// Whoever is in service ([Want] says so, and knows neither clock nor network):
//
//	in service          in                        records: first: the present
//	draining, replaced  out                       holder while it is in service,
//	silent              out, unless most are:     else the first (by rank in
//	                    more likely our own ears  the roster, then by launch)
//	nobody in service   the last addresses stay (the policy "empty")
//
// A name is never emptied, and that it should have been is logged as a warning.
// More than 100 addresses no name gets: those launched last wait ("full"). An
// instance keeps its own name ({host} is the first label of its host's) until it
// ends.
//
// # What is ours
//
// Beside a name stands its ledger, a TXT record that lists the addresses which
// we wrote:
//
//	web.example.com.         30  A    10.0.1.4
//	web.example.com.         30  A    192.0.2.1        ; of others: stays
//	_rondo.web.example.com.  30  TXT  "rondo group=web 10.0.1.4 ip-10-0-1-4.example.com=10.0.1.4"
//
// It changes in the same update as the addresses, all of it or nothing, and only
// if both are still as they were read. So there is nothing between a ledger and
// its update that a kill could hit, and nothing to lose with the data directory.
// A name that is there without a ledger, or with that of another group, is not
// touched, unless adopt says so. Addresses of others in a name of ours stay; that
// of a member in service is the group's, whoever wrote it. A name that leaves the
// configuration stays in DNS as it was last: it is for its owner to delete, and
// its ledger.
//
// The keeper goes by levels: at each change of the members, and once a minute, it
// compares what is wanted with what the zone's primary has, and changes what
// differs. A server that fails is asked again after a second, two, four, up to a
// minute. Names change only for groups that act.
//
// # A drain
//
// Clients keep an address for its TTL, and many for longer. An instance that
// drains waits for both, counted from when all servers have the change:
//
//	address leaves                                     p99 of 100 drains
//	     |------------- TTL -------------|----- tail -----|
//	     |  requests:  ########  ###  #  |  #      #      |  terminated
//	     acknowledged                           last one: this drain's tail
//
// The tail is measured: traffic is PromQL that gives the requests, sessions or
// connections of each host (by default the group's retire.sessions). How long
// past the TTL the last of them came is learnt from each drain, and kept over
// restarts. The 99th percentile of the newest 100 is waited for, and then until
// there was none for one TTL, at most longest_tail in all. With fewer than five
// known drains, and where nothing measures, it is longest_tail. A drain that the
// group's own drain limit cuts short teaches what it saw.
//
// What is kept in the state store (when an address left, and the tails) only
// saves waiting: an address whose departure is not known there counts from when
// it is first seen to be gone.
package dns
