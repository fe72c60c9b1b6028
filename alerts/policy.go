package alerts

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Missing says what a reading that is missing means.
type Missing uint8

// The policies for missing readings.
const (
	MissingUnknown Missing = iota // the status is unknown
	MissingOK                     // nothing there is nothing wrong: as a cleared value
	MissingKeep                   // the state stays as it is
	MissingRaise                  // silence is the problem: as a value beyond the gravest threshold
)

var missingNames = [...]string{"unknown", "ok", "keep", "raise"}

func (m Missing) String() string {
	if int(m) < len(missingNames) {
		return missingNames[m]
	}
	return fmt.Sprintf("missing(%d)", uint8(m))
}

// UnmarshalText reads the policy's name as it stands in a configuration.
func (m *Missing) UnmarshalText(b []byte) error {
	for i, n := range missingNames {
		if n == string(b) {
			*m = Missing(i)
			return nil
		}
	}
	return fmt.Errorf("missing %q: want unknown, ok, keep or raise", b)
}

// MarshalText writes the policy's name.
func (m Missing) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// A Threshold has its own value to return by: hysteresis.
type Threshold struct {
	Raise float64 // beyond it (not at it) is a problem
	Clear float64 // at it or back of it the problem is over
}

// Times are how long readings must hold before a level is raised, and before
// it ends.
type Times struct{ For, ClearFor time.Duration }

// A Policy says how the readings of one rule become states.
type Policy struct {
	Rule        string     // the rule's ID, part of every transition's ID
	Direct      bool       // readings bring their own status (plugins, imported rules); there are no thresholds
	Below       bool       // a problem is a value below the threshold, not above it
	Warning     *Threshold // nil: the rule has no such level
	Critical    *Threshold
	For         time.Duration // how long every reading must have been beyond Raise
	ClearFor    time.Duration // how long every reading must have been cleared
	MaxAttempts int           // readings beyond before a problem is hard; 0 means 1
	Retry       time.Duration // between two attempts, and between checks while a problem is soft; 0: every reading is one
	Of          Of            // M of the newest N readings must be beyond, instead of the newest one
	Flap        Flap          // when a state that keeps changing is flapping
	Missing     Missing       // for paging; see Answer for the other two
	MissingFor  time.Duration // how long readings must have been missing, for unknown and raise

	MissingLaunch    Missing // what missing readings mean to who would launch
	MissingTerminate Missing // and to who would terminate

	// Interval is the time between two readings as planned. What comes sooner,
	// because a series has moved, takes the newest one's place among the points of
	// Of and of flapping, and is no further point. 0: every reading is one.
	Interval time.Duration
	Gap      time.Duration // a longer time between two readings was not watched: the clocks start again; 0: no limit

	WarningTimes, CriticalTimes *Times // a level's own For and ClearFor; nil: those above
}

// Validate says what is wrong with a policy, or nil.
func (p Policy) Validate() error {
	var errs []error
	if p.Direct && (p.Warning != nil || p.Critical != nil) {
		errs = append(errs, errors.New("thresholds and a status of its own exclude each other"))
	}
	if !p.Direct && p.Warning == nil && p.Critical == nil {
		errs = append(errs, errors.New("no threshold: set one for warning or critical"))
	}
	errs = append(errs, p.validate("warning", p.Warning), p.validate("critical", p.Critical))
	if p.Warning != nil && p.Critical != nil && p.beyond(p.Warning.Raise, p.Critical.Raise) {
		errs = append(errs, fmt.Errorf("critical (%v) must lie beyond warning (%v)", p.Critical.Raise, p.Warning.Raise))
	}
	for _, t := range []*Times{p.WarningTimes, p.CriticalTimes} {
		if t != nil && (t.For < 0 || t.ClearFor < 0) {
			errs = append(errs, errors.New("for and clear_for of a level must not be negative"))
		}
	}
	if p.For < 0 || p.ClearFor < 0 || p.MissingFor < 0 || p.Retry < 0 || p.Gap < 0 {
		errs = append(errs, errors.New("for, clear_for, missing_for and retry_interval must not be negative"))
	}
	errs = append(errs, p.Of.validate(), p.Flap.validate())
	if p.Of != (Of{}) && (p.MaxAttempts > 1 || p.Retry > 0) {
		errs = append(errs, errors.New("of counts readings, and so do max_attempts and retry_interval: want one or the other"))
	}
	if p.MaxAttempts < 0 || p.MaxAttempts > 1000 {
		errs = append(errs, fmt.Errorf("max_attempts %d: want 1 to 1000", p.MaxAttempts))
	}
	return errors.Join(errs...)
}

func (p Policy) validate(name string, t *Threshold) error {
	switch {
	case t == nil:
		return nil
	case math.IsNaN(t.Raise) || math.IsNaN(t.Clear):
		return fmt.Errorf("%s: a threshold is not a number", name)
	case p.beyond(t.Clear, t.Raise) && p.Below:
		return fmt.Errorf("%s: clear (%v) must not be below raise (%v), since the problem is a low value", name, t.Clear, t.Raise)
	case p.beyond(t.Clear, t.Raise):
		return fmt.Errorf("%s: clear (%v) must not be above raise (%v)", name, t.Clear, t.Raise)
	}
	return nil
}

// beyond says whether a is on the bad side of b.
func (p Policy) beyond(a, b float64) bool {
	if p.Below {
		return a < b
	}
	return a > b
}

// times are how long a level must be raised before it is hard, and cleared
// before it ends. That a value is known again needs no proof over time.
func (p Policy) times(l Status, s State) Times {
	t := Times{p.For, p.ClearFor}
	switch {
	case l == Warning && p.WarningTimes != nil:
		t = *p.WarningTimes
	case l == Critical && p.CriticalTimes != nil:
		t = *p.CriticalTimes
	case l == Unknown:
		t.ClearFor = 0
	}
	if s.Missing {
		t.For = p.MissingFor
	}
	return t
}

// attempts is MaxAttempts with its default.
func (p Policy) attempts() int { return max(p.MaxAttempts, 1) }

// Severity is the gravest level that the rule can raise by a value.
func (p Policy) Severity() Status {
	if p.Critical != nil || p.Direct {
		return Critical
	}
	return Warning
}

// threshold is that of a level, or nil.
func (p Policy) threshold(level Status) *Threshold {
	switch level {
	case Warning:
		return p.Warning
	case Critical:
		return p.Critical
	case OK, Unknown:
	}
	return nil
}
