// Package check is what alerts can check: an expression over metrics, the
// freshness of hosts, log messages and the numbers in them, both together, what
// is to come, what plugins and probes find, results that are sent to us. Each
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
//	      annotations: {impact: "{host} takes no more uploads", owner: storage, runbook: "https://..."}
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
//	    - {name: quiet, filter: "*", window: 10m, op: below, raise: 1, by: [host], expect: fleet}
//	    - name: slow
//	      filter: app:shop
//	      number: {pattern: 'took (\S+) ms', of: max}
//	      by: [host]
//	      warning: {raise: 500}
//	      critical: {raise: 2000}
//	  joins:
//	    - name: dying             # both within two minutes, for the same host
//	      metric: {expr: run_queue, raise: 40}
//	      log: {filter: '"out of memory"'}
//	      on: [host]
//	      within: 2m
//	  forecasts:
//	    - {name: disk-full, expr: disk_used_percent, above: 95, horizon: 72h}
//	    - {name: too-busy, expr: load, above: 40, horizon: 24h, by: seasonal}
//	  anomalies:
//	    - {name: odd-traffic, series: "traffic/*"}
//
// An expression yields the value and leaves comparing to raise and clear. One
// that compares by itself (load1 > 5) loses its series when all is well, which
// is missing data: say missing: ok there.
//
// # Logs
//
// A rule over logs counts messages, or takes a number out of each, in all or by
// the values of fields. Silence is a count of none: a host that logged before, or
// with expect: fleet any host of the fleet, is a problem below raise. While we
// have not listened for a whole window, silence may be ours, and states stay as
// they are. More than 1000 values of fields fail the check: no state is dropped
// in silence.
//
// # What is to come
//
// A forecast's value is the seconds until the limit, and its problem that these
// are fewer than the horizon's. Noise must not page, so a forecast counts only
// if it explains most of the variation (trust), and if the limit is crossed
// even should it be off by two deviations:
//
//	limit ---------------------------------x------  crossed for sure here
//	                            .-'  .-'
//	              . .  .-'  . '        what may be off
//	      .  .'  .  '   '
//	     |-------- over ------|now
//
// By trend it is a straight line whose slope is the median of the slopes between
// all pairs of points; by season Holt and Winters' model of level, slope and
// season, made anew of seven periods of the archive. What cannot be told is no
// problem, and the text says why. When a forecast is over, that is a tenth beyond
// the horizon.
//
// An anomaly is what RRDtool's archives of the Holt-Winters family have found
// themselves: a set's FAILURES.
//
// # Clocks
//
// Hosts are silent, and messages are in a window, by our own clock: when a
// sample came in, when a message was received. The clock of a sender may be
// wrong.
//
// Hosts that were withdrawn, and hosts of an autoscaling group that are still in
// their boot time, are no alarm. Many that fall silent at once are one, about
// the cause: see [AtOnce].
//
// # The world outside
//
// Plugins, NRPE and probes bring their own status: there is nothing to raise
// and clear. Each has targets, which are listed, or the hosts of a group that
// the fleet knows and that are not withdrawn:
//
//	alerts:
//	  plugins:
//	    - name: load
//	      command: [/usr/lib/nagios/plugins/check_load, -w, "5,4,3", -c, "10,6,4"]
//	      interval: 1m
//	      retry_interval: 15s
//	      max_attempts: 3
//	    - name: ssh
//	      command: [/usr/lib/nagios/plugins/check_ssh, "{address}"]
//	      targets: [{host: db-1, address: 192.0.2.7}]
//	  nrpe:
//	    - {name: disks, command: check_disks, groups: [web], ca: /etc/rondo/ca.pem}
//	  http:
//	    - {name: shop, url: "https://shop.example.org/health", contains: ok, warning: 500ms, critical: 2s}
//	  tcp:  [{name: smtp, port: 25, expect: "220 ", targets: [{host: mail}]}]
//	  tls:  [{name: certificates, warning_days: 21, critical_days: 7, targets: [{host: shop.example.org}]}]
//	  dns:  [{name: zone, query: example.org, type: MX, server: 192.0.2.53}]
//	  ping: [{name: alive, groups: [web]}]
//
// The words of a target stand for {host}, {address} and {label} in arguments,
// each within its argument: no shell sees them, and none may look like an
// option. Programs come from the configuration alone; no request leads to one.
//
// Such checks wait more than they compute, so they take none of the engine's
// workers; what runs at once is bounded by [Service] for all rules together.
// A timeout is that of one target. The targets of a rule are checked side by
// side, and its states change when all have answered or used up their time.
//
// Performance values become series, in base units (s, B, %):
//
//	check_perf{alertname="load",host="...",perf="load1",unit="..."}
//
// They are ours, and no sign of life of the host; a value with the unit c is a
// counter. Those of a check that is made once a day want a schema of their own
// (match: check_perf), with a step to suit.
//
// # Roles
//
// A role's rules ([Config.For]) are written in the same way, and are about the
// hosts of its groups alone: see rondo/alerts/role.
//
// # Passive results
//
// What is checked elsewhere is sent to POST /api/alerts/passive, by rondo
// alert passive or any HTTP client. The check must be declared:
//
//	alerts:
//	  passive:
//	    - name: backup
//	      targets: [{host: db-1}]
//	      token: ${BACKUP_TOKEN}   # lets results of this check in, and nothing else
//	      from: [192.0.2.0/24]
//	      freshness: 25h
//	      stale: critical
//
// One result is one attempt, whatever the interval; it is on disk when it is
// answered. A host from which nothing came for the time of freshness is stale:
// the command, if there is one, is run in its place; else the status is that
// of stale. That counts as a result: the next is due after the same time. Time
// is counted from our start at the earliest: after a restart each host has its
// time anew.
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
