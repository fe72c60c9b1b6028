package autoscale

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestGuardBreaker: calls that fail in a row open a breaker, that all see; one
// trial at a time; the first good call closes it.
func TestGuardBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		for range 40 {
			w.faults = append(w.faults, throttled)
		}
		l := w.live(web())
		defer l.stop()
		states, calls := map[string]bool{}, 0
		for range 10 * 60 * 5 {
			time.Sleep(200 * time.Millisecond)
			v, _ := l.View("web")
			for _, b := range v.Breakers {
				states[b.State] = true
			}
		}
		w.mu.Lock()
		calls = w.calls
		w.faults = nil
		w.mu.Unlock()
		if !states["open"] || l.Stats()["breaker_opened"] != 1 || calls > 15 {
			t.Errorf("states seen %v, opened %d times, %d calls in 10 minutes; want open, once, and few", states, l.Stats()["breaker_opened"], calls)
		}
		time.Sleep(5 * time.Minute)
		if v, _ := l.View("web"); len(v.Breakers) != 0 || w.count() != 2 {
			t.Errorf("%+v and %d instances when calls succeed again", v.Breakers, w.count())
		}
	})
}
