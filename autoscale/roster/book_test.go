package roster

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts/state"
	"rondo/autoscale"
)

// fakeGroups are groups that a test changes.
type fakeGroups struct {
	mu   sync.Mutex
	all  []autoscale.Membership
	ears []chan struct{}
}

func (f *fakeGroups) Members() []autoscale.Membership {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all
}

func (f *fakeGroups) Subscribe() (<-chan struct{}, func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ear := make(chan struct{}, 1)
	f.ears = append(f.ears, ear)
	return ear, func() {}
}

func (f *fakeGroups) set(all ...autoscale.Membership) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = all
	for _, ear := range f.ears {
		select {
		case ear <- struct{}{}:
		default:
		}
	}
}

func open(t *testing.T, store state.Store) *Roster {
	t.Helper()
	r, err := Open(store, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// failing is a store that takes no writes while it is full.
type failing struct {
	state.Store
	full bool
}

func (f *failing) Write(ctx context.Context, changes ...state.Change) error {
	if f.full {
		return state.ErrDiskFull
	}
	return f.Store.Write(ctx, changes...)
}

// TestRestart: ranks and versions go on after a restart, and what is the same
// is no new version.
func TestRestart(t *testing.T) {
	store := &failing{Store: state.NewMemory()}
	groups := []string{"web", "db"}
	r := open(t, store)
	r.update(t.Context(), Source{Groups: groups}, []autoscale.Membership{groupOf("web", "a:i b:i"), groupOf("db", "c:i")})
	r.update(t.Context(), Source{Groups: groups}, []autoscale.Membership{groupOf("web", "b:i"), groupOf("db", "c:i")})
	r.update(t.Context(), Source{Groups: groups}, []autoscale.Membership{groupOf("web", "b:i d:i"), groupOf("db", "c:i")})
	before := r.View()
	if got := ranksOf(before.Members); before.Version != 3 || got != "db-1=c web-1=b web-2=d" {
		t.Fatalf("version %d: %s", before.Version, got)
	}
	r = open(t, store)
	if d := cmp.Diff(before, r.View(), cmp.AllowUnexported(View{})); d != "" {
		t.Error(d)
	}
	if !r.Knows(groups) || r.Knows([]string{"other"}) {
		t.Error("who was there is not known")
	}
	r.update(t.Context(), Source{Groups: groups}, nil)
	r.update(t.Context(), Source{Groups: groups}, []autoscale.Membership{groupOf("web", "b:i d:i"), groupOf("db", "c:i")})
	if d := cmp.Diff(before, r.View(), cmp.AllowUnexported(View{})); d != "" {
		t.Error(d)
	}
	store.full = true
	r.update(t.Context(), Source{Groups: groups}, []autoscale.Membership{groupOf("web", "b:i d:i e:i")})
	if v := r.View(); v.Version != 4 || len(v.Members) != 4 || r.Snapshot()["write_errors"] != 1 {
		t.Errorf("with a full disk: %v, %v", v, r.Snapshot())
	}
	store.full = false
	r.update(t.Context(), Source{Groups: groups}, nil)
	if v := open(t, store).View(); v.Tag() != r.View().Tag() {
		t.Errorf("what was not taken is not given again: %v", v)
	}
	r.update(t.Context(), Source{Groups: []string{"db"}}, nil)
	if got := ranksOf(open(t, store).View().Members); got != "db-1=c" {
		t.Errorf("a group that is configured no more has left %s", got)
	}
}

// TestLeftWhileNobodyLooked: who is in the cloud's list no more after a restart
// has left, and that is told; nobody has left a group that is configured no more.
func TestLeftWhileNobodyLooked(t *testing.T) {
	store := state.NewMemory()
	r := open(t, store)
	r.update(t.Context(), Source{Groups: []string{"web", "db"}}, []autoscale.Membership{groupOf("web", "a:i b:i"), groupOf("db", "c:i")})
	r = open(t, store)
	var left []string
	s := Source{Groups: []string{"web"}, Left: func(m Member) { left = append(left, m.ID) }}
	r.update(t.Context(), s, nil) // the cloud has not answered yet
	if left != nil {
		t.Errorf("%v have left while nobody knows", left)
	}
	for range 2 {
		r.update(t.Context(), s, []autoscale.Membership{groupOf("web", "b:i")})
	}
	if d := cmp.Diff([]string{"a"}, left); d != "" {
		t.Error(d)
	}
}

// slow is a store whose writes take until the test lets them go on.
type slow struct {
	state.Store
	begun, goOn chan struct{}
}

func (s slow) Write(ctx context.Context, changes ...state.Change) error {
	s.begun <- struct{}{}
	<-s.goOn
	return s.Store.Write(ctx, changes...)
}

// TestSlowDisk: who asks while the disk is slow is told of the version before,
// and does not wait.
func TestSlowDisk(t *testing.T) {
	store := slow{state.NewMemory(), make(chan struct{}), make(chan struct{})}
	r := open(t, store)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.update(t.Context(), Source{Groups: []string{"web"}}, []autoscale.Membership{groupOf("web", "a:i")})
	}()
	for range 2 { // the version, and the member
		<-store.begun
		if v := r.View(); v.Version != 0 || r.Knows([]string{"web"}) {
			t.Errorf("version %d is told, and is not on disk", v.Version)
		}
		store.goOn <- struct{}{}
	}
	<-done
	if v := r.View(); v.Version != 1 {
		t.Errorf("version %d", v.Version)
	}
}

// TestGroupComesBack: a group that the configuration had before is one that
// nothing is known of, until its cloud has answered.
func TestGroupComesBack(t *testing.T) {
	r := open(t, state.NewMemory())
	both := []string{"web", "db"}
	r.update(t.Context(), Source{Groups: both}, []autoscale.Membership{groupOf("web", "a:i"), groupOf("db", "")})
	if !r.Knows(both) {
		t.Error("an empty group is known too")
	}
	r.update(t.Context(), Source{Groups: []string{"web"}}, []autoscale.Membership{groupOf("web", "a:i")})
	r.update(t.Context(), Source{Groups: both}, []autoscale.Membership{groupOf("web", "a:i")})
	if r.Knows(both) {
		t.Error("db is taken to be empty, and nobody was asked")
	}
	if r.Clear(t.Context()); len(r.View().Members) != 0 {
		t.Errorf("without any group there is %v", r.View().Members)
	}
}

func TestDamaged(t *testing.T) {
	store := state.NewMemory()
	err := store.Write(t.Context(), state.Put(memberPrefix+"web/a", []byte("x")), state.Put(versionKey, []byte("y")))
	r := open(t, store)
	if v := r.View(); err != nil || v.Version != 0 || len(v.Members) != 0 {
		t.Errorf("%v %v", err, v)
	}
}

// TestSource: changes that come together are one version.
func TestSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, state.NewMemory())
		groups := &fakeGroups{}
		ctx, cancel := context.WithCancel(t.Context())
		go Source{Roster: r, Groups: []string{"web"}}.Run(ctx, groups)
		synctest.Wait()
		for _, text := range []string{"a:p", "a:b", "a:i"} {
			groups.set(groupOf("web", text))
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		if v := r.View(); v.Version != 1 || ranksOf(v.Members) != "web-1=a" {
			t.Errorf("version %d: %s", v.Version, ranksOf(v.Members))
		}
		cancel()
		synctest.Wait()
	})
}

func TestHandler(t *testing.T) {
	r := open(t, state.NewMemory())
	r.update(t.Context(), Source{Groups: []string{"web", "db"}}, []autoscale.Membership{groupOf("web", "a:i"), groupOf("db", "c:i")})
	ask := func(query, has string) *httptest.ResponseRecorder {
		req := httptest.NewRequest(http.MethodGet, Path+query, nil)
		req.Header.Set("If-None-Match", has)
		w := httptest.NewRecorder()
		r.Handler().ServeHTTP(w, req)
		return w
	}
	w := ask("?group=web", "")
	var v View
	if err := json.NewDecoder(w.Body).Decode(&v); err != nil || v.Version != 1 || ranksOf(v.Members) != "web-1=a" {
		t.Errorf("%v %v", err, v)
	}
	tag := w.Header().Get("ETag")
	if w := ask("", `"0-x", W/`+tag); w.Code != http.StatusNotModified || w.Body.Len() > 0 {
		t.Errorf("%s: %d", tag, w.Code)
	}
	if w := ask("?group=none", ""); !strings.Contains(w.Body.String(), `"members":[]`) {
		t.Error(w.Body)
	}
}

// reader reads events of a server.
type reader struct {
	t    *testing.T
	body *bufio.Reader
	last string
}

func (f *reader) next() string {
	f.t.Helper()
	name, data := "", ""
	for {
		line, err := f.body.ReadString('\n')
		if err != nil {
			return "end"
		}
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch key {
		case "event":
			name = value
		case "id":
			f.last = value
		case "data":
			data = value
		case "":
			if name == "view" {
				var v View
				if err := json.Unmarshal([]byte(data), &v); err != nil {
					f.t.Fatal(err)
				}
				return "view " + ranksOf(v.Members)
			}
			if name != "" {
				var e Event
				if err := json.Unmarshal([]byte(data), &e); err != nil {
					f.t.Fatal(err)
				}
				return fmt.Sprintf("%s %d %s", name, e.Version, ranksOf([]Member{e.Member}))
			}
		}
	}
}

func TestEvents(t *testing.T) {
	r := open(t, state.NewMemory())
	groups := []string{"web"}
	srv := httptest.NewServer(r.Events())
	defer srv.Close()
	follow := func(last string) (*reader, func()) {
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"?group=web", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Last-Event-ID", last)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return &reader{t: t, body: bufio.NewReader(resp.Body)}, func() { cancel(); resp.Body.Close() }
	}
	want := func(f *reader, events ...string) {
		t.Helper()
		for _, e := range events {
			if got := f.next(); got != e {
				t.Errorf("got %q, want %q", got, e)
			}
		}
	}
	r.update(t.Context(), Source{Groups: groups}, []autoscale.Membership{groupOf("web", "a:i")})
	f, end := follow("")
	want(f, "view web-1=a")
	r.update(t.Context(), Source{Groups: groups}, []autoscale.Membership{groupOf("web", "a:i b:i")})
	want(f, "joined 2 web-2=b")
	last := f.last
	end()
	r.update(t.Context(), Source{Groups: groups}, []autoscale.Membership{groupOf("web", "b:i c:i")})
	f, end = follow(last)
	want(f, "left 3 web-1=a", "joined 3 web-1=c")
	if f.last != r.View().Tag() {
		t.Errorf("last is %s", f.last)
	}
	end()
	f, end = follow(f.last) // it has all: nothing is sent again
	r.update(t.Context(), Source{Groups: groups}, []autoscale.Membership{groupOf("web", "b:d c:i")})
	want(f, "changed 4 web-2=b")
	end()
	f, end = follow("1-otherwise")
	want(f, "view web-1=c web-2=b")
	end()
}

// TestSlowReader: one that reads nothing is cut and counted, and nobody waits
// for it.
func TestSlowReader(t *testing.T) {
	r := open(t, state.NewMemory())
	steps, _, _ := r.feed.read("", r.View().Tag())
	for i := range backlog + 1 {
		r.update(t.Context(), Source{Groups: []string{"web"}}, []autoscale.Membership{groupOf("web", []string{"a:i", "a:s"}[i%2])})
	}
	n := 0
	for range steps {
		n++
	}
	if got := r.Snapshot(); n != backlog || got["readers_slow"] != 1 || got["readers"] != 0 {
		t.Errorf("%d steps, %v", n, got)
	}
	for range MaxReaders {
		r.feed.read("", "")
	}
	w := httptest.NewRecorder()
	r.Events().ServeHTTP(w, httptest.NewRequest(http.MethodGet, EventsPath, nil))
	if w.Code != http.StatusServiceUnavailable || r.Snapshot()["readers_refused"] != 1 {
		t.Errorf("%d %v", w.Code, r.Snapshot())
	}
}

var errStore = errors.New("broken")

// brokenStore cannot be read.
type brokenStore struct{ state.Store }

func (brokenStore) Get(string) ([]byte, error) { return nil, errStore }

func TestOpenFails(t *testing.T) {
	if _, err := Open(brokenStore{}, slog.New(slog.DiscardHandler)); !errors.Is(err, errStore) {
		t.Error(err)
	}
}
