package ec2_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"rondo/alerts/state"
	"rondo/autoscale"
	"rondo/autoscale/ec2"
	"rondo/autoscale/ec2sim"
	"rondo/rrd"
)

// A site is a load shared by the instances that the emulator booted, and the
// fleet that hears them.
type site struct {
	mu     sync.Mutex
	demand float64
	up     map[string]bool
	peak   int
}

func (s *site) boot(ctx context.Context, i ec2sim.Instance) {
	s.set(i.Hostname(), true)
	<-ctx.Done()
	s.set(i.Hostname(), false)
}

func (s *site) set(host string, up bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.up, host)
	if up {
		s.up[host] = true
	}
	s.peak = max(s.peak, len(s.up))
}

func (s *site) Eval(_ context.Context, _ string, at time.Time) ([]rrd.Value, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []rrd.Value{{Time: rrd.At(at), Value: s.demand / float64(max(len(s.up), 1))}}, nil
}

func (s *site) LastSeen(host string) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now(), s.up[host]
}

func (s *site) Withdraw(string, string) {}
func (s *site) Expect(string)           {}
func (s *site) Over(string, string)     {}
func (s *site) Bind(string, string)     {}

// until waits for a condition in real time; its limit is for a broken test
// alone.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for %s", what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// TestClosedLoop runs the controller, the SDK and the emulator over a real
// socket, with faults: the crowd comes, instances are launched; it goes, and
// they are retired.
func TestClosedLoop(t *testing.T) {
	t.Parallel()
	s := &site{up: map[string]bool{}, demand: 1}
	sim := ec2sim.New(ec2sim.Options{BootTime: 300 * time.Millisecond, StopTime: 100 * time.Millisecond, Boot: s.boot})
	srv := httptest.NewServer(sim)
	defer srv.Close()
	cloud, err := ec2.New(t.Context(), ec2.Config{Endpoint: srv.URL, Region: "us-east-1", AccessKey: "demo", SecretKey: "demo"})
	if err != nil {
		t.Fatal(err)
	}
	conf := autoscale.DefaultConfig()
	conf.Tick = 100 * time.Millisecond
	conf.Groups = []autoscale.Group{{
		Name: "web", Mode: autoscale.Act, Metric: "m", Min: 2, Max: 14,
		Out: autoscale.OutPolicy{Above: 4, Add: autoscale.Enough}, In: autoscale.InPolicy{Below: 1, Remove: autoscale.Enough},
		Cooldown: time.Second, Boot: time.Second, Warm: 300 * time.Millisecond, Stale: time.Second,
		Launch: autoscale.Template{Image: "ami-1"},
	}}
	log, err := autoscale.OpenLog(state.NewMemory(), conf)
	if err != nil {
		t.Fatal(err)
	}
	c, err := autoscale.New(t.Context(), autoscale.Options{
		Config: conf, Cloud: cloud, Metrics: s, Fleet: s, Journal: log, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = sim.Run(ctx) })
	wg.Go(func() { _ = c.Run(ctx) })
	defer wg.Wait()
	defer cancel()

	alive := func() (n int) {
		for _, i := range sim.Instances() {
			if i.State == ec2sim.Pending || i.State == ec2sim.Running {
				n++
			}
		}
		return n
	}
	until(t, "the minimum of 2 in service", func() bool { return c.Views()[0].Last.From == 2 && len(c.Views()[0].Instances) == 2 && alive() == 2 })
	inject(t, sim, ec2sim.Fault{Action: "RunInstances", Effect: ec2sim.EffectResetAfter, Count: 2})
	inject(t, sim, ec2sim.Fault{Action: "RunInstances", Effect: ec2sim.EffectHide, Delay: ec2sim.Duration(2 * time.Second), Count: 1})
	inject(t, sim, ec2sim.Fault{Action: "DescribeInstances", Effect: ec2sim.EffectError, Code: "RequestLimitExceeded", Count: 2})
	s.mu.Lock()
	s.demand = 40
	s.mu.Unlock()
	until(t, "10 instances in service", func() bool { return c.Views()[0].Last.Code == "steady" && alive() == 10 })
	s.mu.Lock()
	s.demand = 3
	s.mu.Unlock()
	inject(t, sim, ec2sim.Fault{Action: "TerminateInstances", Effect: ec2sim.EffectResetAfter, Count: 1})
	until(t, "3 instances left", func() bool { return alive() == 3 && len(c.Views()[0].Instances) == 3 })
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.peak != 10 {
		t.Errorf("%d instances at the peak, want 10", s.peak)
	}
}
