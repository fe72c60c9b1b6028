package pages

import (
	"net"
	"strings"
)

// FirstSample is a command that sends a first value to the Graphite listener.
func (f Frame) FirstSample() string {
	host, port := hostPort(f.System.Graphite, "2003")
	return `echo "fleet.test.$(hostname -s).load1 $(cut -d' ' -f1 /proc/loadavg) $(date +%s)" | nc -N ` + host + " " + port
}

// FirstLine is a command that sends a first log line.
func (f Frame) FirstLine() string {
	host, port := hostPort(f.System.Syslog, "5514")
	return "logger --server " + host + " --port " + port + ` --tcp "hello rondo"`
}

// hostPort takes an address apart for a command; a listener on all addresses
// is reached over loopback.
func hostPort(addr, port string) (string, string) {
	h, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "127.0.0.1", port
	}
	if h = strings.Trim(h, "[]"); h == "" || h == "0.0.0.0" || h == "::" {
		h = "127.0.0.1"
	}
	return h, p
}

// DesiredShare and RunningShare are the group's capacity, 0 to 100 of its most.
func (c GroupCard) DesiredShare() int { return c.share(c.Desired) }

// RunningShare is the share that is in service.
func (c GroupCard) RunningShare() int { return c.share(c.Running) }

func (c GroupCard) share(n int) int { return min(100, 100*n/max(c.Max, 1)) }

// Percent is the value's share of the most frequent one.
func (v FacetValue) Percent() int { return int(100 * v.Share) }

// What the pages offer to copy where a part is not configured.
const (
	groupExample = `autoscale:
  groups:
    - name: web
      metric: avg({__name__=~"fleet\\.web\\..*\\.run_queue"})
      min: 2
      max: 20
      out: {above: 4, for: 30s, add: 2}
      in: {below: 1, for: 5m, remove: 1}
      launch: {launch_template: web}
`
	ruleExample = `alerts:
  metrics:
    - name: cpu
      expr: 100 - cpu_free_percent
      raise: 90
      clear: 70
      for: 2m
  hosts:
    - name: silent
      silent: 2m
`
	syslogExample = `syslogd:
  udp: 127.0.0.1:5514
  tcp: 127.0.0.1:5514
`
)

// ConfigExamples are the pieces of configuration that pages offer to copy, for
// a test where configurations are read.
func ConfigExamples() []string { return []string{groupExample, ruleExample, syslogExample} }

// GroupExample is a group that only watches.
func (Frame) GroupExample() string { return groupExample }

// RuleExample is a threshold and a freshness rule.
func (Frame) RuleExample() string { return ruleExample }

// SyslogExample is a log server on loopback.
func (Frame) SyslogExample() string { return syslogExample }
