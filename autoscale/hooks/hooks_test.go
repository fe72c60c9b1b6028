package hooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts/state"
	"rondo/autoscale"
	"rondo/autoscale/fanout"
	"rondo/autoscale/roster"
)

// TestOwed plays what is owed for one instance; each word is what it is now,
// and what that brings.
func TestOwed(t *testing.T) {
	f := func(steps ...string) {
		t.Helper()
		var k mark
		for _, step := range steps {
			now, want, _ := strings.Cut(step, ":")
			phase, ip, _ := strings.Cut(now, "@")
			m := roster.Member{ID: "i", Rank: 1, Alias: "web-1", Phase: autoscale.Phase(phase), PrivateIP: ip}
			event := k.owed(m, phase != "gone")
			failed := strings.HasSuffix(want, "!")
			if event != strings.TrimSuffix(want, "!") {
				t.Errorf("%v: %s: owed is %q", steps, step, event)
			}
			if event != "" {
				k = k.begun(event, m)
				if !failed {
					k = k.done(event)
				}
			}
		}
	}
	f("pending:", "in-service:joined", "in-service:", "silent:", "in-service:", "draining:leaving", "terminating:", "gone:left")
	f("in-service:joined", "gone:left")
	f("pending:", "draining:", "gone:")
	f("in-service:joined!", "in-service:joined", "in-service:")
	f("in-service:joined!", "draining:leaving!", "gone:left")
	f("in-service:joined!", "draining:leaving!", "in-service:joined", "in-service:")
	f("in-service:joined", "draining:leaving", "in-service:joined", "replaced:leaving")
	f("in-service@10.0.0.1:joined", "in-service@10.0.0.2:changed!", "in-service@10.0.0.2:changed", "in-service@10.0.0.2:")
}

// A house is groups, a roster and hooks of a test.
type house struct {
	t     *testing.T
	store state.Store
	mu    sync.Mutex
	all   []autoscale.Membership
	ears  []chan struct{}
	ran   []string // what was run
	fail  func(target string) bool
	hooks *Hooks
	stop  func()
}

func (h *house) Members() []autoscale.Membership {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all
}

func (h *house) Subscribe() (<-chan struct{}, func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ear := make(chan struct{}, 1)
	h.ears = append(h.ears, ear)
	return ear, func() {}
}

// Run implements fanout.Runner.
func (h *house) Run(_ context.Context, to fanout.Host, c fanout.Command) fanout.Result {
	var m Message
	if err := json.Unmarshal(c.Input, &m); err != nil || c.Env[0] != "RONDO_EVENT="+m.Event || m.Target != to.Label() {
		h.t.Errorf("%v: %s %v", err, c.Input, c.Env)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	said := m.Event + " " + m.Member.ID + " on " + to.ID
	if h.fail != nil && h.fail(to.ID) {
		h.ran = append(h.ran, said+" fails")
		return fanout.Exited(to, 1, "no")
	}
	h.ran = append(h.ran, said)
	return fanout.Exited(to, 0, "")
}

// set gives the group instances such as "a:in-service".
func (h *house) set(act bool, words ...string) {
	m := autoscale.Membership{Group: "web", Act: act}
	for _, w := range words {
		id, phase, _ := strings.Cut(w, ":")
		m.Instances = append(m.Instances, autoscale.Instance{ID: id, Phase: autoscale.Phase(phase), PrivateIP: "10.0.0.1", Launched: time.Unix(int64(id[0]), 0)})
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = []autoscale.Membership{m}
	for _, ear := range h.ears {
		select {
		case ear <- struct{}{}:
		default:
		}
	}
}

// start runs hooks, as after a start.
func (h *house) start(all ...Config) {
	h.t.Helper()
	r, err := roster.Open(h.store, slog.New(slog.DiscardHandler))
	if err != nil {
		h.t.Fatal(err)
	}
	jobs := map[string]fanout.Job{"do": {Config: fanout.Config{Name: "do", AtOnce: 1}, Runner: h}}
	if h.hooks, err = New(all, jobs, r, h.store, slog.New(slog.DiscardHandler)); err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(h.t.Context())
	var wait sync.WaitGroup
	wait.Go(func() { _ = roster.Source{Roster: r, Groups: []string{"web"}}.Run(ctx, h) })
	wait.Go(func() { _ = h.hooks.Run(ctx, h) })
	h.stop = func() { cancel(); wait.Wait() }
}

// expect waits, and says what was run meanwhile.
func (h *house) expect(after time.Duration, want ...string) {
	h.t.Helper()
	time.Sleep(after)
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	slices.Sort(h.ran) // instances have no order among themselves
	if d := cmp.Diff(want, slices.Clip(h.ran)); d != "" {
		h.t.Error(d)
	}
	h.ran = nil
}

func (h *house) waits(id, want string) {
	h.t.Helper()
	if got := h.hooks.Waits("web", autoscale.Instance{ID: id}, time.Now()); got != want {
		h.t.Errorf("%s waits for %q, want %q", id, got, want)
	}
}

func TestHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &house{t: t, store: state.NewMemory()}
		own := Config{Name: "own", Group: "web", On: []string{Joined, Leaving}, Do: "do"}
		others := Config{Name: "others", Group: "web", On: []string{Left}, Do: "do", Over: Others}
		h.start(own, others)
		h.set(false, "a:in-service")
		h.expect(time.Minute) // a dry run changes nothing outside
		h.set(true, "a:in-service", "b:booting")
		h.expect(time.Minute, "joined a on a")
		h.set(true, "a:in-service", "b:in-service", "c:in-service")
		h.expect(time.Second, "joined b on b", "joined c on c")
		h.stop()

		h.start(own, others) // what was done is known
		h.expect(time.Minute)
		h.set(true, "a:draining", "b:in-service", "c:in-service")
		h.waits("a", "hook own is not done")
		h.expect(time.Second, "leaving a on a")
		h.waits("a", "")
		h.set(true, "b:in-service", "c:in-service")
		h.expect(time.Second, "left a on b", "left a on c")
		h.mu.Lock()
		h.all = nil // nobody can be asked: nobody leaves
		h.mu.Unlock()
		h.expect(time.Minute)
		h.stop()
		kept := func() (n int) {
			for range h.store.Scan(state.Range{Prefix: prefix}) {
				n++
			}
			return n
		}
		before := kept()
		if _, err := New(nil, nil, nil, h.store, slog.New(slog.DiscardHandler)); err != nil || before == 0 || kept() != before {
			t.Errorf("a configuration that is not started forgets: %d of %d are kept, %v", kept(), before, err)
		}
		h.start() // hooks that there are no more are forgotten
		h.expect(0)
		if n := kept(); n != 0 {
			t.Errorf("%d are kept", n)
		}
		h.stop()
	})
}

// TestFailures: what fails is tried again for those for whom it failed, with
// pauses that grow, over a restart too, and given up in the end.
func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &house{t: t, store: state.NewMemory(), fail: func(id string) bool { return id == "b" }}
		conf := Config{Name: "all", Group: "web", On: []string{Leaving}, Do: "do", Over: All, Tries: 3}
		h.set(true, "a:in-service", "b:in-service")
		h.start(conf)
		h.expect(time.Second)
		h.set(true, "a:draining", "b:in-service")
		h.expect(500*time.Millisecond, "leaving a on a", "leaving a on b fails")
		h.waits("a", "hook all is not done: leaving failed 1 times: web-1: exit 1: no")
		if note := h.hooks.Note("web", "a"); note != "hook all: leaving failed 1 times: web-1: exit 1: no" {
			t.Error(note)
		}
		h.expect(time.Second, "leaving a on b fails")
		h.stop()
		h.fail = func(string) bool { return true }
		h.start(conf)
		h.expect(5*time.Second, "leaving a on a fails", "leaving a on b fails") // the third, and last
		h.waits("a", "")
		if got := h.hooks.Snapshot(); got["hook_given_up"] != 1 || got["hook_runs"] != 1 {
			t.Error(got)
		}
		h.expect(time.Hour)
		h.stop()
	})
}

// full is a store that takes nothing.
type full struct{ state.Store }

func (full) Write(context.Context, ...state.Change) error { return state.ErrDiskFull }

// TestNotNoted: what cannot be noted is not done.
func TestNotNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &house{t: t, store: full{state.NewMemory()}}
		h.set(true, "a:in-service")
		h.start(Config{Name: "own", Group: "web", On: []string{Joined}, Do: "do"})
		h.expect(time.Minute)
		if n := h.hooks.Snapshot()["hook_write_errors"]; n < 5 || n > 20 {
			t.Errorf("%d tries in a minute", n)
		}
		h.stop()
	})
}

func TestValidate(t *testing.T) {
	commands := []fanout.Config{{Name: "reload", Over: fanout.OverSSH}, {Name: "here", Run: []string{"/bin/true"}}}
	f := func(want string, c Config) {
		t.Helper()
		if c.Name == "" {
			c.Name, c.Group = "x", "web"
		}
		got := ""
		if err := Validate([]Config{c}, commands); err != nil {
			got = err.Error()
		}
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	on := []string{Joined, Left}
	f("", Config{On: on, Do: "here"})
	f("", Config{On: on, Do: "reload", Over: Others})
	f("", Config{On: on, Webhook: "https://x/"})
	f(`hooks: 1: hook "x": on: left: command "reload" runs on the instance, which is gone by then`, Config{On: on, Do: "reload"})
	f(`there is no command "none"`, Config{On: on, Do: "none"})
	f("want one of do:", Config{On: on})
	f("want one of do:", Config{On: on, Do: "here", Webhook: "https://x/"})
	f(`on: "born"`, Config{On: []string{"born"}, Do: "here"})
	f("on is missing", Config{Do: "here"})
	f(`over: "many"`, Config{On: on, Do: "here", Over: "many"})
	f("tries: 1000", Config{On: on, Do: "here", Tries: 1000})
	f("timeout: 2h", Config{On: on, Do: "here", Timeout: 2 * time.Hour})
	f("webhook: want http", Config{On: on, Webhook: "x"})
	f("group is missing", Config{Name: "y", On: on, Do: "here"})
	f(`name "a/b"`, Config{Name: "a/b", Group: "web", On: on, Do: "here"})
}

func TestSummary(t *testing.T) {
	h := fanout.Host{ID: "i-1", Alias: "web-1"}
	ok, bad := fanout.Exited(h, 0, ""), fanout.Failed(h, errors.New("refused"))
	for want, rs := range map[string][]fanout.Result{"<nil>": {ok}, "web-1: refused": {ok, bad}, "2 of 2 failed, the first is web-1: refused": {bad, bad}} {
		if got := fmt.Sprint(Failures(rs)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
