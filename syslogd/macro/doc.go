// Package macro makes text of messages by templates: lines of files, paths,
// names of objects.
//
//	/var/log/remote/${HOST}/${YEAR}-${MONTH}-${DAY}/${APP:-unknown}.log
//	${ISODATE} ${HOST} ${APP}[${PID}]: ${TEXT}\n
//
// # Templates
//
//	${NAME}           the value of a macro; also $NAME
//	${NAME:-default}  the same, or default where the message has none
//	$$                a dollar
//	\n \t \r \\       as in Go; other backslashes are errors
//
// In a configuration a template is a [Source]: there ${NAME} means a macro, not
// a variable of the environment.
//
// # Macros
//
// The names are syslog-ng's where it has one.
//
//	HOST                 HOSTNAME, else the sender's address, else localhost
//	SENDER               the sender's address; alias SOURCEIP
//	APP                  APP-NAME, or the BSD tag; alias PROGRAM
//	PID MSGID
//	FACILITY             auth; FACILITY_NUM 4
//	SEVERITY             err; aliases LEVEL, PRIORITY; SEVERITY_NUM 3; alias LEVEL_NUM
//	PRI                  35
//	TEXT                 the message proper; aliases MSG, MESSAGE
//	MSGHDR               "app[pid]: ", or "" without an app
//	SDATA                structured data as written
//	sd.KEY               a parameter of it, by name or ID.NAME; also .sd.KEY, .SDATA.KEY
//	RAWMSG               the line as received
//	RFC5424 RFC3164      the message in these formats
//	JSON                 an object with everything of the message (package jsonl)
//
//	ISODATE              2026-10-11T22:14:15.003456+02:00
//	DATE                 Oct 11 22:14:15; alias STAMP
//	FULLDATE             2026 Oct 11 22:14:15
//	YEAR MONTH DAY HOUR MIN SEC   with leading zeros
//	MSEC USEC            000 to 999, 000000 to 999999
//	UNIXTIME             seconds since 1970
//	WEEK_DAY_ABBREV      Sun; MONTH_ABBREV Oct
//	YEAR_DAY             001 to 366; ISOWEEK 01 to 53
//	TZ TZOFFSET          CEST, +02:00
//
// A time is the message's own, or that of its reception where it has none. S_
// before the name says the same; R_ is reception always, which no sender can
// forge. Times are in the zone of Options.
//
// # Values are not trusted
//
// What a message says comes from the network. What becomes of it depends on
// the use of the template:
//
//	Text   nothing
//	Line   control characters but tab become #012 (octal), as rsyslog writes
//	       them, so that a message cannot write two lines
//	Path   a value is a part of one element of a path: other characters than
//	       letters, digits and . _ - : @ + , = become "_"; it does not begin an
//	       element with "." or "-"; it is cut so that the element stays below
//	       200 bytes; one that is empty is "_". So no path leaves the directory
//	       that stands before its first macro (Split), whatever a message says.
//	       Symbolic links are not its business: use os.Root.
//
// Different values can become the same path: that mixes lines, and loses none.
package macro
