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
// wait until their block is due, packed together with the Fold, each number
// told from the one before; of a large store, rows of five minutes and longer
// go to disk early (see young.go). Windows and packed states lie outside of
// Go's heap (see arena.go). A reader folds the window into a copy of the
// series' Fold; so every archive is readable at once, open row
// included, and rows do not depend on the order in which samples came.
//
// Only a series' own samples move its window. So a host whose clock lags, or
// a history that is imported, is as good as any other. How far a ring reaches
// back goes by the newest sample of the whole store.
//
// # Sets
//
// RRDtool's files are sets ([rrd.Set]): data sources that share a clock, exact
// to the last bit. Each source is a series of the table, {__name__="<name>",
// ds="<source>"}, and the ids of a set's sources are neighbours, so that one
// lock guards it. A set takes the texts of a reading as they were sent, which
// is what the log keeps of them, and hands on finished rows. A row of a source
// is one value, so that it takes the way of all closed rows, as a row of one
// sample: packed in the head, in blocks by page, out of the ring in the end.
// Archives of sets have rings of their own, by function; those of one step per
// row and the same length are one.
//
// A set has no late window. What is not newer than its last reading is
// refused, and so the log can be replayed any number of times.
//
// A set's rings end with its own last reading, for ever; those of the store go
// by the clock of all. What a silent set needs of an epoch that is to be
// dropped is moved to kept blocks before (see kept.go).
//
// # Late samples
//
// What is older than the window corrects the rows that it belongs to, where
// they come out as if it had come in time (package rrd, "Late samples"), and
// is refused by name where they do not: rrd.RefusedInexact, where its slot has
// samples that are known only as a row, or a counter's totals would change;
// rrd.RefusedLate, where the primary rows of a longer row are gone.
//
//	newer than all that is settled       it is settled behind it
//	in a slot without samples, or one    its slot's row and each longer row are made anew; the log
//	whose samples all came late          gets these rows, so that a replay changes nothing
//	again, the same                      stored once, while it is known by itself
//	anything else                        refused; nothing changes
//
// Corrected rows lie over all else in memory until a flush merges them into
// their blocks. Late samples are known by themselves in memory and checkpoint,
// half a million of them; beyond, all are forgotten, and a repeated one is
// refused as inexact.
//
// # On disk
//
//	log/         samples and readings, as accepted; the truth until the head is on disk
//	series/      definitions and series with their ids; never cut
//	audit.jsonl  who overwrote which primary point, when, old and new
//	checkpoint   the head, and the log's position that it stands for
//	blocks/ROW-ROWS/EPOCH/   a Badger directory: rows of all series, by page
//	                         of 64 series and block of 32 or 128 rows
//	blocks/ROW-ROWS-LENGTH/EPOCH/   the same, with blocks of that many rows; a
//	                         ring that has the name above keeps its short ones
//	blocks/../young/EPOCH/   pieces of blocks that are not due, see young.go
//	blocks/FUNCTION-ROW-ROWS/EPOCH/   the same, of sets
//
// A batch is one record in the log for each shard that it touches. Blocks are
// durable before their rows leave the head; the log is durable up to where a
// checkpoint stands before it counts, and the checkpoint before the log is cut. Replaying what the head already has changes nothing: inside
// the window a sample is stored once, and what is older is refused. That is
// why a checkpoint need not be of one moment.
//
// When a ring turns, whole epochs are dropped: disk use is bounded by the
// definition, plus one epoch: a sixteenth of most rings, a quarter at most.
//
// # Another definition
//
// A [Change] gives series another definition while samples come. Its history
// comes along as package rrd says ([rrd.Fold.Redefine]): rows of equal length
// are the same bits, new lengths are made of shorter ones. A few pages at a
// time, during which no blocks are flushed:
//
//	1 move    what of the old rings' blocks the new ones can hold, durably
//	2 switch  page by page under its shard's lock: Fold, rows in memory and
//	          definition; the new states go into the log, between the samples
//	          that came before and those that come after
//	3 tell    the series table, and wait for both logs
//
// Samples wait for 2 only. As the log has the new states, a replay folds each
// sample by the definition of its time, from whatever checkpoint it starts; a
// state names its definition, and is believed before the table. A kill before
// 2 leaves the old definition whole. The change itself is in change.json until
// it is done: going on means to look again which series are not yet as wanted.
//
// Until an archive that is finer than all before has turned once, its rows
// begin later than its ring. The head remembers where (begins), so that a query
// for older times is answered by an archive that has them.
//
// Rows that a series leaves in a ring of others' are dead until the ring turns,
// or until the series gets that ring again, when they are replaced. A ring that
// no series uses is removed after two more checkpoints: until then a replay
// might begin before the change.
//
// # Series that are new
//
// A series is in the table's log before its first sample is in the samples'.
// Nobody who only writes waits for the device: the table is synced before
// anything that names its ids counts as durable (commit, blocks, checkpoint).
// After a power failure the log may name ids that the table never had: those
// samples were not acknowledged and are left out, and their ids stay unused.
//
// # Measured
//
//	make bench                                             the table of all figures
//	go test -run '^$' -bench Scale -benchtime 1x .         10k, 100k, 1M series: memory, CPU, restart
//	go test -run '^$' -bench 'Turns|FullRings' -benchtime 1x .   disk over turns, of full rings
//	go test -run '^$' -bench Backfill .                    late samples: a day's gap, live samples meanwhile
//	go test -run 'TestModel$|TestPowerLoss$' . -rapid.checks=10000   kills and power failures
//	go test -run TestFullDisk . -rapid.checks=10000        a disk that becomes full at any write
//	RONDO_FLIPS=10000 go test -v -run TestFlippedBits .    a bit flipped anywhere
//
// A million series on two shared cores: 1.0 KB of memory each after six hours,
// of which 0.23 KB are Go's heap and 0.65 KB arenas; a start takes 6 s of CPU
// time on both cores. The blocks of the classic archives (1m for 1d, 5m for 7d,
// 1h for 22d, 2h for 1y) take 39.7 KB when all rings are full.
//
// Disk over ten turns of the longer ring, in multiples of what is live there:
//
//	turn           1     2     3     4     5     6     7     8     9    10
//	1m for 2d    1.05  1.07  1.07  1.07  1.07  1.06  1.06  1.07  1.07  1.07
//	10s for 6h   1.26  1.26  1.25  1.25  1.25  1.25  1.25  1.25  1.25  1.25
//
// # Damage
//
// A damaged block, checkpoint page or log record is reported, counted and left
// out; the rest is kept and served. Every piece has a checksum that includes
// its place, so a wrong number is never served. Ids are never used again, even
// after the series table has lost some. One loss Badger does not tell: of its
// log of blocks that are not in a table yet (*.mem) it cuts off what is damaged.
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
// # Snapshots
//
// A snapshot is what a kill at one moment would leave, copied to another
// directory: what survives kill -9 survives a backup. While nobody writes
// blocks or checkpoints, a new checkpoint is written, the epochs that are open
// for writing are closed, and all that never changes again (tables and value
// logs of epochs, segments of the logs, the checkpoint) gets a second name by a hard link;
// of the two logs the last segments are copied, up to where both
// ended at one moment. The audit comes along, and so does a change that is
// running, which goes on in the copy.
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
