package autoscale

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestBootOf: what is known of a group's boots, given as "type zone image
// seconds,seconds...".
func TestBootOf(t *testing.T) {
	t.Parallel()
	f := func(want string, kinds ...string) {
		t.Helper()
		m := newMemory()
		for _, text := range kinds {
			w := strings.Fields(text)
			for i, s := range strings.Split(w[3], ",") {
				var b Boot
				b.Type, b.Zone, b.Image = w[0], w[1], w[2]
				if _, err := fmt.Sscan(s, &b.Seconds); err != nil {
					t.Fatal(err)
				}
				m.learn(b, time.Unix(int64(i), 0))
			}
		}
		boot, known := m.bootOf("ami-1")
		if got := fmt.Sprintf("%s %d", span(boot), known); got != want {
			t.Errorf("%s: %s, want %s", kinds, got, want)
		}
	}
	f("0s 0")
	f("0s 0", "t a ami-1 90,90,90,90")
	f("1m32s 5", "t a ami-1 90,91,92,80,81")
	f("1m39s 10", "t a ami-1 90,91,92,93,94,95,96,97,99,400")             // one that lagged is not the rule
	f("1m40s 5", "t a ami-1 50,50,50,50,50", "t b ami-1 99,99,99,100,99") // the slowest zone
	f("50s 6", "t a ami-1 50,50,50", "t b ami-1 50,50,50")                // all, where no kind has enough
	f("50s 5", "t a ami-1 50,50,50,50,50", "t a ami-2 200,200,200,200,200")
	f("3m20s 6", "t a ami-1 50", "t a ami-2 200,200,200,200,200") // better than nothing: the image before
	f("5s 5", "t a ami-1 1,1,1,1,1")
}

// TestLearnIsBounded: the newest boots of the newest kinds.
func TestLearnIsBounded(t *testing.T) {
	t.Parallel()
	m := newMemory()
	for i := range 100 {
		m.learn(Boot{Image: "ami-1", Seconds: float64(i)}, time.Unix(int64(i), 0))
	}
	if b := m.Boots["  ami-1"].Seconds; len(b) != bootsKept || b[0] != 50 {
		t.Errorf("%d boots from %v on", len(b), b[0])
	}
	for i := range 100 {
		m.learn(Boot{Type: fmt.Sprint(i), Seconds: 1}, time.Unix(1000+int64(i), 0))
	}
	if _, old := m.Boots["  ami-1"]; len(m.Boots) != kindsKept || old {
		t.Errorf("%d kinds, the oldest is there: %v", len(m.Boots), old)
	}
}

// TestBootIsLearnt: instances are heard of after 6 s, and the group's 40 s are
// forgotten; over a restart too. What was launched before a restart teaches
// nothing: nobody listened.
func TestBootIsLearnt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		c := web()
		c.Groups[0].Boot = 40 * time.Second
		c.Groups[0].Launch.Type = "c7g.large"
		w.setDemand(20)
		l := w.live(c)
		time.Sleep(3 * time.Second)
		if v, _ := l.View("web"); v.Boot != 40 || v.BootsKnown != 0 {
			t.Errorf("boot %v from %d at first", v.Boot, v.BootsKnown)
		}
		l.stop() // two boot while nobody looks
		time.Sleep(20 * time.Second)
		l = w.live(c)
		time.Sleep(2 * time.Minute)
		if v, _ := l.View("web"); len(v.Instances) != 5 || v.BootsKnown != 0 {
			t.Errorf("%d instances, boot %v from %d", len(v.Instances), v.Boot, v.BootsKnown)
		}
		w.setDemand(50)
		time.Sleep(time.Minute)
		v, _ := l.View("web")
		if v.Boot < 6 || v.Boot > 8 || v.BootsKnown != 11 {
			t.Errorf("boot %v from %d, want 6 to 8 s from 11", v.Boot, v.BootsKnown)
		}
		l.stop()
		l = w.live(c)
		defer l.stop()
		again, _ := l.View("web")
		if again.Boot != v.Boot || again.BootsKnown != v.BootsKnown {
			t.Errorf("after a restart: boot %v from %d, before %v from %d", again.Boot, again.BootsKnown, v.Boot, v.BootsKnown)
		}
		heard := 0
		for r := range w.store.After(0) {
			e, err := decodeEntry(r.Value)
			if err != nil {
				t.Fatal(err)
			}
			if e.Kind != KindHeard {
				continue
			}
			heard++
			want := Boot{Image: "ami-1", Type: "c7g.large", Zone: e.Boot.Zone, Seconds: e.Boot.Seconds}
			if d := cmp.Diff(&want, e.Boot); d != "" || len(e.Instances) != 1 || e.Boot.Zone == "" {
				t.Errorf("%s, of %v", d, e.Instances)
			}
		}
		if heard != 11 {
			t.Errorf("%d entries, want one for each", heard)
		}
	})
}

// TestBootAsWritten: learn: false.
func TestBootAsWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		c := web()
		c.Groups[0].Learn = new(false)
		w.setDemand(40)
		l := w.live(c)
		defer l.stop()
		time.Sleep(2 * time.Minute)
		if v, _ := l.View("web"); len(v.Instances) != 10 || v.Boot != 8 || v.BootsKnown != 0 {
			t.Errorf("%d instances, boot %v from %d", len(v.Instances), v.Boot, v.BootsKnown)
		}
	})
}

// TestLearntBootRules: what was learnt is the forecast's horizon and the time
// without reversal, and is said.
func TestLearntBootRules(t *testing.T) {
	t.Parallel()
	g, in := tracked(func(time.Duration) float64 { return 7 }, 14)
	in.BootsKnown, g.Boot = 17, 94*time.Second
	in.Last = Change{Out, in.Now.Add(-time.Minute)}
	d := Want(g, in)
	const known = "(boot 1m34s, learnt from 17)"
	if !strings.Contains(d.Reason, "in 1m34s for 7") || !strings.Contains(d.Reason, known) || !strings.Contains(d.Held, "for 34s more "+known) {
		t.Errorf("%s; %s", d.Reason, d.Held)
	}
}
