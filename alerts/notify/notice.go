package notify

import (
	"context"
	"time"

	"rondo/alerts"
	"rondo/rrd"
)

// A Notice is one message to one receiver: what a group of alerts has to say
// at one moment. Its Key is stored with it before it is sent and stays the same
// however often it is tried, so that a receiver that looks at keys sees it once.
type Notice struct {
	Key               string     // stable; at most 200 printable ASCII characters
	Receiver          string     // name of the receiver
	GroupKey          string     // of the group, as Alertmanager writes it: {}/{team="ops"}:{alertname="load"}
	GroupLabels       rrd.Labels // what the alerts of the group were gathered by
	CommonLabels      rrd.Labels // what all its alerts share
	CommonAnnotations map[string]string
	Reason            string // why it is sent: new, changed, resolved, repeat, escalation, digest
	At                time.Time
	ExternalURL       string  // of our web pages; "" if nobody said
	Alerts            []Alert // firing ones first, the gravest first; never empty
	Truncated         int     // further alerts of the group that are only counted
	RootCause         string  // for people, in a digest: what most of it goes back to; "" if nothing is known
}

// An Alert is one problem of a group, or its end.
type Alert struct {
	Transition   string        // ID of its newest hard change
	Labels       rrd.Labels    // with alertname and severity
	Severity     alerts.Status // of the problem, also when it is resolved
	Annotations  map[string]string
	Starts       time.Time
	Ends         time.Time // zero while it fires
	Value        float64
	Text         string // for people
	Expr         string // what the rule checks, for people
	GeneratorURL string // the page that explains it; "" without ExternalURL
	Fingerprint  string // 16 hexadecimal digits over Labels, as Prometheus computes it
}

// Firing says whether the problem is there.
func (a Alert) Firing() bool { return a.Ends.IsZero() }

// Firing says whether any problem of the group is there.
func (n Notice) Firing() bool {
	for _, a := range n.Alerts {
		if a.Firing() {
			return true
		}
	}
	return false
}

// A Sender sends notices to one receiver. An error is tried again later, with
// the same Key, unless it is [alerts.Permanent]; one that says when (an answer
// with Retry-After) is a [*LaterError]. Send may be called by one goroutine at
// a time, and returns soon after ctx ends.
type Sender interface {
	Send(ctx context.Context, n Notice) error
}

// A LaterError is a receiver's word that it takes nothing before a time.
type LaterError struct {
	After time.Duration
	Err   error
}

func (e *LaterError) Error() string { return e.Err.Error() }
func (e *LaterError) Unwrap() error { return e.Err }
