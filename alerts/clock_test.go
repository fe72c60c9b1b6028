package alerts

import (
	"testing"
	"time"
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
