package alerts

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"rondo/rrd"
)

// TestNext says when a state wants to be looked at again.
func TestNext(t *testing.T) {
	p := Policy{Critical: &Threshold{5, 5}, MaxAttempts: 2, Retry: 10 * time.Second, For: 45 * time.Second, ClearFor: 5 * time.Second}
	var s State
	for _, c := range []struct {
		at    time.Duration
		value float64
		want  time.Duration
	}{
		{0, 1, time.Minute},
		{60 * time.Second, 9, 10 * time.Second},  // soft
		{70 * time.Second, 9, 10 * time.Second},  // attempts are used up, 35 s to go
		{100 * time.Second, 9, 5 * time.Second},  // five of them
		{105 * time.Second, 9, time.Minute},      // hard
		{165 * time.Second, 1, 5 * time.Second},  // clearing
		{170 * time.Second, 1, time.Minute},      // over
		{230 * time.Second, 9, 10 * time.Second}, // and again
	} {
		now := epoch.Add(c.at)
		s, _ = Step(p, s, Reading{Value: c.value}, now)
		if got := p.Next(s, now, time.Minute); got != c.want {
			t.Errorf("at %v: %v, want %v", c.at, got, c.want)
		}
	}
}

// TestClockSteps: whatever the machine's clock does between two readings, and
// however long nobody watched, no level is raised before every reading was
// beyond for as long as it must be, in true time that was watched; none ends
// before every reading was cleared for as long; and both happen after at most as
// long again.
func TestClockSteps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Policy{
			Critical: &Threshold{5, 5}, Gap: time.Minute,
			For:      time.Duration(rapid.IntRange(0, 20).Draw(t, "for")) * time.Second,
			ClearFor: time.Duration(rapid.IntRange(0, 20).Draw(t, "clear_for")) * time.Second,
		}
		var s State
		var step time.Duration // what the clock shows more than it should
		var held time.Duration // true time in which every reading was as the newest
		value, stepped := 0.0, false
		now := epoch
		for range rapid.IntRange(1, 80).Draw(t, "readings") {
			wait := time.Duration(rapid.IntRange(1, 4).Draw(t, "wait")) * time.Second
			if held += wait; rapid.IntRange(0, 9).Draw(t, "turns") == 0 || now.Equal(epoch) {
				value, held, stepped = 9-value, 0, false
			}
			switch rapid.IntRange(0, 15).Draw(t, "happens") {
			case 0:
				step, stepped = step+time.Hour, true
			case 1:
				step, stepped = step-time.Hour, true
			case 2:
				wait, held, stepped = time.Hour, 0, false
			}
			now = now.Add(wait)
			before := s.Hard
			s, _ = Step(p, s, Reading{Value: value}, now.Add(step))
			bad := value > 5
			switch must := map[bool]time.Duration{true: p.For, false: p.ClearFor}[bad]; {
			case s.Hard != before && held < must:
				t.Fatalf("%v after %v, want %v", s.Hard, held, must)
			case (s.Hard == OK) == bad && held >= must && !stepped:
				t.Fatalf("%v is still %v after %v, want %v", value, s.Hard, held, must)
			}
		}
		for range 21 {
			now = now.Add(time.Second)
			s, _ = Step(p, s, Reading{Value: value}, now.Add(step))
		}
		if (s.Hard == OK) == (value > 5) {
			t.Fatalf("%v is %v for ever", value, s.Hard)
		}
	})
}

// FuzzRecord: whatever the store holds as a state can be gone on from.
func FuzzRecord(f *testing.F) {
	p := Policy{Rule: "r", Critical: &Threshold{5, 4}, Of: Of{2, 3}, Flap: Flap{5, 20}, Interval: time.Second}
	rec := record{labels: rrd.Labels{{Name: "host", Value: "a"}}}
	for i, v := range []float64{1, 9, 9, 1, 9} {
		rec.state, rec.last = Step(p, rec.state, Reading{Labels: rec.labels, Value: v}, epoch.Add(time.Duration(i)*time.Second))
		b, err := rec.encode("r")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		rule, rec, err := decodeRecord(b)
		if err != nil {
			return
		}
		encoded, err := rec.encode(rule)
		if err != nil {
			return // years beyond what JSON has
		}
		if _, again, err := decodeRecord(encoded); err != nil || again.state.stored() != rec.state.stored() {
			t.Fatalf("%s\nis %+v\nnot %+v, %v", encoded, again.state, rec.state, err)
		}
		for i, v := range []float64{9, 9, 9, 1, 1, 1} {
			rec.state, _ = Step(p, rec.state, Reading{Labels: rec.labels, Value: v}, epoch.Add(time.Duration(i)*time.Hour))
		}
		if rec.state.Status != OK || rec.state.Hard != OK {
			t.Fatalf("%s\nis not over: %+v", b, rec.state)
		}
	})
}
