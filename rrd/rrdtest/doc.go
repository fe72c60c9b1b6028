// Package rrdtest holds what tests of round-robin stores share: an
// implementation in memory that is simple enough to be believed, and a suite
// that any implementation must pass.
//
// Mem keeps every row for ever and computes each answer by the definition in
// package rrd (rrd.Window, rrd.Fold), without a thought for speed or memory.
// MemSets does the same for RRDtool's files (rrd.Set); servers of their
// protocol are tested against it.
package rrdtest
