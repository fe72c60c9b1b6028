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
// # As Nagios counts
//
// Attempts count while a problem is soft: a bad reading is one more, whichever
// status it has; OK starts from zero; between two of them [Policy.Retry] must
// have gone by, however often a moving series has the rule looked at. A hard
// problem that becomes graver or milder stays hard. Where a check brings its own
// status ([Policy.Direct]) and no duration is set, states, attempts and flapping
// are those of nagios4 with the same results, which a test holds against the
// program itself:
//
//	found     ok  warn  crit  crit  warn  unkn  ok    crit  ok
//	attempt    -   1/3   2/3   3/3   3/3   3/3   -     1/3   -
//	is        ok  soft  soft  hard  hard  hard  ok    soft  ok
//	                           |     |     |    |
//	tells                    crit  warn  unkn  recovery      (nothing)
//
// # M of N
//
// With [Policy.Of] a level is active when M of the newest N readings are
// beyond, and over when fewer are not cleared, as CloudWatch's alarms have it.
// Readings that are missing do not count as long as older ones can stand in for
// them, from two more than N (the evaluation range of the examples in AWS's
// manual). Where there are too few even so, [Policy.Missing] decides: unknown is
// CloudWatch's "missing", ok its "notBreaching", raise "breaching" and keep
// "ignore". For 3 of 3, the newest on the right, x bad, 0 good:
//
//	                 unknown   keep    raise     ok
//	0 - x - x        ok        ok      ok        ok      three readings are there
//	0 x x - x        critical  (the same for all)
//	0 - - - -        ok        ok      ok        ok      2 of the 3 are filled in
//	- - x - -        critical  as is   critical  ok      bad when last heard of
//	- - - - x        as is     as is   critical  ok      too young to say
//	- - - - -        unknown   as is   critical  ok
//
// A reading that comes sooner than [Policy.Interval] takes the newest one's
// place.
//
// # Flapping
//
// A state that keeps changing is told once, with [Policy.Flap]. The newest 21
// states (hard ones, and soft recoveries) are kept, and each change among them
// weighs the more the younger it is:
//
//	weight  0.75 ............................. 1.25
//	        ok ok ok ok crit ok ok crit crit ok warn      4 changes of 20
//
//	percent ^        ___
//	high    |-------/---\----------   from here on (>=) it flaps
//	        |      /     \    __
//	low     |-----/-------\__/  \_   until it is here (<=)
//
// The start is told as a problem, even where the state is OK just then; nothing
// in between is told; the end is told as the problem that is there, or as the
// recovery. So every recovery has its problem and every problem its recovery.
//
// # Missing readings, by what hangs on them
//
// [Policy.Missing] is for paging. Who launches or terminates asks
// [Policy.Answer], which says Unsure as soon as readings are missing, unless
// [Policy.MissingLaunch] or [Policy.MissingTerminate] says otherwise: an instance
// too many costs money, one too few costs users.
//
// # Clocks
//
// Durations are counted from reading to reading. Where the machine's clock
// steps back between two, that time counts as none: clocks neither lose what they
// have nor wait for the old time to come again. Where more than [Policy.Gap] has
// passed, nobody watched, or the clock stepped forward: the clocks start again.
// So a step of an hour raises nothing and ends nothing, and costs at most one
// more duration. (Within one process Go's clocks are monotonic, and do not see
// steps.) [Policy.Next] says when a state wants its next reading: when a clock
// runs out, not at the next interval.
//
// # Stored before told
//
// The [Engine] runs Step for every reading and writes the new state, the
// record of the transition and one outbox entry per target in one batch.
// Only then a target's action sees it; the entry goes when the action has
// succeeded, refused for good, or time is up. A crash at any moment therefore
// repeats at most an action whose success was not noted yet, with the same
// transition ID, and forgets nothing. A [BulkAction], such as the dispatcher of
// notify/dispatch, is given up to 500 at once: there it is those of one call.
//
//	          when due, see "When a rule is checked"
//	rules ---> Check ---> Step ---> store: state + history + outbox
//	                                                  |  one goroutine per target
//	                       Action.Act <--- backoff <--+
//
// A rule that waits for a process or for the network takes none of the workers
// ([Supervised].Waits). Readings that others made come by [Engine.Submit]: each
// is one step, whatever the interval, and on disk when Submit returns; their
// states stay while checks do not mention them ([Supervised].Keeps).
//
// # When a rule is checked
//
// A rule has its turn every interval, and sooner where one of its states wants
// it so ([Policy.Next]) or somebody who knows wakes it ([Engine.Wake]). A rule
// that says which series it reads ([Reader]) is also looked at when these move:
//
//	sample --> head of the store --> does it cross a cut of the rule? --no--> (nothing)
//	                                     |yes: one atomic write, no lock
//	                                     v
//	             rules that have moved, gathered for 50 ms
//	                                     |
//	     turns, each at its time         v
//	            |              looks: sharp before blunt, each rule after its gap
//	            +----------------+-------+
//	                             v
//	            a free worker: Check ---> Step of what is not calm
//
// Cuts are the values of a series at which the outcome may change: thresholds,
// carried through the expression where that is a plain selector, perhaps scaled,
// shifted or compared. Such rules are sharp: most samples cross nothing, and cost a
// few nanoseconds. Any other expression (rate, avg by, a quotient) is moved by
// any sample: it is blunt.
//
// The law: a look brings a state forward only where its reading means something
// else than the newest one did; else it is calm, and nothing is counted. So
// attempts, points and flapping count turns and changes, not looks; and leaving
// out a look that would find everything calm changes nothing. Time is not a
// sample: what becomes missing, and what a query sees by offset, is found at the turn.
//
// What bounds it, for rules of any number and cost:
//
//	between two looks at a rule    20 times what a check of it costs; sharp: 100 to 500 ms; blunt: at least 700 ms
//	all looks                      a tenth of one core; sharp ones may overdraw by half a second
//	checks at once                 Options.Workers; checks of more than a second get half of them
//	what moves, in memory          one number for each rule
//
// A sample of a sender whose clock is ahead is looked at when our clock is as far.
//
// # What mutes
//
// A problem is not told while there is a [Mute] (see mute.go): a parent that is
// bad ([Dependency]), a silence that matches it, a downtime in force
// ([Downtime]: planned, and perhaps flexible, recurring or triggered by
// another), or a sticky acknowledgement. States go on as ever. When the reason
// ends and the problem is still there, the problem is told then, within seconds
// and not only when it is checked next.
// The recovery of a problem that was told is always told, so that no receiver
// is left with a problem that stays open. An acknowledgement also ends repeats
// and escalation of what was told: who does these asks [Engine.MuteOf].
// Whether a downtime pauses autoscaling is what [Engine.Paused] says. What was
// withdrawn on purpose (a terminated instance) is closed without a problem.
//
// The ends of silences, acknowledgements and downtimes are dates: a step of the
// machine's clock moves them.
//
// # Trouble of our own
//
// A check that fails changes no state before it has failed for
// [Options].Tolerate, and stops no clock; then states are unknown, as the policy
// has it. After a start, and after the machine's clock was set by more than half
// a minute, what has not been seen since is missing only when [Options].Settle
// has passed: see steady.go.
//
// # History
//
// Hard changes are kept as they were told ([Engine.Transitions]), the newest
// some thousand. How each state stood is also a series in the round-robin store
// ([StatusSeries]), for as long as its archives reach.
//
// # After a restart
//
// Hard states, attempts, silences, acknowledgements and the outbox continue.
// The two clocks start again: time that nobody watched is not counted.
package alerts
