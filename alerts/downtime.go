package alerts

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Bounds of downtimes.
const (
	maxDowntimes   = 1000 // commanded and configured; more are refused
	maxDuration    = 31 * 24 * time.Hour
	downtimePrefix = "alert/downtime/"
	configuredID   = "config/" // and the name
)

// A Downtime is a time in which trouble is expected: problems that meet all
// its matchers are not told while it is in force. There are these kinds:
//
//	fixed      Start, End          in force from one to the other
//	recurring  Recurring           the same, again and again
//	flexible   either of these,    in force for Duration from the first reading
//	           and Duration        in that window that is not OK
//	triggered  TriggeredBy         in force while the other is, or for Duration
//	                               from when the other begins
//
// Its times are dates: a step of the clock moves them.
type Downtime struct {
	ID            string        `json:"id" yaml:"-"`
	Name          string        `json:"name,omitempty" yaml:"name"` // unique, and wanted, in a configuration
	Matchers      []Matcher     `json:"matchers" yaml:"matchers"`
	Start         time.Time     `json:"start,omitzero" yaml:"start"`
	End           time.Time     `json:"end,omitzero" yaml:"end"`
	Duration      time.Duration `json:"duration,omitempty" yaml:"duration"` // 0: not flexible
	Recurring     *Recurrence   `json:"recurring,omitempty" yaml:"recurring"`
	TriggeredBy   string        `json:"triggered_by,omitempty" yaml:"triggered_by"`     // ID or name of another
	PausesScaling bool          `json:"pauses_scaling,omitempty" yaml:"pauses_scaling"` // see Engine.Paused
	By            string        `json:"by,omitempty" yaml:"by"`
	Comment       string        `json:"comment,omitempty" yaml:"comment"`
	Created       time.Time     `json:"created,omitzero" yaml:"-"`
	Configured    bool          `json:"configured,omitempty" yaml:"-"` // not by command
	Began         time.Time     `json:"began,omitzero" yaml:"-"`       // of one with a Duration: when it last began
}

// Validate says what is wrong with a downtime, or nil.
func (d Downtime) Validate() error {
	var errs []error
	fixed, triggered := !d.Start.IsZero() || !d.End.IsZero(), d.TriggeredBy != ""
	switch {
	case len(d.Matchers) == 0:
		errs = append(errs, errors.New("a downtime needs a matcher"))
	case !fixed && !triggered && d.Recurring == nil:
		errs = append(errs, errors.New("say when: start and end, recurring, or triggered_by"))
	case fixed && d.Recurring != nil, triggered && (fixed || d.Recurring != nil):
		errs = append(errs, errors.New("start and end, recurring and triggered_by exclude each other"))
	case fixed && !d.End.After(d.Start):
		errs = append(errs, errors.New("the end must be after the start"))
	}
	if d.Duration < 0 || d.Duration > maxDuration {
		errs = append(errs, fmt.Errorf("duration %v: want at most %v", d.Duration, maxDuration))
	}
	if d.Recurring != nil {
		errs = append(errs, d.Recurring.Validate())
	}
	return errors.Join(errs...)
}

// downtimeJSON is the form of a Downtime in the store and the API: the duration
// is text, 1h30m0s.
type downtimeJSON struct {
	plainDowntime
	Duration string `json:"duration,omitempty"`
}

type plainDowntime Downtime

func (d Downtime) json() downtimeJSON {
	j := downtimeJSON{plainDowntime: plainDowntime(d)}
	if d.Duration != 0 {
		j.Duration = d.Duration.String()
	}
	return j
}

// MarshalJSON implements json.Marshaler.
func (d Downtime) MarshalJSON() ([]byte, error) { return json.Marshal(d.json()) }

// UnmarshalJSON implements json.Unmarshaler.
func (d *Downtime) UnmarshalJSON(b []byte) (err error) {
	var j downtimeJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*d = Downtime(j.plainDowntime)
	if j.Duration != "" {
		d.Duration, err = time.ParseDuration(j.Duration)
	}
	return err
}

// window is the time in which a downtime is in force, or may begin where it is
// flexible; ok is false if now is in no such time.
func (d Downtime) window(now time.Time) (start, end time.Time, ok bool) {
	if d.Recurring != nil {
		return d.Recurring.At(now)
	}
	return d.Start, d.End, d.TriggeredBy == "" && !now.Before(d.Start) && now.Before(d.End)
}

// begun is when a downtime began the last time, within so long before now; zero
// if it did not.
func (d Downtime) begun(now time.Time, within time.Duration) time.Time {
	switch {
	case d.Duration > 0:
		return d.Began
	case d.Recurring != nil:
		return d.Recurring.latest(now, within)
	case now.Before(d.Start):
		return time.Time{}
	}
	return d.Start
}

// lasting is until when a downtime is in force that nothing triggers; ok is
// false if it is not.
func (d Downtime) lasting(now time.Time) (until time.Time, ok bool) {
	if d.Duration > 0 {
		until = d.Began.Add(d.Duration)
		return until, now.Before(until)
	}
	_, until, ok = d.window(now)
	return until, ok
}

func (d Downtime) matches(r *runner, rec record) bool {
	return matchAll(d.Matchers, r.Rule.ID(), rec.labels)
}

// called says whether a name or an ID is that of the downtime.
func (d Downtime) called(s string) bool { return s != "" && (s == d.ID || s == d.Name) }
