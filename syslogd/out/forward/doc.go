// Package forward delivers messages to other syslog servers, another rondo
// among them.
//
// # Ways
//
//	proto          a message is settled when                       a server that is killed costs
//	relp relp-tls  the server has answered it: 200                 nothing
//	tcp tls        the server's kernel has acknowledged its bytes  what the server had not read
//	udp            nobody has complained for a quarter of a        what was on the way, and more
//	               second
//
// Plain syslog has no answers. Over TCP the kernel tells how much the other
// side's kernel has (SIOCOUTQ), under TLS as well: a connection that breaks
// costs nothing by itself, and what was not settled goes over the next one,
// some of it for the second time. Where a server may die with messages in its
// sockets and none may be lost, RELP is the way: rsyslog has it, and rondo,
// which answers when a message is on disk.
//
// A session ends in good order: our side is closed, and then the server's,
// which servers do when they have read everything.
//
// # Several servers
//
//	failover  the first in the list that works gets everything. While it is not
//	          the very first, those before it are tried now and then, and take
//	          over when they work again.
//	balance   all that work get a part. One source's messages go one way, chosen
//	          by the source and the servers (rendezvous hashing), so that they
//	          stay in order, and so that a server that fails moves only its own
//	          sources. One that works again takes its part again.
//
// Servers change within a session only when all that was sent is settled: a
// source's next message never overtakes its last one. When one server of
// several breaks, the session ends, and the next one goes on without it.
//
// # Formats
//
// The header's host and time stay those of the message; without a host it is
// the sender's address. In format raw a message goes as it came.
//
// With origin, structured data says where a message came from, to a receiver
// that sees but our address. Each relay of a chain leaves as it is what one
// before it has said:
//
//	[origin ip="10.1.2.3"]                      the first sender (RFC 5424, 7.2)
//	[relay@32473 received="2026-11-21T09:00:00.5Z" key="Tq7f-4711"]
//	                                            when it was received from there, and
//	                                            its key: the same when it is sent again
//
// In rondo sd.ip:10.1.2.3 finds them. They are as true as who sends them.
//
// # UDP
//
// Datagrams go out at no more than a rate, some at a time, since a receiver's
// buffer has room for a few hundred. Messages that are longer than max_message
// are cut, and counted.
package forward
