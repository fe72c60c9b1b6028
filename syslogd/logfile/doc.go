// Package logfile reads messages back from files that somebody wrote: rondo's
// archive, plain syslog files, journal exports.
//
// What a file is, its first bytes tell, and not its name:
//
//	1f 8b, 28 b5 2f fd      gzip, zstd; several pieces one behind the other
//	                        too; within them it is one of these:
//	{                       JSON lines (package jsonl), which say all of a
//	                        message, its reception included
//	__CURSOR= and the like  the journal export format (package journal)
//	anything else           lines, as syslog.Parse takes them
//
// What has a zero byte in its first 4 KiB, other than at its very beginning, is
// no text and refused (ErrNotText), and so are journald's own files, xz, bzip2
// and lz4.
//
// A line that is longer than a limit is cut, and the rest of it skipped; an
// object that is no message of ours is a message with that line as text.
// Nothing is held but the line at hand, whatever a file unpacks to.
//
// Only JSON lines know when a message was received. For the others it is the
// message's own time, or else a time that the caller gives, such as the file's
// last change; it also tells the year of times without one, and its location
// the zone of those without.
package logfile
