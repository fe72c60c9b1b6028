// Package journal reads the journal export format of systemd: what
// "journalctl -o export" prints and systemd-journal-upload posts.
//
// # The format
//
// An entry is a run of fields and ends with an empty line. A field is a line
// NAME=value, or, where the value has control characters, such as line ends,
// the line NAME, the length of the value in 64 bits, little endian, and the
// value with a line end behind it.
//
//	__CURSOR=s=739ad463348b4ceca5a9e69c95a3c93f;i=4ece7;...
//	__REALTIME_TIMESTAMP=1342540861416351
//	PRIORITY=6
//	MESSAGE
//	<0b 00 00 00 00 00 00 00>two
//	lines.
//	_PID=19
//
// # What becomes of the fields
//
//	MESSAGE                       Text
//	PRIORITY                      Severity
//	SYSLOG_FACILITY               Facility
//	SYSLOG_IDENTIFIER, else _COMM App
//	_PID, else SYSLOG_PID         PID
//	_HOSTNAME                     Host
//	MESSAGE_ID                    MsgID
//	__CURSOR                      none: see Reader.Cursor
//	_SOURCE_REALTIME_TIMESTAMP,   Time: when the program said it, else when
//	else __REALTIME_TIMESTAMP     journald wrote it down
//	other names with __           none: they describe the journal's file
//	all others                    structured data [journal NAME="value"], so
//	                              that the filter sd._SYSTEMD_UNIT finds them
//
// A field that is there twice, or has a value that cannot be used in its
// place, is structured data too.
//
// # Limits
//
// A value may be hundreds of megabytes: core dumps are fields. What is over
// the limits of a Reader is skipped without being held, and counted. A value of
// MESSAGE is cut instead and the message marked as truncated.
package journal
