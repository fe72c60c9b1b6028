// Package archive delivers messages to a bucket of an S3-compatible store, as
// compressed objects of JSON lines (package jsonl), so that nothing of a
// message is lost and "rondo logs import" has it back.
//
//	s3:
//	  to: s3://bucket/prefix
//	  key: "logs/${R_YEAR}/${R_MONTH}/${R_DAY}/${HOST}"
//	  age: 5m
//
//	logs/2026/11/21/web-1/20261121T093000Z-k3jx2q-00000000000000048213.jsonl.zst
//	key, by template      |first message's| names  its number in the queue
//	                       reception      the queue
//
// With recipients, whoever makes the bucket encrypts objects with age; their names
// end in .age then.
//
// # Rounds
//
// The messages of a round are kept in memory, compressed, in one object for
// each key. When the round ends its objects are put, and then its messages are
// settled; so the queue on disk is what keeps them until then, and what a crash
// takes away is read from it again. A round ends
//
//	before a message that was received in a later period of age (the periods
//	  of an hour of 5 minutes begin at :00, :05, ...)
//	before its lines would be more than size, or its objects more than
//	  max_objects
//	when its period has been over for a moment and nothing more waits
//	when the session ends
//
// The queue must hold what arrives in a period, and twice size at the least: one
// that holds less of what is not settled ends sessions early, with small objects.
// One round is put while the next one is gathered. So twice size, uncompressed
// lines at worst, bounds the memory.
//
// # The same objects again
//
// All but the last of these ends depend on the messages alone. The queue sends
// again from where a round began, and so the same rounds come about, with
// objects of the same names and content: what is put a second time replaces
// the first. It is not so where the queue has dropped a part meanwhile, where
// the configuration was changed in between, or where the process was killed
// just when a session had ended: then some messages may be in two objects.
//
// A key of macros of the message's own time, YEAR and not R_YEAR, lets a sender
// choose it; max_objects bounds what comes of that.
package archive
