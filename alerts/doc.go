// Package alerts supervises: rules are checked, readings become states, soft
// before hard, and hard changes are told by actions.
//
// # Terms
//
// A rule yields readings, one per label set. State is kept per rule and label
// set. A status that is not OK is soft until it was seen max-attempts times
// and its threshold was exceeded for long enough; then it is hard, and a
// transition is stored and acted upon.
//
//	        bad, attempts < max            bad, attempts = max
//	OK  ---------------------> soft n/max ---------------------> hard
//	 ^                             |                               |
//	 +--------- good (no word) ----+------ good: recovery ---------+
//
// # Two thresholds, two durations
//
// Each level (warning, critical) is raised by a value beyond its raise
// threshold and cleared by a value at or back of its clear threshold:
//
//	value
//	      ^     .--.            beyond: attempts count, the raise clock runs
//	raise |----/----\---------
//	      |   /      \   .-.    between: status and attempts stay, both clocks
//	clear |--/--------\-/---\-           start again
//	      | '          '     '  cleared: the clear clock runs
//
// A level becomes hard when attempts are used up and the raise clock shows
// `for`; it ends when the clear clock shows `clear_for`. The hard status is
// the gravest hard level (ok, warning, critical, unknown), and a transition
// is a change of it. So a change from warning to critical needs no new
// attempts, and tells at once where `for` is zero. A soft problem that goes
// away is not told. [Step] is all of this, and pure.
//
// # Stored before told
//
// The [Engine] runs Step for every reading and writes the new state, the
// record of the transition and one outbox entry per target in one batch.
// Only then a target's action sees it; the entry goes when the action has
// succeeded, refused for good, or time is up. A crash at any moment therefore
// repeats at most an action whose success was not noted yet, with the same
// transition ID, and forgets nothing.
//
//	          every interval, bounded workers
//	rules ---> Check ---> Step ---> store: state + history + outbox
//	                                                  |  one goroutine per target
//	                       Action.Act <--- backoff <--+
//
// # What mutes
//
// A problem is not told while there is a [Mute] (see mute.go): a silence that
// matches it, a downtime in force ([Downtime]: planned, and perhaps flexible,
// recurring or triggered by another), or a sticky acknowledgement. States go on as ever. When the
// reason ends and the problem is still there, the problem is told then.
// The recovery of a problem that was told is always told, so that no receiver
// is left with a problem that stays open. An acknowledgement also ends repeats
// and escalation of what was told: who does these asks [Engine.Acknowledged]. Whether a
// downtime pauses autoscaling is what [Engine.Paused] says.
//
// The ends of silences, acknowledgements and downtimes are dates: a step of the
// machine's clock moves them. What was withdrawn on purpose (a
// terminated instance) is closed without a problem.
//
// # After a restart
//
// Hard states, attempts, silences, acknowledgements and the outbox continue.
// The two clocks start again: time that nobody watched is not counted.
package alerts
