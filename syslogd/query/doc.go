// Package query is what people ask of a log store: a filter and pipes, which
// turn the messages that match into rows, and rows into other rows.
//
//	severity<=err host:web* | stats count() by app, bin(5m) | sort by count desc | limit 20
//
// # Grammar
//
//	query    = filter { "|" pipe }                       filter: see package filter
//	pipe     = "stats" agg { "," agg } [ "by" group { "," group } ]
//	         | "top" [ n ] name { "," name }             default: 10
//	         | "patterns" [ n ] [ "by" name { "," name } ]
//	         | "uniq" name { "," name }
//	         | "sort" [ "by" ] name [ "asc" | "desc" ] { "," ... }
//	         | "limit" n | "head" n
//	         | "fields" name { "," name }
//	         | "where" filter                            over rows: any name is a field
//	         | "extract" "\"" pattern "\"" [ "from" name ]
//	         | "json" [ "from" name ]
//	         | "logfmt" [ "from" name ]
//	agg      = ( "count()" | function "(" name ")" ) [ "as" name ]
//	function = count sum avg min max uniq, or a percentile p1 ... p99
//	group    = name | "bin(" span ")"                    10s, 5m, 1h, 1d
//	name     = letters, digits and _ . - / @, or any text in double quotes
//
// # Rows
//
// A message is a row with the columns time, received, host, app, severity,
// facility, pid, msgid, sd, sender, message and id (syslogd.IDOf), and those
// that were extracted; sd.KEY and pattern can be asked for as well. Numbers
// are what reads as a number: "17" in a text counts as 17 in sum(f).
//
//   - stats makes one row of each group. count() counts all rows, count(f)
//     those that have f, uniq(f) the different values of f. sum and avg go by
//     the numbers only; what is none is left out, and the answer says how
//     many were. min and max take text where it is not all numbers.
//     Percentiles are exact up to 1024 values in a group, and beyond that
//     within 0.5 % of the value. A column is called count, sum_f, p95_f, or as
//     "as" says; bin(1m) is the column time.
//   - top f is stats count() by f | sort by count desc | limit 10.
//   - patterns is stats count() by pattern, most frequent first: a pattern is
//     a text with names for its numbers, addresses, times and the like.
//   - uniq f, g gives each combination of values once.
//   - extract finds values in a text, json and logfmt all there are (package
//     extract). A column that is extracted hides one of that name.
//
// # How a query is run
//
// Messages stream from the store through the pipes; only stats and sort hold
// rows. Where the first pipe only counts, by fields and time, the store counts
// instead (Searcher.Count): exact, from its headers and catalogues.
//
// Everything is bounded (Limits). An answer that ran into a bound says so in
// Status.Incomplete, with the bound and what was left out; groups and rows
// that it does hold are right. Without such a line an answer is exact.
package query
