package cloudtest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"rondo/alerts/state"
	"rondo/autoscale"
	"rondo/rrd"
)

// A site is a load that the hosts share, and the fleet that hears them.
type site struct {
	up func() []string

	mu     sync.Mutex
	demand float64
}

// Eval is the load of one host on average.
func (s *site) Eval(_ context.Context, _ string, at time.Time) ([]rrd.Value, error) {
	n := len(s.up())
	s.mu.Lock()
	defer s.mu.Unlock()
	return []rrd.Value{{Time: rrd.At(at), Value: s.demand / float64(max(n, 1))}}, nil
}

func (s *site) wants(demand float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.demand = demand
}

func (s *site) LastSeen(host string) (time.Time, bool) {
	return time.Now(), slices.Contains(s.up(), host)
}

func (s *site) Withdraw(string, string) {}
func (s *site) Expect(string)           {}
func (s *site) Over(string, string)     {}
func (s *site) Bind(string, string)     {}

// config is a group of 3 to 10, whose load per instance shall be 1 to 4. The
// story goes from one bound to the other: where it ends must not depend on
// whether the load or the list was read first.
func (w World) config() autoscale.Config {
	g := w.Group
	g.Mode, g.Metric, g.Min, g.Max = autoscale.Act, "m", 3, 10
	g.Out = autoscale.OutPolicy{Above: 4, Add: autoscale.Enough}
	g.In = autoscale.InPolicy{Below: 1, Remove: autoscale.Enough}
	// A machine that is so busy that no tick comes for the time of Stale would
	// begin to watch anew, again and again.
	g.Cooldown, g.Boot, g.Warm, g.Stale = time.Second, time.Second, 300*time.Millisecond, 5*time.Second
	conf := autoscale.DefaultConfig()
	conf.Tick = 100 * time.Millisecond
	conf.Groups = []autoscale.Group{g}
	return conf
}

// live runs a controller until the function that it returns is called.
func (w World) live(t *testing.T, s *site, log autoscale.Log) (*autoscale.Controller, func()) {
	t.Helper()
	c, err := autoscale.New(t.Context(), autoscale.Options{
		Config: w.config(), Cloud: autoscale.Clouds{w.Group.Name: w.Cloud}, Metrics: s, Fleet: s, Journal: log, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = c.Run(ctx) })
	return c, sync.OnceFunc(func() { cancel(); wg.Wait() })
}

// Story plays a crowd before a controller and a new world: a floor of 3, a
// crowd for 10 whose launch gets no answer, a restart, then hardly any work and
// a termination that gets no answer. There are never more than 10.
func Story(t *testing.T, w World) {
	s := &site{up: w.Up}
	s.wants(1)
	log, err := autoscale.OpenLog(state.NewMemory(), w.config())
	if err != nil {
		t.Fatal(err)
	}
	peak := 0
	var c *autoscale.Controller
	settled := func(n int) func() bool {
		return func() bool {
			alive := w.Alive()
			peak = max(peak, len(alive))
			v := c.Views()[0]
			return len(alive) == n && len(w.Up()) == n && v.Last.From == n && len(v.Instances) == n
		}
	}
	c, stop := w.live(t, s, log)
	defer func() {
		if t.Failed() {
			tell(t, w, c)
		}
		stop()
	}()
	until(t, "the minimum of 3 in service", settled(3))
	w.Lose("launch")
	s.wants(40)
	until(t, "10 instances in service", settled(10))
	stop()
	c, stop = w.live(t, s, log)
	until(t, "10 instances, known again", settled(10))
	w.Lose("terminate")
	s.wants(0.5)
	until(t, "3 instances left", settled(3))
	w.stays(t, 3)
	if peak != 10 {
		t.Errorf("%d instances at the peak, want 10", peak)
	}
	told := fmt.Sprint(c.Stats())
	if c.Stats()["call_failed_"+string(autoscale.Unclear)] == 0 {
		t.Errorf("no call was unclear after the restart: %s", told)
	}
}

// tell logs how a story that failed stands.
func tell(t *testing.T, w World, c *autoscale.Controller) {
	t.Helper()
	v := c.Views()[0]
	t.Logf("alive %v, up %v, %v", w.Alive(), w.Up(), c.Stats())
	for _, i := range v.Instances {
		t.Logf("%s %s %s, host %q, launched %s", i.ID, i.Phase, i.Waits, i.Host, i.Launched)
	}
	for _, d := range v.Recent {
		t.Logf("%s %s %d -> %d %s: %s; held: %s; %s", d.At.Format(time.TimeOnly), d.Direction, d.From, d.To, d.Code, d.Said(), d.Held, d.Outcome)
	}
}
