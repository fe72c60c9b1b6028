package fleet

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rondo/alerts/state"
)

// TestLastWords: what of a host's log is still to come, by how long ago it began
// to drain and logged last. Times are before now.
func TestLastWords(t *testing.T) {
	const never = time.Duration(-1)
	for _, tc := range []struct {
		what                    string
		listening, since, newly time.Duration // since we listen, since it drains, since its newest line
		agent                   *Agent
		reported                time.Duration
		want                    string // part of it; "" where nothing is to come
	}{
		{"logs and drains now", time.Hour, 0, 0, nil, 0, "a silence of 5s is awaited"},
		{"may be about to log that it stops", time.Hour, 4 * time.Second, time.Minute, nil, 0, "a silence of 5s"},
		{"said something a moment ago", time.Hour, time.Minute, 4 * time.Second, nil, 0, "line came 4s ago"},
		{"is silent", time.Hour, time.Minute, 5 * time.Second, nil, 0, ""},
		{"logs seldom", time.Hour, 0, 11 * time.Minute, nil, 0, ""},
		{"never logs", time.Hour, 0, never, nil, 0, ""},
		{"not since our start", time.Minute, 30 * time.Second, 2 * time.Minute, nil, 0, "since rondo's start 1m0s ago"},
		{"not since our start, a while ago", 10 * time.Minute, time.Minute, 12 * time.Minute, nil, 0, ""},
		{"never, and we have just started", time.Minute, 30 * time.Second, never, nil, 0, ""},
		{"its agent was heard before", time.Hour, 3 * time.Second, 0, &Agent{}, 5 * time.Second, "yet to say"},
		{"its agent has sent all, and goes on", time.Hour, 30 * time.Second, 0, &Agent{Lag: 4000}, 5 * time.Second, ""},
		{"its agent is behind", time.Hour, 30 * time.Second, time.Minute, &Agent{Lag: 5 << 20}, 5 * time.Second, "holds 5120 kB"},
		{"its agent is dead", time.Hour, 2 * time.Minute, 2 * time.Minute, &Agent{Lag: 5 << 20}, time.Minute, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t, state.NewMemory(), Options{})
			time.Sleep(tc.listening)
			now := time.Now()
			f.Report("web-1", "web", "i-1", Agent{})
			f.hosts["web-1"].Agent = nil
			if tc.newly != never {
				f.Logged("web-1.example.com", now.Add(-tc.newly))
			}
			if tc.agent != nil {
				a := *tc.agent
				a.Seen = now.Add(-tc.reported)
				f.Report("web-1", "web", "i-1", a)
			}
			got := f.LastWords("i-1", now.Add(-tc.since))
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("%s: %q, want %q", tc.what, got, tc.want)
			}
			if got := f.LastWords("nobody", now); got != "" {
				t.Errorf("of a host that nobody knows: %q", got)
			}
		})
	}
}

// TestArrivals: who waits for a host is told with the poll that hears it, once,
// and again after it was silent.
func TestArrivals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, state.NewMemory(), Options{})
		h := heads{}
		hears := func(want bool) {
			t.Helper()
			h.set(t, time.Now(), "load1", "host", "web-1")
			f.poll(h, 0, time.Now())
			if got := f.arrivals(); got != want {
				t.Errorf("arrived: %v, want %v", got, want)
			}
		}
		hears(true)
		time.Sleep(10 * time.Second)
		hears(false)
		time.Sleep(2 * time.Minute)
		hears(true)
		time.Sleep(time.Second)
		f.Withdraw("web-1", "retired")
		time.Sleep(time.Second)
		hears(true) // another one of its name, or it was not retired after all
	})
}
