package loki

import (
	"strings"

	"rondo/syslogd/syslog"
)

// levels are the names of each severity, as loggers and clients spell it. The
// first is Loki's own, which is how answers name it.
func levels(s syslog.Severity) []string {
	switch s {
	case syslog.Emergency:
		return []string{"fatal", "emerg", "emergency", "panic"}
	case syslog.Alert:
		return []string{"critical", "alert"}
	case syslog.Critical:
		return []string{"critical", "crit"}
	case syslog.Error:
		return []string{"error", "err", "eror"}
	case syslog.Warning:
		return []string{"warn", "warning"}
	case syslog.Notice:
		return []string{"info", "notice"}
	case syslog.Informational:
		return []string{"info", "information", "informational"}
	}
	return []string{"debug", "dbug", "trace"}
}

// level is Loki's name of a severity.
func level(s syslog.Severity) string { return levels(s)[0] }

// parseLevel reads a level in any spelling and case. A name that several
// severities share is that of the least grave: info is not notice, critical is
// not alert.
func parseLevel(name string) (syslog.Severity, bool) {
	name = strings.ToLower(name)
	for s := syslog.Debug + 1; s > 0; s-- {
		for _, l := range levels(s - 1) {
			if l == name {
				return s - 1, true
			}
		}
	}
	return 0, false
}
