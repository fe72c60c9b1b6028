// Package promql answers PromQL over round-robin archives, with the engine of
// prometheus/prometheus itself: the language is theirs, to the letter; what a
// selector reads is ours. No type of theirs leaves the package.
//
// # How a query is answered
//
//	text -> parser -> tree -> plan -> load -> engine -> Result
//	                           |       |
//	                           |       rrd.Querier: one read per selector
//	                           which column, which span, for each selector
//
// The engine asks a storage for series of plain samples. An archive's row is
// more than a sample, so each selector is read before the engine runs and
// the column that suits its function is put into the tree.
//
// # The laws
//
// Each has a file in testdata.
//
//   - Archive. A selector is answered by the finest archive that covers all it
//     looks at: range, window, lookback and offset. Result.Answered tells which.
//   - Window. Two rows must fit in the window of a range function. Where they
//     do not, the window is widened to two rows, with a warning.
//   - Lookback. An instant selector takes the newest row of the last
//     max(5m, 2 rows), where rows are those of the coarsest archive in the query.
//     So one series of long rows makes a query look further back for all; their
//     heartbeats see to it that none of them lingers.
//   - Unknown is absent. No row that is unknown reaches a result as NaN. A run
//     of known rows ends where the next row is more than max(2 rows, heartbeat)
//     away; from there on the series is absent, also after its last row, so a
//     dead series does not linger for the lookback.
//   - The open row, which is still being filled, carries the time of its
//     newest sample.
//
// Which column a selector reads depends on the function around it and, series
// by series, on the type of the data source:
//
//	function                         gauge       counter, derive   absolute
//	none (a plain selector)          average     last (raw)        average
//	rate irate increase              average     total             total
//	delta idelta deriv               average     total             total
//	min_ max_ last_ sum_over_time    min max last sum, their own column
//	count_over_time                  sum of the counts
//	avg_over_time                    sum of the sums / sum of the counts
//	everything else                  as a plain selector
//
// Total is the running total of a counter's increase with resets already
// handled sample by sample, so the engine never meets a reset that a row
// hides. It is shifted to start at the counter's own reading: without a
// reset rate() is Prometheus' own to the last bit.
//
// In the finest archive, with one sample per slot, an average is the sample. An
// answer from averages of a coarser archive says so in Result.Infos.
//
// # Limits
//
// A query is bounded in time, in points loaded, in series per selector, in
// the length of its text, and in how many run at once. An *Error says what
// was wrong in the words and with the HTTP status of Prometheus.
package promql
