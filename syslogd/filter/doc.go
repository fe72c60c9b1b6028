// Package filter is rondo's one filter language for log messages: search,
// routing, relay, the client and alert rules all use it.
//
//	severity<=err host:web* app:nginx "timed out" -"health check" /re[g]ex/
//
// # Grammar
//
//	filter  = or
//	or      = and { ("or" | "OR" | "|") and }
//	and     = unary { unary }                        juxtaposition is AND
//	unary   = [ "-" | "not" | "NOT" ] primary
//	primary = "(" or ")" | field | word | phrase | regex
//	field   = name op value      op: ":" "=" "!=" "<" "<=" ">" ">="
//	word    = run of characters without blank, quote or bracket
//	phrase  = '"' ... '"'        with \" and \\
//	regex   = "/" ... "/"        RE2; \/ for a slash
//
// A word matches whole words of the text, ignoring case; "tim*" matches a
// prefix. A phrase is a substring, ignoring case. Names are app (alias program), host,
// severity, facility, pid, msgid, sd.KEY and sender; a value may hold "*".
package filter
