// Package script is the autoscale.Cloud of any program: virtual machines of
// another provider, containers, jails, a rack with a power switch.
//
//	exec: {command: [/usr/local/bin/pool, --rack, "7"], timeout: 30s}
//
// The program is run as
//
//	pool --rack 7 list         which instances are there?
//	pool --rack 7 launch       make some
//	pool --rack 7 terminate    end these
//
// with a request on its standard input, one line of JSON:
//
//	{"action":"list","group":"web"}
//	{"action":"launch","group":"web","count":3,"desired":10,"token":"rondo-1f…","tags":{"rondo:group":"web",…}}
//	{"action":"terminate","group":"web","ids":["vm-7"]}
//
// list and launch print instances, one JSON object after the other or an array
// of them:
//
//	{"id":"vm-7","state":"running","zone":"rack-7","launched":1789000000,"hostname":"vm-7.example","tags":{…}}
//
//	id        a must: up to 200 printable characters, no blanks
//	launched  a must: epoch seconds, or as RFC 3339
//	state     pending, running (the default), stopping, stopped or terminated
//	type      what it is, for people
//	zone      instances are kept balanced over zones
//	hostname  under which its agent reports; else its id is tried
//	ip        or this
//	tags      those that launch was given: rondo finds by rondo:decision what a
//	          launch made, and obeys rondo:protect
//
// # What it must keep
//
//   - list prints all instances of the group, and no others; one that is over
//     may be left out. A list with an instance twice, or of another group, is
//     refused as a whole.
//   - launch with a token that it has seen makes nothing and prints what it
//     made then. rondo repeats a launch whose outcome it does not know, and that
//     must not cost twice.
//   - launch prints what it made, if need be as pending and before it runs. It
//     may make fewer than count, not none.
//   - terminate of what is over already is done.
//   - It may run several times at once: a list while something is launched.
//
// # Exit status
//
//	0    done
//	64   EX_USAGE        the request is wrong, it will not do to repeat it
//	69   EX_UNAVAILABLE  no room: nothing was made
//	75   EX_TEMPFAIL     later: nothing was done
//	77   EX_NOPERM       not allowed: nothing was done
//	78   EX_CONFIG       as 64
//
// Anything else, an end by a signal or after the timeout too, leaves unclear
// what was done: the same is asked again. What the program writes to its
// standard error is shown with the failure.
//
// # How it is run
//
// No shell; of our environment only PATH, HOME, LANG and TZ. After its time, of
// which a list has 15 seconds at most, its whole process group is killed.
// Output is bounded: more than 4 MiB is a failure.
//
// testdata/pool.sh is a whole program of this kind.
package script
