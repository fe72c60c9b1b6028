package redirect

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestAccountCounts holds an account against a list of all sessions. Cookies
// move on only when their slot is over, as in the redirector.
func TestAccountCounts(t *testing.T) {
	const width = time.Second
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1000, 0)
		a := &account{since: now}
		var cookies []time.Time // the newest request that each session's cookie tells of
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			if i := rapid.IntRange(-1, len(cookies)-1).Draw(t, "session"); i < 0 {
				a.begin(now, width)
				cookies = append(cookies, now)
			} else if slotOf(cookies[i], width) >= slotOf(now, width)-slots && a.moveOn(cookies[i], now, width) {
				cookies[i] = now
			}
			want := 0
			for _, last := range cookies {
				if slotOf(last, width) >= slotOf(now, width)-slots {
					want++
				}
			}
			if got := a.count(now, width); got != want {
				t.Fatalf("at %v: counted %d, there are %d", now, got, want)
			}
		}
	})
}

// TestAccountReplayed: a cookie that is shown again and again raises no count.
func TestAccountReplayed(t *testing.T) {
	const width = time.Second
	now := time.Unix(1000, 0)
	a := &account{since: now}
	a.begin(now, width)
	for n := range 100 {
		a.moveOn(now, now.Add(time.Duration(n)*width/10), width)
	}
	if got := a.count(now.Add(10*width), width); got != 1 {
		t.Errorf("counted %d, want 1", got)
	}
	// One from before our time is counted when it comes back.
	a.moveOn(now.Add(-10*width), now.Add(10*width), width)
	if got := a.count(now.Add(10*width), width); got != 2 {
		t.Errorf("counted %d, want 2", got)
	}
}
