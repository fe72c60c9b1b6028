package alerts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts/state"
	"rondo/rrd"
)

// fakeRule is a rule whose readings the test sets.
type fakeRule struct {
	id string

	mu       sync.Mutex
	readings []Reading
	err      error
	hang     bool
	cost     time.Duration
	checks   int
}

func (f *fakeRule) ID() string { return f.id }

func (f *fakeRule) Check(ctx context.Context, now time.Time) ([]Reading, error) {
	f.mu.Lock()
	f.checks++
	readings, err, hang, cost := slices.Clone(f.readings), f.err, f.hang, f.cost
	f.mu.Unlock()
	time.Sleep(cost)
	if hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for i := range readings {
		readings[i].At = now
	}
	return readings, err
}

// set gives the readings: host=value, or =value for one without labels.
func (f *fakeRule) set(pairs ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readings, f.err, f.hang = nil, nil, false
	for _, p := range pairs {
		host, v, _ := strings.Cut(p, "=")
		var value float64
		fmt.Sscan(v, &value)
		var ls rrd.Labels
		if host != "" {
			ls = rrd.Labels{{Name: "host", Value: host}}
		}
		f.readings = append(f.readings, Reading{Labels: ls, Value: value, Text: p})
	}
}

// slow sets how long a check takes.
func (f *fakeRule) slow(cost time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cost = cost
}

// count is how often it was checked.
func (f *fakeRule) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.checks
}

func (f *fakeRule) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.readings = err, nil
}

// A receiver is an action that remembers what it was told.
type receiver struct {
	mu   sync.Mutex
	got  []Transition
	fail error
}

func (r *receiver) Act(_ context.Context, t Transition) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return r.fail
	}
	r.got = append(r.got, t)
	return nil
}

// take returns what came since the last take, for example "a ok>critical".
func (r *receiver) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, t := range r.got {
		out = append(out, fmt.Sprintf("%s%s %v>%v", t.Rule, t.Labels.Get("host"), t.From, t.To))
	}
	r.got = nil
	return strings.Join(out, ", ")
}

func (r *receiver) failWith(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = err
}

// rig is an engine with one rule "r", checked every second, and one receiver.
type rig struct {
	t      *testing.T
	store  state.Store
	rule   *fakeRule
	rcv    *receiver
	opts   Options
	policy Policy
	more   []Supervised // rules beside "r"
	e      *Engine
	stop   func()

	interval time.Duration
}

func newRig(t *testing.T) *rig {
	return &rig{
		t: t, store: state.NewMemory(), rule: &fakeRule{id: "r"}, rcv: &receiver{},
		policy: Policy{Critical: &Threshold{Raise: 10, Clear: 5}}, interval: time.Second,
	}
}

func (g *rig) rules() []Supervised {
	one := Supervised{Rule: readerRule{g.rule}, Policy: g.policy, Interval: g.interval, Timeout: 500 * time.Millisecond, Annotations: map[string]string{"runbook": "x"}}
	return append([]Supervised{one}, g.more...)
}

func (g *rig) start() {
	g.t.Helper()
	g.opts.Store = g.store
	e, err := NewEngine(g.opts, g.rules(), []Target{{"hook", g.rcv}})
	if err != nil {
		g.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(g.t.Context())
	done := make(chan error)
	go func() { done <- e.Run(ctx) }()
	g.e = e
	g.stop = func() {
		cancel()
		if err := <-done; err != nil {
			g.t.Error(err)
		}
	}
}

// wait lets time pass and compares what was told meanwhile.
func (g *rig) wait(d time.Duration, want string) {
	g.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	if got := g.rcv.take(); got != want {
		g.t.Errorf("told %q, want %q", got, want)
	}
}

func (g *rig) view(host string) View {
	for _, v := range g.e.Views() {
		if v.Labels.Get("host") == host {
			return v
		}
	}
	return View{Text: "absent"}
}

func TestEngineTellsHardChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.policy.MaxAttempts = 3
		g.rule.set("a=1", "b=1")
		g.start()
		g.wait(5*time.Second, "")
		g.rule.set("a=11", "b=1")
		g.wait(2*time.Second, "")
		if v := g.view("a"); v.Status != Critical || v.Hard || v.Attempts != 2 || v.Max != 3 {
			t.Errorf("soft view: %+v", v)
		}
		g.wait(5*time.Second, "ra ok>critical")
		g.rule.set("a=7", "b=1")
		g.wait(5*time.Second, "")
		g.rule.set("a=5", "b=99")
		g.wait(5*time.Second, "ra critical>ok, rb ok>critical")
		if vs := g.e.Views(); vs[0].Labels.Get("host") != "b" || !vs[0].Hard || vs[0].Value != 99 || vs[0].Raise != 10 {
			t.Errorf("first view: %+v", vs[0])
		}
		if ts := g.e.Transitions(time.Time{}); len(ts) != 3 || ts[0].Labels.Get("host") != "b" || ts[0].Annotations["runbook"] != "x" {
			t.Errorf("history: %+v", ts)
		}
		g.stop()
	})
}

func TestEngineRestartRepeatsAndForgetsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.rule.set("a=11", "b=11")
		g.start()
		g.wait(3*time.Second, "ra ok>critical, rb ok>critical")
		g.stop()
		g.start()
		if v := g.view("a"); v.Status != Critical || !v.Hard || v.Text != "a=11" {
			t.Errorf("view before the first check: %+v", v)
		}
		g.wait(3*time.Second, "")
		g.stop()
		g.rule.set("a=1", "b=11") // while nobody looked
		g.start()
		g.wait(3*time.Second, "ra critical>ok")
		if n := len(g.e.Transitions(time.Time{})); n != 3 {
			t.Errorf("history has %d transitions, want 3", n)
		}
		g.stop()
	})
}

func TestEngineClocksStartAgainAfterRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.policy.For = 10 * time.Second
		g.rule.set("a=11")
		g.start()
		g.wait(6*time.Second, "")
		g.stop()
		time.Sleep(time.Hour)
		g.start()
		g.wait(6*time.Second, "")
		g.wait(6*time.Second, "ra ok>critical")
		g.stop()
	})
}

func TestEngineOutbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.rcv.failWith(errors.New("receiver is down"))
		g.rule.set("a=11", "b=1")
		g.start()
		g.wait(30*time.Second, "")
		g.rule.set("a=1", "b=11")
		g.wait(30*time.Second, "")
		if n := g.e.Stats().Retries.Load(); n < 5 || n > 20 {
			t.Errorf("%d tries in a minute, want a few, further and further apart", n)
		}
		g.stop()
		g.rcv.failWith(nil)
		g.start()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		got := g.rcv.take()
		if i, j := strings.Index(got, "ra ok>critical"), strings.Index(got, "ra critical>ok"); i < 0 || j < i {
			t.Errorf("order: %q", got)
		}
		if !strings.Contains(got, "rb ok>critical") || strings.Count(got, ",") != 2 {
			t.Errorf("told %q", got)
		}
		g.stop()
		g.start()
		g.wait(5*time.Second, "")
		g.stop()
	})
}

func TestEnginePermanentAndExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.opts.Expire = time.Hour
		g.rcv.failWith(fmt.Errorf("wrapped: %w", Permanent(errors.New("404"))))
		g.rule.set("a=11")
		g.start()
		g.wait(time.Minute, "")
		if n := g.e.Stats().Refused.Load(); n != 1 {
			t.Errorf("refused %d, want 1", n)
		}
		g.rcv.failWith(errors.New("down"))
		g.rule.set("a=1")
		g.wait(2*time.Hour, "")
		g.rcv.failWith(nil)
		g.wait(10*time.Minute, "")
		if n := g.e.Stats().Expired.Load(); n != 1 {
			t.Errorf("expired %d, want 1", n)
		}
		g.stop()
	})
}

// TestEngineTellsWhatWasMutedForLong: what is too old to be told is what waits
// in the outbox, not what could not go there.
func TestEngineTellsWhatWasMutedForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.opts.Expire = time.Hour
		g.rule.set("a=1")
		g.start()
		if _, err := g.e.Silence(t.Context(), Silence{Matchers: matchers(t, "host=a"), Until: time.Now().Add(3 * time.Hour)}); err != nil {
			t.Fatal(err)
		}
		g.rule.set("a=11")
		g.wait(2*time.Hour, "")
		g.rcv.failWith(errors.New("down"))
		g.wait(70*time.Minute, "")
		g.stop()
		g.rcv.failWith(nil)
		g.start()
		g.wait(10*time.Minute, "ra ok>critical")
		g.stop()
	})
}

func TestEngineOverflowDropsTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.opts.MaxOutbox = 2
		g.rcv.failWith(errors.New("down"))
		g.start()
		for _, s := range []string{"a=11", "b=11", "c=11"} {
			g.rule.set(s)
			g.policy.Missing = MissingKeep
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if n := g.e.Stats().Overflow.Load(); n == 0 {
			t.Error("nothing overflowed")
		}
		time.Sleep(2 * time.Minute) // the sweep
		g.stop()
		n := 0
		for range g.store.Scan(state.Range{Prefix: outPrefix}) {
			n++
		}
		if n != 2 {
			t.Errorf("%d entries stored, want 2", n)
		}
	})
}

func TestEngineCheckErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.policy.MaxAttempts = 2
		g.policy.Missing = MissingOK // an error is not ok all the same
		g.rule.fail(errors.New("bad expression"))
		g.start()
		g.wait(5*time.Second, "r ok>unknown")
		if v := g.e.Views()[0]; v.Status != Unknown || v.Text != "bad expression" || v.CheckErr != "bad expression" {
			t.Errorf("view: %+v", v)
		}
		g.rule.set("a=11")
		g.wait(5*time.Second, "r unknown>ok, ra ok>critical")
		if n := len(g.e.Views()); n != 1 {
			t.Errorf("%d views, want that of a alone", n)
		}
		g.rule.mu.Lock()
		g.rule.hang = true
		g.rule.mu.Unlock()
		g.wait(5*time.Second, "ra critical>unknown")
		if v := g.view("a"); !strings.Contains(v.CheckErr, "deadline") {
			t.Errorf("view: %+v", v)
		}
		g.rule.set("a=11")
		g.wait(5*time.Second, "ra unknown>critical")
		g.stop()
	})
}

func TestEngineMissingWithdrawnForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		var gone sync.Map
		g.opts.Withdrawn = func(ls rrd.Labels) bool { _, ok := gone.Load(ls.Get("host")); return ok }
		g.opts.Forget = time.Hour
		g.policy.MaxAttempts = 3
		g.rule.set("a=1", "b=1", "c=11")
		g.start()
		g.wait(5*time.Second, "rc ok>critical")
		gone.Store("b", true)
		gone.Store("c", true)
		g.wait(5*time.Second, "rc critical>ok") // b leaves without a word
		g.rule.set()
		g.wait(5*time.Second, "ra ok>unknown")
		g.wait(2*time.Hour, "ra unknown>ok")
		if vs := g.e.Views(); len(vs) != 1 || vs[0].Text != "matches nothing" {
			t.Errorf("views: %+v", vs)
		}
		g.stop()
	})
}

func TestEngineSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.policy.Warning = &Threshold{Raise: 8, Clear: 5}
		g.rule.set("a=1", "b=11")
		g.start()
		g.wait(5*time.Second, "rb ok>critical")
		m, err := ParseMatcher(`host=~"a|b"`)
		if err != nil {
			t.Fatal(err)
		}
		s, err := g.e.Silence(t.Context(), Silence{Matchers: []Matcher{m}, Until: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		g.rule.set("a=11", "b=1")
		g.wait(5*time.Second, "rb critical>ok") // a recovery of what was told is told
		if v := g.view("a"); v.Mute.Reason != Silenced || v.Status != Critical {
			t.Errorf("view: %+v", v)
		}
		g.rule.set("a=1", "b=1")
		g.wait(5*time.Second, "") // no recovery without a problem
		g.rule.set("a=11", "b=1")
		g.stop()
		g.start() // silences survive
		g.wait(5*time.Second, "")
		if len(g.e.Silences()) != 1 || g.e.Silences()[0].ID != s.ID {
			t.Errorf("silences: %+v", g.e.Silences())
		}
		g.wait(time.Hour, "ra ok>critical") // it ends and the problem is still there
		if n := len(g.e.Silences()); n != 0 {
			t.Errorf("%d silences", n)
		}
		g.stop()
	})
}

func TestEngineAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.rule.set("a=11", "b=1")
		g.start()
		g.wait(3*time.Second, "ra ok>critical")
		m, _ := ParseMatcher("alertname=r")
		if n, err := g.e.Ack(t.Context(), []Matcher{m}, Ack{By: "me", Comment: "known"}); n != 1 || err != nil {
			t.Fatalf("acknowledged %d, %v", n, err)
		}
		g.stop()
		g.start()
		g.wait(3*time.Second, "")
		if a := g.view("a").Ack; a == nil || a.By != "me" || a.Comment != "known" {
			t.Errorf("acknowledgement: %+v", a)
		}
		g.rule.set("a=1", "b=1")
		g.wait(3*time.Second, "ra critical>ok")
		if a := g.view("a").Ack; a != nil {
			t.Errorf("acknowledgement stays: %+v", a)
		}
		if _, err := g.e.Ack(t.Context(), []Matcher{m}, Ack{}); !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
		g.stop()
	})
}

func TestEngineReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.rule.set("a=11")
		g.start()
		g.wait(3*time.Second, "ra ok>critical")
		other := &fakeRule{id: "other"}
		other.set("x=11")
		rules := append(g.rules(), Supervised{Rule: other, Policy: g.policy, Interval: time.Second})
		second := &receiver{}
		if err := g.e.Reload(rules, []Target{{"hook", g.rcv}, {"second", second}}); err != nil {
			t.Fatal(err)
		}
		g.wait(3*time.Second, "otherx ok>critical")
		if got := second.take(); got != "otherx ok>critical" {
			t.Errorf("the new target was told %q", got)
		}
		if err := g.e.Reload(append(rules, rules...), nil); err == nil || !strings.Contains(err.Error(), "two rules") {
			t.Errorf("doubled rules: %v", err)
		}
		if err := g.e.Reload(g.rules(), []Target{{"hook", g.rcv}}); err != nil {
			t.Fatal(err)
		}
		g.wait(3*time.Second, "otherx critical>ok") // its rule is gone
		g.stop()
	})
}

func TestEngineMaxStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.opts.MaxStates = 2
		g.rule.set("a=11", "b=11", "c=11")
		g.start()
		g.wait(1500*time.Millisecond, "ra ok>critical, rb ok>critical")
		if n := g.e.Stats().StatesFull.Load(); n == 0 {
			t.Error("the third was not counted")
		}
		g.stop()
	})
}

// TestEngineVanishedDataIsNoRecovery: a rule that failed at first stands for
// itself only until it gives readings.
func TestEngineVanishedDataIsNoRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.rule.fail(errors.New("not yet"))
		g.start()
		g.wait(3*time.Second, "r ok>unknown")
		g.rule.set("=11")
		g.wait(3*time.Second, "r unknown>critical")
		g.stop()
		g.start()
		g.wait(3*time.Second, "")
		g.rule.set()
		g.wait(15*time.Second, "r critical>unknown")
		g.stop()
	})
}

// TestEngineLongLabels: a label set that is too long for a key of the store is
// kept all the same; one that is too long for the store silences no other.
func TestEngineLongLabels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		long, endless := strings.Repeat("x", rrd.MaxKeyLen), strings.Repeat("y", state.MaxValue)
		g.rule.set("a=11", long+"=11", endless+"=11")
		g.start()
		g.wait(3*time.Second, "ra ok>critical, r"+long+" ok>critical")
		if n := g.e.Stats().LabelsTooLong.Load(); n == 0 {
			t.Error("the endless one was not counted")
		}
		g.stop()
		g.start()
		g.wait(3*time.Second, "")
		g.rule.set("a=1", long+"=1")
		g.wait(3*time.Second, "ra critical>ok, r"+long+" critical>ok")
		g.stop()
	})
}

func TestEngineSlowStoreTellsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		broken := &crashStore{Store: g.store, left: 0}
		g.store = broken
		g.rule.set("a=11")
		g.start()
		g.wait(5*time.Second, "")
		if v := g.e.Views()[0]; !strings.Contains(v.CheckErr, "not stored") {
			t.Errorf("view: %+v", v)
		}
		broken.mu.Lock()
		broken.left = 1 << 30
		broken.mu.Unlock()
		g.wait(5*time.Second, "ra ok>critical")
		g.stop()
	})
}

func TestHistoryAndStateJSON(t *testing.T) {
	tr := Transition{
		ID: "i", Rule: "r", Labels: rrd.Labels{{Name: "a", Value: "b"}}, From: OK, To: Unknown,
		Since: epoch, At: epoch, Text: "t", Annotations: map[string]string{"x": "y"}, Mute: Mute{Silenced, "deploy"},
	}
	for _, v := range []float64{1.5, -1e300} {
		tr.Value = v
		b, err := tr.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var back Transition
		if err := back.UnmarshalJSON(b); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tr, back); d != "" {
			t.Error(d)
		}
	}
}

// BenchmarkApply brings 1,000 label sets forward, of which none changes.
func BenchmarkApply(b *testing.B) {
	rule := &fakeRule{id: "r"}
	p := Policy{Critical: &Threshold{Raise: 10, Clear: 5}}
	e, err := NewEngine(Options{Store: state.NewMemory()}, []Supervised{{Rule: rule, Policy: p}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	var readings []Reading
	for i := range 1000 {
		readings = append(readings, Reading{Labels: rrd.Labels{{Name: "host", Value: fmt.Sprintf("web-%d", i)}}, Value: 1})
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := e.apply(b.Context(), e.runners()[0], false, readings, nil, epoch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(readings)), "ns/set")
}
