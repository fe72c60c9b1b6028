package fleet

import (
	"regexp"
	"time"

	"rondo/rrd"
)

// A Host is one machine that sends metrics or logs.
type Host struct {
	ID        string // the host's name
	Group     string // "" where it belongs to none
	Instance  string // EC2 instance ID, where known
	FirstSeen time.Time
	LastSeen  time.Time // newest sample
	LastLog   time.Time // newest log message
	Withdrawn time.Time // when it was withdrawn on purpose; zero while it is expected
	Template  string    // Graphite prefix of its series ("fleet.web.web-1."), or "" for label host
}

// Selector matches all series of the host.
func (h Host) Selector() []rrd.Matcher {
	if h.Template != "" {
		return []rrd.Matcher{{Label: rrd.NameLabel, Op: rrd.Regexp, Value: regexp.QuoteMeta(h.Template) + ".*"}}
	}
	return []rrd.Matcher{{Label: "host", Op: rrd.Equal, Value: h.ID}}
}
