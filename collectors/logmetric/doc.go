// Package logmetric makes metrics of log messages: it counts them, and takes
// numbers out of their text, by labels.
//
//	syslog ─> router ─> log store ─┬─> search
//	                               └─> tap ─> rules ─> series ─> each interval ─> rrd
//
// A message is counted when the log store has taken it: after redaction and
// discard, and not if it was refused. The tap is called by whoever stores the
// batch, so what it costs is paid by every message: the default rule takes some
// 0.1 us and allocates nothing (BenchmarkMessages).
//
// # Rules
//
//	kind: logmetric
//	rules:
//	  - {name: http_5xx, filter: 'app:nginx /HTTP\/1.\d" 5/', count: true, by: [host]}
//	  - {name: nginx_latency, filter: 'app:nginx', extract: 'request_time=(?P<value>[0-9.]+)',
//	     by: [host, sd.route], type: summary}
//	  - {name: nginx_requests, filter: 'app:nginx', extract: '" (?P<status>\d\d\d) ', count: true, by: [host, status]}
//
// A rule becomes the series log_NAME, so that what is made of log lines can be
// told from what a host measured. By default there is one,
//
//	log_messages{host, app, severity}
//
// all messages; messages: false leaves it out. Labels are fields of the message
// (as in the filter language; sd.route becomes the label route) and groups of
// the pattern. A field that is empty or missing has the value "-", as syslog
// itself writes it.
//
// # What is stored
//
//	count: true      absolute: how many in the interval
//	type: sum        absolute: the sum of the numbers
//	type: gauge      gauge: the last of the numbers
//	type: summary    _count and _sum, absolutes; _min and _max, gauges
//
// So rate(log_messages[5m]) is messages per second, and
// rate(log_nginx_latency_sum[5m]) / rate(log_nginx_latency_count[5m]) is the mean.
// A count begins with a zero in the slot before, because rate and increase
// compare rows, and goes on with zeros until the series has been silent for the
// expiry time.
//
// # Whose time
//
// A message counts at the time of its reception: a sender's clock may be wrong
// by years, and an attacker's is wrong on purpose. With time: message a rule goes
// by the sender's clock, as far as the store takes late samples without loss;
// messages beyond that count by reception ("clock" in the statistics).
//
// # Bounds
//
// A rule has at most max_series series. What has no place in them is counted in
// one whose labels are all "other"; that is counted ("other") and logged.
// Values of labels are cut at 128 bytes ("label_cut") and made valid UTF-8.
//
// Counts become samples at multiples of the interval, at a stop, and at a
// reload, so none of these loses or doubles any. A kill -9 loses what was
// counted since the last flush: at most one interval of counts, and no log line.
// What comes over HTTP in the milliseconds of a reload, while the old collector
// has ended and the new one has not begun, is stored and not counted.
//
// # Why these series are no heartbeat
//
// They carry the label host, but their zeros go on when the host is dead: the
// fleet leaves them out (FromLogs). That a host logged, it hears by itself.
package logmetric
