package dispatch

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
	"github.com/google/go-cmp/cmp/cmpopts"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/alerts/state"
)

// A recorder is a Sender that writes down what it is sent.
type recorder struct {
	mu    sync.Mutex
	start time.Time
	lines []string
	got   []notify.Notice
	fail  func(n notify.Notice) error // nil: never
	block chan struct{}               // nil: never
}

// Send implements notify.Sender.
func (r *recorder) Send(ctx context.Context, n notify.Notice) error {
	if r.block != nil {
		select {
		case <-r.block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		if err := r.fail(n); err != nil {
			return err
		}
	}
	line := fmt.Sprintf("%s %s %s", short(time.Since(r.start)), n.Receiver, n.Reason)
	for _, a := range n.Alerts {
		name := a.Labels.Get("alertname") + "/" + a.Labels.Get("host")
		if !a.Firing() {
			name = "-" + name
		}
		line += " " + name
	}
	r.lines, r.got = append(r.lines, line), append(r.got, n)
	return nil
}

func (r *recorder) said() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lines)
}

func (r *recorder) notices() []notify.Notice {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// change is a hard change of a rule on a host.
func change(rule, host string, n int, to alerts.Status, more ...string) alerts.Transition {
	now := time.Now()
	m := map[string]string{"host": host}
	for i := 0; i+1 < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return alerts.Transition{
		ID: fmt.Sprintf("%s-%s-%d-%s", rule, host, n, to), Rule: rule, Labels: alerts.NewLabels(m), To: to, Since: now, At: now, Text: "a text",
	}
}

func ptr[T any](v T) *T { return &v }

// running is a dispatcher that runs in a bubble.
type running struct {
	*Dispatcher
	t      *testing.T
	cancel func()
	done   chan error
}

func start(t *testing.T, o Options, c Config, rs ...Receiver) *running {
	t.Helper()
	d, err := New(o, c, rs, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{d, t, cancel, make(chan error, 1)}
	go func() { r.done <- d.Run(ctx) }()
	return r
}

func (r *running) stop() {
	r.cancel()
	if err := <-r.done; err != nil {
		r.t.Error(err)
	}
}

func (r *running) act(ts ...alerts.Transition) {
	r.t.Helper()
	if err := r.ActAll(context.Background(), ts); err != nil {
		r.t.Fatal(err)
	}
}

// pass lets time go by, and everything come to rest.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func wantSaid(t *testing.T, r *recorder, want ...string) {
	t.Helper()
	got := r.said()
	slices.SortStableFunc(got, func(a, b string) int { // groups at the same time come in any order
		if at, _, _ := strings.Cut(a, " "); strings.HasPrefix(b, at+" ") {
			return strings.Compare(a, b)
		}
		return 0
	})
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func oneRoute(by ...string) Config {
	return Config{Route: &RouteConfig{Receiver: "pager", GroupBy: by}}
}

// TestTold: from the change to the receiver and back, through a restart.
func TestTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec, store := &recorder{start: time.Now()}, state.NewMemory()
		pager := Receiver{Name: "pager", Sender: rec, SendResolved: true, Rate: DefaultRate()}
		d := start(t, Options{Store: store}, oneRoute("alertname"), pager)
		d.act(change("load", "a", 1, alerts.Warning))
		pass(10 * time.Second)
		d.act(change("load", "b", 1, alerts.Critical), change("disk", "b", 1, alerts.Critical))
		pass(time.Minute)
		d.act(change("load", "a", 2, alerts.Critical)) // the end of one alert, the beginning of another
		pass(5 * time.Minute)
		d.stop()
		d = start(t, Options{Store: store}, oneRoute("alertname"), pager)
		d.act(change("load", "a", 2, alerts.Critical)) // was taken before
		pass(10 * time.Minute)
		d.act(change("load", "a", 3, alerts.OK), change("load", "b", 2, alerts.OK), change("disk", "b", 2, alerts.OK))
		pass(time.Hour)
		wantSaid(t, rec,
			"30s pager new load/b load/a",
			"40s pager new disk/b",
			"5m30s pager changed load/b load/a -load/a",
			"21m10s pager resolved -disk/b", // the restart was at 6m10s, and looked at all groups
			"21m10s pager resolved -load/b -load/a",
		)
		for e := range store.Scan(state.Range{Prefix: "dispatch/"}) {
			if e.Key != takenKey {
				t.Errorf("%s is left in the store", e.Key)
			}
		}
		if len(d.where)+len(d.problems)+d.held+len(d.byTime) > 0 {
			t.Errorf("left in memory: %d alerts, %d problems, %d held, %d groups", len(d.where), len(d.problems), d.held, len(d.byTime))
		}
		d.stop()
	})
}

// TestSlowReceiver: one that hangs does not delay another.
func TestSlowReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, quick := &recorder{start: time.Now(), block: make(chan struct{})}, &recorder{start: time.Now()}
		c := oneRoute("...")
		c.Route.GroupWait = ptr(time.Duration(0))
		c.Route.Routes = []RouteConfig{{Receiver: "slow", Continue: true}, {Receiver: "quick"}}
		c.Route.Receiver = "slow"
		d := start(t, Options{Store: state.NewMemory()}, c, Receiver{Name: "slow", Sender: slow}, Receiver{Name: "quick", Sender: quick})
		d.act(change("load", "a", 1, alerts.Critical))
		pass(time.Second)
		wantSaid(t, quick, "0s quick new load/a")
		wantSaid(t, slow)
		d.stop()
	})
}

// TestRetries: what is worth it is tried again, in order within a group.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := true
		rec := &recorder{start: time.Now()}
		rec.fail = func(n notify.Notice) error {
			switch host := n.GroupLabels.Get("host"); {
			case host == "refused":
				return alerts.Permanent(errors.New("no such channel"))
			case host == "broken" && broken:
				return errors.New("connection refused")
			}
			return nil
		}
		c := oneRoute("host")
		c.Route.GroupWait, c.Route.GroupInterval = ptr(time.Duration(0)), ptr(10*time.Second)
		d := start(t, Options{Store: state.NewMemory()}, c, Receiver{Name: "pager", Sender: rec, SendResolved: true})
		d.act(change("load", "broken", 1, alerts.Critical), change("load", "refused", 1, alerts.Critical))
		pass(20 * time.Second)
		d.act(change("load", "broken", 2, alerts.OK), change("load", "well", 1, alerts.Critical))
		pass(20 * time.Second)
		wantSaid(t, rec, "20s pager new load/well")
		rec.mu.Lock()
		broken = false
		rec.mu.Unlock()
		pass(time.Minute)
		got := rec.notices()
		if len(got) != 3 || !got[1].Firing() || got[2].Firing() || got[1].GroupKey != got[2].GroupKey {
			t.Errorf("told %q", rec.said())
		}
		if s := d.receivers["pager"].stats.Snapshot(); s["told"] != 3 || s["refused"] != 1 || s["retried"] == 0 {
			t.Errorf("counted %v", s)
		}
		d.stop()
	})
}

// TestLater: a receiver that says when is not asked before, for any group.
func TestLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		rec := &recorder{start: time.Now()}
		rec.fail = func(notify.Notice) error {
			if tries++; time.Since(rec.start) < 10*time.Minute {
				return &notify.LaterError{After: 10 * time.Minute, Err: errors.New("too many requests")}
			}
			return nil
		}
		c := oneRoute("host")
		c.Route.GroupWait = ptr(time.Duration(0))
		d := start(t, Options{Store: state.NewMemory()}, c, Receiver{Name: "pager", Sender: rec})
		d.act(change("load", "a", 1, alerts.Critical))
		pass(time.Second)
		d.act(change("load", "b", 1, alerts.Critical))
		pass(20 * time.Minute)
		wantSaid(t, rec, "10m pager new load/a", "10m pager new load/b")
		if tries != 3 {
			t.Errorf("%d tries", tries)
		}
		d.stop()
	})
}

// TestBounds: what is too much is refused or told by a digest, what is too old
// goes, and all of it is counted.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{start: time.Now(), fail: func(notify.Notice) error { return errors.New("down") }}
		c := oneRoute("host")
		c.Route.GroupWait = ptr(time.Duration(0))
		d := start(t, Options{Store: state.NewMemory(), MaxAlerts: 5, MaxQueue: 3, Expire: time.Hour}, c, Receiver{Name: "pager", Sender: rec})
		for i := range 7 {
			d.act(change("load", fmt.Sprint("h", i), 1, alerts.Critical))
		}
		pass(2 * time.Hour)
		if n := d.stats.Full.Load(); n != 2 {
			t.Errorf("%d alerts refused, want 2", n)
		}
		if s := d.receivers["pager"].stats.Snapshot(); s["dropped"] != 0 || s["digests"] != 1 || s["expired"] < 1 || s["expired"] > 3 {
			t.Errorf("counted %v, want one digest of what the queue has no room for, and that expired", s)
		}
		d.stop()
	})
}

// TestInFlight: what was being sent at a kill is sent again with its key, and
// counted; what was waiting is sent once.
func TestInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := state.NewMemory()
		hangs := &recorder{start: time.Now(), block: make(chan struct{})}
		c := oneRoute("host")
		c.Route.GroupWait = ptr(time.Duration(0))
		d := start(t, Options{Store: store}, c, Receiver{Name: "pager", Sender: hangs})
		d.act(change("load", "a", 1, alerts.Critical))
		d.act(change("load", "b", 1, alerts.Critical))
		pass(time.Second)
		d.stop()
		rec := &recorder{start: time.Now()}
		d = start(t, Options{Store: store}, c, Receiver{Name: "pager", Sender: rec})
		pass(time.Second)
		wantSaid(t, rec, "0s pager new load/a", "0s pager new load/b")
		if n := d.receivers["pager"].stats.Repeated.Load(); n != 1 {
			t.Errorf("%d counted as perhaps repeated, want 1", n)
		}
		d.stop()
	})
}

// TestReload: a group whose route is gone tells the end to who knows of it, and
// nothing else.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec, store := &recorder{start: time.Now()}, state.NewMemory()
		rs := []Receiver{{Name: "pager", Sender: rec, SendResolved: true}, {Name: "mail", Sender: rec, SendResolved: true}}
		c := oneRoute("host")
		c.Route.Routes = []RouteConfig{{Receiver: "mail", Matchers: []string{`alertname="load"`}}}
		d := start(t, Options{Store: store}, c, rs...)
		d.act(change("load", "a", 1, alerts.Critical))
		pass(time.Minute)
		if err := d.Reload(oneRoute("host"), rs, ""); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Hour)
		d.act(change("load", "a", 2, alerts.OK))
		pass(10 * time.Minute)
		wantSaid(t, rec,
			"30s mail new load/a",
			"1m30s pager new load/a",
			"4h1m30s pager repeat load/a",
			"8h1m30s pager repeat load/a",
			"10h1m30s pager resolved -load/a",
			"10h5m30s mail resolved -load/a",
		)
		d.stop()
	})
}

// TestRungBeforeOtherGroups: the ladder of one group is climbed in time while
// the next regular look is at another.
func TestRungBeforeOtherGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{start: time.Now()}
		c := oneRoute("host")
		c.Route.GroupWait = ptr(time.Duration(0))
		c.Route.Routes = []RouteConfig{{Matchers: []string{`alertname="load"`}, Escalation: []RungConfig{{time.Minute, "boss"}}}}
		d := start(t, Options{Store: state.NewMemory()}, c, Receiver{Name: "pager", Sender: rec}, Receiver{Name: "boss", Sender: rec})
		d.act(change("disk", "a", 1, alerts.Critical))
		pass(10 * time.Second)
		d.act(change("load", "b", 1, alerts.Critical))
		pass(4 * time.Minute)
		wantSaid(t, rec, "0s pager new disk/a", "10s pager new load/b", "1m10s boss escalation load/b")
		d.stop()
	})
}

// TestClockStepsBack: what was stored before a step of the clock is told no
// later than the route waits.
func TestClockStepsBack(t *testing.T) {
	store := state.NewMemory()
	synctest.Test(t, func(t *testing.T) {
		pass(24 * time.Hour)
		d := start(t, Options{Store: store}, oneRoute("host"), Receiver{Name: "pager", Sender: &recorder{start: time.Now()}})
		d.act(change("load", "a", 1, alerts.Critical))
		pass(10 * time.Second)
		d.stop()
	})
	synctest.Test(t, func(t *testing.T) { // its clock is a day behind
		rec := &recorder{start: time.Now()}
		d := start(t, Options{Store: store}, oneRoute("host"), Receiver{Name: "pager", Sender: rec})
		pass(time.Hour)
		wantSaid(t, rec, "5m pager new load/a")
		d.stop()
	})
}

// TestDigestAndRung: an end that one receiver heard of by a digest is kept
// until another one, which knows of the problem too, has heard of it.
func TestDigestAndRung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{start: time.Now()}
		c := oneRoute("host")
		c.Route.GroupWait, c.Route.Escalation = ptr(time.Second), []RungConfig{{2 * time.Minute, "boss"}}
		d := start(t, Options{Store: state.NewMemory()}, c,
			Receiver{Name: "pager", Sender: rec, SendResolved: true, Rate: Rate{1, time.Minute}}, Receiver{Name: "boss", Sender: rec, SendResolved: true})
		d.act(change("load", "a", 1, alerts.Critical), change("load", "b", 1, alerts.Critical)) // a storm, for a rate of one
		pass(5 * time.Minute)
		d.act(change("disk", "a", 1, alerts.Critical)) // one more for the digest
		pass(2500 * time.Millisecond)                  // the group was looked at, the digest is still to come
		d.act(change("disk", "a", 2, alerts.OK), change("load", "a", 2, alerts.OK), change("load", "b", 2, alerts.OK))
		pass(time.Hour)
		for _, n := range rec.notices() {
			if len(n.Alerts) == 0 {
				t.Errorf("%s is told of nothing: %+v", n.Receiver, n)
			}
		}
		for _, name := range []string{"load/a", "load/b"} {
			for _, to := range []string{"boss", "pager"} {
				if !slices.ContainsFunc(rec.said(), func(l string) bool { return strings.Contains(l, " "+to+" ") && strings.Contains(l+" ", " -"+name+" ") }) {
					t.Errorf("%s never heard of the end of %s", to, name)
				}
			}
		}
		t.Log(strings.Join(rec.said(), "\n"))
		d.stop()
	})
}

// TestLostAlert: a group whose alerts cannot be read ends without a word, and
// is forgotten.
func TestLostAlert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec, store := &recorder{start: time.Now()}, state.NewMemory()
		pager := Receiver{Name: "pager", Sender: rec, SendResolved: true}
		d := start(t, Options{Store: store}, oneRoute("host"), pager)
		d.act(change("load", "a", 1, alerts.Critical))
		pass(time.Minute)
		d.stop()
		for e := range store.Scan(state.Range{Prefix: alertPrefix}) {
			if err := store.Write(t.Context(), state.Put(e.Key, []byte("{"))); err != nil {
				t.Fatal(err)
			}
		}
		d = start(t, Options{Store: store}, oneRoute("host"), pager)
		pass(time.Hour)
		wantSaid(t, rec, "30s pager new load/a")
		if len(d.groups) > 0 {
			t.Errorf("%d groups are left", len(d.groups))
		}
		d.stop()
	})
}
