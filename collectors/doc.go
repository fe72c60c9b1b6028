// Package collectors is the contract of everything that brings samples in,
// and what its listeners share. Each protocol is a folder of its own.
//
// # The way of a line
//
//	client ==> LineServer --block--> parse --samples--> feed buffer --batch--> Store.Append
//	           one goroutine a connection               one goroutine a connection
//
// While one batch is in Append, which may wait for the disk, the next is
// collected: batches grow when the disk is slow. What is read and not yet on
// disk is bounded over all connections ([MaxPending]); at the bound we stop
// reading, and TCP holds the clients back. When a client closes its sending
// side, its last line is appended before we close ours: a client that waits
// for that knows that all is on disk.
//
// UDP has no way to hold anybody back. [PacketServer] asks for a large receive
// buffer, says what the kernel granted, and counts what the kernel dropped.
//
// # Who may send
//
// Plaintext protocols know no sender. They listen on loopback, or elsewhere
// with the networks that may send ([Bind]).
package collectors
