// Package tail reads files as they grow, and hands over each line once,
// whatever happens to the files, to this process, or to the receiver.
//
//	inputs (globs) --scan--> files --turns--> batch --Put--> Sink (agent, server)
//	      ^                    |                               |
//	inotify, a slow look       positions <----- durable -------+
//	                           |
//	                           state file (a copy; the receiver's marks will do)
//
// A batch goes to the sink with marks: how far each file has been read with it.
// A receiver that keeps marks in the same write as messages (syslogd.Marker)
// has each message once: Run is given these marks when it begins, and goes on
// behind them. The state file serves receivers without marks, and knows what
// marks do not: paths, and what else identifies a file. Of the two the mark is
// true: it is behind the state file only if the receiver was put back to an
// earlier state, from a backup, and then what it has lost is read again.
// Two Runs for one receiver must not overlap: the first one's last batch must
// be stored, or lost for certain, before the second asks for the marks.
//
// # Identity
//
// Inodes are used again at once, and paths lie after each rotation. So it is
// content that has a position, not a file, and three things tell what a file
// holds:
//
//	0        n               1024                 offset          size
//	|- line -|----------------|--- ... ---|- 1024 -|---- unread ----|
//	 in the id  head, in the state file     tail: in the position
//
//	id    DEV-INODE-N-FINGERPRINT[-AGAIN]: where and with which first line
//	      content was first seen. It is a name; nothing but its fingerprint is
//	      ever compared with a file.
//	head  fingerprint of the first 1024 bytes, as far as they are there, and of
//	      shorter beginnings of them, by which a shorter copy is known. NULs in
//	      front do not count.
//	tail  fingerprint of the 1024 bytes before the offset. A mark has 16 bits
//	      of it: Pos = offset<<16 | tail, so that a mark alone can be tested.
//
// Each read begins 1024 bytes before the offset: if they are not what they
// were, the file has other content, and not one byte of it is taken for a
// continuation. A position whose file lost its content is an orphan. It is
// looked for in files of related names: in those that the inputs find, and in
// those that rotation makes of the inputs' names, NAME[-.~_0-9]* and
// STEM[-._0-9]*.EXT*, compressed or not.
//
// # What happens when
//
//	renamed                    read on under the new name, also if no input
//	                           has it; what is new under the old name, after it
//	copied and truncated       the copy is read on from the offset; the file
//	                           from its beginning, after the copy
//	a copy is being made       it is not read: all of it is in another file
//	a copy was made before     it is not read, if its beginning is known; see below
//	the last lines were read
//	truncated and rewritten    what is unread of the old content is lost, and
//	                           counted as far as it was seen; the new is read
//	                           from its beginning, be it shorter, longer, or of
//	                           the same size
//	truncated under a program  the NULs that this leaves in front are skipped
//	that does not append
//	deleted, still open        read until it is quiet for Linger
//	deleted, created again     the new file is new, whichever inode it has
//	compressed                 the rest is read from NAME.gz, .zst or .bz2 at
//	                           the same offset of the unpacked content
//	moved to another disk      the copy is read on, if an input or a rotated
//	                           name has it
//	replaced (sed -i, editors) read on, if all before the offset is the same
//	several names, links       one file, once
//	all that while down        the same, from the state file or the marks
//	created and rotated while  read, if it has a name that rotation makes, and
//	down, or between looks     changed since the last look of which all was read
//	a line has no end yet      it waits. If the file was renamed or deleted and
//	                           is quiet for Linger, it is taken as it is
//	a line is too long         several messages, all but the last Truncated
//	the state file is lost     the marks do. Files that the receiver has no mark
//	                           of are new, and read from the beginning
//	changed in the middle      not seen, if neither the first nor the last
//	                           1024 bytes before the offset change
//	cut to a part of itself    taken for a new file, and read again
//	the state file is lost,    its lines come twice: marks do not know enough of
//	and a copy was made before the beginning
//	the last lines were read
//
// All of this, but for the last three rows, is what random histories test:
// programs, logrotate, crashes of either side, and inodes that are used again at
// once, against what was written and could be read.
//
// # FIFOs and the journal
//
// A FIFO cannot be read again: it has no marks, and its sink should keep what it
// takes. Of the journal, a mark is the number of an entry, from which its cursor
// is made.
//
// # Bounds
//
// One goroutine reads one file at a time, 64 KiB or two messages of the longest
// kind, then another; a batch has BatchBytes, and nothing is read while the
// sink has it. Nothing of a file is held between batches. MaxOpen, MaxFiles and
// MaxPositions bound the rest.
//
// # Counters
//
//	files                    contents that were new
//	lines bytes              handed over and durable; read
//	filtered empty           lines that the filter, or nothing in them, left out
//	files_truncated          and files_rewritten: files that got other content
//	copies                   files found to be copies of what is read elsewhere
//	found_again              orphans whose content was found
//	gone_REASON              orphans that were not: truncated, rewritten, deleted
//	lost_files_REASON        of those, the ones of which unread bytes were seen,
//	lost_bytes_REASON        and how many
//	closed_deleted           deleted files closed for max_open_files
//	files_beyond_limit folders_beyond_limit
//	refused                  tries to open what an input's Allowed refuses
//	open_failures packed_damaged state_damaged state_failures forgotten
//	unread_bytes             of files, now; of compressed ones it is not known
//
// What was written and cut away between two looks is known to nobody, so it is
// in no count: gone_truncated says how often that may have happened.
package tail
