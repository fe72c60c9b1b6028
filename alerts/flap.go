package alerts

import (
	"fmt"
	"time"
)

// Flap says when a state that keeps changing is flapping, in percent of state
// change; see [Flapping.Percent]. A state flaps from High on, and no more from
// Low down. Without High nobody looks.
type Flap struct {
	Low  float64 `yaml:"low"`
	High float64 `yaml:"high"`
}

func (f Flap) validate() error {
	switch {
	case f == (Flap{}):
		return nil
	case !(0 <= f.Low && f.Low < f.High && f.High <= 100):
		return fmt.Errorf("flap: low %v, high %v: want 0 <= low < high <= 100, in percent", f.Low, f.High)
	}
	return nil
}

// A FlapChange is the start or the end of flapping.
type FlapChange string

// What a transition may say of flapping.
const (
	FlapStart FlapChange = "start"
	FlapEnd   FlapChange = "end"
)

// Flapping is the memory of a state's changes: the newest 21 states, as Nagios
// keeps them. A soft problem is not among them, a soft recovery is. It begins
// with 21 times OK.
//
//	bit  41 40   39 38         3  2    1  0
//	    +------+------+-----+------+--------+
//	    |oldest|      | ... |      | newest |   each as Status
//	    +------+------+-----+------+--------+
type Flapping struct {
	Ring   uint64 `json:"ring,omitempty"`
	Active bool   `json:"active,omitempty"`

	Noted time.Time `json:"-"` // when the newest state went into the ring
}

// flapStates is how many states the ring holds.
const flapStates = 21

// Percent is how much the state changed: the share of changes among the 20
// pairs of neighbours, of which the oldest weighs 0.75, the newest 1.25, and
// those between in proportion. (Nagios' manual says 0.8 to 1.2; its program
// computes this, and so do we, in the same order, to the last bit.)
func (f Flapping) Percent() float64 {
	var changes float64
	for pair := range flapStates - 1 {
		newer := f.Ring >> (2 * (flapStates - 2 - pair))
		if newer&3 != newer>>2&3 {
			changes += float64(pair)*(1.25-0.75)/(flapStates-2) + 0.75
		}
	}
	return changes * 100 / (flapStates - 1)
}

// note puts a state into the ring. The same one again goes in only when it is
// time for another point.
func (f *Flapping) note(s Status, now time.Time, every time.Duration) {
	if again := Status(f.Ring&3) == s; due(&f.Noted, now, every) || !again {
		f.Noted = now
		f.Ring = (f.Ring<<2 | uint64(s&3)) & (1<<(2*flapStates) - 1)
	}
}

// judge says whether a state flaps, by what it did before where the percentage
// lies between the thresholds.
func (f *Flapping) judge(p Flap) {
	switch percent := f.Percent(); {
	case percent <= p.Low:
		f.Active = false
	case percent >= p.High:
		f.Active = true
	}
}

// flap brings the memory of changes forward, and makes a transition, or adds
// to the one of this step, where flapping starts or ends.
func (s State) flap(p Policy, r Reading, now time.Time, t *Transition) (State, *Transition) {
	before := s.Flapping.Active
	switch {
	case p.Flap == (Flap{}):
		s.Flapping = Flapping{}
	case !s.Soft():
		s.Flapping.note(s.Status, now, p.point())
		s.Flapping.judge(p.Flap)
	}
	if s.Flapping.Active == before {
		return s, t
	}
	if t == nil {
		t = s.transition(p, s.Hard, r, now)
	}
	t.Flap, t.Text = FlapStart, fmt.Sprintf("flapping, %.1f %% state change: %s", s.Flapping.Percent(), r.Text)
	if before {
		t.Flap, t.Text = FlapEnd, "flaps no more: "+r.Text
	}
	return s, t
}
