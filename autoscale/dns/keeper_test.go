package dns

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rondo/alerts/state"
	"rondo/autoscale"
	"rondo/rrd"
)

// A fakeZone is a primary in memory that checks prerequisites as real ones do.
type fakeZone struct {
	mu      sync.Mutex
	zone    Zone
	fail    error         // of all calls
	lost    bool          // updates are made, and their answers lost
	takes   time.Duration // to tell all servers
	told    time.Time
	updates int
	between func(*Zone) // another writer, before the next update
}

func (f *fakeZone) Addresses(_ context.Context, names []string) (map[string]Set, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make(map[string]Set)
	for _, n := range names {
		if s, ok := f.zone.Sets[n]; ok {
			out[n] = s
		}
	}
	return out, f.fail
}

func (f *fakeZone) Texts(context.Context, string) (Texts, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.zone.Ledger, f.fail
}

func (f *fakeZone) Update(_ context.Context, u Update) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return "", f.fail
	}
	if f.between != nil {
		f.between(&f.zone)
		f.between = nil
	}
	for _, c := range u.Sets {
		if !sameAddrs(f.zone.Sets[c.Name].Addrs, c.Was.Addrs) {
			return "", Errorf(Changed, "changed")
		}
	}
	if !slices.Equal(sortedTexts(f.zone.Ledger).Values, u.Ledger.Was.Values) {
		return "", Errorf(Changed, "changed")
	}
	f.zone = apply(f.zone, u)
	f.updates++
	f.told = time.Now().Add(f.takes)
	if f.lost {
		return "", Errorf(Timeout, "no answer")
	}
	if f.takes > 0 {
		return "C1", nil
	}
	return "", nil
}

func (f *fakeZone) Settled(context.Context, string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !time.Now().Before(f.told), nil
}

func (f *fakeZone) Lag() time.Duration { return f.takes }

func (f *fakeZone) has() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, a := range f.zone.Sets["web.example.com"].Addrs {
		out = append(out, a.String())
	}
	return strings.Join(out, " ")
}

func (f *fakeZone) set(edit func(*fakeZone)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	edit(f)
}

// A fakeGroup is its members, which tests change.
type fakeGroup struct {
	mu   sync.Mutex
	is   []autoscale.Instance
	dry  bool
	none bool // the cloud has not answered yet
	bell chan struct{}
}

func (g *fakeGroup) Members() []autoscale.Membership {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.none {
		return nil
	}
	return []autoscale.Membership{{Group: "web", Act: !g.dry, Instances: slices.Clone(g.is), At: time.Now()}}
}

func (g *fakeGroup) Subscribe() (<-chan struct{}, func()) { return g.bell, func() {} }

func (g *fakeGroup) become(text string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.is = members(text)
	select {
	case g.bell <- struct{}{}:
	default:
	}
}

// fakeTraffic is what each host gets.
type fakeTraffic struct {
	mu sync.Mutex
	by map[string]float64
}

func (f *fakeTraffic) Eval(context.Context, string, time.Time) (out []rrd.Value, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, host := range slices.Sorted(maps.Keys(f.by)) {
		out = append(out, rrd.Value{Labels: rrd.Labels{{Name: "host", Value: host}}, Value: f.by[host]})
	}
	return out, nil
}

func (f *fakeTraffic) set(host string, v float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.by[host] = v
}

// A bench is a keeper of one name and all around it.
type bench struct {
	t       *testing.T
	zone    *fakeZone
	group   *fakeGroup
	traffic *fakeTraffic
	state   state.Store
	item    Item
	ranks   map[string]int
	keeper  *Keeper
	end     context.CancelFunc
	done    chan struct{}
}

func newBench(t *testing.T, edit ...func(*Item)) *bench {
	b := &bench{
		t: t, zone: &fakeZone{zone: zoneOf("", 0)}, group: &fakeGroup{bell: make(chan struct{}, 1)},
		traffic: &fakeTraffic{by: make(map[string]float64)}, state: state.NewMemory(), item: webItem(edit...),
	}
	b.start()
	t.Cleanup(func() { b.stop() })
	return b
}

func (b *bench) start() {
	b.t.Helper()
	k, err := New(Options{
		Config: Config{b.item}, Providers: map[string]Provider{b.item.Name: b.zone}, Metrics: b.traffic, State: b.state,
		HostOf: func(ls rrd.Labels) string { return ls.Get("host") }, Rank: func(_, id string) int { return b.ranks[id] }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	b.keeper, b.end, b.done = k, end, make(chan struct{})
	go func() {
		defer close(b.done)
		_ = k.Run(ctx, b.group)
	}()
	b.pass(0)
}

func (b *bench) stop() {
	b.end()
	<-b.done
}

// pass lets time go by.
func (b *bench) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (b *bench) become(text string) {
	b.group.become(text)
	b.pass(time.Second)
}

func (b *bench) has(want string) {
	b.t.Helper()
	if got := b.zone.has(); got != want {
		b.t.Errorf("the name has %q, want %q", got, want)
	}
}

// waits asks what an instance waits for; want is a part of it, "" nothing.
func (b *bench) waits(instance, want string) {
	b.t.Helper()
	got := b.keeper.Waits("web", member(instance), time.Now())
	if want == "" && got != "" || !strings.Contains(got, want) {
		b.t.Errorf("%s waits for %q, want %q", instance, got, want)
	}
}

// TestHeir: the name of one goes to the lowest rank in service, as an address
// does, and stays there.
func TestHeir(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(it *Item) { it.Records = First })
		b.ranks = map[string]int{"i-1": 1, "i-2": 2, "i-3": 3}
		b.become("1:in-service@10.0.0.1 2:in-service@10.0.0.2 3:in-service@10.0.0.3")
		b.has("10.0.0.1")
		b.become("2:in-service@10.0.0.2 3:in-service@10.0.0.3 4:booting@10.0.0.4")
		b.has("10.0.0.2")
		b.stop() // only a keeper that runs no more lets ranks be changed
		b.ranks["i-4"] = 1
		b.start()
		b.become("2:in-service@10.0.0.2 3:in-service@10.0.0.3 4:in-service@10.0.0.4")
		b.has("10.0.0.2")
		b.become("3:in-service@10.0.0.3 4:in-service@10.0.0.4")
		b.has("10.0.0.4")
	})
}

func TestDrainWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.waits("1:draining@10.0.0.1", "its address is in web.example.com")
		b.become("1:in-service@10.0.0.1 2:in-service@10.0.0.2")
		b.has("10.0.0.1 10.0.0.2")
		if got := b.keeper.Note("web", "i-1"); got != "in DNS as web.example.com" {
			t.Errorf("note %q", got)
		}
		b.become("1:in-service@10.0.0.1 2:draining@10.0.0.2")
		b.has("10.0.0.1")
		b.pass(11 * time.Second)
		b.waits("2:draining@10.0.0.2", "its address left web.example.com 12 s ago, clients keep it for 30 s + 1m0s")
		if got := b.keeper.Note("web", "i-2"); got != "left DNS 12 s ago" {
			t.Errorf("note %q", got)
		}
		b.pass(time.Minute)
		b.waits("2:draining@10.0.0.2", "clients keep it")
		b.pass(18 * time.Second)
		b.waits("2:draining@10.0.0.2", "")
		// Taken back, it is in the name again, and its next drain begins anew.
		b.become("1:in-service@10.0.0.1 2:in-service@10.0.0.2")
		b.has("10.0.0.1 10.0.0.2")
		b.waits("2:in-service@10.0.0.2", "its address is in web.example.com")
	})
}

// TestRestart: what is known of a departure is kept; where it is not, it counts
// from when it is seen.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.become("1:in-service@10.0.0.1 2:in-service@10.0.0.2")
		b.become("1:in-service@10.0.0.1 2:draining@10.0.0.2")
		b.pass(19 * time.Second)
		b.stop()
		b.start()
		b.waits("2:draining@10.0.0.2", "left web.example.com 20 s ago")
		b.stop()
		b.state = state.NewMemory() // the data directory is lost
		b.start()
		b.pass(time.Second)
		b.waits("2:draining@10.0.0.2", "left web.example.com 1 s ago")
		b.has("10.0.0.1")
		b.become("1:in-service@10.0.0.1 3:in-service@10.0.0.3")
		b.has("10.0.0.1 10.0.0.3")
	})
}

func TestFailuresAndOtherWriters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.become("1:in-service@10.0.0.1 2:in-service@10.0.0.2")
		b.zone.set(func(z *fakeZone) { z.fail = Errorf(Refused, "REFUSED: see update-policy") })
		b.become("1:in-service@10.0.0.1 2:draining@10.0.0.2")
		b.waits("2:draining@10.0.0.2", "its address is in web.example.com, which cannot be changed: REFUSED")
		b.pass(3 * time.Minute)
		b.has("10.0.0.1 10.0.0.2")
		b.zone.set(func(z *fakeZone) { z.fail = nil })
		b.pass(longPause + time.Second)
		b.has("10.0.0.1")
		// An update whose answer is lost was made; that is found out.
		b.zone.set(func(z *fakeZone) { z.lost = true })
		b.become("1:in-service@10.0.0.1 3:in-service@10.0.0.3")
		b.pass(10 * time.Second)
		b.has("10.0.0.1 10.0.0.3")
		b.zone.set(func(z *fakeZone) { z.lost = false })
		// Somebody else writes between our reading and our writing.
		b.zone.set(func(z *fakeZone) {
			z.between = func(zone *Zone) {
				s := zone.Sets["web.example.com"]
				s.Addrs = append(slices.Clone(s.Addrs), addrs("192.0.2.1")...)
				zone.Sets["web.example.com"] = s
			}
		})
		b.become("1:in-service@10.0.0.1 4:in-service@10.0.0.4")
		b.has("10.0.0.1 10.0.0.4 192.0.2.1")
		// And what others took away comes back within a minute.
		b.zone.set(func(z *fakeZone) { z.zone.Sets = map[string]Set{} })
		b.pass(lookEvery + time.Second)
		b.has("10.0.0.1 10.0.0.4")
		if n := b.keeper.Stats(); n["failed_refused"] < 3 || n["failed_changed"] != 1 || n["failed_timeout"] != 1 || n["changes"] == 0 {
			t.Errorf("counts: %v", n)
		}
	})
}

// TestNothingIsConcluded of a group of which nothing is known, or that decides in
// a dry run.
func TestNothingIsConcluded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.become("1:in-service@10.0.0.1")
		b.group.none = true
		b.become("")
		b.pass(2 * lookEvery)
		b.has("10.0.0.1")
		b.group.none, b.group.dry = false, true
		b.become("1:in-service@10.0.0.1 2:in-service@10.0.0.2")
		b.pass(2 * lookEvery)
		b.has("10.0.0.1")
		if got := b.keeper.Note("web", "i-2"); got != "not in DNS (the group is in a dry run)" {
			t.Errorf("note %q", got)
		}
		b.waits("2:draining@10.0.0.2", "")
	})
}

// TestFailover: the heir has the name within moments of being in service, and
// keeps it when the old one comes back.
func TestFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(it *Item) { it.Records = First })
		b.become("1:in-service@10.0.0.1")
		b.become("1:silent@10.0.0.1 2:booting@10.0.0.2")
		b.has("10.0.0.1")
		b.become("1:silent@10.0.0.1 2:in-service@10.0.0.2")
		b.has("10.0.0.2")
		b.become("1:in-service@10.0.0.1 2:in-service@10.0.0.2")
		b.has("10.0.0.2")
		b.waits("2:draining@10.0.0.2", "its address is in")
		b.become("1:silent@10.0.0.1 2:draining@10.0.0.2")
		b.has("10.0.0.2")
		b.waits("2:draining@10.0.0.2", "its address stays in web.example.com until somebody else is in service")
	})
}

// TestNeeds: what a preflight is told of a name's permissions.
func TestNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(it *Item) { it.Route53 = &HostedZone{"Z1"} })
		state := func(want autoscale.Standing) {
			t.Helper()
			if n := b.keeper.Needs(t.Context(), "web"); len(n) != 3 || n[1].State != want || n[1].Policy.Resource != "arn:aws:route53:::hostedzone/Z1" {
				t.Errorf("needs %+v, want %s", n, want)
			}
		}
		b.become("1:in-service@10.0.0.1")
		state(autoscale.Granted)
		b.zone.set(func(z *fakeZone) { z.fail = Errorf(Denied, "AccessDenied") })
		b.become("1:in-service@10.0.0.1 2:in-service@10.0.0.2")
		state(autoscale.Refused)
		if got := b.keeper.Remarks("web"); len(got) != 1 || got[0] != "web.example.com: AccessDenied" {
			t.Errorf("remarks %q", got)
		}
		b.zone.set(func(z *fakeZone) { z.fail = Errorf(Timeout, "no answer") })
		b.pass(longPause)
		state(autoscale.Unsure)
	})
}

// TestSlowServers: the time counts from when all servers have the change.
func TestSlowServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.zone.set(func(z *fakeZone) { z.takes = 40 * time.Second })
		b.become("1:in-service@10.0.0.1 2:in-service@10.0.0.2")
		b.pass(time.Minute)
		b.become("1:in-service@10.0.0.1 2:draining@10.0.0.2")
		b.pass(30 * time.Second)
		b.waits("2:draining@10.0.0.2", "not all servers have that yet")
		b.pass(11 * time.Second)
		b.waits("2:draining@10.0.0.2", "left web.example.com 2 s ago")
		// A receipt that a restart lost counts as late as it can be.
		b.become("1:draining@10.0.0.1 3:in-service@10.0.0.3")
		b.stop()
		b.start()
		b.pass(45 * time.Second)
		b.waits("1:draining@10.0.0.1", "left web.example.com 5 s ago")
	})
}
