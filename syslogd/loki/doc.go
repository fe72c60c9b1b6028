// Package loki serves Loki's HTTP interface over the log store: what Promtail,
// Alloy, Vector and Fluent Bit push is stored as messages, and LogQL is
// answered as far as it maps onto messages, so that Grafana's Loki data source
// and logcli work.
//
//	push -> streams of lines -> messages -> Sink
//	LogQL -> tree -> filter (package filter) -> Searcher.Search -> pipeline -> streams
//	                                         -> Searcher.Count  ------------> series
//
// # What a pushed line becomes
//
//	label                                            field
//	host, hostname, instance, node                   host: the first of these
//	app, service_name, job, container, program       app: the first of these
//	level, severity, detected_level                  severity, by any spelling; info where there is none
//	pid, facility                                    the same
//	all others, and those named by another name      [loki@0 NAME="VALUE"], so that sd.NAME finds them
//	structured metadata                              [lokimeta@0 NAME="VALUE"]; its level and pid
//	                                                 count where the stream has none
//	timestamp                                        time, to the nanosecond
//	line                                             text and line
//
// Received is our clock, sender the address of the client. The answer 204 means
// that all is on disk. While the disk is full it is 503, and 429 while too many
// push at a time: Loki's clients send again after these, so a line may be stored
// twice. A stream whose labels cannot be stored is refused by 400, and the other
// streams of the request are stored, as with Loki. Lines of any age and order
// are taken. Tenants (X-Scope-OrgID) mean nothing here.
//
// # What labels a message has
//
// Those of its stream are host, app, level, facility, and what was pushed. The
// other names of host and app mean these where a message has no label so
// called: {job="sshd"} finds what sshd sent by syslog. level is Loki's name of
// the severity (fatal, critical, error, warn, info, debug), severity its own;
// selectors know all spellings. Structured data, PROCID (pid) and MSGID (msgid)
// can be selected by as well; they are no part of the stream but its structured
// metadata.
//
// # The subset of LogQL
//
//	{a="b", c!="d", e=~"f", g!~"h"}        selectors; regular expressions match the whole value
//	|= != |~ !~                            line filters, with "or"
//	| json   | logfmt                      extract all; a name that is taken gets _extracted
//	| a="b"  | a>5  | a>=10ms  | a<1KB     label filters, with and, or, comma, brackets
//	| line_format "{{.a}} {{__line__}}"    of labels only
//	| drop a, b   | keep a, b
//	count_over_time rate                   over [5m], offset 1h
//	bytes_over_time bytes_rate
//	sum min max avg count topk bottomk     by (...), without (...)
//	+ - * / % ^   == != > >= < <= (bool)   between numbers, and vectors of the same labels
//	and or unless, vector(1)
//
// All else is refused with its name and place: the stages pattern, regexp,
// unpack, label_format, decolorize and unwrap with all that aggregates its
// values, pattern filters, ip(), on, ignoring, group_left, group_right,
// label_replace, sort, stddev, stdvar, absent_over_time.
//
// # How a query is answered
//
// The pipeline (logQuery.run) is the meaning of a query, message by message. The
// filter that translate makes of it is what the store can use: it matches all
// that comes out of the pipeline, and translation.exact says whether it matches
// nothing else. Regular expressions over labels become choices of the values that
// occur. A text is both a phrase, which the index knows, and a regular
// expression, which heeds case.
//
// Where the filter is exact, count_over_time and rate are counted by the store
// (Searcher.Count), in bins that end where windows end; so are labels, their
// values, series and volumes. Everything else reads each line that the filter
// matches. Both are exact, nothing is sampled, and a test holds one equal to the
// other. A window is (t-w, t], as with Loki; lines are those of start <= time
// < end.
//
// Where Loki would answer by parts of its own, bytes of streams (index/stats,
// index/volume) are lines times their mean length.
//
// # Bounds
//
// 16 pushes run at a time, and others wait 5 s for a place. A push has at most
// 16 MiB, 32 MiB decompressed, in 5000 streams and 100,000 lines; a line is cut
// at 256 KiB. 4 queries run at a time and 128 wait, 50 s together with their
// run. An answer has at most 5000 lines of 64 MiB in all, or 2000 series of
// 11,000 points. What is beyond is refused, never left out in silence.
package loki
