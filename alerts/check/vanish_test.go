package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rondo/alerts"
	"rondo/alerts/fleet"
	"rondo/alerts/state"
)

func TestVanished(t *testing.T) {
	// Silences in seconds; 60 and less are none, within 30 of each other are at once.
	f := func(silences string, want string) {
		t.Helper()
		var ds []time.Duration
		for s := range strings.FieldsSeq(silences) {
			var n, times int
			if _, err := fmt.Sscanf(s, "%dx%d", &times, &n); err != nil {
				t.Fatal(err)
			}
			ds = append(ds, slices.Repeat([]time.Duration{time.Duration(n) * time.Second}, times)...)
		}
		w := vanished(ds, time.Minute, 30*time.Second)
		if got := fmt.Sprintf("%d/%d %.0f%%", w.hosts, w.alive, w.share()); got != want {
			t.Errorf("%s: got %s, want %s", silences, got, want)
		}
	}
	f("", "0/0 0%")
	f("50x5", "0/50 0%")
	f("3x90 1x5", "0/4 0%") // a few may by chance
	f("4x90 1x5", "4/5 80%")
	f("40x90 10x5", "40/50 80%")
	f("40x61 10x60", "40/50 80%")
	f("20x61 20x85 10x5", "40/50 80%")
	f("20x61 20x92 10x5", "20/30 67%") // one wave, and another; those that died before are not counted
	f("90x86400 4x90 6x5", "90/100 90%")
	f("1x400 1x300 1x200 1x100 6x5", "0/10 0%") // one by one
}

// hostsNow are hosts that a test lets speak and be silent.
type hostsNow struct {
	mu    sync.Mutex
	start time.Time
	hosts []fleet.Host
}

func (h *hostsNow) Hosts() []fleet.Host {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.hosts)
}

func (h *hostsNow) Started() time.Time { return h.start }

// speak has the hosts from one to another heard of now.
func (h *hostsNow) speak(from, to int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := from; i < to; i++ {
		h.hosts[i].LastSeen = time.Now()
	}
}

// A teller remembers what it was told.
type teller struct {
	mu   sync.Mutex
	told []string
}

func (r *teller) Act(_ context.Context, t alerts.Transition) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, strings.Join(strings.Fields(fmt.Sprint(t.Rule, " ", t.Labels.Get("host"), " ", t.To)), " "))
	return nil
}

func (r *teller) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.told)
	text := strings.Join(r.told, ", ")
	r.told = nil
	return text
}

// TestHostsVanish lets 40 of 50 hosts fall silent at once, 38 of them come
// back, and one of those die by itself later.
func TestHostsVanish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hostsNow{start: time.Now()}
		for i := range 50 {
			h.hosts = append(h.hosts, fleet.Host{ID: fmt.Sprintf("web-%02d", i), Group: "web", FirstSeen: time.Now()})
		}
		h.speak(0, 50)
		c := Config{Hosts: []Freshness{{Common: Common{Name: "silent", Interval: 5 * time.Second}, Silent: time.Minute}}}
		rules, err := c.Build(Sources{Hosts: h})
		if err != nil {
			t.Fatal(err)
		}
		parents, err := c.Dependencies()
		if err != nil {
			t.Fatal(err)
		}
		tell := &teller{}
		e, err := alerts.NewEngine(alerts.Options{Store: state.NewMemory(), Muting: alerts.Muting{Parents: parents}}, rules, []alerts.Target{{Name: "x", Action: tell}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- e.Run(ctx) }()
		pass := func(d time.Duration, from, to int, want string) {
			t.Helper()
			for range int(d / (5 * time.Second)) {
				h.speak(from, to)
				time.Sleep(5 * time.Second)
			}
			synctest.Wait()
			if got := tell.take(); got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		}
		pass(5*time.Minute, 0, 50, "")
		pass(5*time.Minute, 0, 10, "silent-at-once critical")
		pass(5*time.Minute, 0, 48, "silent web-48 critical, silent web-49 critical, silent-at-once ok")
		pass(5*time.Minute, 0, 50, "silent web-48 ok, silent web-49 ok")
		pass(5*time.Minute, 1, 50, "silent web-00 critical")
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
