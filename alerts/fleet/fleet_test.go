package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"rondo/alerts/state"
	"rondo/rrd"
)

// heads is an index that the test writes.
type heads map[rrd.Key]rrd.Time

func (h heads) Heads(since rrd.Time) iter.Seq2[rrd.Key, rrd.Time] {
	return func(yield func(rrd.Key, rrd.Time) bool) {
		for k, t := range h {
			if t > since && !yield(k, t) {
				return
			}
		}
	}
}

func (h heads) set(t testing.TB, at time.Time, name string, labels ...string) {
	t.Helper()
	var ls []rrd.Label
	for i := 0; i < len(labels); i += 2 {
		ls = append(ls, rrd.Label{Name: labels[i], Value: labels[i+1]})
	}
	k, err := rrd.NewKey(name, ls...)
	if err != nil {
		t.Fatal(err)
	}
	h[k] = rrd.At(at)
}

func newFleet(t testing.TB, s state.Store, o Options) *Fleet {
	t.Helper()
	f, err := New(s, o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *Fleet) list() string {
	var out []string
	for _, h := range f.Hosts() {
		s := h.ID
		if h.Group != "" {
			s += "/" + h.Group
		}
		if h.Instance != "" {
			s += "=" + h.Instance
		}
		if !h.Withdrawn.IsZero() {
			s += "(withdrawn)"
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func TestTemplates(t *testing.T) {
	f := func(template, path, want string) {
		t.Helper()
		tp, err := ParseTemplate(template)
		if err != nil {
			t.Fatal(err)
		}
		got := "no"
		if id, ok := tp.match(path); ok {
			got = fmt.Sprintf("%s/%s %s %s", id.Group, id.Host, id.Prefix, id.Metric)
		}
		if got != want {
			t.Errorf("%s of %s: got %q, want %q", template, path, got, want)
		}
	}
	f("fleet.<group>.<host>.*", "fleet.web.web-1.load1", "web/web-1 fleet.web.web-1. load1")
	f("fleet.<group>.<host>.*", "fleet.web.web-1.disk.root", "web/web-1 fleet.web.web-1. disk.root")
	f("fleet.<group>.<host>.*", "fleet.web.web-1.", "no")
	f("fleet.<group>.<host>.*", "fleet.web.web-1", "no")
	f("fleet.<group>.<host>.*", "fleet.web..load1", "no")
	f("fleet.<group>.<host>.*", "other.web.web-1.load1", "no")
	f("<host>.*", "a.b.c", "/a a. b.c")
	f("*.<host>.cpu.*", "dc1.a.cpu.user", "/a dc1.a. cpu.user")
	f("*.<host>.cpu.*", "dc1.a.mem.used", "no")
}

func TestTemplateErrors(t *testing.T) {
	for _, s := range []string{"", "a.b.*", "<host>", "<host>.<host>.*", "x<host>.*", "<host>..*", "<host>.<group>.*", "<host>.<name>.*"} {
		if _, err := ParseTemplate(s); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add("fleet.<group>.<host>.*", "fleet.web.web-1.load1")
	f.Fuzz(func(t *testing.T, template, path string) {
		tp, err := ParseTemplate(template)
		if err != nil {
			return
		}
		if id, ok := tp.match(path); ok && (id.Host == "" || id.Prefix+id.Metric != path) {
			t.Errorf("%q of %q: %+v", template, path, id)
		}
	})
}

func TestSightings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		h := heads{}
		h.set(t, now, "fleet.web.web-1.load1")
		h.set(t, now, "load1", "host", "db-1", "group", "db", "instance", "i-0db")
		h.set(t, now, "load1", "host", "solo", "instance", "10.0.0.1:9100")
		h.set(t, now.Add(-time.Hour), "load1", "host", "long-gone")
		h.set(t, now.Add(time.Hour), "load1", "host", "ahead")
		h.set(t, now, "rondo.rrd.samples")
		f := newFleet(t, state.NewMemory(), Options{})
		f.poll(h, 0, now)
		if got, want := f.list(), "ahead db-1/db=i-0db solo web-1/web"; got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		for _, name := range []string{"db-1", "i-0db", "db-1.example.com"} {
			if at, ok := f.LastSeen(name); !ok || !at.Equal(now) {
				t.Errorf("last seen of %s: %v %v", name, at, ok)
			}
		}
		if at, _ := f.LastSeen("ahead"); at.After(now) {
			t.Errorf("a clock ahead is believed: %v", at)
		}
		w, _ := f.Host("web-1")
		if m := w.Selector(); m[0].Value != `fleet\.web\.web-1\..*` {
			t.Errorf("selector %+v", m)
		}
	})
}

func TestLifeOfAHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := state.NewMemory()
		h := heads{}
		f := newFleet(t, store, Options{})
		f.Bind("web-1.ec2.internal", "i-1") // before it was heard of
		step := func(d time.Duration, want string) {
			t.Helper()
			time.Sleep(d)
			f.poll(h, 0, time.Now())
			f.save(t.Context())
			if got := f.list(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		speak := func() { h.set(t, time.Now(), "fleet.web.web-1.load1") }
		speak()
		step(0, "web-1/web=i-1")
		f.Withdraw("i-1", "scale in")
		labels := rrd.Labels{{Name: "host", Value: "web-1"}}
		if !f.Gone(labels) || f.Gone(nil) {
			t.Error("Gone")
		}
		time.Sleep(4 * time.Minute)
		speak() // its last words
		step(0, "web-1/web=i-1(withdrawn)")
		f = newFleet(t, store, Options{}) // a restart
		step(0, "web-1/web=i-1(withdrawn)")
		step(30*time.Minute, "web-1/web=i-1(withdrawn)")
		step(time.Hour, "")
		step(0, "")
		f = newFleet(t, store, Options{}) // its old series make no host
		step(0, "")
		speak()
		step(time.Second, "web-1/web")
		f.Withdraw("web-1", "by hand")
		time.Sleep(6 * time.Minute)
		speak()
		step(0, "web-1/web") // it lives
		f.Withdraw("web-1", "by hand")
		f.Expect("web-1")
		step(0, "web-1/web")
		f.Bind("web-1", "i-2")
		f.Withdraw("web-1", "scale in")
		f.Bind("web-1", "i-3") // the name is given to a new machine
		step(0, "web-1/web=i-3")
	})
}

// TestOver: the host of an instance that is over is withdrawn, once, and who
// waits for changes sees it; one that has another instance by now stays.
func TestOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, state.NewMemory(), Options{})
		h := heads{}
		h.set(t, time.Now(), "fleet.web.web-1.load1")
		f.poll(h, 0, time.Now())
		f.Bind("web-1", "i-1")
		for _, tc := range []struct {
			instance string
			over     bool
			want     string
		}{
			{"i-2", false, "web-1/web=i-1"},
			{"i-1", true, "web-1/web=i-1(withdrawn)"},
			{"i-1", false, "web-1/web=i-1(withdrawn)"},
		} {
			before := f.Changes()
			over := f.Over(tc.instance, "the cloud ended it")
			if got := f.list(); over != tc.over || (f.Changes() != before) != tc.over || got != tc.want {
				t.Errorf("%s: %v, %d changes, %s; want %v, %s", tc.instance, over, f.Changes()-before, got, tc.over, tc.want)
			}
		}
	})
}

func TestWithdrawnBeforeItsFirstWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, state.NewMemory(), Options{})
		f.Withdraw("web-9", "retired while booting")
		h := heads{}
		h.set(t, time.Now(), "fleet.web.web-9.load1")
		f.poll(h, 0, time.Now())
		if got := f.list(); got != "web-9/web(withdrawn)" {
			t.Errorf("got %q", got)
		}
	})
}

func TestLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, state.NewMemory(), Options{MaxHosts: 3})
		now := time.Now()
		f.Logged("web-1.example.com", now)
		f.Logged("10.0.0.1", now)
		f.Logged("10.0.0.2", now)
		f.Logged("fourth", now)
		if got := f.list(); got != "10.0.0.1 10.0.0.2 web-1.example.com" || f.Snapshot()["refused"] != 1 {
			t.Errorf("got %q, %v", got, f.Snapshot())
		}
		h := heads{}
		h.set(t, now, "load1", "host", "web-1")
		f.poll(h, 0, now)
		f.Logged("web-1.example.com", now.Add(time.Minute))
		f.Logged("web-1.example.com", now) // older
		w, _ := f.Host("web-1")
		if w.ID != "web-1" || !w.LastLog.Equal(now.Add(time.Minute)) || len(f.Hosts()) != 3 {
			t.Errorf("host %+v of %q", w, f.list())
		}
		time.Sleep(25 * time.Hour)
		f.poll(h, 0, time.Now())
		if got := f.list(); got != "web-1" {
			t.Errorf("after a day: %q", got)
		}
	})
}

// TestMadeUpNames: names that stand in log messages alone do not shut out
// machines that send samples.
func TestMadeUpNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, state.NewMemory(), Options{MaxHosts: 3})
		h := heads{}
		speak := func(names ...string) {
			t.Helper()
			for _, n := range names {
				h.set(t, time.Now(), "load1", "host", n)
			}
			f.poll(h, 0, time.Now())
			time.Sleep(time.Second)
		}
		speak("web-1")
		for _, n := range []string{"made", "up", "names"} {
			f.Logged(n, time.Now())
			time.Sleep(time.Second)
		}
		f.Logged("made", time.Now()) // now up is the longest silent
		speak("web-2")
		if got := f.list(); got != "made web-1 web-2" {
			t.Errorf("got %q", got)
		}
		f.Withdraw("web-3", "retired while booting")
		if got := f.list(); got != "web-1 web-2 web-3(withdrawn)" {
			t.Errorf("got %q", got)
		}
		speak("web-4") // no room is left that can be made
		f.Logged("more", time.Now())
		if n := f.Snapshot(); f.list() != "web-1 web-2 web-3(withdrawn)" || n["evicted"] != 2 || n["refused"] != 3 {
			t.Errorf("%s, %v", f.list(), n)
		}
	})
}

// TestWithdrawBeforeTheFirstPoll: after a start nobody knows yet which hosts
// send samples, so none of them gives way.
func TestWithdrawBeforeTheFirstPoll(t *testing.T) {
	store := state.NewMemory()
	h := heads{}
	h.set(t, time.Now(), "load1", "host", "web-1")
	f := newFleet(t, store, Options{MaxHosts: 1})
	f.poll(h, 0, time.Now())
	f.save(t.Context())
	f = newFleet(t, store, Options{MaxHosts: 1})
	f.Withdraw("web-2", "x")
	if got := f.list(); got != "web-1" {
		t.Errorf("got %q", got)
	}
}

func TestBindBeyondRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, state.NewMemory(), Options{MaxHosts: 2})
		for _, n := range []string{"1", "2", "3"} {
			f.Bind("web-"+n, "i-"+n)
			time.Sleep(time.Second)
		}
		h := heads{}
		h.set(t, time.Now(), "load1", "host", "web-1")
		h.set(t, time.Now(), "load1", "host", "web-3")
		f.poll(h, 0, time.Now())
		if got, n := f.list(), f.Snapshot()["unbound"]; got != "web-1 web-3=i-3" || n != 1 {
			t.Errorf("got %q, %d unbound", got, n)
		}
		time.Sleep(25 * time.Hour)
		f.poll(h, 0, time.Now())
		if len(f.bound) != 0 {
			t.Errorf("after a day: %v", f.bound)
		}
	})
}

// TestWrongClocks: a host lives while its samples get newer, whatever time
// they carry, and not longer.
func TestWrongClocks(t *testing.T) {
	for _, off := range []time.Duration{-12 * time.Hour, -10 * time.Minute, -90 * time.Second, 0, 9 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t, state.NewMemory(), Options{})
			var mu sync.Mutex
			h := heads{}
			speak := func(off time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				h.set(t, time.Now().Add(off), "load1", "host", "web-1")
			}
			speak(0)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- f.Run(ctx, locked{&mu, h}) }()
			synctest.Wait()
			silence := func() time.Duration {
				at, _ := f.LastSeen("web-1")
				return time.Since(at)
			}
			f.mu.Lock()
			f.hosts["web-1"].newest = 1 // as if it had been wrong from the start
			f.mu.Unlock()
			for i := range 30 {
				speak(off)
				time.Sleep(10 * time.Second)
				if s := silence(); i > 12 && s > 12*time.Second {
					t.Errorf("clock off by %v: %v silent while it speaks", off, s)
				}
			}
			time.Sleep(5 * time.Minute)
			if s := silence(); s < 4*time.Minute {
				t.Errorf("clock off by %v: dead for 5 minutes, silent for %v", off, s)
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// locked heads may be written while they are read.
type locked struct {
	mu *sync.Mutex
	h  heads
}

func (l locked) Heads(since rrd.Time) iter.Seq2[rrd.Key, rrd.Time] {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.h).Heads(since)
}

// TestRun lets the loop run, on the disk store, and starts it again.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := state.NewMemory()
		h := heads{}
		h.set(t, time.Now(), "fleet.web.web-1.load1")
		for range 2 {
			f := newFleet(t, store, Options{})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- f.Run(ctx, h) }()
			time.Sleep(3 * time.Second)
			synctest.Wait()
			if at, ok := f.LastSeen("web-1"); !ok || time.Since(at) > 10*time.Second {
				t.Errorf("last seen %v, %v", at, ok)
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// TestLastLogIsKept: over a restart it is known when a host logged last; after a
// kill as it was ten minutes before, at most. It says nothing of whether the
// host has said its last.
func TestLastLogIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := state.NewMemory()
		run := func(f *Fleet) (stop func()) {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- f.Run(ctx, heads{}) }()
			return func() {
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		}
		last := func(f *Fleet) time.Time {
			h, _ := f.Host("web-1")
			return h.LastLog
		}
		f := newFleet(t, store, Options{})
		stop := run(f)
		at := time.Now()
		f.Logged("web-1", at)
		stop()
		f = newFleet(t, store, Options{})
		if !last(f).Equal(at) {
			t.Errorf("after a restart: %v, want %v", last(f), at)
		}
		if time.Sleep(time.Minute); f.LastWords("web-1", at) == "" {
			t.Error("it has said its last, though it was not heard of since the restart")
		}
		stop = run(f)
		at = time.Now()
		f.Logged("web-1", at)
		time.Sleep(noteEvery * pollEvery)
		synctest.Wait()
		if killed := newFleet(t, store, Options{}); !last(killed).Equal(at) {
			t.Errorf("after a kill: %v, want %v", last(killed), at)
		}
		stop()
	})
}

func TestHostOf(t *testing.T) {
	f := newFleet(t, state.NewMemory(), Options{})
	for want, ls := range map[string]rrd.Labels{
		"a":     {{Name: "host", Value: "a"}},
		"web-1": {{Name: rrd.NameLabel, Value: "fleet.web.web-1.sessions"}},
		"b":     {{Name: rrd.NameLabel, Value: "fleet.web.web-1.sessions"}, {Name: "host", Value: "b"}},
		"":      {{Name: rrd.NameLabel, Value: "sessions"}},
	} {
		if got := f.HostOf(ls); got != want {
			t.Errorf("%v: host %q, want %q", ls, got, want)
		}
	}
}

// TestIdentifyLaws: whatever is polled, a host is listed once, and what is
// withdrawn stays so within the margin.
func TestIdentifyLaws(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		f := newFleet(t, state.NewMemory(), Options{})
		now := time.Now()
		names := []string{"a", "a.x", "b", "i-1"}
		for range rapid.IntRange(1, 30).Draw(r, "n") {
			now = now.Add(time.Duration(rapid.IntRange(0, 600).Draw(r, "wait")) * time.Second)
			name := rapid.SampledFrom(names).Draw(r, "name")
			switch rapid.IntRange(0, 4).Draw(r, "op") {
			case 0:
				h := heads{}
				h.set(t, now, "load1", "host", name)
				f.poll(h, 0, now)
			case 1:
				f.Logged(name, now)
			case 2:
				f.Withdraw(name, "test")
				if h, ok := f.Host(name); !ok || h.Withdrawn.IsZero() {
					r.Fatalf("%s is not withdrawn", name)
				}
			case 3:
				f.Bind(name, "i-1")
			case 4:
				f.Expect(name)
			}
			seen := map[string]bool{}
			for _, h := range f.Hosts() {
				if seen[h.ID] || h.ID == "" {
					r.Fatalf("%q twice in %q", h.ID, f.list())
				}
				seen[h.ID] = true
			}
		}
	})
}

func TestHTTP(t *testing.T) {
	f := newFleet(t, state.NewMemory(), Options{})
	f.Logged("web-1", time.Now())
	get := func(method, path string, code int) string {
		t.Helper()
		w := httptest.NewRecorder()
		h := f.Handler()
		if method == "POST" {
			h = f.Commands()
		}
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if w.Code != code {
			t.Errorf("%s %s: %d, want %d", method, path, w.Code, code)
		}
		return w.Body.String()
	}
	var hosts []Host
	if err := json.Unmarshal([]byte(get("GET", "/api/hosts", 200)), &hosts); err != nil || len(hosts) != 1 || hosts[0].ID != "web-1" {
		t.Errorf("%+v, %v", hosts, err)
	}
	get("GET", "/api/hosts/web-1", 200)
	get("GET", "/api/hosts/nobody", 404)
	get("POST", "/api/hosts/nobody/withdraw", 404)
	if s := get("POST", "/api/hosts/web-1/withdraw?reason=test", 200); !strings.Contains(s, `"reason":"test"`) {
		t.Error(s)
	}
	if s := get("POST", "/api/hosts/web-1/expect", 200); strings.Contains(s, "reason") {
		t.Error(s)
	}
}

func BenchmarkPoll(b *testing.B) {
	h := heads{}
	now := time.Now()
	for host := range 2000 {
		for m := range 50 {
			h.set(b, now, fmt.Sprintf("metric%d", m), "host", fmt.Sprintf("web-%d", host), "group", "web")
		}
	}
	f := newFleet(b, state.NewMemory(), Options{})
	b.ReportAllocs()
	for b.Loop() {
		f.poll(h, 0, now)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(h)), "ns/series")
}

func BenchmarkLogged(b *testing.B) {
	f := newFleet(b, state.NewMemory(), Options{})
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		f.Logged("web-1", now)
	}
}
