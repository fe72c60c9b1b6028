package autoscale

import (
	"context"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"rondo/alerts"
	"rondo/alerts/check"
	"rondo/alerts/fleet"
	"rondo/alerts/state"
	"rondo/rrd"
)

// A hamlet is a world whose machines are known by the real fleet, and watched by
// the real alert engine: their samples, their logs, and how long they take to
// shut down when they are terminated.
type hamlet struct {
	*world
	rng   *rand.Rand // of the test's goroutine
	dice  *rand.Rand // of what machines do; guarded by world.mu
	state state.Store

	talk   map[string]*habits // by instance; guarded by world.mu
	tidied int                // machines that are forgotten, and were terminated
	alarm  *alarms
	hosts  *fleet.Fleet // of this life
	ctl    *Controller
	stop   func() // ends it
}

// habits are how a machine talks.
type habits struct {
	skew     time.Duration // of its clock
	offset   time.Duration // of its samples, one each 5 s
	shutdown time.Duration // from its termination to its last sample
	late     time.Duration // ... and to its last log line to arrive
	graphite bool          // its series say nothing of the instance
}

const sampled = 5 * time.Second

func newHamlet(t *testing.T, seed uint64) *hamlet {
	h := &hamlet{world: newWorld(t, 100_000), rng: rand.New(rand.NewPCG(seed, 0)), dice: rand.New(rand.NewPCG(seed, 1)), state: state.NewMemory(), talk: map[string]*habits{}, alarm: &alarms{}}
	h.wrap = func(c Cloud) Cloud { return slowly{c.(*session), h} }
	h.drainer = h
	h.fleet = hamletFleet{h}
	h.reuse = h.formerName
	return h
}

// habitsOf makes up a machine's. Callers hold h.mu.
func (h *hamlet) habitsOf(m *machine) *habits {
	if h.talk[m.ID] == nil {
		long := []int{1, 30, 120, 900}[h.dice.IntN(4)]
		h.talk[m.ID] = &habits{
			skew: time.Duration(h.dice.IntN(420)-240) * time.Second, offset: time.Duration(h.dice.IntN(5000)) * time.Millisecond,
			shutdown: time.Duration(h.dice.IntN(long*1000)) * time.Millisecond, late: time.Duration(h.dice.IntN(20)) * time.Second, graphite: m.PrivateDNS[len("ip-")]%2 == 0, // who has its name does as it did
		}
		if h.dice.IntN(2) == 0 {
			h.talk[m.ID].skew = 0
		}
	}
	return h.talk[m.ID]
}

// until is when a machine falls silent; the far future while it works. Callers
// hold h.mu.
func (h *hamlet) until(m *machine) time.Time {
	end := time.Now().Add(time.Hour)
	if !m.ended.IsZero() {
		end = m.ended.Add(h.habitsOf(m).shutdown)
	}
	if s := m.silentSince; !s.IsZero() && s.Before(end) {
		end = s
	}
	return end
}

// formerName is that of a machine that is over, for every other new one. Callers
// hold h.mu.
func (h *hamlet) formerName() string {
	if h.dice.IntN(2) == 0 {
		return ""
	}
	for _, m := range h.instances {
		if !m.ended.IsZero() && time.Since(h.until(m)) > sampled && time.Since(m.ended) < time.Hour && h.byDNS[m.PrivateDNS] == m {
			return m.PrivateDNS
		}
	}
	return ""
}

// Heads implements fleet.Heads.
func (h *hamlet) Heads(since rrd.Time) iter.Seq2[rrd.Key, rrd.Time] {
	heads := map[rrd.Key]rrd.Time{}
	h.mu.Lock()
	for _, m := range h.instances {
		if at, ok := h.newest(m); ok {
			heads[h.series(m)] = max(rrd.At(at.Add(h.habitsOf(m).skew)), heads[h.series(m)])
		}
	}
	h.mu.Unlock()
	return func(yield func(rrd.Key, rrd.Time) bool) {
		for k, at := range heads {
			if at > since && !yield(k, at) {
				return
			}
		}
	}
}

// newest is when a machine sent its newest sample. Callers hold h.mu.
func (h *hamlet) newest(m *machine) (at time.Time, ok bool) {
	now, end := time.Now(), h.until(m)
	if now.Sub(end) > time.Hour {
		return at, false
	}
	if end.Before(now) {
		now = end
	}
	at = now.Add(-h.habitsOf(m).offset).Truncate(sampled).Add(h.habitsOf(m).offset)
	return at, !m.stuck && !m.deaf && at.Sub(m.Launched) >= m.boot
}

func (h *hamlet) series(m *machine) rrd.Key {
	host, _, _ := strings.Cut(m.PrivateDNS, ".")
	if h.habitsOf(m).graphite {
		return rrd.Key("fleet.web." + host + ".load1")
	}
	key, err := rrd.NewKey("load1", rrd.Label{Name: "host", Value: host}, rrd.Label{Name: "instance", Value: m.ID})
	if err != nil {
		h.t.Error(err)
	}
	return key
}

// perHost is the load of each host that sent a sample within a minute: what rules
// about metrics see.
func (h *hamlet) perHost(at time.Time) (out []rrd.Value) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.instances {
		if newest, ok := h.newest(m); ok && at.Sub(newest) < time.Minute {
			out = append(out, rrd.Value{Labels: h.series(m).Labels(), Time: rrd.At(newest), Value: 1})
		}
	}
	return out
}

// chat has each machine log a line each 7 s, the last of which are late.
func (h *hamlet) chat(ctx context.Context, hosts *fleet.Fleet) {
	for n := 0; ctx.Err() == nil; n++ {
		h.mu.Lock()
		for _, m := range h.instances {
			talks := h.running(m) || !m.ended.IsZero() && time.Since(h.until(m)) < h.habitsOf(m).late
			if talks && !m.deaf && m.silentSince.IsZero() && n%7 == int(h.habitsOf(m).offset/time.Second) {
				hosts.Logged(m.PrivateDNS, time.Now())
			}
		}
		h.mu.Unlock()
		sleep(ctx, time.Second)
	}
}

// Waits implements Drainer.
func (h *hamlet) Waits(_ string, i Instance, since time.Time) string {
	return h.hosts.LastWords(i.ID, since)
}

// hamletFleet is the fleet as the controller has it: the world looks that each host
// is withdrawn before its instance is terminated.
type hamletFleet struct{ *hamlet }

func (x hamletFleet) LastSeen(host string) (time.Time, bool) { return x.hosts.LastSeen(host) }
func (x hamletFleet) Bind(host, instance string)             { x.hosts.Bind(host, instance) }

func (x hamletFleet) Over(instance, why string) {
	x.mu.Lock()
	if m := x.instances[instance]; m != nil {
		x.withdrawn[m.PrivateDNS] = true
	}
	x.mu.Unlock()
	x.hosts.Over(instance, why)
}

func (x hamletFleet) Withdraw(host, why string) {
	x.world.Withdraw(host, why)
	x.hosts.Withdraw(host, why)
}

func (x hamletFleet) Expect(host string) {
	x.world.Expect(host)
	x.hosts.Expect(host)
}

// slowly is a cloud in which machines take a while to shut down.
type slowly struct {
	*session
	h *hamlet
}

func (s slowly) Instances(ctx context.Context, group string) ([]Instance, error) {
	all, err := s.session.Instances(ctx, group)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range all {
		if m := s.instances[all[i].ID]; !m.ended.IsZero() && time.Since(m.ended) < s.h.habitsOf(m).shutdown {
			all[i].Phase = Terminating
		}
	}
	return all, err
}

// alarms are the problems that were told, by host.
type alarms struct {
	mu   sync.Mutex
	told []alerts.Transition
}

// Act implements alerts.Action.
func (a *alarms) Act(_ context.Context, t alerts.Transition) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t.To != alerts.OK {
		a.told = append(a.told, t)
	}
	return nil
}

// take returns what was told since the last time.
func (a *alarms) take() []alerts.Transition {
	a.mu.Lock()
	defer a.mu.Unlock()
	told := a.told
	a.told = nil
	return told
}

// begin starts fleet, alerts and controller on what they have stored.
func (h *hamlet) begin() {
	h.t.Helper()
	hosts, err := fleet.New(h.state, fleet.Options{})
	if err != nil {
		h.t.Fatal(err)
	}
	raise := 100.0
	rules, err := check.Config{
		Hosts:   []check.Freshness{{Common: check.Common{Name: "host-silent"}, Silent: 2 * time.Minute}},
		Metrics: []check.Metric{{Common: check.Common{Name: "load"}, Expr: "load1", Raise: &raise, Missing: alerts.MissingRaise}},
	}.Build(check.Sources{Hosts: hosts, Identify: hosts.Identify, Metrics: evalFunc(h.perHost)})
	if err != nil {
		h.t.Fatal(err)
	}
	engine, err := alerts.NewEngine(alerts.Options{Store: h.state, Withdrawn: hosts.Gone, Tolerate: time.Minute, Settle: 2 * time.Minute},
		rules, []alerts.Target{{Name: "pager", Action: h.alarm}})
	if err != nil {
		h.t.Fatal(err)
	}
	h.mu.Lock()
	h.hosts = hosts
	h.mu.Unlock()
	ctx, cancel := context.WithCancel(h.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = hosts.Run(ctx, h) })
	wg.Go(func() { _ = engine.Run(ctx) })
	wg.Go(func() { h.chat(ctx, hosts) })
	c := web()
	c.Tick, c.Groups[0].Drain = 5*time.Second, time.Minute
	l := h.live(c)
	h.ctl = l.Controller
	h.stop = func() {
		l.stop()
		cancel()
		wg.Wait()
	}
}

// evalFunc implements rrd.Evaluator.
type evalFunc func(at time.Time) []rrd.Value

func (f evalFunc) Eval(_ context.Context, _ string, at time.Time) ([]rrd.Value, error) {
	return f(at), nil
}
