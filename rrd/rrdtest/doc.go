// Package rrdtest holds what tests of round-robin stores share: an
// implementation in memory that is simple enough to be believed, and a suite
// that any implementation must pass.
//
// Mem keeps every sample and computes each answer anew from all of them, by
// the definition in package rrd (rrd.Window, rrd.Fold). It is slow, and right.
package rrdtest
