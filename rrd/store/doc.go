// Package store is the round-robin store of rondo: series in, archives out,
// on one directory of one machine.
//
//	           Append                                      Select
//	             |                                           ^
//	table: key -> id, definition            blocks  +  head  |
//	             v                             ^        ^    |
//	head: window -> Fold -> closed rows -------|--------+    |
//	             |            \                |             |
//	             v             flush when due -+-- rings ----+
//	log (seglog, fsync)  <- cut - checkpoint of the head
//
// # The head
//
// Each series keeps the samples of the late window (10 minutes, see
// [Options]), sorted by time. What is older is settled: folded, in order of
// time, into the open rows of all archives ([rrd.Fold]). Rows that this closes
// wait, packed, until their block is due. A reader folds the window into a
// clone of the series' Fold; so every archive is readable at once, open row
// included, and rows do not depend on the order in which samples came.
//
// Only a series' own samples move its window. So a host whose clock lags, or
// a history that is imported, is as good as any other. How far a ring reaches
// back goes by the newest sample of the whole store.
//
// # On disk
//
//	log/         samples, as accepted; the truth until the head is on disk
//	series/      definitions and series with their ids; never cut
//	checkpoint   the head, and the log's position that it stands for
//	blocks/ROW-ROWS/EPOCH/   a Badger directory: rows of all series, by page
//	                         of 64 series and block of 32 or 128 rows
//
// A batch is one record in the log for each shard that it touches. Blocks are
// durable before their rows leave the head; the log is durable up to where a
// checkpoint stands before it counts, and the checkpoint before the log is cut. Replaying what the head already has changes nothing: inside
// the window a sample is stored once, and what is older is refused. That is
// why a checkpoint need not be of one moment.
//
// When a ring turns, whole epochs are dropped: disk use is bounded by the
// definition, plus one sixteenth.
//
// # Damage
//
// A damaged block, checkpoint page or log record is reported, counted and left
// out; the rest is kept and served. Every piece has a checksum that includes
// its place, so a wrong number is never served. Ids are never used again, even
// after the series table has lost some.
//
// Damage is proven before anything is set aside: what the operating system
// refuses (descriptors, memory, a device's error) fails that read or write, and
// is tried again.
//
// # A full disk
//
// Log, blocks and checkpoint each ask for free space before they write, and
// refuse below the reserve; the log recovers by itself when there is space.
// While blocks cannot be written closed rows wait in memory, up to four times
// Options.StageBytes; then samples are refused with [ErrBacklog].
//
// # What is not survived
//
// Badger ends the process by log.Fatal where one of its own assertions or a
// call it takes for granted fails: mapping its file of discard statistics when
// descriptors or memory have run out, growing a mapped file, a table or
// value log whose length contradicts its content. Its files are mapped, so a
// read that the device fails, or a write into a file that another process has
// cut, is a SIGBUS. None of it loses what was acknowledged: the next start
// replays the log. Where damage makes it happen at each start, move the
// epoch's directory, which Badger's last lines name, out of blocks/.
package store
