// Package logapi answers for a log store over HTTP.
//
//	GET /api/logs            messages that match, or the rows of a query
//	    ?q=                  a filter (package filter), or a filter and pipes (package query)
//	    &from= &to=          -1h, RFC 3339, epoch seconds (syslogd.ParseTime); all time without
//	    &limit=              most messages (default 1000) or rows (default 10000), up to 100000
//	    &order=              newest (default) or oldest first
//	    &format=             json (default) or csv; or by Accept: text/csv
//	GET /api/logs/histogram  ?q= &from= &to= &bin=       all matches by time and severity
//	GET /api/logs/facets     ?q= &from= &to= &field= &limit=  all matches by a field
//	GET /api/logs/explain    ?q= &from= &to= &limit=     how a query is answered
//	GET /api/logs/context    ?id= &before= &after= &host=own|all  a message and its neighbours
//	GET /api/logs/tail       ?q=                         messages as they are stored
//
// # Answers
//
// Messages are JSON lines (application/x-ndjson), one object each. Their id
// names them for as long as they are kept: /logs?line=ID shows one.
//
// The answer to a query with pipes has one line more before its rows, and one
// behind them:
//
//	{"columns":[{"name":"app","type":"text"},{"name":"count","type":"number"}]}
//	{"app":"nginx","count":1204}
//	{"status":{"rows":1,"scanned":0}}
//
// A row never holds an object, so that no row looks like the last line.
// "open":true in the first says that rows may have columns that it does not
// name. The last says what bounds were met, in "incomplete"; an answer without
// that is whole, and one without a last line was broken off. The same goes for
// CSV: a line "# incomplete: ..." or "# error: ..." is its last.
//
// The tail is server-sent events: a message each as JSON. When the reader was
// too slow, an event "dropped" tells how many it missed so far.
//
// An error is JSON, {"error": "...", "position": n}; the position, in bytes
// from 0, is that within q, and is left out for other errors. An error in the
// midst of messages is a line of that form; in the midst of rows it stands in
// the last line: {"status":{"error": "..."}}.
//
// # Bounds
//
// At most 8 searches and 64 tails run at a time; more are told to come back
// (503). A search ends after a minute, or when its client is gone. What one
// may hold in memory is bounded by query.Limits.
package logapi
