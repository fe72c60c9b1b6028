// Package rrdcached speaks the text protocol of RRDtool's daemon over a store
// of sets, so that its clients (rrdtool --daemon, collectd, Cacti, LibreNMS,
// Ganglia, Checkmk) are pointed at rondo unchanged:
//
//	UPDATE net/eth0.rrd 1700000060:17:4  ->  0 errors, enqueued 1 value(s).
//	BATCH                                ->  0 Go ahead.  End with dot '.' on its own line.
//	UPDATE ... UPDATE ... .              ->  1 errors
//	                                         2 illegal attempt to update ...
//	FETCH net/eth0.rrd AVERAGE -3600     ->  66 Success, and 66 lines
//
// # A reply means: on disk
//
// A connection is read for what has come, all whole lines are handled, their
// updates are brought to disk in one commit, and then the replies are sent, in
// order. So a client that sends many commands before it reads a reply, and all
// the more a BATCH, which has one reply at its end, shares one wait for the disk
// among many. Nothing is read meanwhile: a slow disk holds clients back, and
// nothing is queued without bound.
//
// # What a file is
//
// Relative names lie below rrd in the data directory; absolute ones below that
// or another base directory. A set is named by that path without ".rrd". There
// is no way out of the base directories, by ".." or by a symbolic link.
//
//	UPDATE of an unknown name
//	   |-- a .rrd lies there: it is taken over, history and all (collectd makes
//	   |   the file itself, then sends FORGET and UPDATE)
//	   |-- create (the default): a set by the first schema that matches, with a
//	   |   data source "value", or ds0, ds1, ... where more values come
//	   '-- No such file
//
// Reading takes over a file too. The file is read that once, and after a FLUSH and
// a FORGET of it on one connection over the unix socket: rrdtool tune changes the
// file between the two. Names, heartbeats and limits that it changed are changed
// in the set; updates that came meanwhile stay (names are not changed then). What else it changed is refused:
// FORGET's reply says so, the log too, and it is counted as edits_refused. An edit
// without the daemon's address goes unseen. In the other direction, FLUSH and CREATE over the unix socket leave a .rrd in the base
// directory (write_files): rrdtool dump, info, lastupdate and the web pages of
// old send FLUSH and then read the file themselves, and others look whether a
// file is there before they create it again. It is on by default because
// without it such clients are told that all is well and then see old numbers,
// or none. It costs a file for each set that is created or flushed in this way,
// and nothing for those that are only updated and fetched. Clients on TCP do
// not see our files, so none are written for them. The file's time of
// modification is that of its last update, so a file that is new enough is left
// alone.
//
// # Where we differ from rrdcached
//
// testdata/session.txt is played to both, and names each difference:
//
//   - A malformed value, a wrong number of values or a time that is not newer is
//     refused by UPDATE; rrdcached acknowledges the first two, and loses them and
//     all behind them. A refused value does not take down those behind it.
//   - A time more than a day ahead of our clock is refused by the store, in UPDATE
//     and CREATE: it would empty every ring, and refuse all that comes until then.
//   - Nothing is ever pending or queued. SUSPEND is remembered, and that is all.
//   - FORGET forgets nothing. LAST is the time of the last update, not of the
//     beginning of its step. SUSPENDALL counts all sets.
//   - "Permission denied" tells which line in the configuration would help.
//   - Blanks between fields may be many. LIST is sorted. HELP's descriptions are
//     our own.
//   - SUSPEND and RESUME without a file, or of one that is unknown, are errors;
//     rrdcached closes the connection.
//   - CREATE takes no -r; with -t the template may be a set that has no file.
//   - There are no TUNE and DUMP, which are of later versions than Debian's 1.7.2:
//     rrdtool changes and dumps the file itself then, after a FLUSH.
//
// FETCH and FETCHBIN have one addition: CF:SECONDS asks for rows of about that
// length, as rrdtool fetch -r does. No client sends that by accident: a
// function's name has no colon.
//
// # Limits
//
// A line has at most 4,096 bytes, a BATCH a million commands; idle connections
// are closed after idle_timeout, those beyond max_connections at once. A client
// that leaves its replies unread for a minute is cut off. A FETCH has at most
// rrd.MaxSetValues values, and all that are being sent at one time have no more
// together: of large ones the next waits.
package rrdcached
