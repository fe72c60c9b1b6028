package autoscale

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestNoFalseAlarm scales in again and again, with the real fleet, alert engine
// and controller, and rules about silent hosts and about series that end. Machines
// take up to a quarter of an hour to shut down and send samples meanwhile, by
// clocks that may be wrong; their last lines are late; their names are given to
// others; terminations fail, clearly and unclearly; and the server is stopped and
// started in between. Of none that was retired may there be an alarm, ever; of
// each that dies while it is expected there must be one, also where its
// termination had failed.
//
// RONDO_SCALE_INS is of how many there shall be, RONDO_QUIET_SEED repeats a run.
func TestNoFalseAlarm(t *testing.T) {
	t.Parallel()
	want, seed := 100, rand.Uint64()
	if n, err := strconv.Atoi(os.Getenv("RONDO_SCALE_INS")); err == nil {
		want = n
	}
	if n, err := strconv.ParseUint(os.Getenv("RONDO_QUIET_SEED"), 10, 64); err == nil {
		seed = n
	}
	synctest.Test(t, func(t *testing.T) {
		h := newHamlet(t, seed)
		h.begin()
		started, restarts, deaths := time.Now(), 0, 0
		for cycle := 0; h.retired() < want && !t.Failed(); cycle++ {
			h.meet(nil)
			h.setDemand(float64(12 + h.rng.IntN(40)))
			h.pause(90, 150)
			if cycle%3 == 0 {
				h.die(InService)
				deaths++
			}
			if cycle%5 == 4 {
				deaths += h.failThenDie()
			} else {
				h.meet(h.mishaps())
			}
			h.setDemand(1)
			for range h.rng.IntN(3) {
				h.pause(1, 120)
				h.stop()
				h.pause(0, 90)
				h.begin()
				restarts++
			}
			h.pause(60, 420)
			h.quiet()
			h.tidy()
		}
		h.pause(1200, 1200) // until the slowest has shut down
		h.quiet()
		h.stop()
		t.Logf("%d scale-ins and %d deaths in %v, %d restarts, seed %d", h.retired(), deaths, time.Since(started).Round(time.Minute), restarts, seed)
	})
	if t.Failed() {
		t.Logf("again with RONDO_QUIET_SEED=%d", seed)
	}
}

func (h *hamlet) pause(least, most int) {
	time.Sleep(time.Duration(least+h.rng.IntN(most-least+1)) * time.Second)
}

// retired counts the machines that were terminated.
func (h *hamlet) retired() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n = h.tidied
	for _, m := range h.instances {
		if !m.ended.IsZero() && m.silentSince.IsZero() {
			n++
		}
	}
	return n
}

// tidy forgets the machines that are long over, but counts them.
func (h *hamlet) tidy() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, m := range h.instances {
		if m.ended.IsZero() || time.Since(m.ended) < 30*time.Minute {
			continue
		}
		if m.silentSince.IsZero() {
			h.tidied++
		}
		if delete(h.instances, id); h.byDNS[m.PrivateDNS] == m {
			delete(h.byDNS, m.PrivateDNS)
		}
	}
}

// mishaps are what the next changing calls meet.
func (h *hamlet) mishaps() (out []fault) {
	for range h.rng.IntN(4) {
		out = append(out, []fault{fine, throttled, denied, lostBefore, lostAfter, late, page}[h.rng.IntN(7)])
	}
	return out
}

func (h *hamlet) views() []Instance {
	h.t.Helper()
	v, err := h.ctl.View("web")
	if err != nil {
		h.t.Fatal(err)
	}
	return v.Instances
}

// quiet looks that nothing was told.
func (h *hamlet) quiet() {
	h.t.Helper()
	for _, tr := range h.alarm.take() {
		h.t.Errorf("%s: %s of %v: %s", tr.At.Format(time.TimeOnly), tr.Rule, tr.Labels, tr.Text)
	}
}

// die has one machine in a phase die, and looks that this alone is told.
func (h *hamlet) die(phase Phase) {
	h.t.Helper()
	h.quiet()
	v := h.views()
	at := slices.IndexFunc(v, func(i Instance) bool { return i.Phase == phase })
	if at < 0 {
		h.t.Fatalf("none is %s: %v", phase, v)
	}
	name, _, _ := strings.Cut(v[at].PrivateDNS, ".")
	h.mu.Lock()
	h.instances[v[at].ID].silentSince = time.Now()
	h.mu.Unlock()
	time.Sleep(4 * time.Minute)
	told := 0
	for _, tr := range h.alarm.take() {
		if host := tr.Labels.Get("host"); host != name {
			h.t.Errorf("%s: %s of %v: %s; %s alone has died", tr.At.Format(time.TimeOnly), tr.Rule, tr.Labels, tr.Text, v[at].PrivateDNS)
		} else if tr.Rule == "host-silent" {
			told++
		}
	}
	if told != 1 {
		h.t.Errorf("%s: %s died while it was %s, told %d times", time.Now().Format(time.TimeOnly), v[at].PrivateDNS, phase, told)
	}
}

// failThenDie has terminations refused, and one of those that were to go die.
func (h *hamlet) failThenDie() (deaths int) {
	h.t.Helper()
	h.setDemand(1)
	h.meet(slices.Repeat([]fault{denied}, 1000))
	defer h.meet(nil)
	for end := time.Now().Add(10 * time.Minute); !slices.ContainsFunc(h.views(), func(i Instance) bool { return i.Phase == Draining }); time.Sleep(time.Second) {
		if time.Now().After(end) {
			return 0 // what was to be launched was not yet
		}
	}
	time.Sleep(90 * time.Second) // it has drained, and its termination was tried
	h.die(Draining)
	return 1
}

// meet has the next changing calls meet faults.
func (h *hamlet) meet(faults []fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = faults
}
