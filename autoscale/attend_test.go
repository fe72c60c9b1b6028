package autoscale

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A guarded cloud has lifecycle hooks and bounds of its own.
type guarded struct {
	Cloud

	mu          sync.Mutex
	waits       map[string]Transition
	cares       []Care // one after the other, none twice in a row
	least, most int
	said        []string
	err         error
}

func (w *guarded) Instances(ctx context.Context, group string) ([]Instance, error) {
	is, err := w.Cloud.Instances(ctx, group)
	w.mu.Lock()
	defer w.mu.Unlock()
	for n := range is {
		if is[n].Waits = w.waits[is[n].ID]; is[n].Waits == Ending {
			is[n].Phase = Terminating
		}
	}
	return is, err
}

func (w *guarded) Attend(_ context.Context, _ string, c Care) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(c.Keep)
	if len(w.cares) == 0 || !cmp.Equal(w.cares[len(w.cares)-1], c) {
		w.cares = append(w.cares, c)
	}
	return w.err
}

func (w *guarded) Bounds(string) (least, most int, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.least, w.most, w.most > 0
}

func (w *guarded) Remarks(string) []string { return w.said }

func (w *guarded) newest() Care {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cares[len(w.cares)-1]
}

// forget drops what was attended to, and says how often that was.
func (w *guarded) forget() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, w.cares = len(w.cares), nil
	return n
}

func (w *guarded) wait(id string, at Transition) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waits[id] = at
}

// inGuarded runs a test of a group that has 2 instances, in a guarded.
func inGuarded(t *testing.T, change func(*Config, *guarded), f func(*world, *guarded, *life)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(1)
		hooked, conf := &guarded{waits: map[string]Transition{}}, web()
		if change != nil {
			change(&conf, hooked)
		}
		w.wrap = func(s Cloud) Cloud {
			hooked.Cloud = s
			return Clouds{"web": hooked}
		}
		l := w.live(conf)
		defer l.stop()
		time.Sleep(30 * time.Second)
		f(w, hooked, l)
	})
}

func TestInstancesAreKept(t *testing.T) {
	inGuarded(t, nil, func(_ *world, h *guarded, l *life) {
		if d := cmp.Diff(Care{Keep: []string{"i-0001", "i-0002"}}, h.newest()); d != "" {
			t.Error(d)
		}
		for _, name := range []string{"web", Everything} {
			if err := l.Stop(t.Context(), name, "ann"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // for a round that was under way
			h.forget()
			time.Sleep(time.Minute)
			if n := h.forget(); n > 0 {
				t.Errorf("%s is stopped and attended to, %d times", name, n)
			}
			if err := l.Start(t.Context(), name, "ann"); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestDryRunAttendsToNothing(t *testing.T) {
	inGuarded(t, func(c *Config, _ *guarded) { c.Groups[0].Mode = DryRun }, func(_ *world, h *guarded, _ *life) {
		if n := h.forget(); n > 0 {
			t.Errorf("a group that does not act is attended to, %d times", n)
		}
	})
}

// An instance goes on into service when it is heard of.
func TestLaunchingHook(t *testing.T) {
	inGuarded(t, nil, func(w *world, h *guarded, _ *life) {
		h.wait("i-0003", Launching)
		w.setDemand(12)
		for h.newest().Proceed == nil {
			if time.Sleep(time.Second); time.Since(start) > time.Hour {
				t.Fatalf("never heard of: %+v", h.newest())
			}
		}
		if d := cmp.Diff([]string{"i-0003"}, h.newest().Proceed); d != "" {
			t.Error(d)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if m := w.instances["i-0003"]; !w.running(m) {
			t.Error("it went on before it was up")
		}
	})
}

// start is when a bubble's clock starts.
var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// What someone else ends drains as long as the group says, without an alarm.
func TestEndingHook(t *testing.T) {
	inGuarded(t, func(c *Config, _ *guarded) { c.Groups[0].Drain = 20 * time.Second }, func(w *world, h *guarded, _ *life) {
		h.wait("i-0001", Ending)
		time.Sleep(10 * time.Second)
		if c := h.newest(); !slices.Equal(c.Hold, []string{"i-0001"}) || c.Proceed != nil || slices.Contains(c.Keep, "i-0001") {
			t.Errorf("while it drains: %+v", c)
		}
		w.mu.Lock()
		if !w.withdrawn["ip-1.internal"] {
			t.Errorf("its silence will be an alarm: %v", w.withdrawn)
		}
		w.mu.Unlock()
		time.Sleep(15 * time.Second)
		if c := h.newest(); !slices.Equal(c.Proceed, []string{"i-0001"}) || c.Hold != nil {
			t.Errorf("after its drain: %+v", c)
		}
	})
}

func TestAttendFails(t *testing.T) {
	inGuarded(t, func(_ *Config, h *guarded) { h.err = &CallError{Failure: Denied, Err: fmt.Errorf("who?")} }, func(_ *world, _ *guarded, l *life) {
		n := l.Stats()["attend_failed_auth"]
		if n == 0 || n > 6 {
			t.Errorf("%d failures are counted in half a minute, want a few: it backs off", n)
		}
		if v, _ := l.View("web"); v.Last.From != 2 {
			t.Errorf("the group has %d, want 2: a failure to attend holds nothing up", v.Last.From)
		}
	})
}

// The bounds of the cloud are the group's, where they are narrower.
func TestBoundsOfTheCloud(t *testing.T) {
	inGuarded(t, func(_ *Config, h *guarded) { h.least, h.most, h.said = 3, 5, []string{"the pool leaks"} }, func(w *world, _ *guarded, l *life) {
		f := func(demand float64, want int, says string) {
			t.Helper()
			w.setDemand(demand)
			time.Sleep(3 * time.Minute)
			v, _ := l.View("web")
			if v.Last.From != want || !strings.Contains(v.Last.Reason, says) {
				t.Errorf("%d instances, %s; want %d, %s", v.Last.From, v.Last.Reason, want, says)
			}
			if want := "min is 3, the cloud's own, not 2; max is 5, the cloud's own, not 14; the pool leaks"; v.Last.Remarks != want {
				t.Errorf("remarks %s, want %s", v.Last.Remarks, want)
			}
		}
		f(1, 3, "capacity is at min 3")
		f(90, 5, "capacity is at max 5")
		f(1, 3, "capacity is at min 3")
	})
}
