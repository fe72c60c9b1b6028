package autoscale

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// guard returns what a decision says of one guard rail.
func guard(d Decision, name string) (Guard, bool) {
	i := slices.IndexFunc(d.Guards, func(g Guard) bool { return g.Name == name })
	if i < 0 {
		return Guard{}, false
	}
	return d.Guards[i], true
}

// A decision that acts, or is held, names the guard rails that it passed and
// those that it did not.
func TestGuardsAreInTheDecision(t *testing.T) {
	t.Parallel()
	g := web().Groups[0].WithDefaults()
	in := Input{
		Now: scriptNow, Started: scriptNow.Add(-time.Hour), Last: Change{In, scriptNow.Add(-4 * time.Second)},
		Instances: []Instance{{Phase: InService}, {Phase: InService}},
	}
	for s := range 10 {
		in.Points = append(in.Points, Point{Time: scriptNow.Add(time.Duration(s-9) * time.Second), Value: 8})
	}
	d := Want(g, in)
	var got []string
	for _, w := range d.Guards {
		got = append(got, w.Name+map[bool]string{true: ": ", false: " "}[w.Blocks]+w.Text)
	}
	want := []string{
		"stopped no stop switch is pulled",
		"frozen 0 of 2 instances are silent",
		"overdue 0 launched and never heard of, the limit is 3",
		"cooldown: cooldown for 6s more",
		"reversal: scaled in 4s ago, no reversal within boot time for 4s more",
		"max-launches 0 launched within 10m0s, max_launches is 20: 2 more",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if d.Code != "above+cooldown+reversal" || d.Acts() {
		t.Errorf("code %s, acts %v", d.Code, d.Acts())
	}
}

// TestGuardMaxLaunches: machines that die as soon as they run are launched
// again and again, but not more than max_launches of them within 10 minutes;
// over a restart too.
func TestGuardMaxLaunches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(20) // 5 instances
		c := web()
		c.Groups[0].MaxLaunches = 12
		l := w.live(c)
		began := time.Now()
		for time.Since(began) < 9*time.Minute {
			time.Sleep(15 * time.Second)
			w.mu.Lock()
			for _, id := range w.alive() {
				w.instances[id].ended = time.Now()
			}
			w.mu.Unlock()
			if time.Since(began) == 5*time.Minute {
				l.stop()
				l = w.live(c)
			}
		}
		v, _ := l.View("web")
		if met, _ := guard(v.Last, "max-launches"); w.made != 12 || !met.Blocks || !strings.Contains(v.Last.Code, "max-launches") {
			t.Errorf("%d launched, want 12; last %s: %+v", w.made, v.Last.Code, met)
		}
		time.Sleep(5 * time.Minute)
		l.stop()
		if w.made <= 12 || w.made > 24 {
			t.Errorf("%d launched in 14 minutes, want more than 12, at most 24", w.made)
		}
	})
}

// What was refused for certain was no launch.
func TestGuardMaxLaunchesCountsWhatCame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(8)
		c := web()
		c.Groups[0].MaxLaunches = 3
		for range 6 {
			w.faults = append(w.faults, noRoom)
		}
		l := w.live(c)
		defer l.stop()
		time.Sleep(3 * time.Minute)
		if n := w.count(); n != 2 {
			t.Errorf("%d instances after 6 refusals, want 2", n)
		}
	})
}
