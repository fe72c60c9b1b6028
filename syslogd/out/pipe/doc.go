// Package pipe is what the destinations that write lines into a pipe share: a
// command's standard input (package program) and a named pipe (package fifo).
//
// A pipe holds some 64 KiB that its reader has not read yet. The kernel tells
// how much that is, so that a message counts as delivered when the reader has
// read it, not when it was written: what a reader that dies has not read is
// sent again to the next one. Where the kernel does not tell, what was written
// counts.
//
//	written  |------------------------------------|
//	unread                     |---- FIONREAD ----|
//	settled  |-- whole lines --|
package pipe
