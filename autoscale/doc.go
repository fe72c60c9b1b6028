// Package autoscale closes the loop from a graph to instances: each tick it
// reads a group's metric, asks [Want] how many instances there should be and
// why, and has its [Cloud] launch or terminate the difference.
//
// The controller scales on levels, never on edges: samples of the metric and
// transitions of alerts only make it look earlier. A sample that takes the
// metric over its upper threshold is answered at once, not at the next tick.
//
// # A group
//
// Where its instances come from is one of launch (plain EC2, package ec2), asg
// (an existing Auto Scaling Group, package ec2/asg) and exec (a program, package
// script). Each is a [Cloud]; what one can do beyond that, as to attend to
// lifecycle hooks, is an interface of its own, such as [Attendant], [Bounder],
// [Remarker] and [StatusChecker].
//
//	autoscale:
//	  groups:
//	    - name: web
//	      mode: act                  # dry-run, the default, decides and does nothing
//	      metric: avg(run_queue{group="web"})
//	      title: run queue           # what reasons call it
//	      min: 2
//	      max: 14
//	      out: {above: 4, for: 30s, add: enough}
//	      in:  {below: 1, for: 10m, remove: 1}
//	      cooldown: 2m
//	      boot: 3m                   # launch to first heartbeat
//	      launch: {image: ami-0123456789abcdef0, type: c7g.large}
//
// The metric is the load of one instance on average, so that "enough" can be
// worked out: the load is taken to spread evenly over more instances.
//
// Where the metric is the share of an instance that is used (1 is all of it),
// track: {use: 0.8} instead of out and in follows the load: see [TrackPolicy].
// Package replay shows what any policy would have done with a load.
//
//	work     points x serving       . wanted, with room for noise
//	     ^                    . '  /
//	     |              . '      '   the line through the newest points that
//	     |   _ .-._  .-'             agree, and where it leads when an instance
//	     |--'     '-'|          |    that is launched now will serve
//	     +----------now-----now+boot--->
//
// # Which policy when
//
// More policies stand under policies, beside the group's own or instead of it.
// Each has one metric, its own or the group's, and one kind:
//
//	policies:
//	  - {name: latency, metric: avg(response_ms), out: {above: 400, for: 1m, add: 2}, in: {below: 100, for: 10m, remove: 1}}
//	  - {track: {use: 0.7}}                     # of the group's metric
//	  - {name: requests, metric: 'sum(rate(requests[1m]))', demand: {per: 350}}
//	  - {name: jobs, metric: sum(jobs_waiting), queue: {rate: 5, arrival: 'sum(rate(jobs_added[1m]))', drain: 5m}}
//	  - {metric: cpu_free_percent / 100, free: {run_queue: run_queue}}
//	  - {metric: cpu_used, votes: {above: 0.8, below: 0.3}}
//	  - {name: office hours, schedule: [{cron: 0 8 * * mon-fri, timezone: Europe/Vienna, for: 10h, min: 6}]}
//
// Step (out and in; steps for more the higher it is) answers a level with a
// number. It needs no understanding of the metric but that high is bad, and takes
// any: latency, errors, a temperature. It has to wait between steps to see what
// they did.
//
// Track follows a metric that says how full an instance is, looks a boot time
// ahead, and keeps room for noise: take it first where the metric goes above 1.
//
// Demand and queue divide what is asked for, or waits, by what an instance does.
// They know how many are needed at once, from two servers to nineteen, where a
// metric that ends at full, such as the use of a CPU, has to feel its way. They
// need a number for what one instance does, which a load test gives:
//
//	needed = demand / per     = backlog / per     = (arrival + backlog / drain) / rate
//
// Free keeps servers' worth of capacity free, added up over those whose run
// queues are short: half a server at least, one and a half at most, or shares of
// the fleet. It is for crowds that come without notice, since it is about what
// can be taken on rather than about what is done. A full fleet has nothing free
// however much waits: put a queue or demand beside it.
//
//	                 free: 0.9    0.2     0 (a long queue)        sum 1.1
//	servers     |#.........| |########..| |#########.|    below 0.5: one more
//	                                                      above 1.5: one less
//
// Votes ask each server. They are for fleets whose load is not spread evenly:
// half of them full and half idle is no average of fine. A vote counts by how
// fresh the heartbeat is.
//
// Schedule is for what is known beforehand. It raises min so early that instances
// serve when the slot begins, and lowers max; it launches for no load and retires
// nobody whom another policy wants to keep.
//
// How they combine: each is asked on its own, and the safest wins. The group
// grows as far as the one that wants the most, and shrinks only where all want
// it, no further than the most cautious. One whose metric is missing keeps what
// there is, and no other from growing. A decision says what each wanted, and who
// decided. Policies that look at hosts (free, votes) take an expression that
// gives a series for each, with the label host or a name that the fleet's
// templates know (arithmetic drops names: label_replace makes a label of one);
// with fewer than half of the hosts known they are blind.
//
// # Seasons
//
// What the work was like at this time of former weeks, or days, is read from the
// archive, a point for each ten minutes of five weeks (History). By what share it
// used to rise from now to the horizon is put into the forecast, which is then
// the higher of the line and of that: a season may ask for more, never for less.
// It may act only while its own backtest is good: each ten minutes of the last
// day are forecast from the ten minutes before, by the season, by "as much as
// now" and by the line through the last two; the season must be wrong by a fifth
// less than the better of both, and over the last two hours not suddenly more
// than it used to be, as on a holiday. Reasons say what it expects and how wrong
// it was. track: {seasons: off} leaves it out.
//
// # What is capacity
//
//	pending --> booting --> in service --> draining --> terminating --> (terminated)
//	running     first       warm: the      chosen       withdrawn from the fleet,
//	no heart-   heartbeat   metric covers               then terminated
//	beat yet                it
//
// Instances on their way count as capacity: the need that launched them does
// not launch again. They do not count in the metric's average. Silent ones
// (running, not heard of) count against max, for they cost money, and as
// nothing else.
//
// How long booting takes is learnt: the journal keeps, for each image, type and
// zone, how long the newest instances took from launch to first heartbeat. From
// five on, the time in which nine of ten were heard of takes the place of boot:
// as the forecast's horizon, as the time without reversal, and for when a launch
// is overdue. learn: false keeps to what is written.
//
// # Guard rails
//
// Missing data never scales in, and scales out for the floor alone. No
// scale-in before one full window after a start, nor while instances boot, nor
// so far that the rest would be asked to grow. No reversal within boot time. At
// most max_step at once. When nearly half of the instances fall silent
// together, it is more likely our own ears: nothing changes. After three
// launches that were never heard of, none more, until one launched as late is
// heard of, or a human starts the group again; those of before tell nothing of
// our ears from then on. At most max_launches within 10
// minutes. A [Budget] of money per hour and month is a wall. A metric that stops
// to change, to the last bit, is missing. A clock that is set changes nothing. A
// stop switch per group, one for all (rondo group stop --all, or stopped: true),
// downtimes that pause scaling, and alerts that hold it ([Veto]). All of them
// stand in each decision ([Guard]); guards.go lists them with their tests.
//
// # Whose group it is
//
// Two controllers must not act in one group. Each instance carries the [Claim]
// of the controller that launched it: who sees instances with a claim that goes
// before its own refuses (two-controllers), and says so. After a data directory
// was lost or moved that is ourselves: rondo group take-over. A copy of a data
// directory has the same ID: never run both. What carries our tags and belongs
// to no group is an orphan: rondo group sweep finds it, and ends it by command.
//
// # By the clock
//
// down shuts a group down: in its slots no instance is wanted, whatever the load,
// and no policy is asked. What there is drains as always; none that is protected
// goes. It is started again by what booting takes before the slot ends. Alerts
// that name the group (label group) and no host are closed until it serves, for
// what has no instance has no metric. An [Order] by hand holds against the slots.
//
//	down: [{cron: 0 20 * * mon-fri, for: 11h, timezone: Europe/Vienna}]
//
// # What is lost is replaced
//
// An instance that is silent for the group's replace (10 minutes, and its boot
// time where it was never heard of at all), or fails the cloud's own status
// check for as long, is replaced: another is launched, and when that one is
// heard, the lost one is terminated. One after the other; none that is
// protected; not past min, max or any guard rail of a scale-out; not while the
// metric is missing. What was launched since the loss for whatever reason
// stands in for it, so that the floor and the load do not launch twice. At max
// the lost one goes first, where most of the others are heard.
//
// In a group of at most three that some are silent says nothing of our ears:
// there the hosts that are not of the group tell, and nothing changes while most
// of them are silent too; the heir may be one above max. single: true (with max:
// 1) is for who must not run twice: the lost one is terminated, and over as the
// cloud has it, before its heir is launched, and only where other hosts are heard
// or the cloud's own check fails. A lost one is replaced after replace and the time
// that booting takes: 13 minutes by default, less with replace: 1m, the least.
//
// # What is outdated is refreshed
//
// Each instance carries the digest of what it was launched as (rondo:template:
// image, launch template and its version, user data, key, profile, security
// groups; its type is compared by itself). Where the configuration asks for
// something else by now, or a newer image fits, it is outdated. A [Refresh]
// replaces those, by rondo group refresh or by itself (refresh: {when: change}):
//
//	capacity  what the load wants           canary     batch       batch
//	   new    |                               .---------.-----------.------
//	          |                             .-'   pause '-.   pause '-.
//	   old    |-----------------------------'-------------'-----------'----> 0
//
// Each step is a decision of [Want] that passes all guard rails of a launch or a
// scale-in, and says what it waits for: new ones serve for healthy, then pause
// passes, then as many outdated ones drain as were launched beyond what the load
// wants. Whether they would be missed the policies are asked beforehand. An
// alarm that did not fire at the beginning, or a new instance that is never
// heard of, falls silent, ends or fails its status check before it has proved
// itself, backs it out: the new ones go, and the old template is launched, until
// the configuration asks for a third or somebody asks again. A configuration
// that changes in the middle is the new target, and begins with a canary.
//
// # Asked beforehand
//
// A group that acts asks its cloud at the start, beside its ticks, whether it
// would do all that will be needed ([Preflighter]; EC2 by DryRun), and shows
// what is denied or missing; rondo group check asks again, and prints the IAM
// statements to add. Nothing waits for the answer: a launch in need is tried.
//
// # Never twice, never lost
//
// Every attempt is in the [Journal] before its call is made, with the
// ClientToken and all parameters. A call whose outcome is unclear (timeout,
// reset, crash of rondo itself) is repeated exactly before anything else is
// done in that group; the cloud answers the same token with the same
// instances. A repetition that fails for certain does not settle the first
// request within a minute, which may still be on its way. An unclear launch
// older than 15 minutes is not repeated, for the need has passed: what carries
// its tag settles it.
//
// The state of a group is what its journal entries amount to (memory.apply),
// whether they were just written or read after a restart. Entries are chained
// by hash. A chain that is broken stops all groups until a human starts them.
//
// # Proof
//
// A [Decision] keeps what it was made of: the points, what was counted ([Saw]),
// the digest of the configuration in force, and what each guard rail said. The
// journal has it before anything is done, and what came of it after ([Record]).
// Since [Want] is pure, it can be asked again: [Controller.Why] finds why not
// more or less by asking what it would say if the metric, the bounds or the time
// were different, now or on what the journal has of the past.
//
//	asked:  metric at v all along, from 0 upwards   -> the level, and for how long
//	        the same without min, without max       -> the bound in the way
//	        a moment later, and later               -> until when a guard rail holds
//
// A [Shadow] policy is asked beside the live one, with instances in name alone.
// What a group in a dry run decides can be applied once, by somebody. Who did
// what is an [Audit], kept with the snapshots when the journal drops its oldest
// entries; so are the newest configurations.
//
// # Where from
//
//	launch:
//	  launch_template: web
//	  types: [c7g.large, m7g.large]              # the preferred first
//	  subnets: [subnet-a, subnet-b, subnet-c]    # or zones; kept even
//	  spot: {share: 0.5, on_demand_base: 2}
//
// A launch asks one [Pool]: a type in a zone, on demand or Spot. Which one is
// chosen by place: the market that lacks its share, there the emptiest zone,
// there the preferred type. A pool that was refused is passed over until the
// refusal's weight, which halves every 10 minutes, is half; refusals are
// outcomes in the journal, so that a restart does not ask them all again. The
// next pool is asked at once; only where all were refused does a backoff keep
// the calls rare. A quota (of vCPUs) is the account's, not a zone's: it closes
// all types that count for it. What a launch did not get, or what belongs to
// another zone, follows in the next one, past the cooldown.
//
// images: {owner: self, name: "web-*"} takes the newest image that fits, from a
// list that is read each 10 minutes; which one it was is in the journalled
// launch, so that a retry asks for the same.
//
// User data may hold placeholders that are filled in for the call alone
// ([Options].UserData): the agent's installation and a join token. The journal
// has the text as configured, and a retry fills in the same.
//
// # Whom to retire
//
// From the zone that has the most; there the one with the fewest sessions, as
// retire.sessions counts them; of those the one whose paid hour ends first
// (retire.billing); of those the newest, for the oldest carry the longest
// sessions. Never one with the tag rondo:protect, nor one of the last
// min_per_zone of its zone. The decision says what made each the first. The
// cloud is asked before a drain whether it would terminate them at all
// ([Vetter]), for a drain that cannot end so is work for nothing.
//
// A host is withdrawn from the fleet before its instance is terminated, so that
// its silence is no alarm. While it drains it can be taken back, at once and
// without a call.
package autoscale
