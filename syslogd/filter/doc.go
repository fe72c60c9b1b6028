// Package filter is rondo's one filter language for log messages: search,
// relays, retention, metrics and alert rules all use it.
//
//	severity<=err host:web* app:nginx "timed out" -"health check" /re[g]ex/
//
// # Grammar
//
//	filter  = [ or ]                                 the empty filter matches all
//	or      = and { "or" and }                       keywords in any case
//	and     = unary { ["and"] unary }                juxtaposition is AND
//	unary   = [ "-" | "not" ] primary
//	primary = "(" or ")" | field | word | phrase | regex
//	field   = name op ( value | "(" value { "or" value } ")" )
//	op      = ":" | "=" | "!=" | "<" | "<=" | ">" | ">="
//	value   = phrase | run
//	word    = run
//	phrase  = '"' ... '"'        with \" and \\
//	regex   = "/" ... "/"        RE2; \/ for a slash
//	run     = characters without blank, quote, bracket or bar
//
// Within brackets, "|" is another way to write "or". Outside of them it ends
// the filter: a query (package query) goes on with its pipes there, and all
// who take a filter alone refuse it.
//
// # Words, phrases, regular expressions
//
// They look at the text of the message. A word matches whole words, ignoring
// case: "time" does not match "timeout", "tim*" does. Words are runs of letters,
// digits, "_" and all bytes from 0x80 on; a word with other characters in it,
// such as 10.0.0.1 or foo-bar, matches where that run of words stands whole. A
// phrase is a substring, ignoring case. A regular expression heeds case; begin
// it with (?i) if it should not. "*" alone matches everything.
//
// # Fields
//
// Names are app (alias program), host, severity, facility, pid, msgid, sender
// and sd.KEY. ":" ignores case, "=" and "!=" heed it; an unquoted value may
// hold "*" for any characters, and a value that is "*" alone means that the
// field is present. The others compare numbers, for severity, pid and sd.KEY.
//
// A set of values in brackets matches any of them: host:(web* or db1). With
// "!=" it matches none of them.
//
//   - severity is a name or 0-7, where 0 is the gravest: severity<=err is err
//     and everything graver.
//   - host is HOSTNAME, or the sender's address where the message has none.
//   - sender is an address or a network: sender:10.0.0.0/8.
//   - sd.KEY is a parameter of the structured data; KEY is its name, or the
//     name of its element, a dot and its name. It matches if any such
//     parameter does; with "!=" if none is equal.
//
// Time is no field: who searches says from when to when beside the filter.
//
// A text with ":" or "=" after a name, such as status=500, must be quoted:
// an unknown name is an error, because a misspelt field would otherwise match
// nothing in silence. Errors tell the position, and the nearest name.
//
// # Who uses it
//
//	search, live tail   GET /api/logs?q=, rondo logs search, the page, Loki
//	discard             syslogd.discard in the configuration
//	stages              syslogd.stages[].filter
//	relays              syslogd.relays[].filter
//	retention           syslogd.store.classes[].filter
//	alert rules         alerts.logs[].filter
//	log to metric       rules[].filter of the collector logmetric
//	queries             before the first pipe, and after "| where" over rows
//
// A store need not read every message: Words tells which tokens a match must
// hold, and the tree (Filter.Root) is there to be judged in parts.
package filter
