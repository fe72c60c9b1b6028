package autoscale

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rondo/alerts"
)

// TestRandomRefreshes replaces a group's instances while all goes wrong: the
// controller is killed at random records, calls and moments, calls fail in all
// ways, the image changes in the middle, the load comes and goes, alarms fire,
// people pause, resume, back out and abort; in every second run instances also
// end by themselves, stay pending, or are never heard of.
//
// No step retires more than a batch, nor leaves fewer than min; what is launched
// changes no more often than the configuration and the back-outs ask for; and in
// the end all instances are what the configuration asks for.
//
// RONDO_CRASH_RUNS sets the number of runs, RONDO_CRASH_SEED repeats one.
func TestRandomRefreshes(t *testing.T) {
	t.Parallel()
	runs, first := runsOf(t, 25)
	crashes, steps := 0, 0
	for n := range uint64(runs) {
		seed := first + n
		synctest.Test(t, func(t *testing.T) {
			r := newRefreshRun(t, seed)
			r.run()
			crashes, steps = crashes+r.crashes, steps+r.steps
			if t.Failed() {
				t.Logf("again with RONDO_CRASH_SEED=%d", seed)
			}
		})
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("%d runs from seed %d: %d crashes, %d steps of refreshes", runs, first, crashes, steps)
}

// A refreshRun is one world in which instances are replaced.
type refreshRun struct {
	crashRun
	sky   *sky
	batch int

	steps   int // launches and drains of refreshes
	turns   int // what may change the template that is launched
	changes int // and how often it changed
	last    string
}

func newRefreshRun(t *testing.T, seed uint64) *refreshRun {
	r := &refreshRun{crashRun: *newCrashRun(t, seed), sky: &sky{says: map[string]alerts.Answer{}}}
	r.w.limit = 1 << 30 // of a refresh more are launched than the load needs
	r.w.alerts, r.w.note = r.sky, r.note
	r.batch = 1 + r.rng.IntN(4)
	r.conf = renewed("ami-1")
	g := &r.conf.Groups[0]
	g.Max = 8 + r.rng.IntN(6)
	g.Drain = time.Duration(r.rng.IntN(2)*r.rng.IntN(20)) * time.Second
	g.Refresh.Canary, g.Refresh.Batch = 1+r.rng.IntN(2), Portion{N: r.batch}
	g.Refresh.Timeout = 30 * time.Minute
	if r.rng.IntN(3) == 0 {
		g.Refresh.When = WhenAsked
	}
	return r
}

// note holds each entry against the laws. Callers hold w.mu.
func (r *refreshRun) note(e Entry) {
	own := e.Decision != nil && e.Decision.Refresh != ""
	if own && (e.Kind == KindLaunch || e.Kind == KindDrain) {
		r.steps++
	}
	switch {
	case e.Kind == KindRefresh && (e.Refresh.New != nil || e.Refresh.State == BackingOut || e.Refresh.State == RefreshAbort), e.Kind == KindConfig:
		r.turns++
	case e.Kind == KindDrain && own && len(e.Instances) > max(r.batch, r.conf.Groups[0].Refresh.Canary):
		r.w.t.Errorf("%d are retired at once, batch is %d: %s", len(e.Instances), r.batch, e.Decision.Reason)
	case e.Kind == KindDrain && own && e.Decision.Code == codeRetire && e.Decision.To < r.conf.Groups[0].Min:
		r.w.t.Errorf("%d are left, min is %d: %s", e.Decision.To, r.conf.Groups[0].Min, e.Decision.Reason)
	case e.Kind == KindLaunch:
		if digest := e.Launch.Template.Digest(); digest != r.last {
			r.last = digest
			r.changes++
		}
		if r.changes > r.turns+1 {
			r.w.t.Errorf("%d changes of what is launched, for %d reasons", r.changes, r.turns)
		}
	}
}

func (r *refreshRun) run() {
	need := 3 + r.rng.IntN(5)
	r.w.setDemand(float64(4 * need))
	for range 2 + r.rng.IntN(4) {
		r.refreshLife()
		if r.rng.IntN(3) == 0 {
			need = 3 + r.rng.IntN(5)
			r.w.setDemand(float64(4 * need))
		}
		if r.rng.IntN(2) == 0 {
			r.conf.Groups[0].Launch.Image = fmt.Sprintf("ami-%d", 1+r.rng.IntN(3))
		}
	}
	r.w.repair()
	r.sky.set(func() { r.sky.fires = nil })
	l := r.w.live(r.conf)
	defer l.stop()
	r.w.setDemand(float64(4 * need))
	r.ended(l)
	if _, _, err := OpenJournal(r.w.store); err != nil {
		r.w.t.Error(err)
	}
}

// refreshLife is one controller, with people and alarms beside it.
func (r *refreshRun) refreshLife() {
	l := make(chan *life, 1)
	r.w.born = func(of *life) { l <- of }
	for range 1 + r.rng.IntN(4) {
		after, what := time.Duration(r.rng.IntN(120))*time.Second, r.rng.IntN(8)
		time.AfterFunc(after, func() { r.meddle(<-l, what, l) })
	}
	r.crashRun.w.slow = 3 // lives are longer than those of a scale-out
	r.life()
	r.w.born = nil
}

// meddle is what people and alarms do to a refresh.
func (r *refreshRun) meddle(l *life, what int, back chan *life) {
	defer func() { back <- l }()
	ctx := context.Background()
	switch what {
	case 0, 1:
		_ = l.RefreshGroup(ctx, "web", "ann")
	case 2:
		_ = l.PauseRefresh(ctx, "web", "ann")
	case 3:
		_ = l.ResumeRefresh(ctx, "web", "ann")
	case 4:
		_ = l.BackOutRefresh(ctx, "web", "ann")
	case 5:
		_ = l.AbortRefresh(ctx, "web", "ann")
	case 6:
		r.sky.set(func() { r.sky.fires = []string{"errors"} })
	case 7:
		r.sky.set(func() { r.sky.fires = nil })
	}
}

// ended sees that all are replaced, once somebody asks where that is wanted.
func (r *refreshRun) ended(l *life) {
	var trouble string
	for range 600 {
		time.Sleep(10 * time.Second)
		v := l.refresh()
		fresh, stale := r.w.images(r.conf)
		gone := slices.Contains([]RefreshState{BackedOut, RefreshAbort, RefreshDone, ""}, v.State)
		if stale == 0 && gone {
			return
		}
		trouble = fmt.Sprintf("%d new, %d old: %s, %d outdated: %s; %s", fresh, stale, v.State, v.Outdated, v.Step, v.history())
		switch {
		case v.State == RefreshPaused:
			_ = l.ResumeRefresh(context.Background(), "web", "the end")
		case gone && v.Outdated > 0:
			if err := l.RefreshGroup(context.Background(), "web", "the end"); err != nil && !strings.Contains(err.Error(), "no instance") {
				trouble += "; " + err.Error()
			}
		}
	}
	view, _ := l.View("web")
	r.w.t.Errorf("%s; last: %s (%s)", trouble, view.Last.Reason, view.Last.Held)
}

// TestRefreshCrashAtSteps stops a controller at every record that it writes and
// every call that it makes while it replaces three instances, with each fault at
// each of the calls; make test takes a sample of all pairs.
func TestRefreshCrashAtSteps(t *testing.T) {
	t.Parallel()
	records, calls := 0, 0
	synctest.Test(t, func(t *testing.T) { records, calls = refreshAtSteps(t, stop{}, 0, fine) })
	every := 301
	if os.Getenv("RONDO_CRASH_RUNS") != "" {
		every = 1
	}
	runs, n := 0, rand.IntN(every)
	for at := range max(records, calls) {
		for _, s := range []stop{{records: at + 1}, {records: at + 1, after: true}, {calls: at + 1}, {calls: at + 1, after: true}} {
			for _, f := range append(allFaults(), fine) {
				for at := range calls {
					if n++; n%every != 0 || s.records > records || s.calls > calls {
						continue
					}
					runs++
					synctest.Test(t, func(t *testing.T) { refreshAtSteps(t, s, at, f) })
					if t.Failed() {
						t.Fatalf("stop %+v, %v at call %d", s, f, at)
					}
				}
			}
		}
	}
	t.Logf("%d runs: %d records and %d calls, before and after each", runs, records, calls)
}

// refreshAtSteps replaces three instances. It returns how many records and calls
// that took.
func refreshAtSteps(t *testing.T, s stop, at int, f fault) (records, calls int) {
	w := newWorld(t, 1000)
	w.floor = 3
	w.setDemand(12)
	l := w.live(renewed("ami-1"))
	time.Sleep(time.Minute)
	l.stop()
	w.mu.Lock()
	w.faults = append(make([]fault, at), f)
	w.mu.Unlock()
	next := renewed("ami-2")
	l = w.live(next)
	w.mu.Lock()
	l.session.appends, l.session.calls, l.session.after = s.records, s.calls, s.after
	w.mu.Unlock()
	for range 360 {
		select {
		case <-l.done:
			time.Sleep(3 * time.Second)
			l = w.live(next)
		case <-time.After(10 * time.Second):
		}
		v := l.refresh()
		if v.State == RefreshDone {
			break
		}
		if v.State == BackedOut { // three requests were refused for good
			_ = l.RefreshGroup(t.Context(), "web", "ann")
		}
	}
	fresh, stale := w.images(next)
	if v := l.refresh(); v.State != RefreshDone || fresh < 3 || fresh > 4 || stale != 0 {
		t.Errorf("%d new, %d old: %s, %s", fresh, stale, v.State, v.history())
	}
	l.stop()
	if s == (stop{}) {
		w.mu.Lock()
		records, calls = -l.session.appends, -l.session.calls
		w.mu.Unlock()
	}
	return records, calls
}
