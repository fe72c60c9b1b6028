// Package rrd is the vocabulary and the pure arithmetic of a round-robin
// time-series store: what a series is called, what a sample is, how primary
// points are built from samples and how archives consolidate them.
//
// # Terms
//
// A data source is one series of numbers with a type (gauge, counter, derive,
// absolute), a step, a heartbeat and limits. Its archives are rings of rows:
// an archive of N steps per row and R rows remembers N*R*step and never
// grows. A point that is not known is simply absent on the read side, and NaN
// where a row must exist (RRDtool's unknown).
//
// # Two ways to build primary points
//
// Exact: RRDtool's own time-weighted arithmetic ([Set.Update]), for what speaks
// RRDtool's own format and protocol. All of rrdcreate(1) is read and written
// as text ([ParseSetDefinition]), with data sources that compute (rrd/rpn) and
// the Holt-Winters family ([HoltWinters]); so are rrdfetch(1)'s ranges
// ([Set.Fetch]) and times ([ParseTimeRange]). RRDtool's mistakes are part of
// it, unless a definition is Mended. The law is Debian's rrdtool 1.7.2: random
// sequences are fed to both and must come out equal to the last bit.
//
//	go test ./rrd -run TestAgainstRRDtool -rrdtool.runs 1000000
//
// A failure is shrunk to a text of a few lines, in the language of
// testdata/*.rrdtest. What differs: a refused reading leaves a Set as it was;
// seasons are smoothed after each reading, and not once for all readings of one
// call; ROLL; the last bits of SIN, EXP and their kind.
//
// Slot: a slot is the half-open interval (end-step, end], stamped with its
// end. It keeps sum, count, min, max and last of the samples that fall into
// it, and for cumulative counters their increase. Sums are exact, so the order
// of arrival cannot change a row.
//
//	samples   .  . .   .    .  .        (any times, any order in the window)
//	slots    |-----|-----|-----|-----|  step
//	rows     |-----------|-----------|  steps per row * step
//	         ^           ^ end of row: its stamp
//
// The package imports the standard library only, knows no clock, no goroutine,
// no disk and no network.
package rrd
