// Package collectors is the contract of everything that brings samples in,
// and what its listeners share. Each protocol is a folder of its own.
//
// # The way of a line
//
//	TCP   client ==> LineServer --block--> parse --samples--> Store.Write
//	UDP   client --> PacketServer --packet--> parse --> Buffer --batch--> Store.Write
//
// A block of lines is written before the next is read, so that the death of
// the process loses nothing of what was read, and a slow disk holds the clients
// back. When a client closes its sending side, all is synced before we close
// ours: a client that waits for that knows that its lines are on disk.
//
// UDP has no way to hold anybody back. [PacketServer] asks for a large receive
// buffer, says what the kernel granted, and counts what the kernel dropped. At
// a stop it reads what has come before it closes.
//
// # Who may send
//
// Plaintext protocols know no sender. They listen on loopback, or elsewhere
// with the networks that may send ([Bind]).
package collectors
