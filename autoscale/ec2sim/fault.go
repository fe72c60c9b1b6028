package ec2sim

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Effect is what a fault does to requests, launches or instances.
type Effect string

// The effects on requests.
const (
	EffectError      Effect = "error"       // answers Code; nothing is done
	EffectDeny       Effect = "deny"        // refuses as IAM does, dry runs as well; nothing is done
	EffectReset      Effect = "reset"       // reads the request and resets the connection; nothing is done
	EffectResetAfter Effect = "reset-after" // does the work, then resets the connection
	EffectSlow       Effect = "slow"        // answers after Delay
	EffectTrickle    Effect = "trickle"     // answers in pieces over Delay
	EffectTruncate   Effect = "truncate"    // does the work, sends half of the answer
	EffectHTML       Effect = "html"        // does the work, answers a proxy's error page
	EffectSkew       Effect = "skew"        // has a clock that is Delay ahead, to which requests are expired
	EffectSamePage   Effect = "same-page"   // a list that has more pages gives the same token again and again
)

// The effects on launches and instances.
const (
	EffectHide       Effect = "hide"        // instances launched by a request are not listed for Delay
	EffectNoRoom     Effect = "no-room"     // refuses to have more than Room instances of a pool; Code: default InsufficientInstanceCapacity
	EffectStuck      Effect = "stuck"       // an instance stays pending for ever
	EffectSilent     Effect = "silent"      // an instance runs, but nothing boots: no heartbeat
	EffectImpaired   Effect = "impaired"    // after Delay an instance fails its status checks
	EffectEnd        Effect = "end"         // after Delay an instance ends by itself, for the reason Code
	EffectSpotNotice Effect = "spot-notice" // after Delay an instance's interruption is announced; SpotNotice later it happens
)

// SpotNotice is how long before its interruption a Spot instance is told.
const SpotNotice = 2 * time.Minute

func onRequests() []Effect {
	return []Effect{EffectError, EffectDeny, EffectReset, EffectResetAfter, EffectSlow, EffectTrickle, EffectTruncate, EffectHTML, EffectSkew, EffectSamePage, EffectHide}
}

func onInstances() []Effect {
	return []Effect{EffectStuck, EffectSilent, EffectImpaired, EffectEnd, EffectSpotNotice}
}

// A Fault strikes until it has struck Count times, or its time is over. The
// first that fits strikes a request; each of a kind strikes a new instance.
type Fault struct {
	Action string   `json:"action,omitempty"` // "RunInstances"...; "" strikes all
	Effect Effect   `json:"effect"`
	Code   string   `json:"code,omitempty"`
	Delay  Duration `json:"delay,omitempty"`
	Count  int      `json:"count"` // how often; -1: until cleared, or its time is over

	After Duration `json:"after,omitempty"` // begins so long after it was injected
	For   Duration `json:"for,omitempty"`   // and ends so long after that; 0: never
	Share float64  `json:"share,omitempty"` // strikes this share of the requests or instances; 0: all

	Type     string `json:"type,omitempty"`     // instances of this type only
	Zone     string `json:"zone,omitempty"`     // and of this zone
	Market   string `json:"market,omitempty"`   // and of this market: spot or on-demand
	Room     int    `json:"room,omitempty"`     // of EffectNoRoom: how many there may be at once
	Instance string `json:"instance,omitempty"` // strikes this instance, now, instead of new ones

	from time.Time
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

// maxDelay bounds how long a request may be held.
const maxDelay = 10 * time.Minute

// Validate says what is wrong with the fault.
func (f Fault) Validate() error {
	wantsDelay := slices.Contains([]Effect{EffectSlow, EffectTrickle, EffectHide, EffectSkew}, f.Effect)
	switch {
	case !slices.Contains(slices.Concat(onRequests(), onInstances(), []Effect{EffectNoRoom}), f.Effect):
		return fmt.Errorf("effect %q: want one of %v", f.Effect, slices.Concat(onRequests(), onInstances(), []Effect{EffectNoRoom}))
	case f.Effect == EffectError && f.Code == "":
		return fmt.Errorf("effect error wants a code, such as RequestLimitExceeded")
	case wantsDelay && (f.Delay <= 0 || f.Delay > Duration(maxDelay)):
		return fmt.Errorf("effect %s wants a delay of up to %v", f.Effect, maxDelay)
	case min(f.Delay, f.After, f.For) < 0 || max(f.Delay, f.After, f.For) > Duration(maxTime):
		return fmt.Errorf("delay, after and for: want up to %v", maxTime)
	case f.Count == 0 && f.Instance == "" || f.Count < -1:
		return fmt.Errorf("count %d: want 1 or more, or -1 for ever", f.Count)
	case !(f.Share >= 0 && f.Share <= 1): // nor NaN
		return fmt.Errorf("share %v: want 0 to 1", f.Share)
	}
	return f.validatePool()
}

// validatePool looks at what says which instances a fault strikes.
func (f Fault) validatePool() error {
	instances := slices.Contains(onInstances(), f.Effect)
	switch {
	case f.Room < 0 || f.Room > 0 && f.Effect != EffectNoRoom:
		return fmt.Errorf("room %d: want 0 or more, with the effect no-room", f.Room)
	case !instances && f.Effect != EffectNoRoom && f.Type+f.Zone+f.Market != "":
		return fmt.Errorf("effect %s knows no type, zone or market", f.Effect)
	case f.Market != "" && f.Market != string(Spot) && f.Market != "on-demand":
		return fmt.Errorf("market %q: want spot or on-demand", f.Market)
	case f.Instance != "" && !instances:
		return fmt.Errorf("effect %s does not strike an instance: want one of %v", f.Effect, onInstances())
	}
	return nil
}

// maxFaults bounds how many faults wait.
const maxFaults = 1000

// A Script is a story of faults. In JSON it is a list of them, or one alone.
type Script []Fault

// UnmarshalJSON reads a script; a field that there is not is an error.
func (c *Script) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if len(b) > 0 && b[0] == '[' {
		var fs []Fault
		err := dec.Decode(&fs)
		*c = fs
		return err
	}
	var f Fault
	err := dec.Decode(&f)
	*c = Script{f}
	return err
}

// Inject adds faults behind those that wait, all or none; those with an
// Instance strike it.
func (s *Sim) Inject(faults ...Fault) error {
	for _, f := range faults {
		if err := f.Validate(); err != nil {
			return fmt.Errorf("ec2sim: fault: %w", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults)+len(faults) > maxFaults {
		return fmt.Errorf("ec2sim: fault: %d wait already", len(s.faults))
	}
	for _, f := range faults {
		if i := s.instances[f.Instance]; f.Instance != "" && (i == nil || i.State.over()) {
			return fmt.Errorf("ec2sim: fault: there is no instance %s", f.Instance)
		}
	}
	now := time.Now()
	for _, f := range faults {
		f.from = now.Add(time.Duration(f.After))
		if f.Instance == "" {
			s.faults = append(s.faults, &f)
			continue
		}
		s.hit(s.instances[f.Instance], f, f.from)
		s.poke()
	}
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

// strike takes the first waiting fault for an action. A dry run meets denials
// and what strikes for ever; what is counted is kept for the call itself.
func (s *Sim) strike(action string, dry bool) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.take(func(f *Fault) bool {
		return slices.Contains(onRequests(), f.Effect) && (f.Action == "" || f.Action == action) &&
			(!dry || f.Effect == EffectDeny || f.Count < 0)
	})
}

// take takes the first waiting fault that strikes. Callers hold s.mu.
func (s *Sim) take(strikes func(*Fault) bool) (Fault, bool) {
	s.faults = slices.DeleteFunc(s.faults, (*Fault).over)
	for _, f := range s.faults {
		if !f.on() || !strikes(f) || f.Share > 0 && s.rand.Float64() >= f.Share {
			continue
		}
		s.spend(f)
		return *f, true
	}
	return Fault{}, false
}

// spend counts one strike.
func (s *Sim) spend(f *Fault) {
	if f.Count > 0 {
		if f.Count--; f.Count == 0 {
			s.faults = slices.DeleteFunc(s.faults, func(o *Fault) bool { return o == f })
		}
	}
}

// on says whether a fault's time has come, and over whether it has gone.
func (f *Fault) on() bool { return !time.Now().Before(f.from) && !f.over() }

func (f *Fault) over() bool {
	return f.For > 0 && !time.Now().Before(f.from.Add(time.Duration(f.For)))
}

// matches says whether an instance is of the kind that a fault strikes.
func (f *Fault) matches(i Instance) bool {
	return (f.Type == "" || f.Type == i.Type) && (f.Zone == "" || f.Zone == i.Zone) &&
		(f.Market == "" || f.Market == string(cmp.Or(i.Market, "on-demand")))
}

// afflict lets each kind of fault strike a new instance. Callers hold s.mu.
func (s *Sim) afflict(i *Instance, now time.Time) {
	for _, effect := range onInstances() {
		if f, ok := s.take(func(f *Fault) bool { return f.Effect == effect && f.matches(*i) }); ok {
			s.hit(i, f, now)
		}
	}
}

// hit does to an instance what a fault says.
func (s *Sim) hit(i *Instance, f Fault, now time.Time) {
	at := now.Add(time.Duration(f.Delay))
	switch f.Effect {
	case EffectStuck:
		i.due = time.Time{}
	case EffectSilent:
		i.Silent = true
		s.halt(i)
	case EffectImpaired:
		i.Impaired = at
	case EffectEnd:
		i.Doomed, i.doom = at, cmp.Or(f.Code, "Server.InternalError")+": the instance ended by itself"
	case EffectSpotNotice:
		i.Notice, i.Doomed, i.doom = at, at.Add(SpotNotice), "Server.SpotInstanceTermination: Spot instance termination"
	}
}
