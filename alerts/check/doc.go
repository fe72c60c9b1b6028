// Package check is what alerts can check: an expression over metrics, the
// freshness of hosts, the number of log messages that match a filter. Each
// kind has a configuration and builds an alerts.Rule from it.
//
//	alerts:
//	  metrics:
//	    - name: load
//	      expr: '{__name__=~"fleet.web.*.run_queue"}'
//	      raise: 5            # critical above 5 ...
//	      clear: 1            # ... until it is at 1 or less
//	      for: 30s
//	      text: "{value} processes wait on {host}"
//	    - name: disk
//	      expr: disk_used_percent
//	      warning: {raise: 80, clear: 75}
//	      critical: {raise: 90, clear: 85, for: 1m, clear_for: 5m}
//	      max_attempts: 3
//	      retry_interval: 10s # between these three
//	      flap: {low: 5, high: 20}
//	    - name: errors
//	      expr: error_ratio
//	      raise: 0.05
//	      of: 3/5             # three of the newest five readings
//	      missing: ok         # for paging; missing_launch, missing_terminate: for scaling
//	  hosts:
//	    - name: host-silent
//	      silent: 2m
//	  logs:
//	    - name: oom
//	      filter: 'app:kernel "out of memory"'
//	      window: 5m
//	      raise: 0            # more than none
//
// An expression yields the value and leaves comparing to raise and clear. One
// that compares by itself (load1 > 5) loses its series when all is well, which
// is missing data: say missing: ok there.
//
// Hosts are silent, and messages are in a window, by our own clock: when a
// sample came in, when a message was received. The clock of a sender may be
// wrong.
//
// # Which label set is which state
//
// The labels of a reading name its state, so they must not change from check
// to check and must differ within one. Prometheus drops the metric's name;
// Graphite has nothing but the name. So a name that a fleet template explains
// becomes the labels host, group and metric, another dotted name becomes the
// label series, and a plain name is dropped. Two readings with the same labels
// fail the check, with a message that says so.
package check
