// Package jsonl writes messages as JSON objects, one a line, and reads them
// again without loss: archives and files are made of them.
//
//	{"time":"2026-10-11T22:14:15.003Z","received":"2026-10-11T22:14:15.02Z",
//	 "host":"web-1","app":"su","pid":"77","msgid":"ID47",
//	 "facility":"auth","severity":"crit","sender":"10.0.0.7",
//	 "sd":"[a@1 k=\"v\"]","message":"'su root' failed",
//	 "raw":"<34>1 2026-10-11T22:14:15.003Z web-1 su 77 ID47 ...","format":"rfc5424"}
//
//	time       what the message says; left out where it says nothing usable
//	host, app, pid, msgid, sd   left out where empty
//	sender     address of the peer; left out where there was none
//	raw        the line as received; left out where it is the message
//	format     raw, rfc3164 or rfc5424
//	pri        false where the sender said neither facility nor severity
//	truncated  true where the line was longer than the listener takes
//
// # Bytes that are not UTF-8
//
// A byte 0xNN that is no part of a character is written as \udcNN, half of a
// surrogate pair, as Python's surrogateescape has it (PEP 383). It is JSON to
// the letter: Append and Parse give each byte back, others see U+FFFD. Control
// characters are escaped, those above U+007E too, so that such a file moves no
// terminal.
package jsonl
