package autoscale

import (
	"cmp"
	"time"
)

// breakerAfter is after how many failures in a row a backoff counts as an open
// breaker, for pages and alarms.
const breakerAfter = 3

// A Breaker says that calls to the cloud fail, one after the other. While it is
// open none is made; then it is half open: the next call is the trial.
//
//	closed --3 failures--> open --wait, doubled each time--> half-open --good--> closed
//	                        ^                                    |
//	                        '------------- fails ----------------'
type Breaker struct {
	State string    `json:"state"` // open or half-open
	Calls string    `json:"calls"` // list, launch or terminate
	Until time.Time `json:"until"` // open until then
	Fails int       `json:"fails"` // in a row
	Why   string    `json:"why"`
}

// breakers lists those that are not closed. Callers hold g.mu.
func (g *group) breakers(now time.Time) (out []Breaker) {
	for _, b := range []struct {
		calls string
		*backoff
	}{{"list", &g.outage}, {"launch", &g.launching}, {"terminate", &g.ending}} {
		if b.n < breakerAfter {
			continue
		}
		state := "open"
		if b.left(now) == 0 {
			state = "half-open"
		}
		out = append(out, Breaker{state, b.calls, b.until, b.n, b.why})
	}
	return out
}

// failed lengthens a backoff, and counts the breaker that it opens.
func (g *group) failed(b *backoff, now time.Time, err error) {
	b.fail(now, err)
	if b.n == breakerAfter {
		g.counts.add("breaker_opened", 1)
		g.log.Warn("calls fail, one after the other", "last", cmp.Or(b.why, err.Error()))
	}
}
