// Package agent is both ends of the protocol between rondo agent, which runs on
// each instance, and the server: logs, samples and who the instance is, over
// one authenticated, compressed connection with acknowledgements.
//
//	agent                                                      server
//	files ----------------------------------.
//	/dev/log, ports -> filter, stages -> Spool -> Client ==HTTP==> Server -> Store (messages and marks)
//	host metrics ----------------------> Spool                      |-> rrd.Appender
//	                                                                '-> Heard (fleet)
//
// A [Client] has one request on its way at a time. Whatever waits meanwhile goes
// into the next one.
//
// # Requests
//
//	POST /agent/v1/hello   JSON: version, session, identity, status
//	     200               JSON: seq, marks; the names that the server goes by
//	POST /agent/v1/push    a zstd frame that says its size, of one batch
//	     200               JSON; all of it is on disk
//	     410               say hello, and push it again
//	     409               an agent on another machine has the same id
//	     422               a portion is stored in part; see below
//	     400, 413          no client of ours sends that
//	     401, 403          the key is not known, or is another agent's
//	     503, 507          come again; too many sources
//
// Each has Authorization: Bearer KEY, and a push the agent's id in Rondo-Agent.
//
//	batch    | version 1 | session string | seq uvarint | frame | frame | ...
//	frame    | kind 1 | length uvarint | payload |
//	  'P'    | source string | flags 1 | from uvarint | to uvarint | count | messages |   flags: 1 reset, 2 forget
//	  'S'    | count | key string | type 1 | time varint, microseconds since the one before | value 8 | ...
//	  'H'    | JSON of a Status |
//
// Strings and messages are as syslog.AppendBinary writes them. All counts and
// sizes have a bound (wire.go), and a number that promises more than can follow
// is refused before memory is taken for it. Pushes share a budget of memory;
// those beyond it wait.
//
// # Exactly once
//
// A source is a thing that can be read again: a file, or the spool. A portion
// says from where to where of its source it is, and the server keeps that end,
// the mark, in the same write as the messages. At hello it says all marks, and
// the agent goes on there: whichever side was killed, and wherever.
//
// An answer may be lost while both live on. So a batch has a number, which is
// kept as a mark too, and is sent again under it until it is answered: what has
// the number of a stored one, or a lower one, is a duplicate. The upper half of
// the number is the process' own.
//
// Portions are looked at as well. One that lies before the mark is a duplicate,
// one that begins behind it leaves a gap, which is counted; one that the mark
// lies within is refused, for to cut it is up to whoever has read the source.
//
// A server that was put back to an earlier state, from a backup, has less than it
// confirmed. Its marks tell: at the next hello the agent begins again at them,
// and sends what can still be read once more.
//
// Samples have no marks: they are stored before, and to store one twice is to
// store it once.
//
// # Two of one id
//
// The id is that of the instance or of the machine, so that an agent is known
// again after its disk was lost. Machines that were copied have the same. A
// process whose place was taken by another one's hello was killed before, and so
// says no hello ever again; one that does is a second machine. It is refused,
// and both are named, until the other one has been silent for a minute.
//
// # The spool
//
// What cannot be read again waits on disk (rrd/seglog) until the server has it:
// of a bounded size and age, and what becomes of more is a policy; every message
// that is dropped is counted by reason. Its positions are those of the log. So
// nothing is sent that is not on the disk: after a power cut the position would
// be used again, for something else. A spool has a random name: the server sees
// that it is another one, and the agent says that the old one is lost.
//
// # Memory
//
// The agent shares its machine with those it watches. It holds one batch and its
// compressed form, reads the spool by the segment, and keeps no buffer that one
// large batch needed.
package agent
