package eip

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rondo/autoscale"
	"rondo/autoscale/ec2"
	"rondo/autoscale/ec2sim"
)

func TestNext(t *testing.T) {
	t.Parallel()
	// Members are name:phase, in the order of their launches, with their ranks
	// behind; at is who has the address.
	f := func(at, members, want string) {
		t.Helper()
		var is []autoscale.Instance
		ranks := map[string]int{}
		for n, word := range strings.Fields(members) {
			id, phase, _ := strings.Cut(word, ":")
			phase, rank, _ := strings.Cut(phase, "/")
			ranks[id], _ = strconv.Atoi(rank)
			is = append(is, autoscale.Instance{ID: id, Phase: autoscale.Phase(phase), Launched: time.Unix(int64(n), 0)})
		}
		a := association{instance: at}
		if at != "" {
			a.id = "eipassoc-1"
		}
		if at == "eni" {
			a.instance = ""
		}
		p := next(a, is, func(id string) int { return ranks[id] })
		got := p.to
		for text, is := range map[string]bool{"foreign": p.foreign, "alone": p.alone && !p.hope, "hopes": p.alone && p.hope} {
			if is {
				got += text
			}
		}
		if got != want {
			t.Errorf("%s has it of %s: %q, want %q", at, members, got, want)
		}
	}
	f("", "", "")
	f("", "a:booting", "")
	f("", "a:in-service b:in-service", "a")
	f("", "a:in-service/2 b:in-service/1 c:in-service", "b")
	f("", "a:silent/1 b:in-service c:in-service/3", "c")
	f("b", "a:in-service b:in-service", "") // who has it keeps it
	f("a", "a:silent b:in-service c:in-service", "b")
	f("a", "a:replaced b:booting", "hopes")
	f("a", "a:draining b:in-service", "b")
	f("a", "a:silent", "hopes")
	f("a", "a:draining b:draining", "alone")
	f("a", "a:terminated b:in-service", "b")
	f("a", "a:booting b:in-service", "b")
	f("x", "a:in-service", "foreign")
	f("eni", "a:in-service", "foreign")
	f("x", "", "foreign")
}

// A bench is an emulator, a group in it and what keeps its address.
type bench struct {
	*testing.T
	sim *ec2sim.Sim

	mu      sync.Mutex
	members []autoscale.Instance
	act     bool
	changed chan struct{}

	m    *Mover
	stop func()
	id   string // of the address
}

func (b *bench) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	b.sim.ServeHTTP(rec, r.Clone(r.Context()))
	return rec.Result(), nil
}

func (b *bench) Members() []autoscale.Membership {
	b.mu.Lock()
	defer b.mu.Unlock()
	return []autoscale.Membership{{Group: "db", Act: b.act, Instances: append([]autoscale.Instance{}, b.members...), At: time.Now()}}
}

func (b *bench) Subscribe() (<-chan struct{}, func()) { return b.changed, func() {} }

func (b *bench) ask(action string, pairs ...string) string {
	form := "Action=" + action + "&Version=2016-11-15&" + strings.Join(pairs, "&")
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	b.sim.ServeHTTP(rec, r)
	return rec.Body.String()
}

// has says who has the address.
func (b *bench) has(what, want string) {
	b.Helper()
	_, rest, _ := strings.Cut(b.ask("DescribeAddresses"), "<instanceId>")
	if got, _, _ := strings.Cut(rest, "<"); got != want {
		b.Errorf("%s: %q has it, want %q", what, got, want)
	}
}

func (b *bench) launch() string {
	is, err := b.sim.Launch(1, nil)
	if err != nil {
		b.Fatal(err)
	}
	time.Sleep(2 * time.Second)
	b.mu.Lock()
	b.members = append(b.members, autoscale.Instance{ID: is[0].ID, Launched: is[0].Launched})
	b.mu.Unlock()
	b.phase(is[0].ID, autoscale.InService)
	return is[0].ID
}

func (b *bench) phase(id string, p autoscale.Phase) {
	b.mu.Lock()
	for n := range b.members {
		if b.members[n].ID == id {
			b.members[n].Phase = p
		}
	}
	b.mu.Unlock()
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

func (b *bench) start() {
	b.Helper()
	var err error
	b.m, err = New(b.Context(), Options{
		Config: Config{{Group: "db", Address: b.id}}, Log: slog.New(slog.DiscardHandler),
		EC2: ec2.Config{Endpoint: "http://ec2.test", Region: "us-east-1", AccessKey: "a", SecretKey: "b", Transport: b},
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error)
	go func() { done <- b.m.Run(ctx, b) }()
	b.stop = func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
}

func on(t *testing.T, do func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t, sim: ec2sim.New(ec2sim.Options{BootTime: time.Second, StopTime: time.Second}), act: true, changed: make(chan struct{}, 1)}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = b.sim.Run(ctx) })
		defer wg.Wait()
		defer cancel()
		_, rest, _ := strings.Cut(b.ask("AllocateAddress"), "<allocationId>")
		b.id, _, _ = strings.Cut(rest, "<")
		b.start()
		do(b)
		b.stop()
	})
}

// TestFailover: the address goes to the first, stays with it, waits for an heir,
// goes over and does not come back; over restarts and faults.
func TestFailover(t *testing.T) {
	t.Parallel()
	on(t, func(b *bench) {
		waits := func(id, want string) {
			b.Helper()
			if got := b.m.Waits("db", autoscale.Instance{ID: id}, time.Now().Add(-time.Minute)); got != want {
				b.Errorf("it waits for %q, want %q", got, want)
			}
		}
		one := b.launch()
		time.Sleep(time.Second)
		b.has("the first", one)
		if got := b.m.Note("db", one); got != "address 203.0.113.1" {
			b.Errorf("note: %q", got)
		}
		b.stop()
		b.start()
		two := b.launch()
		time.Sleep(time.Minute)
		b.has("over a restart and another one", one)
		b.phase(two, autoscale.Booting)
		b.phase(one, autoscale.Draining)
		time.Sleep(5 * time.Second)
		b.has("nobody else serves", one)
		waits(one, "it has the address 203.0.113.1, and nobody else is in service yet")
		for _, f := range []ec2sim.Fault{
			{Action: "AssociateAddress", Effect: ec2sim.EffectError, Code: "RequestLimitExceeded", Count: 1},
			{Action: "AssociateAddress", Effect: ec2sim.EffectReset, Count: 1},
			{Action: "AssociateAddress", Effect: ec2sim.EffectResetAfter, Count: 1},
			{Action: "DescribeAddresses", Effect: ec2sim.EffectTruncate, Count: 1},
		} {
			if err := b.sim.Inject(f); err != nil {
				b.Fatal(err)
			}
		}
		b.phase(two, autoscale.InService)
		time.Sleep(time.Second)
		b.stop()
		b.start()
		time.Sleep(30 * time.Second)
		b.has("the heir serves", two)
		waits(one, "")
		if s := b.m.Stats(); s["AssociateAddress"] != 3 {
			b.Errorf("%v: want one call for each fault, and none after what was done without an answer", s)
		}
		b.phase(one, autoscale.InService)
		time.Sleep(time.Minute)
		b.has("it does not come back", two)
		b.sim.Terminate("Server.InternalError", two)
		b.phase(two, autoscale.Terminated)
		time.Sleep(5 * time.Second)
		b.has("the one that has it is gone", one)
		b.phase(one, autoscale.Draining)
		time.Sleep(5 * time.Second)
		waits(one, "")
	})
}

// TestNotOurs: what a human has put elsewhere stays there; a dry run moves
// nothing; what is denied is said, with the statement that allows it.
func TestNotOurs(t *testing.T) {
	t.Parallel()
	on(t, func(b *bench) {
		is, err := b.sim.Launch(1, nil)
		if err != nil {
			b.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		b.ask("AssociateAddress", "AllocationId="+b.id, "InstanceId="+is[0].ID)
		one := b.launch()
		time.Sleep(time.Minute)
		b.has("somebody else's", is[0].ID)
		if got := strings.Join(b.m.Remarks("db"), "; "); got != "address 203.0.113.1 is on "+is[0].ID+", which is not of the group, and is left there" {
			b.Errorf("remarks: %s", got)
		}
		b.mu.Lock()
		b.act = false
		b.mu.Unlock()
		b.sim.Terminate("Client.UserInitiatedShutdown", is[0].ID)
		time.Sleep(time.Minute)
		b.has("a dry run", "")
		if err := b.sim.Inject(ec2sim.Fault{Action: "AssociateAddress", Effect: ec2sim.EffectDeny, Count: -1}); err != nil {
			b.Fatal(err)
		}
		b.mu.Lock()
		b.act = true
		b.mu.Unlock()
		time.Sleep(time.Minute)
		if got := strings.Join(b.m.Remarks("db"), "; "); got != "address "+b.id+" cannot be kept on the group: auth: UnauthorizedOperation" {
			b.Errorf("remarks: %s", got)
		}
		b.sim.ClearFaults()
		time.Sleep(5 * time.Minute)
		b.has("allowed again", one)
		if err := b.sim.Inject(ec2sim.Fault{Action: "AssociateAddress", Effect: ec2sim.EffectDeny, Count: -1}); err != nil {
			b.Fatal(err)
		}
		needs := b.m.Needs(b.Context(), "db")
		if len(needs) != 2 || needs[0].State != autoscale.Granted || needs[1].State != autoscale.Refused || needs[1].Policy == nil {
			b.Errorf("needs: %+v", needs)
		}
	})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	f := func(want string, bs ...Binding) {
		t.Helper()
		got := ""
		if err := Config(bs).Validate(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%v: %s, want %s", bs, got, want)
		}
	}
	f("", Binding{"db", "eipalloc-1"}, Binding{"db", "eipalloc-2"})
	f("addresses: item 1: group: the name of a group is wanted", Binding{"", "eipalloc-1"})
	f(`addresses: item 1: address "203.0.113.1": want the allocation ID of an Elastic IP, eipalloc-...`, Binding{"db", "203.0.113.1"})
	f("addresses: item 2: address eipalloc-1 is another item's already", Binding{"db", "eipalloc-1"}, Binding{"web", "eipalloc-1"})
}
