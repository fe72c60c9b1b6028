// Package state is a small ordered key-value store for what must survive a
// restart but is not a sample and not a log line: alert states, the outbox,
// silences, marks of executed hooks, known hosts, the autoscaler's journal.
//
// # Promise
//
// A [Store] applies a batch of changes wholly or not at all, and Write
// returns only when the batch is on disk (synced). Each value carries a
// checksum over its key and itself; a damaged one is reported with its key and
// hides no other.
//
// There are two implementations and one conformance suite (statetest):
// [Open] keeps a directory, [NewMemory] keeps a map and forgets it.
//
// # Journal
//
// A [Journal] is an append-only list of entries under one prefix of a store.
// Its changes may join other changes in one batch, so that a state and the
// record of how it came to be never disagree:
//
//	seq, changes := journal.Changes(record)
//	err := store.Write(ctx, append(changes, state.Put("alert/state/x", s))...)
//
// # Why not one key per fact, unsynced
//
// What is kept here is small (kilobytes to a few megabytes) and written when
// something changes, not on a schedule, so that every write can afford a
// sync. Concurrent writers share one.
//
// # Damage
//
// A store whose files cannot be trusted, be it that Badger refuses them or
// that it would forget tables (see inspect), is renamed as a whole and an empty
// one begun: a monitor must start. Who must not act on having forgotten
// something, such as the autoscaler, asks [SetAside]. A shortage that passes
// (files, memory, permissions, a lock) is an error, and nothing is set aside.
//
//	state/                            the store
//	state.bad-20260102T030405.000000Z/    what was found damaged then
//
// # Layout on disk
//
// One Badger directory. Values stay in the tree (there is no value log to
// collect), tables are merged when about 16 MiB were written, by a goroutine
// that lives for the merge only: an idle store costs no wakeups.
//
//	key                        value
//	<prefix>/<name>            bytes | CRC-32C of key and bytes (4 bytes, little endian)
//	<prefix>/<seq, 16 hex>     the same; an entry of a Journal
package state
