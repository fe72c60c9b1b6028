package ec2sim

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Effect is what a fault does to a request.
type Effect string

// The effects.
const (
	EffectError      Effect = "error"       // answers Code; nothing is done
	EffectReset      Effect = "reset"       // reads the request and resets the connection; nothing is done
	EffectResetAfter Effect = "reset-after" // does the work, then resets the connection
	EffectSlow       Effect = "slow"        // answers after Delay
	EffectHide       Effect = "hide"        // instances launched are not listed for Delay
	EffectTruncate   Effect = "truncate"    // does the work, sends half of the answer
	EffectHTML       Effect = "html"        // does the work, answers a proxy's error page
)

var effects = []Effect{EffectError, EffectReset, EffectResetAfter, EffectSlow, EffectHide, EffectTruncate, EffectHTML}

// A Fault strikes requests until it has struck Count times.
type Fault struct {
	Action string   `json:"action"` // "RunInstances"...; "" strikes all
	Effect Effect   `json:"effect"`
	Code   string   `json:"code,omitempty"`  // of EffectError
	Delay  Duration `json:"delay,omitempty"` // of EffectSlow and EffectHide
	Count  int      `json:"count"`           // how often; -1: until cleared
}

// Duration is a time.Duration that JSON writes as "1m30s".
type Duration time.Duration

// UnmarshalText reads a duration such as 10s.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// MarshalText writes it as time.Duration does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// maxDelay bounds how long a request or an instance may be held.
const maxDelay = 10 * time.Minute

// Validate says what is wrong with the fault.
func (f Fault) Validate() error {
	switch {
	case !slices.Contains(effects, f.Effect):
		return fmt.Errorf("effect %q: want one of %v", f.Effect, effects)
	case f.Effect == EffectError && f.Code == "":
		return fmt.Errorf("effect error wants a code, such as RequestLimitExceeded")
	case (f.Effect == EffectSlow || f.Effect == EffectHide) && (f.Delay <= 0 || f.Delay > Duration(maxDelay)):
		return fmt.Errorf("effect %s wants a delay of up to %v", f.Effect, maxDelay)
	case f.Count == 0 || f.Count < -1:
		return fmt.Errorf("count %d: want 1 or more, or -1 for ever", f.Count)
	}
	return nil
}

// maxFaults bounds how many faults wait.
const maxFaults = 1000

// Inject adds a fault behind those that wait.
func (s *Sim) Inject(f Fault) error {
	if err := f.Validate(); err != nil {
		return fmt.Errorf("ec2sim: fault: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) >= maxFaults {
		return fmt.Errorf("ec2sim: fault: %d wait already", maxFaults)
	}
	s.faults = append(s.faults, &f)
	return nil
}

// Faults returns the faults that still wait.
func (s *Sim) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Fault, 0, len(s.faults))
	for _, f := range s.faults {
		out = append(out, *f)
	}
	return out
}

// ClearFaults removes all faults.
func (s *Sim) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// strike takes the first waiting fault for an action.
func (s *Sim) strike(action string) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.take(func(f *Fault) bool { return f.Action == "" || f.Action == action })
}

// take takes the first waiting fault that strikes. Callers hold s.mu.
func (s *Sim) take(strikes func(*Fault) bool) (Fault, bool) {
	n := slices.IndexFunc(s.faults, strikes)
	if n < 0 {
		return Fault{}, false
	}
	f := s.faults[n]
	if f.Count > 0 {
		if f.Count--; f.Count == 0 {
			s.faults = slices.Delete(s.faults, n, n+1)
		}
	}
	return *f, true
}

// statuses are the HTTP statuses of error codes; all others are 400.
var statuses = map[string]int{
	"RequestLimitExceeded":         http.StatusServiceUnavailable,
	"Unavailable":                  http.StatusServiceUnavailable,
	"InternalError":                http.StatusInternalServerError,
	"ServerInternal":               http.StatusInternalServerError,
	"InsufficientInstanceCapacity": http.StatusInternalServerError,
	"UnauthorizedOperation":        http.StatusForbidden,
	"Blocked":                      http.StatusForbidden,
	"OptInRequired":                http.StatusForbidden,
	"AuthFailure":                  http.StatusUnauthorized,
}

func statusOf(code string) int {
	if s, ok := statuses[code]; ok {
		return s
	}
	return http.StatusBadRequest
}
