// Package syslog is the vocabulary and the codec of syslog: messages,
// facilities, severities, a parser that never fails and never loses the text,
// and the framing of streams (RFC 5424, RFC 3164, RFC 6587).
//
// The package imports the standard library only, knows no clock, no goroutine
// and no network. Parse allocates nothing.
//
// # What Parse does with a line
//
// It takes from the front what it understands with certainty. What is left,
// and that is always the end of the line, is the text. Where a guess could be
// wrong, it leaves the bytes in the text: a word that stands in the text can
// still be found, one taken for a host name cannot.
//
//	<34>1 2026-10-11T22:14:15.003Z mymachine su 77 ID47 [a@1 k="v"] 'su root' failed
//	PRI ^ time                     host     app pid msgid structured data, text
//	    version
//
//	<34>Oct 11 22:14:15 mymachine su[77]: 'su root' failed
//	<189>45: *Oct 11 22:14:15.003 UTC: %SYS-5-CONFIG_I: Configured from console
//	<13>hello
//
// It tells the shapes apart by their first bytes:
//
//	behind PRI                       shape
//	a number, a time                 RFC 5424. Without PRI, the number must be 1
//	a time                           RFC 3164 or a relative of it
//	": ", a number, a name, "*"      Cisco, if a time and a colon follow (cisco.go)
//	"%NAME:" or "name[pid]:"         a tag without a time
//	all else                         text, and nothing but text
//
// and these are its decisions, of which testdata holds some 640 examples by
// maker of device, with reasons:
//
//	PRI        A number above 191 is skipped and counts as none, as does a PRI
//	           that is missing: user.notice, and HasPRI is false. Facility and
//	           severity in words, "daemon.info", stand for it in log files.
//	time       See below. One that cannot be, such as October 32, is no time,
//	           and then nothing that follows is certain either.
//	host       What stands behind the time, if it can be a name or an address
//	           and is no tag. Programs that write to /dev/log send none.
//	tag        "name:" or "name[pid]:", of any length. rsyslog leaves out the
//	           colon. A number alone is no name, and no data is: {"level":
//	           Of Cisco, the program is the mnemonic, %SYS-5-CONFIG_I.
//	5424 fields  May be longer than the RFC allows, and separated by more than
//	           one blank. Without structured data nothing shows where the text
//	           begins: then PROCID must be a number, MSGID look like ID47.
//	structured data  As written, duplicates and order included, if it is well
//	           formed; else it is text. SDParams takes it apart.
//	text       As received: line ends, tabs, NULs and bytes that are not UTF-8
//	           stay. One byte order mark in front is no part of it.
//
// # Times
//
// The fraction has any number of digits, behind a point or a comma, of which
// nine count. A leap second is the first second of the next minute. These and
// their mixtures are understood:
//
//	2026-10-11T22:14:15.003456+02:00  +0200  +02  Z  or none; a blank for the T
//	2026/10/11 22:14:15               2026:10:11-22:14:15
//	Oct 11 22:14:15.003               Oct  1, Oct 01, Oct 1; oct, OCT
//	Oct 11 2026 22:14:15              2026 Oct 11 22:14:15   Oct 11 22:14:15 2026
//	Oct 11 22:14:15 CEST 2026         Sun Oct 11 22:14:15    +0200  UTC+02:00
//	1 1563249630.774247467            Meraki
//
// A time without a year gets the latest year that does not put it more than 31
// days ahead of its reception. So a line of December that is read in January
// is of last year, and a clock that is ahead on New Year's Eve is in the next
// one. February 29 in a year that has none is no usable time.
//
// A time without a zone is that of the location of the received time, so that
// a server says received.In(location) for senders elsewhere. Zones in letters
// are those that devices send; where one stands for several, it is the one
// with most senders: IST is India's, CST America's.
//
// Where a line has no usable time, Message.When is its reception. Both are
// kept: a sender can forge the one, not the other.
//
// # Streams
//
// A Framer cuts a stream into messages, by octet counting or at line ends,
// decided for each message anew, and goes on after any mistake of the sender.
//
// # Binary form
//
// AppendBinary and a BinaryReader keep messages in logs and queues on disk, and
// carry them between agents and servers; binary.go draws the bytes.
//
// # Other sources
//
// Messages that come as objects, and not as lines, are made by Compose: its
// line says the same as its fields. The packages gelf and journal read two
// such formats.
package syslog
