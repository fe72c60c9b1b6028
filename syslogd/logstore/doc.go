// Package logstore keeps log messages: durable when Put returns, searchable at
// once, a few bytes each, gone when their time is over.
//
// # The way of a message
//
//	Put -> log (seglog) -> head, one per day and class -> chunk in Badger
//	          |              |  searched as it is           |
//	          |              +-> tails                      +-> the log is cut
//	          +-> Commit: on the device, with all who wait
//
// The log is the truth until a chunk is on the device. The head holds some
// 4 MB of lines in columns (package chunk). When it is full, or old, it is
// sealed: encoded, written to Badger and synced; then the log is cut. After a
// crash the log is replayed from the position that the last chunk of each
// directory names, so nothing is lost and nothing doubled. For that the log is
// synced before each chunk: no chunk may name what a power cut takes back.
//
// # Layout
//
//	log/                       seglog
//	gone/20261018-debug        what a replay must pass over, since it was dropped
//	chunks/20261119-default/   Badger, one per day of reception and class
//	    h<id> t<id> f<id> d<id>    the parts of a chunk
//
// Retention removes whole directories: no compaction, no tombstones, and the
// loss of a directory is the loss of a day. A class (Config.Classes) is what
// is kept for a time of its own; the first class whose filter matches has the
// message. Their headers are all in memory; the directories themselves are
// opened on demand.
//
// Below a reserve of free disk the store refuses messages, or drops the oldest
// day first (Config.WhenFull). It never waits for the disk to be full: Badger
// maps its files, and there a full disk is a signal that kills.
//
// A quiet stream's chunks are sealed for their age, not because they are full.
// As soon as four or more of the newest fit in one, they are merged. The merged
// chunk names in its header the numbers that it replaces (chunk.Header); it is
// one transaction, so a crash finds them merged or not, and a search that
// began before still reads the old ones.
//
// # Marks
//
// A sender that can read its source again (a file, a spool) sends with its
// lines how far it has got with them (syslogd.Mark). Both are one record of the
// log, so that after a crash both are there or neither is, and no line is twice.
// Marks stay in the log: before it is cut, those that would go with it are
// written anew at its end. So a snapshot has them too. A mark that was not
// renewed for 400 days, or twice the retention if that is longer, is forgotten,
// and of more than 500,000 the oldest ones are.
//
// # Time
//
// The directory goes by reception: clocks of senders are wrong, and what was
// received today must not be dropped today because its sender believes in
// 1970. Searches go by the message's own time (Message.When), or by reception
// where they must not believe a sender (Query.ByReceived); each header bounds
// both. Reception is kept to the millisecond. A message whose own time
// is not within 1678-2262 counts as one without.
//
// One wrong clock makes the bounds of all chunks useless. So the header also
// counts by hour, and a chunk counts as so many pieces as its hours have gaps.
//
// # Searching
//
// A chunk is asked in steps, each of which may rule it out: the header (time,
// severity), the filter (words, hosts), the catalogue of types (constant
// text, application, facility), and only then the data. Each step judges the
// filter expression as no, maybe or yes; the last resort is to render a line
// and match it. So results are exact, and most counts touch no data.
//
// Chunks share their types (chunk.Types): a leaf of the filter is judged once
// for each type, not for each chunk, and words that are not constant rule out
// single rows by the values of their slots. A regular expression is run over
// the type (chunk.Expression): what no slot or constant of it can be is not
// rendered.
//
// Each chunk keeps a filter of its own. An index over 64 of them with a chunk
// number for each token (Elias-Fano, 10 to 12 bits a token) would be asked once
// instead of 64 times; but a directory only ever grows, so the filters that it
// replaced would stay: by calculation, not by measurement, 1.6 bytes a line
// more. To ask all filters of 10 million lines takes 2 to 3 ms, since they are
// read in place.
//
// # Figures
//
// 10 million lines of a day of 200 hosts, 230 bytes on average (logtest.Corpus,
// BenchmarkScale), on two cores; of a search the processor time, and the time
// until it is answered:
//
//	stored, parsing included           3.0 us a line
//	disk, all in                       19.7 bytes a line
//	memory at 40,000 lines a second    130 MB, the benchmark's included
//	found after arrival                15 to 60 ms
//	absent word, absent id             4, 9 ms     2.9, 7.0 ms
//	rare word, rare id, their 5 lines  7, 20 ms    5.2, 12.7 ms
//	count by hour                      0.1 ms      0.1 ms
//	host and severity in an hour       10 ms       4.6 ms
//	100 lines of these                 15 ms       8.9 ms
//	count of a frequent word           16 ms       7.0 ms
//	regex without a literal, counted   31 s
//
// # Damage
//
// Each part of a chunk has a checksum. A chunk that cannot be read is left
// out, named in the log and counted in Stats; all the others are served. A
// directory whose content Badger refuses is renamed to .corrupt at start; the
// lengths in its tables that Badger trusts are checked before it opens them. Any
// other failure to open one, such as too few file descriptors, passes: then
// Open fails, and nothing is touched.
package logstore
