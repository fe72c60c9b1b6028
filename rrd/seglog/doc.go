// Package seglog is an append-only log on disk: the truth behind every store
// of rondo until its blocks are safe elsewhere.
//
// # Promises
//
// Append puts records into the kernel's page cache in one write: from then on
// they survive the death of the process. Commit waits until they are on the
// device: from then on they survive the death of the machine. Callers that
// commit at the same time share one fdatasync (group commit).
//
// What was committed is read back, whole and in order, after any crash. What
// was appended but not committed is read back or not, record by record; it is
// never read back altered.
//
// # Positions
//
// A Pos counts the bytes of the log since it was first opened, headers
// included, and is never used again for a committed record. A position is a
// good place to read from when it was returned by this package and had been
// committed; so a cursor is stored only after Commit.
//
// # Format
//
// The log is a directory of segments, each named after the position of its
// first byte, so that a position's place is found by name alone:
//
//	0000000000000000.log   0000000003ffe1c0.log   0000000007ffd002.log
//
//	segment  | header 16 | frame | frame | ...
//	header   | "rondolog" 8 | version uint32 = 1 | crc uint32 of both |
//	frame    | crc uint32 | length uint32 | data, length bytes |
//
// Integers are little endian. The checksum is CRC-32C over the length and the
// data, begun with the two halves of the frame's position xor-ed. The position
// is part of it so that bytes left over from another place or time never pass as a record; an
// empty record is not allowed, so that a hole of zeros does not either.
//
// A segment is synced before the next one is made. So only the last one can
// have a torn tail: bytes that are no record and after which none follows.
// Open cuts it off and reports how much it dropped. Since damage of the very
// last record looks the same, the bytes are first set aside:
//
//	0000000007ffd3a1-0.torn   what was cut off at this position; the newest eight are kept
//
// # Damage
//
// A reader that meets bytes that are no record looks for the next one at
// every later offset of the segment, as the length that would lead to it may
// be what is damaged. It reports the range that it left out as a *DamageError
// and goes on; it never ends because of damage, and nothing is cut off that
// has a record behind it. The search takes linear time, see search.
//
// # Disk full and broken disks
//
// Before it writes, the log asks how much room there is, and refuses with
// ErrFull below the reserve; it takes records again as soon as there is room.
// A failed fdatasync is different: the kernel may have thrown the pages away
// and a second try would report success, so the log refuses everything from
// then on until it is opened again.
package seglog
