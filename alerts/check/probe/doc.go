// Package probe asks services over the network: TCP, HTTP, TLS, DNS and ICMP.
// A probe is configured once and asked for many targets; it answers in a
// plugin's words: a status, a line for people, performance values (the time
// it took is always among them, as "time" in seconds).
//
//	           connects   talks            CRITICAL where              WARNING where
//	[TCP]      port       send, expect     no connection, other words  it was slow
//	[HTTP]     url        one request      5xx, body, header           4xx, slow
//	[TLS]      port       handshake        expired soon, not trusted   expires later
//	[DNS]      server     one question     no answer, other answers    slow
//	[Ping]     -          echo requests    too much lost, too slow     some lost, slow
//
// A latency has two thresholds, warning and critical; a value that is not
// given judges nothing. Everything that is read is bounded, and every probe
// ends with its context: one that does is CRITICAL, like a service that does
// not answer.
//
// # Ping
//
// Linux lets a process send echo requests without privileges where its group
// is in net.ipv4.ping_group_range; else it needs CAP_NET_RAW. Where neither is
// so the result is UNKNOWN and says what to do.
package probe
