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
func (s *site) Bind(string, string)     {}

// config is a group whose load per instance shall be 1 to 4.
func (w World) config() autoscale.Config {
	g := w.Group
	g.Mode, g.Metric, g.Min, g.Max = autoscale.Act, "m", 2, 14
	g.Out = autoscale.OutPolicy{Above: 4, Add: autoscale.Enough}
	g.In = autoscale.InPolicy{Below: 1, Remove: autoscale.Enough}
	g.Cooldown, g.Boot, g.Warm, g.Stale = time.Second, time.Second, 300*time.Millisecond, time.Second
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

// Story plays a crowd before a controller and a new world: a floor of 2, a
// crowd for 10 whose launch gets no answer, a restart, then work for 3 and a
// termination that gets no answer. There are never more than 10.
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
	defer func() { stop() }()
	until(t, "the minimum of 2 in service", settled(2))
	w.Lose("launch")
	s.wants(40)
	until(t, "10 instances in service", settled(10))
	stop()
	c, stop = w.live(t, s, log)
	until(t, "10 instances, known again", settled(10))
	w.Lose("terminate")
	s.wants(3)
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
