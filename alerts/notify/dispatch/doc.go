// Package dispatch decides who is told what, and when: routes, groups,
// inhibition, escalation and digests, as Alertmanager defines the first three.
//
// # Terms
//
// A hard change of the engine begins or ends an alert: a label set with
// alertname and severity. The tree of routes says which receivers an alert
// concerns, and by which labels a route gathers alerts into groups. A notice
// is what one receiver is told of one group at one moment.
//
//	engine                 Dispatcher, one lock                       one goroutine per receiver
//	hard changes --> Act --> route --> group --> Step --> notice --> outbox --> Sender
//	                 |                   |  ^       |        |          |
//	                 '-- stored <--------'  '-due---'        '- stored -'- stored: in flight, done
//
// # When a group is told
//
// [Group] holds all of it, and is pure: its tables are testdata/group.test.
//
//	first alert    group_wait     group_interval     group_interval
//	     |------------>|---------------->|------------------>|----> ...
//	                  new             changed            nothing new: repeat,
//	                                                     once repeat_interval is over
//
// At each look the alerts of the group are compared with what the receiver was
// told last. It is told of a group in which more fires, or in which something
// does not fire any more; the whole group each time. What comes and goes
// before group_wait is over is told to nobody. Each rung of an escalation
// ladder is told when the group has fired for so long since its receiver was
// told, and nobody has acknowledged it; from then on it hears what the receiver
// hears. An acknowledgement ends repetition and the ladder, not the telling of
// other alerts or of the end.
//
// Alertmanager forgets the end of a problem that ends while it is inhibited or
// its route muted. Here whoever was told of a problem is told of its end: later,
// when the route's time has come, but always. And a receiver without
// send_resolved hears of a problem that comes again, also in a group in which
// others fire all the time.
//
// # Storms
//
// Each receiver has a rate. When more groups have something to say, or are in
// their group_wait, than the rate allows, there is a storm: they are gathered,
// and the receiver is told by one digest, as soon as nothing new has come for
// two seconds, at most ten seconds after the first; then every five minutes
// while there is more. A digest names the root cause that [RootCause] finds.
// What a digest told ends by a digest: its key is the same as long as there
// are such groups, so that the incident it opened is closed by it. The end of
// what was told alone is told alone.
//
// # On disk
//
// Everything lies in the state store:
//
//	dispatch/taken                              hashes of the newest transitions
//	dispatch/group/GROUP                        route, labels
//	dispatch/alert/GROUP/FINGERPRINT            an alert
//	dispatch/told/GROUP/RECEIVER/DIGEST         what the receiver knows of the group
//	dispatch/digest/RECEIVER                    number of its newest digest
//	dispatch/out/RECEIVER/NUMBER                a notice, with its key
//	dispatch/flight/RECEIVER                    key of the notice that is being sent
//
// An invariant for each arrow of the drawing:
//
//   - Act returns when the alert is stored. The engine may hand a transition
//     over twice; it is taken once.
//   - A notice is stored in the same write as what its receiver knows then, and
//     sent after that: no crash tells a change twice or not at all. For a
//     digest this is more than one write can hold. What receivers know is then
//     written under the digest's number, which counts once the notice is stored
//     together with dispatch/digest/RECEIVER.
//   - That a notice is being sent is stored before, and that it was taken or
//     refused after. Only what was in flight at a kill may arrive twice, with
//     the same key; it is counted (repeated).
//
// # Bounds
//
// 20,000 alerts in all groups, 1,000 notices per receiver, 100 alerts in a
// notice, 24 hours for a notice to be taken. What is beyond is counted: alerts
// that are refused, the oldest notices that make room, alerts that are only
// counted in the notice, notices that expire.
package dispatch
