package alerts

import (
	"context"
	"fmt"
	"time"

	"rondo/rrd"
)

// Status is what a check found, with Nagios' exit codes.
type Status uint8

// The statuses.
const (
	OK Status = iota
	Warning
	Critical
	Unknown
)

var statusNames = [...]string{"ok", "warning", "critical", "unknown"}

func (s Status) String() string { return statusNames[s] }

// UnmarshalText reads a status as it stands in a configuration.
func (s *Status) UnmarshalText(b []byte) error {
	for i, n := range statusNames {
		if n == string(b) {
			*s = Status(i)
			return nil
		}
	}
	return fmt.Errorf("status %q: want ok, warning, critical or unknown", b)
}

// MarshalText writes the status' name.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A Reading is what a rule found for one label set.
type Reading struct {
	Labels  rrd.Labels // names the instance of the rule; without __name__
	Value   float64
	At      time.Time // of the value
	Missing bool      // there was a value before and there is none now
	Text    string    // for people
}

// A Rule is something that can be checked. One reading per label set; a set
// that was seen before and is absent now is missing.
type Rule interface {
	ID() string
	Check(ctx context.Context, now time.Time) ([]Reading, error)
}

// A Transition is a change of hard state. It is stored before it is acted on.
type Transition struct {
	ID       string // stable: the same change has the same ID after a restart
	Rule     string
	Labels   rrd.Labels
	From, To Status
	Since    time.Time // when the episode began (soft)
	At       time.Time // when it became hard
	Value    float64
	Text     string
}

// An Action acts on transitions. Act is idempotent on the transition's ID.
type Action interface {
	Act(ctx context.Context, t Transition) error
}

// A View is one state as pages and commands see it.
type View struct {
	Rule      string
	Labels    rrd.Labels
	Severity  Status // of the rule
	Status    Status // present status, soft or hard
	Hard      bool
	Attempts  int
	Max       int
	Since     time.Time // of the present status
	Value     float64
	Missing   bool
	Text      string
	Expr      string
	Raise     float64
	Clear     float64
	Silenced  bool
	LastCheck time.Time
}
