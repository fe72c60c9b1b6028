// Package canary tests the log server from outside, all the time: it sends a
// line through every listener, and looks whether it comes to the store, how
// late, how often and in which order.
//
//	        +--------- sentinel, as any client sends it -----------+
//	        |                                                      v
//	Canary -+                                    socket -> frame -> parse -> admit
//	  ^                                                                       |
//	  |                                                                     Sink --others--> router
//	  +-- arrived: on disk <-- store's log <--sentinel----------------------+
//
// # What a sentinel proves
//
// It goes through a socket of its own: the listener accepts, its limits (allow,
// strict, rates, connections) let a client on this machine in, frames and
// messages are understood, and the messages that came in the same batch were
// taken by the router. Then it is written to the store's log, by the same lock,
// after the same wait for room and with the same refusals as a message, and has
// arrived when it is on the device: whatever was stored before it can be
// searched. What it does not prove: that the network before the listener works,
// and that old chunks can be read.
//
// # What it leaves behind
//
// Nothing that anybody sees. A sentinel is no message: it is in no search, tail,
// metric or relay, and goes when the log is cut. Else it would be a line in
// three that a quiet server shows, 8,640 a day for each listener. To be one, a
// line must carry a number drawn at our start; what others send under the same
// name is stored as any line.
//
//	<47>1 2026-11-21T07:00:00.000000Z - rondo-canary - - [canary@32473 canary="5D41.../udp/17"] 5D41.../udp/17
//
// with its mark: that number, the listener and the sentinel's own number. A
// listener of GELF or of the journal's format gets the same in its format.
//
// # What is counted
//
// By listener:
//
//	sent         sentinels
//	arrived      in time
//	lost         not there after the timeout
//	late         lost, and came after all
//	duplicates   came again
//	reordered    came after one that was sent later
//	failed       could not be sent: the listener refused the connection
//
// and two gauges: delay_seconds of the newest that arrived, from before it was
// sent until it was on disk, and closed, which is 1 where a client on this
// machine may not enter (a client certificate is wanted, or allow has not our
// own address), or where a reload has ended the listener: then nothing is sent,
// and nothing is lost.
//
// A reload keeps the counts, and sentinels on their way.
package canary
