package alerts

import (
	"testing"
	"time"
)

// TestAnswer: what the classes hear while readings are missing, of a state that
// was critical before, and of one that was OK.
func TestAnswer(t *testing.T) {
	for _, c := range []struct {
		page, launch, terminate Missing
		value                   float64
		want                    [3]Answer
	}{
		{want: [3]Answer{Firing, Unsure, Unsure}},
		{value: 9, want: [3]Answer{Firing, Unsure, Unsure}},
		{page: MissingOK, value: 9, want: [3]Answer{Quiet, Unsure, Unsure}},
		{page: MissingKeep, launch: MissingKeep, terminate: MissingOK, value: 9, want: [3]Answer{Firing, Firing, Quiet}},
		{launch: MissingKeep, terminate: MissingRaise, value: 1, want: [3]Answer{Firing, Quiet, Firing}},
		{page: MissingRaise, launch: MissingKeep, terminate: MissingKeep, value: 1, want: [3]Answer{Firing, Quiet, Quiet}},
	} {
		p := Policy{Critical: &Threshold{5, 5}, Missing: c.page, MissingLaunch: c.launch, MissingTerminate: c.terminate}
		s, _ := Step(p, State{}, Reading{Value: c.value}, epoch)
		if c.value > 5 != (p.Answer(Launch, s) == Firing) || p.Answer(Terminate, s) != p.Answer(Page, s) {
			t.Errorf("%+v: with readings: launch %v", c, p.Answer(Launch, s))
		}
		s, _ = Step(p, s, Reading{Missing: true}, epoch.Add(time.Minute))
		for class, want := range c.want {
			if got := p.Answer(Class(class), s); got != want {
				t.Errorf("%+v: class %d: %v, want %v", c, class, got, want)
			}
		}
	}
	s := State{Flapping: Flapping{Active: true}, Hard: Critical}
	if p := (Policy{}); p.Answer(Launch, s) != Firing || p.Answer(Terminate, s) != Unsure {
		t.Error("a state that flaps is a reason to terminate")
	}
	if s := (State{Hard: Unknown}); (Policy{}).Answer(Launch, s) != Unsure {
		t.Error("what is unknown is a reason to launch")
	}
}
