package alerts

import (
	"context"
	"errors"
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

func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return fmt.Sprintf("status(%d)", uint8(s))
}

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
	Status  Status    // what the check itself found; looked at where [Policy.Direct] says so
	Text    string    // for people

	// Annotations are handed on with a transition, over those of the rule.
	Annotations map[string]string
}

// A Rule is something that can be checked. One reading per label set; a set
// that was seen before and is absent now is missing.
type Rule interface {
	ID() string
	Check(ctx context.Context, now time.Time) ([]Reading, error)
}

// A Transition is a change of hard state, or the start or end of flapping. It
// is stored before it is acted on. The start of flapping is told as a problem,
// even if the state is OK at that moment, and its end is a problem or the
// recovery: so who looks at To alone is never wrong.
type Transition struct {
	ID       string // stable: the same change has the same ID after a restart
	Rule     string
	Labels   rrd.Labels
	From, To Status
	Since    time.Time // when the episode began (soft)
	At       time.Time // when it became hard
	Value    float64
	Text     string
	Flap     FlapChange // start or end of flapping; "": neither

	Expr        string            // what the rule checks, for people
	Annotations map[string]string // of the rule
	Mute        Mute              // what kept it from being told when it became hard
}

// An Action acts on transitions. Act is idempotent on the transition's ID. An
// error is tried again later unless it is [Permanent].
type Action interface {
	Act(ctx context.Context, t Transition) error
}

// Permanent marks an error of an Action as one that trying again cannot mend.
func Permanent(err error) error { return &permanentError{err} }

// IsPermanent says whether err was marked by Permanent.
func IsPermanent(err error) bool {
	_, ok := errors.AsType[*permanentError](err)
	return ok
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// A View is one state as pages and commands see it.
type View struct {
	Rule      string
	Labels    rrd.Labels
	Severity  Status // of the rule
	Status    Status // present status, soft or hard
	Hard      bool
	Settled   Status // newest hard status: what is told and not yet over
	Attempts  int
	Max       int
	Since     time.Time // of the present status
	Value     float64
	Missing   bool
	Text      string
	Expr      string
	Query     string // see Supervised
	Filter    string
	Raise     float64
	Clear     float64
	Mute      Mute  // what keeps a problem from being told now
	Times     Times // of the severity
	LastCheck time.Time
	Took      time.Duration // by the newest check
	Flapping  bool
	Change    float64 // percent of state change, see Flapping; 0 where nobody looks
	Ack       *Ack    // nil: nobody has acknowledged it
	Launch    Answer  // what it says to who would launch
	Terminate Answer  // and to who would terminate
	CheckErr  string  // why the newest check failed; "" where it did not

	Common      map[string]string // labels that the rule adds; not to be changed
	Notes       map[string]string // annotations of the rule, before anything is filled in; not to be changed
	Annotations map[string]string // of the newest hard change, else of the rule; not to be changed
}
