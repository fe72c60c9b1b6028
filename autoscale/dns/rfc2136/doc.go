// Package rfc2136 keeps names in a zone by dynamic updates: BIND, Knot,
// PowerDNS and whatever else takes them.
//
//	rfc2136: {server: 10.0.0.53:53, key: rondo, algorithm: hmac-sha256, secret: ${DNS_SECRET}}
//
// The server is the zone's primary. In BIND it is told so:
//
//	key rondo { algorithm hmac-sha256; secret "..."; };     # tsig-keygen rondo
//	zone example.com {
//		type primary; file "example.com";
//		update-policy {
//			grant rondo name web.example.com A AAAA;
//			grant rondo name _rondo.web.example.com TXT;
//		};
//	};
//
// # An update
//
// What an update changes, it first holds to what was read (RFC 2136, section
// 2.4): the records of a set, value for value, or that there are none. The
// server checks that and does all of the update at once (section 3), or nothing
// of it: where somebody else was faster, we read again.
//
//	prerequisites   web.example.com         A    10.0.1.4, 10.0.1.5, 192.0.2.1
//	                _rondo.web.example.com  TXT  "rondo group=web 10.0.1.4 10.0.1.5"
//	updates         - web                   A    10.0.1.4
//	                + web                   A    10.0.1.9
//	                - _rondo.web            TXT  "rondo group=web 10.0.1.4 10.0.1.5"
//	                + _rondo.web            TXT  "rondo group=web 10.0.1.5 10.0.1.9"
//
// Queries go over UDP, and over TCP where the answer is truncated; updates over
// TCP. Both are signed (TSIG, RFC 8945), and so must be the answers. Where a
// wildcard answers, a message of prerequisites alone tells that from a name that
// is there.
//
// # Secondaries
//
// An update counts from the primary's acknowledgement. Secondaries are told by
// NOTIFY (RFC 1996) within moments, and nobody can be asked when all have it:
// one that only polls gives out the old address for as long as the zone's
// refresh. What that costs shows in the traffic of drains, and so in what is
// learnt of their tails; longest_tail must have room for it.
package rfc2136
