// Package rrdfile reads and writes RRDtool's files: .rrd as rrdtool 1.7 keeps
// them on 64-bit x86 and ARM, and the XML of `rrdtool dump`. What is written
// goes on under rrdtool as if it had been its own file all along.
//
// # A .rrd
//
// The file is the memory of a C program: little-endian, eight bytes to an
// alignment, strings ended by NUL. nds is the number of data sources, nrra that
// of archives.
//
//	128        stat_head  "RRD\0" "0003\0", 8.642135e130, nds, nrra, step, 80 unused
//	120*nds    ds_def     name[20] type[20] ten parameters: heartbeat, min, max;
//	                      of a COMPUTE its expression, 4 bytes a word
//	120*nrra   rra_def    CF[20], rows, steps per row, ten parameters: xff;
//	                      of the Holt-Winters family alpha, beta, partner, ...
//	16         live_head  time of the last update: seconds, microseconds
//	112*nds    pdp_prep   text of the last reading[30], unknown seconds, rate*seconds
//	80*nrra*nds cdp_prep  the open row: value, unknown points, six numbers of the
//	                      Holt-Winters family, two that only an update uses
//	8*nrra     rra_ptr    the newest row of each ring
//	           rings      archive by archive, row by row, a double per data source
//
// Each count, parameter and double has eight bytes. Nothing in a ring tells
// the time: the newest row ends at the last boundary of rows that is not after
// the last update, and the others lie in front of it.
//
//	rra_ptr = 2      row 0   row 1   row 2   row 3   row 4
//	                 third   fourth  newest  oldest  second
//
// The versions differ in what may be in a file: 0004 has the smoothing window
// of a season, 0005 DCOUNTER and DDERIVE. The layout is the same. Older
// versions, and files of machines with another byte order or shorter longs,
// are recognised and refused: their XML can be read.
//
// # XML
//
// The portable form, which needs no archive's time either; the dates in its
// comments are for people. RRDtool prints eleven digits, and so loses the
// rest; here there are seventeen, and as many are read. RRDtool's own reader
// (restore) may miss a double by some units in the last place, and forgets what
// a FAILURES archive remembers beyond its tenth point. Microseconds of the last
// update have no place in the XML.
//
// # What a hostile file can do
//
// Nothing is allocated on the word of a header: counts are held against the
// bytes that are there, so that memory is proportional to the size of a file,
// which is bounded by [MaxSize].
package rrdfile
