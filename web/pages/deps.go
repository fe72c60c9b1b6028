package pages

import (
	"context"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/alerts/fleet"
	"rondo/alerts/notify/dispatch"
	"rondo/alerts/role"
	"rondo/autoscale"
	"rondo/rrd"
	"rondo/rrd/promql"
	"rondo/syslogd"
)

// Deps is what the pages read. Any part may be nil: its pages then say how to
// configure it.
type Deps struct {
	Metrics rrd.Querier
	Index   rrd.Index
	Ranger  Ranger
	Logs    Logs
	Alerts  Alerts
	Telling Telling
	Fleet   Fleet
	Groups  Groups
	Roles   Roles
	Events  Events
	System  func() System
}

// A Ranger evaluates PromQL on the steps of a range, both ends included
// (*promql.Engine is one).
type Ranger interface {
	Range(ctx context.Context, expr string, start, end time.Time, step time.Duration) (promql.Result, error)
}

// Alerts are the present states, how their rules are supervised, the past hard
// changes, newest first, and what was said to keep problems from being told.
type Alerts interface {
	Views() []alerts.View
	Supervised(rule string) (alerts.Supervised, bool)
	Transitions(since time.Time) []alerts.Transition
	Silences() []alerts.Silence
	Downtimes() []alerts.DowntimeView
	Queues() []alerts.QueueView
}

// Telling is who is told of problems, and what is told together
// (*dispatch.Dispatcher is one).
type Telling interface {
	Routed() bool
	Receivers() []dispatch.ReceiverView
	Groups() []dispatch.GroupView
}

// Logs is the log store.
type Logs interface {
	syslogd.Searcher
	syslogd.Explainer
	syslogd.Locator
}

// Fleet lists the hosts.
type Fleet interface{ Hosts() []fleet.Host }

// Groups are the autoscaling groups, and the books on them.
type Groups interface {
	Views() []autoscale.View
	Record(group, ref string) (autoscale.Record, error)
	Setup(group, digest string) (autoscale.Setup, error)
	Why(group string, at time.Time) (autoscale.Why, error)
	Audit(group string) ([]autoscale.Audit, error)
}

// Roles are what is attached to groups.
type Roles interface{ Roles() []role.View }

// System is what the program knows of itself.
type System struct {
	Version   string
	Started   time.Time
	Story     string // what the demo plays, for the banner; "" outside the demo
	From      string // the range of a page that is asked for none; "" means -1h
	Retention string // of the logs, for people
	Backup    string // how backups stand, for people; "" where none is configured
	Canary    string // how the syslog listeners stand, for people; "" where nobody tests them
	Graphite  string // where our Graphite listener is, for the commands that pages show
	Syslog    string // and the syslog listener
	Dirs      []Dir

	Routes       []LogRoute
	Destinations []Destination
}

// Failing are the destinations for which messages wait in vain.
func (s System) Failing() (out []Destination) {
	for _, d := range s.Destinations {
		if d.Bad && d.Waiting > 0 {
			out = append(out, d)
		}
	}
	return out
}

// A LogRoute is a way that log messages go, with what became of them since the
// start: Received + Made = Filtered + Staged + Already + Routed.
type LogRoute struct {
	Name, To                                          string
	Received, Made, Filtered, Staged, Already, Routed int64
}

// A Destination is a place that log messages are delivered to:
// Routed = Delivered + Dropped + Waiting.
type Destination struct {
	Name, Kind                          string
	Routed, Delivered, Dropped, Waiting int64
	Why                                 string        // of what was dropped, by reason
	Oldest                              time.Duration // for how long the oldest has been waiting
	State                               string        // for people
	Bad                                 bool          // State says that something is wrong
}

// A Dir is one part of the data directory with its size.
type Dir struct {
	Name  string
	Bytes int64
}

// Bytes is the size of the whole data directory.
func (s System) Bytes() (n int64) {
	for _, d := range s.Dirs {
		n += d.Bytes
	}
	return n
}

// Parts lists the data directory's parts with their sizes.
func (s System) Parts() string {
	var parts []string
	for _, d := range s.Dirs {
		parts = append(parts, d.Name+" "+bytes(d.Bytes))
	}
	return strings.Join(parts, ", ")
}
