package autoscale

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What is applied in a dry run is carried out once, to its end: an unclear
// launch is asked for again, what drains is terminated, and nothing more is done.
func TestApplyCarriesOutOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5000)
		w.setDemand(2)
		w.faults = []fault{lostAfter}
		conf := web()
		conf.Groups[0].Mode, conf.Groups[0].Drain = DryRun, 20*time.Second
		l := w.live(conf)
		time.Sleep(3 * time.Second)
		if _, err := l.Apply(t.Context(), "web", "above:2-4", "ops"); !errors.Is(err, ErrChanged) {
			t.Error(err)
		}
		d, err := l.Apply(t.Context(), "web", "below-min:0-2", "ops")
		if err != nil || d.ID == "" || d.Who != "ops" {
			t.Fatalf("%+v, %v", d, err)
		}
		time.Sleep(2 * time.Minute)
		r, err := l.Record("web", d.ID)
		if err != nil || r.Outcome != "done" || len(r.Calls) != 2 || !r.Calls[1].Again || w.count() != 2 {
			t.Errorf("%d instances, %+v, %v", w.count(), r, err)
		}
		if _, err := l.Apply(t.Context(), "web", "", "ops"); !errors.Is(err, ErrNothing) {
			t.Error(err)
		}
		w.setDemand(40)
		time.Sleep(time.Minute)
		if w.count() != 2 {
			t.Errorf("%d instances, nobody asked for more than two", w.count())
		}
		if _, err := l.Apply(t.Context(), "web", "", "night"); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Minute)
		if w.count() != 10 {
			t.Errorf("%d instances, 10 were applied", w.count())
		}
		w.setDemand(2)
		time.Sleep(3 * time.Minute)
		if d, err = l.Apply(t.Context(), "web", "", "night"); err != nil || d.Direction != In {
			t.Error(d, err)
		}
		time.Sleep(2 * time.Minute)
		if w.count() != d.To {
			t.Errorf("%d instances, %d should be left", w.count(), d.To)
		}
		deeds, err := l.Audit("web")
		if err != nil || len(deeds) != 4 || deeds[0].By != "night" || !strings.HasPrefix(deeds[2].Text, "applied 0 -> 2: capacity 0") {
			t.Errorf("%+v, %v", deeds, err)
		}
		l.stop()
	})
}

func TestApplyIsRefusedInAGroupThatActs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5000)
		l := w.live(web())
		if _, err := l.Apply(t.Context(), "web", "", "ops"); !errors.Is(err, ErrNothing) {
			t.Error(err)
		}
		if _, err := l.Apply(t.Context(), "nosuch", "", "ops"); !errors.Is(err, ErrNoGroup) {
			t.Error(err)
		}
		l.stop()
	})
}
