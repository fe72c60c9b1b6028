package elb

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts/state"
	"rondo/autoscale"
	"rondo/autoscale/ec2"
	"rondo/autoscale/ec2sim"
)

// A bench is a bubble of synctest with an emulator, a group in it and what
// follows the group.
type bench struct {
	*testing.T
	sim   *ec2sim.Sim
	store state.Store
	arn   string
	conf  Binding
	more  Config // of other target groups
	group autoscale.Group
	asg   func(string) ([]string, bool)

	mu      sync.Mutex
	since   map[string]time.Time       // of the phase
	phases  map[string]autoscale.Phase // what the controller makes of who runs
	gone    map[string]bool            // not listed any more
	dry     bool
	absent  bool // the cloud has not answered
	old     time.Duration
	calls   map[string][]time.Time
	changed chan struct{}

	b    *Balancer
	stop func()
}

// on runs a test in a bubble.
func on(t *testing.T, kind string, do func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{
			T: t, sim: ec2sim.New(ec2sim.Options{BootTime: time.Second, StopTime: time.Second, Forget: time.Minute}), store: state.NewMemory(),
			since: map[string]time.Time{}, phases: map[string]autoscale.Phase{}, gone: map[string]bool{}, calls: map[string][]time.Time{}, changed: make(chan struct{}, 1),
			group: autoscale.Group{Name: "web", Drain: 10 * time.Minute},
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = b.sim.Run(ctx) })
		defer wg.Wait()
		defer cancel()
		body := b.ask("CreateTargetGroup", "Name=web", "Protocol=HTTP", "Port=80", "TargetType="+kind, "HealthCheckIntervalSeconds=10")
		_, rest, _ := strings.Cut(body, "<TargetGroupArn>")
		b.arn, _, _ = strings.Cut(rest, "<")
		b.delay(60)
		b.conf = Binding{Group: "web", TargetGroup: b.arn}
		do(b)
		if b.stop != nil {
			b.stop()
		}
	})
}

// start begins to follow the group, as after a start of the program.
func (b *bench) start() {
	b.Helper()
	o := Options{
		Config: append(Config{b.conf}, b.more...), Groups: []autoscale.Group{b.group}, Store: b.store, Attached: b.asg, Log: slog.New(slog.DiscardHandler),
		EC2: ec2.Config{Endpoint: "http://elb.test", Region: "us-east-1", AccessKey: "a", SecretKey: "b", Transport: b},
	}
	if err := o.Config.Validate(); err != nil {
		b.Fatal(err)
	}
	var err error
	if b.b, err = New(b.Context(), o); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error)
	go func() { done <- b.b.Run(ctx, b) }()
	b.stop = func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
		b.stop = nil
	}
}

// RoundTrip takes the SDK's requests to the emulator without a socket.
func (b *bench) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.calls[form.Get("Action")] = append(b.calls[form.Get("Action")], time.Now())
	b.mu.Unlock()
	in := r.Clone(r.Context())
	in.Body = io.NopCloser(bytes.NewReader(body))
	rec := httptest.NewRecorder()
	b.sim.ServeHTTP(rec, in)
	return rec.Result(), nil
}

// ask makes a call of Elastic Load Balancing's API by hand.
func (b *bench) ask(action string, pairs ...string) string {
	form := url.Values{"Action": {action}, "Version": {"2015-12-01"}}
	if b.arn != "" {
		form.Set("TargetGroupArn", b.arn)
	}
	for _, p := range pairs {
		k, v, _ := strings.Cut(p, "=")
		form.Set(k, v)
	}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	b.sim.ServeHTTP(rec, r)
	return rec.Body.String()
}

func (b *bench) delay(seconds int) {
	b.ask("ModifyTargetGroupAttributes", "Attributes.member.1.Key="+delayAttribute, "Attributes.member.1.Value="+strconv.Itoa(seconds))
}

// launch adds n instances that serve.
func (b *bench) launch(n int) (ids []string) {
	is, err := b.sim.Launch(n, map[string]string{autoscale.TagGroup: "web"})
	if err != nil {
		b.Fatal(err)
	}
	time.Sleep(2 * time.Second)
	for _, i := range is {
		ids = append(ids, i.ID)
	}
	b.phase(autoscale.InService, ids...)
	return ids
}

// phase puts members in a phase.
func (b *bench) phase(p autoscale.Phase, ids ...string) {
	b.change(func() {
		for _, id := range ids {
			b.phases[id], b.since[id] = p, time.Now()
		}
	})
}

func (b *bench) change(do func()) {
	b.mu.Lock()
	do()
	b.mu.Unlock()
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// Members implements autoscale.Groups, with what the controller would list.
func (b *bench) Members() []autoscale.Membership {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.absent {
		return nil
	}
	m := autoscale.Membership{Group: "web", Act: !b.dry, At: time.Now().Add(-b.old)}
	for _, i := range b.sim.Instances() {
		p, ok := b.phases[i.ID]
		if !ok || b.gone[i.ID] {
			continue
		}
		if i.State == ec2sim.Terminated {
			p, i.PrivateIP = autoscale.Terminated, ""
		}
		m.Instances = append(m.Instances, autoscale.Instance{ID: i.ID, PrivateIP: i.PrivateIP, Phase: p})
	}
	return []autoscale.Membership{m}
}

// Subscribe implements autoscale.Groups.
func (b *bench) Subscribe() (<-chan struct{}, func()) { return b.changed, func() {} }

// targets are what the emulator lists, as ID=state.
func (b *bench) targets() (out []string) {
	body := b.ask("DescribeTargetHealth")
	for item := range strings.SplitSeq(body, "<member>") {
		_, id, ok := strings.Cut(item, "<Id>")
		_, st, _ := strings.Cut(item, "<State>")
		if ok {
			id, _, _ = strings.Cut(id, "<")
			st, _, _ = strings.Cut(st, "<")
			out = append(out, id+"="+st)
		}
	}
	slices.Sort(out)
	return out
}

// has compares the targets.
func (b *bench) has(what string, want ...string) {
	b.Helper()
	slices.Sort(want)
	if d := cmp.Diff(want, b.targets()); d != "" {
		b.Errorf("%s:\n%s", what, d)
	}
}

// waits compares what a drain still waits for.
func (b *bench) waits(id, want string) {
	b.Helper()
	if got := b.b.Waits("web", autoscale.Instance{ID: id}, b.since[id]); !strings.Contains(got, want) || (want == "") != (got == "") {
		b.Errorf("it waits for %q, want %q", got, want)
	}
}

func (b *bench) inject(f ec2sim.Fault) {
	b.Helper()
	if err := b.sim.Inject(f); err != nil {
		b.Fatal(err)
	}
}

// called returns how many calls of an action there were since then, and the
// most within a minute.
func (b *bench) called(action string, since time.Time) (n, most int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var at []time.Time
	for _, t := range b.calls[action] {
		if t.Before(since) {
			continue
		}
		at = append(at, t)
		first := slices.IndexFunc(at, func(o time.Time) bool { return t.Sub(o) < time.Minute })
		most = max(most, len(at)-first)
	}
	return len(at), most
}
