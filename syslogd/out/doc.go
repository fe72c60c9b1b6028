// Package out is what the queue of messages (package spool) and the places
// that they are delivered to (the packages below this one) agree upon.
//
//	spool --- batches, in order ---> Session ---> a server, a file, a bucket
//	  ^                                 |
//	  +---- Settled: up to here, ------+
//	        the cursor moves
//
// A destination is open, one session at a time, for as long as nothing fails.
// When a session fails, what it had not settled is sent again in the next one:
// at least once, each message with a key that stays the same (Batch.Key), so
// that a receiver that heeds keys has each message once.
//
// A destination never loses a message by itself: it delivers it, or says that
// the other side will never take it (refused), or fails. How long a message
// waits, and what becomes of it when there is no more room, is the queue's
// business.
package out
