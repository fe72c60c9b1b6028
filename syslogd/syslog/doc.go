// Package syslog is the vocabulary and the codec of syslog: messages,
// facilities, severities, a parser that never fails and never loses the text,
// and the framing of streams (RFC 5424, RFC 3164, RFC 6587).
//
// The package imports the standard library only, knows no clock, no goroutine
// and no network.
//
// # What Parse does with a line
//
// It tells RFC 5424 from the BSD format and its relatives by the first bytes,
// and takes from the front what it understands with certainty: PRI, time,
// host, program, process, message id, structured data. What is left, and that
// is always the end of the line, is the text. Where a guess could be wrong,
// it leaves the bytes in the text: a word that stands in the text can still
// be found, one taken for a host name cannot.
//
//	<34>1 2026-10-11T22:14:15.003Z mymachine su 77 ID47 [a@1 k="v"] 'su root' failed
//	<34>Oct 11 22:14:15 mymachine su[77]: 'su root' failed
//	<189>45: *Oct 11 22:14:15.003 UTC: %SYS-5-CONFIG_I: Configured from console
//	<13>hello
//
// A BSD time has neither year nor zone. The year is the latest one that does
// not put it more than 31 days ahead of the reception; the zone is the
// location of the received time, so that a server says received.In(location)
// for senders elsewhere. February 29 in a year that has none is no usable time.
//
// A PRI above 191 is skipped and counts as none. A leap second is the first
// second of the next minute. Fractions keep nine digits.
//
// # Streams
//
// A Framer cuts a stream into messages, by octet counting or at line ends,
// decided for each message anew, and goes on after any mistake of the sender.
package syslog
