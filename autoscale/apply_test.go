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

// TestApplyTwice: what was applied goes on to its end when something else is
// applied meanwhile, over a restart too.
func TestApplyTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5000)
		w.setDemand(40)
		conf := web()
		g := &conf.Groups[0]
		g.Mode, g.Min, g.Drain = DryRun, 1, 3*time.Minute
		l := w.live(conf)
		apply := func() (d Decision) {
			t.Helper()
			d, err := l.Apply(t.Context(), "web", "", "ops")
			if err != nil {
				t.Error(err)
			}
			return d
		}
		time.Sleep(10 * time.Second)
		apply()
		time.Sleep(time.Minute)
		apply()
		time.Sleep(time.Minute)
		w.setDemand(9)
		time.Sleep(time.Minute)
		first := apply()
		w.setDemand(5)
		time.Sleep(30 * time.Second)
		second := apply()
		l.stop()
		l = w.live(conf)
		time.Sleep(10 * time.Minute)
		if first.Direction != In || second.Direction != In || w.count() != second.To {
			t.Errorf("%d instances after %d -> %d and %d -> %d were applied", w.count(), first.From, first.To, second.From, second.To)
		}
		l.stop()
	})
}

// TestApplyAwaitsTheCloud: an application whose victims the cloud is asked about
// first is not refused for that, and is in the books once.
func TestApplyAwaitsTheCloud(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5000)
		w.setDemand(40)
		w.wrap = func(c Cloud) Cloud {
			return warden{c, func([]string) (map[string]string, error) { time.Sleep(2 * time.Second); return nil, nil }}
		}
		conf := web()
		conf.Groups[0].Mode = DryRun
		w.mu.Lock()
		w.add(6, "web", map[string]string{TagGroup: "web"}, 0)
		w.mu.Unlock()
		l := w.live(conf)
		defer l.stop()
		w.setDemand(3)
		time.Sleep(2 * time.Minute)
		d, err := l.Apply(t.Context(), "web", "", "ops")
		if err != nil || d.Direction != In || d.ID == "" {
			t.Errorf("%+v, %v", d, err)
		}
		time.Sleep(time.Minute)
		deeds, err := l.Audit("web")
		if err != nil || len(deeds) != 2 || deeds[0].Ref != d.ID || w.count() != d.To {
			t.Errorf("%d instances, %+v, %v", w.count(), deeds, err)
		}
	})
}
