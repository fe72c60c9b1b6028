package alerts

import (
	"errors"
	"fmt"
	"time"
)

// A MuteReason is why a problem is not told. Each is a word that can stand
// behind the status: "critical, unreachable".
type MuteReason string

// The reasons, in the order in which they are given where there are several.
const (
	NotMuted     MuteReason = ""
	Unreachable  MuteReason = "unreachable"  // a parent is bad
	Waits        MuteReason = "waiting"      // for what becomes of a parent, or to be checked again after one recovered
	InDowntime   MuteReason = "downtime"     // a Downtime matches
	Silenced     MuteReason = "silenced"     // a Silence matches
	Flaps        MuteReason = "flapping"     // and that was told
	Acknowledged MuteReason = "acknowledged" // somebody knows, and said so until it is OK
)

// A Mute says what keeps a problem from being told, if anything does. States
// go on as ever meanwhile, and recoveries of what was told are told.
type Mute struct {
	Reason MuteReason `json:"reason"`
	Cause  string     `json:"cause,omitempty"` // for people: silence k3jx until 2026-01-02T03:04:05Z by ana: upgrade
}

// Muted says whether there is a reason.
func (m Mute) Muted() bool { return m.Reason != NotMuted }

// Quiet says whether the problem is muted by something other than an
// acknowledgement.
func (m Mute) Quiet() bool { return m.Muted() && m.Reason != Acknowledged }

// muted says what keeps a record's problem from being told at now. Who has
// another reason adds a function here. The caller holds e.mu.
func (e *Engine) muted(r *runner, rec record, now time.Time) Mute {
	for _, reason := range [...]func(*runner, record, time.Time) Mute{e.byParent, e.byDowntime, e.bySilence, e.byAck} {
		if m := reason(r, rec, now); m.Muted() {
			return m
		}
	}
	return Mute{}
}

// words says until when something holds, who said so and why.
func words(until time.Time, by, comment string) (s string) {
	if !until.IsZero() {
		s += " until " + until.UTC().Format(time.RFC3339)
	}
	if by != "" {
		s += " by " + by
	}
	if comment != "" {
		s += ": " + comment
	}
	return s
}

// Muting is the part of the section "alerts" that says what keeps problems
// from being told.
type Muting struct {
	Downtimes []Downtime   `yaml:"downtimes"`
	Parents   []Dependency `yaml:"parents"`
}

// Validate says all that is wrong with it, or nil.
func (m Muting) Validate() error {
	var errs []error
	if len(m.Downtimes) > maxDowntimes {
		errs = append(errs, fmt.Errorf("alerts: %d downtimes: want at most %d", len(m.Downtimes), maxDowntimes))
	}
	seen := make(map[string]Downtime)
	for _, d := range m.Downtimes {
		err := d.Validate()
		if _, taken := seen[d.Name]; taken || d.Name == "" || len(d.Name) > 200 {
			err = errors.Join(err, errors.New("want a name of its own, of at most 200 bytes"))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("alerts: downtime %q: %w", d.Name, err))
		}
		seen[d.Name] = d
	}
	for _, d := range m.Downtimes {
		if other, ok := seen[d.TriggeredBy]; d.TriggeredBy != "" && (!ok || other.TriggeredBy != "") {
			errs = append(errs, fmt.Errorf("alerts: downtime %q: triggered_by: no downtime %q that nothing triggers", d.Name, d.TriggeredBy))
		}
	}
	if len(m.Parents) > maxDependencies {
		errs = append(errs, fmt.Errorf("alerts: %d parents: want at most %d", len(m.Parents), maxDependencies))
	}
	for i, d := range m.Parents {
		if err := d.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("parents: %d: %w", i+1, err))
		}
	}
	return errors.Join(errs...)
}

// SetMuting replaces what is configured. What came by command stays.
func (e *Engine) SetMuting(m Muting) error {
	if err := m.Validate(); err != nil {
		return err
	}
	// So that a flexible downtime that begins just now does not come back as it was configured before.
	e.deciding.Lock()
	defer e.deciding.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.configureDowntimes(m.Downtimes)
	e.relate(m.Parents)
	return nil
}
