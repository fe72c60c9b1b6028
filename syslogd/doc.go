// Package syslogd is the log server: it receives syslog over UDP, TCP and unix
// sockets, and routes messages to sinks (the log store, relays).
//
//	socket -> frame -> syslog.Parse -> Router -> Sink (logstore)
//	                                         \-> Relay -> another server
//
// # What is promised
//
// Plain syslog has no acknowledgement. What is read from a connection is
// written to the store, that is to the kernel's page cache, before the next
// read: kill -9 loses no more than the one read in hand, a power cut a second.
// When a TCP client closes its side, the server closes its own only after
// everything is on the device, which is as much of an acknowledgement as a
// client can have. If the store did not take it, the connection is reset.
//
// A TCP sender is never told to drop: while the store cannot take more, its
// connection is not read. For UDP the kernel's buffer is all there is; what it
// drops is counted as kernel_drops. At the end the server still reads what the
// buffer holds.
//
// # Relays
//
// Each relay has a queue on disk of its own and a cursor in it, so that a
// destination that is down slows nobody and a restart forgets nothing. The
// cursor follows what the peer's kernel has acknowledged: a connection that
// breaks is followed by one that sends the rest again, at least once. When a
// queue reaches its limit, the oldest segment of it is dropped, and counted.
//
// # Why a queue for each relay
//
// A cursor in the store's log would save the second copy, but a relay sees
// only what its filter lets through, and a destination that is down for a week
// must not keep the store from removing its log.
package syslogd
