// Package spool is where messages wait for the places that they are delivered
// to: one log on disk for all of them, and for each a queue, which is a cursor
// in that log.
//
//	Append ->  [ r ][ r ][ r ][ r ][ r ][ r ][ r ]   the log: batches of messages,
//	                ^              ^         ^       each with the set of its queues
//	                archive        central   alerts  cursors, in one file
//
//	Queue.Run: cursor -> batch -> out.Session -> Settled -> cursor
//
// Each message is written once, for however many destinations, and whoever is
// down or slow reads later what the others have read long ago. Filters have
// run before, once; a queue reads past what is not for it.
//
// # Exact counts
//
// The messages of a queue have ordinals without gaps. Each record says, of
// each queue, how many it had before. So a queue that finds itself behind a
// hole, because its oldest were dropped or the disk is damaged, knows from the
// next record how many are missing, without having read them. At any moment,
// and after any crash,
//
//	routed = delivered + dropped (by reason) + waiting
//
// where waiting includes what is in flight: sent, and not yet settled by the
// session. What is in flight is never dropped, so that no message is counted
// as dropped and delivered all the same.
//
//	queue_full   its bound; see Policy        damaged      the log could not be read
//	too_old      its age                      refused      by the destination, for good
//	disk_full    it could not be written      removed      its destination has left
//	disk_error   likewise                     log_full     the log's bound; see below
//
// Counts are kept with the cursors. After kill -9 both are those of at most a
// second ago, and what was delivered since is delivered again, with the same
// keys. Only drops of messages that were never written, for a disk that is full
// or by drop-newest, are forgotten with that second.
//
// # Bounds
//
// A queue is bounded by the bytes of its own messages, whatever else is in the
// log, and by their age. When it is full, its policy decides: the oldest go
// (drop-oldest), up to the next mark, of which there is one each 64 KiB of the
// log; what comes goes (drop-newest); or senders wait (block): then nothing is
// dropped, and everything waits that comes through the same door. Half of a
// queue may be in flight.
//
// The log as a whole has no more than all queues together may have, and 64 MiB.
// So a queue that waits with little, while others move much, keeps that little
// until as much as that sum has passed; then its oldest go (log_full). Whoever
// has a destination of few messages that may be down for long, beside one of
// many, gives it a queue of more bytes, or has it block: of a queue that blocks
// nothing is dropped, and it can hold back the log until the disk is full.
//
// Age is that of the record, by the clock that wrote it, to the second. In one
// run of the program a step of the clock does not make anything older.
//
// # Numbers
//
// Each message has a number, for the keys of package out. They are dense while
// the spool is open. At each opening they begin anew at the microseconds since
// 1970, or behind the last one: what a crash has cut off, or the return of a
// backup, must not make a key name two messages.
//
// # Orphans
//
// A queue whose destination leaves the configuration takes nothing more, and
// waits for it to come back. That is told, with the number of messages; a day
// later they are dropped (removed), which is told with all counts. A queue is
// known by its name: who renames a destination makes a new one.
//
// # Cursors
//
// Once a second the log is committed, then the cursors are written beside it,
// and then the log is cut behind the slowest. If that file is damaged, the one
// before it is used. If both are, the names of the queues are lost: what waited
// for them is told as that of "unknown-7", and dropped as an orphan's is.
//
// # Why one log
//
// Ten destinations of the same messages are one write and one fsync, and a
// sender that waits for an acknowledgement waits for one. The log store's own
// log would save even that, but a destination that is down for a week must not
// keep the store from removing its log, and not all that is relayed is stored.
package spool
