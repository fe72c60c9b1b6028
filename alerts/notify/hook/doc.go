// Package hook runs a command for each notice.
//
// # At most once
//
// A command may do what must not be done twice, so that it has run is noted
// before it runs: after a crash in between it does not run at all, which is
// logged. Notices are therefore told to a command at most once, where all other
// senders tell them at least once.
//
// # What it gets
//
// No shell, a small environment (PATH, HOME, LANG, TZ), and in RONDO_*
// variables what it is about:
//
//	ID STATUS RECEIVER REASON GROUP_KEY AT FIRING RESOLVED TEXT LABEL_<NAME>   of a group (firing, resolved; how many of each)
//	ID RULE FROM TO SINCE AT VALUE TEXT LABEL_<NAME>                           of one hard change
//
// The whole is on its standard input as JSON: a group as Alertmanager's webhook
// message, a hard change as GET /api/alerts/transitions shows it. When its time
// is up, or it outlives our own end by five seconds, its process group is killed.
package hook
