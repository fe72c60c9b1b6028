// Package syslogd is the log server: it receives messages in many ways and
// routes them to the log store and to destinations.
//
//	udp ----- recvmmsg, several sockets --.
//	unix ---- datagrams, credentials -----+-> packets --.     (fair when full)
//	                                                    |              stages
//	tcp ------------------.                             +-> parse -> Router -> Sink (logstore)
//	unix-stream ----------+-> frame, one goroutine -----+                 \-> spool -> destinations
//	tls --- handshake ----'   for each connection       |
//	                                                    |
//	relp, relp-tls -> frames of one read = one batch ---'
//	               <- answers, once the batch is synced
//
// The short keys of the configuration make a listener each; the list makes
// any number, each with its own options (strict, allow, time_zone, limits).
// Messages are syslog (RFC 5424, RFC 3164 and relatives), GELF, or systemd's
// journal export format.
//
// # What is promised
//
//	way in            acknowledged by                        of what is acknowledged, lost
//	relp, relp-tls    "200 OK"                               nothing: it is synced before
//	tcp, unix-stream  our close after the client's own       nothing, likewise
//	tls               our close_notify after the client's    nothing; the kernel cannot send it for us
//	udp, unix         nothing
//
// Plain syslog has no acknowledgement. What is read from a connection is
// written to the store, that is to the kernel's page cache, before the next
// read: kill -9 loses no more than the one read in hand, a power cut a second.
// When a client closes its side, the server closes its own only after
// everything is on the device. If the store did not take it, the connection is
// reset; a RELP client is answered 500, and sends it again.
//
// A sender over a connection is never told to drop: while the store cannot
// take more, its connection is not read. A server that stops still reads what
// its sockets hold, answers it, and then closes them. In a reload the sockets
// stay open (see Sockets): what comes between two servers waits in the kernel.
//
// All of this is tested from outside while the server runs: see package canary.
//
// # Who may send
//
// Loopback may. An address that others can reach needs allow, or client
// certificates: from an authority, or by their fingerprints, or both.
// Certificates are read again when their files change and on a reload; bad ones
// leave the old ones in use. A handshake has ten seconds, in the goroutine of
// its connection.
//
// One sender must not starve others. Connections are limited in all and for
// each peer. With sender_rate, a connection that is too fast is read more
// slowly, and datagrams beyond it are dropped. The queue of datagrams is shared:
// when it gets crowded, whoever holds most loses first (see packets). An IPv6
// sender is its /64 network. Each minute the log names those of whom most was
// refused, and so does Offenders.
//
// # Counters
//
//	received_NAME                messages of the listener NAME, datagrams as they come
//	kernel_drops_NAME            datagrams that the kernel threw away
//	refused_network              datagrams from networks that may not send
//	refused_rate                 datagrams beyond sender_rate
//	refused_crowded              datagrams of a sender that filled the queue
//	refused_strict               messages that are not to the letter
//	refused_connections_REASON   allow: may not send; max, peer: too many
//	refused_tls_REASON           not_tls, no_certificate, authority, expired, certificate,
//	                             fingerprint, timeout, other
//	tls_reload_failures          new certificates that were bad
//	truncated bad_counts         see syslog.FramerStats
//	bad_relp bad_journal         connections that ceased to be that
//	gelf_REASON                  see gelf.Reason: kept as text
//	journal_skipped_fields       over a limit of journal.Limits
//	discarded stored not_stored  by the Router; not_queued: senders were told to wait, and left
//	unrouted                     messages that no route took
//	route_NAME_WHAT              see RouteCounts, and stage.Pipe.Report
//	dropped_REASON stages_made   by its stages; stage_NAME_WHAT for each: see stage.Pipe.Report
//	store_waits                  times that the disk was full
//
// # Asking
//
//	filter           which messages: one language for all who choose messages
//	Searcher         what a store of them can do: Search, Count, Tail
//	Explainer        how it found them      Locator  one of them again, with its neighbours
//	query            a filter and pipes: rows of messages, rows of rows; extract finds values in texts
//	logapi, loki     all that over HTTP, in our words and in Loki's
//
// # Routes
//
//	stages -> route 1: filter, stages -> store, destinations   once to each,
//	          route 2: filter, stages -> ...                   until one is final
//
// A Router takes messages through the stages, and then along the routes, in
// their order. Each has a filter, stages of its own, and leads to destinations,
// of which the store is one. A destination gets a message by the first route
// that leads there and by no other; a final route keeps what matches from those
// behind it. Without any route everything is stored.
//
// Stages of a route run here, before the message waits for anybody, and not
// when it is delivered: they have a memory (dedup, rate_limit), and a message
// that is sent again after a failure must be the same.
//
// Messages for destinations wait in package spool, and are delivered by the
// packages below out. Of each batch the queues are written first: then a
// sender that is told that the store has failed, and sends it again, delivers
// it twice rather than never. With marks they are durable first.
package syslogd
