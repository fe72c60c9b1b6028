package autoscale

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rondo/alerts"
	"rondo/rrd"
)

// A sky is what the alerts say, as a test has it.
type sky struct {
	mu     sync.Mutex
	paused string
	says   map[string]alerts.Answer
	fires  []string
}

func (s *sky) Paused(ls rrd.Labels) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paused, s.paused != "" && ls.Get("group") == "web"
}

func (s *sky) Says(rule string, _ alerts.Class, _ rrd.Labels) (alerts.Answer, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.says[rule], "rule " + rule + " is " + s.says[rule].String()
}

func (s *sky) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

var (
	_ Alerts = (*sky)(nil)
	_ Alerts = (*alerts.Engine)(nil)
)

// alarmed starts a group with 6 instances under a sky, and returns a check of
// its instances and of what holds it after a minute.
func alarmed(t *testing.T, w *world, s *sky) (l *life, after func(demand float64, want int, wantCode string)) {
	t.Helper()
	w.alerts, w.deaf = s, []string{"hosts-at-once"}
	w.setDemand(24)
	c := web()
	c.Groups[0].Veto = Veto{Out: []string{"database"}, In: []string{"errors"}}
	l = w.live(c)
	time.Sleep(time.Minute)
	return l, func(demand float64, want int, wantCode string) {
		t.Helper()
		w.setDemand(demand)
		time.Sleep(time.Minute)
		v, _ := l.View("web")
		if w.count() != want || !strings.HasSuffix(v.Last.Code, wantCode) {
			t.Errorf("%d instances, want %d; %s (%s), want %s", w.count(), want, v.Last.Code, v.Last.Held, wantCode)
		}
	}
}

// TestGuardPaused: a downtime that pauses scaling holds both directions, and
// terminations that wait for their drain.
func TestGuardPaused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, s := newWorld(t, 1000), &sky{}
		l, after := alarmed(t, w, s)
		defer l.stop()
		s.set(func() { s.paused = "downtime move" })
		after(48, 6, "above+paused")
		after(2, 6, "below+paused")
		v, _ := l.View("web")
		if v.Last.Held != "downtime move pauses scaling" {
			t.Errorf("held: %s", v.Last.Held)
		}
		s.set(func() { s.paused = "" })
		after(2, 2, "steady")
	})
}

// TestGuardVeto: launching is kept back while a rule fires; retiring while it is
// not certain that it does not.
func TestGuardVeto(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, s := newWorld(t, 1000), &sky{says: map[string]alerts.Answer{}}
		l, after := alarmed(t, w, s)
		defer l.stop()
		s.set(func() { s.says["database"] = alerts.Firing })
		after(48, 6, "above+veto")
		s.set(func() { s.says["database"] = alerts.Unsure })
		after(48, 12, "steady")
		s.set(func() { s.says["errors"] = alerts.Unsure })
		after(4, 12, "below+veto")
		s.set(func() { s.says["errors"] = alerts.Firing })
		after(4, 12, "below+veto")
		s.set(func() { s.says["errors"] = alerts.Quiet })
		after(4, 4, "steady")
	})
}

// TestGuardVanished: where most hosts fell silent at once it is us who do not
// hear, and nothing changes.
func TestGuardVanished(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, s := newWorld(t, 1000), &sky{says: map[string]alerts.Answer{}}
		l, after := alarmed(t, w, s)
		defer l.stop()
		s.set(func() { s.says["hosts-at-once"] = alerts.Firing })
		after(48, 6, "above+vanished")
		after(2, 6, "below+vanished")
		s.set(func() { s.says["hosts-at-once"] = alerts.Quiet })
		after(48, 12, "steady")
	})
}
