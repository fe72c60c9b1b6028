package haproxy

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"rondo/autoscale"
	"rondo/autoscale/redirect"
	"rondo/syslogd/peertest"
)

// A site is a group with real web servers, whose weights a test writes.
type site struct {
	mu      sync.Mutex
	weights []redirect.Weight
	act     bool
	servers []*httptest.Server
	busy    chan struct{} // closed when slow requests may end
	slow    chan struct{} // has a value for each that has begun
}

// newSite has n members, each a web server that says its name.
func newSite(t *testing.T, n int) *site {
	t.Helper()
	s := &site{act: true, busy: make(chan struct{}), slow: make(chan struct{}, 16)}
	for k := range n {
		name := fmt.Sprintf("web-%d", k+1)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				s.slow <- struct{}{}
				<-s.busy
			}
			_, _ = io.WriteString(w, name)
		}))
		t.Cleanup(server.Close)
		_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
		i := autoscale.Instance{ID: fmt.Sprintf("i-%d", k+1), Host: name, PrivateIP: "127.0.0.1", Tags: map[string]string{"port": port}, Phase: autoscale.InService}
		s.servers = append(s.servers, server)
		s.weights = append(s.weights, redirect.Weight{Instance: i.ID, Server: name, Weight: 50, State: redirect.Up, Member: i})
	}
	return s
}

func (s *site) Weights(string) ([]redirect.Weight, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]redirect.Weight(nil), s.weights...), true
}

func (s *site) Members() []autoscale.Membership {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []autoscale.Membership{{Group: "web", Act: s.act, At: time.Now()}}
}

func (s *site) Subscribe() (<-chan struct{}, func()) { return nil, func() {} }

func (s *site) set(k, weight int, state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.weights[k].Weight, s.weights[k].State = weight, state
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

const global = `
global
  stats socket {dir}/admin.sock level admin
defaults
  mode http
  timeout connect 2s
  timeout client 20s
  timeout server 20s
frontend www
  bind 127.0.0.1:PORT
  default_backend web
backend web
  balance roundrobin
`

// eventually waits until f is true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// spread is how many of n requests each server answered.
func spread(t *testing.T, port string, n int) map[string]int {
	t.Helper()
	got := map[string]int{}
	for range n {
		got[fetch(t, "http://127.0.0.1:"+port+"/")]++
	}
	return got
}

func fetch(t *testing.T, url string) string {
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		return err.Error()
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil || a.StatusCode != http.StatusOK {
		return a.Status
	}
	return string(b)
}

// TestFollows drives a real HAProxy through the life of a group: it joins,
// weights change, one drains while a request is under way, goes, HAProxy dies and
// comes back with nothing.
func TestFollows(t *testing.T) {
	t.Parallel()
	port, s := freePort(t), newSite(t, 3)
	proxy, socket := peertest.HAProxy(t, strings.ReplaceAll(global, "PORT", port)+"  server-template web 1-4 127.0.0.1:1 weight 100 disabled\n")
	f, err := New(Config{{Group: "web", Socket: socket, Address: "{private_ip}:{tag.port}"}}, s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx, s) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	all := func() bool {
		got := spread(t, port, 6)
		return got["web-1"] == 2 && got["web-2"] == 2 && got["web-3"] == 2
	}
	eventually(t, "all three serve alike", all)

	s.set(0, 10, redirect.Up)
	s.set(1, 30, redirect.Up)
	s.set(2, 60, redirect.Up)
	eventually(t, "weights of 1 to 3 to 6", func() bool {
		got := spread(t, port, 10)
		return got["web-1"] == 1 && got["web-2"] == 3 && got["web-3"] == 6
	})

	// It drains: no new request, and the one under way is waited for.
	drained := s.weights[2].Member
	s.set(0, 1, redirect.Up)
	s.set(1, 1, redirect.Up)
	answer := make(chan string, 4)
	for range 4 {
		go func() { answer <- fetch(t, "http://127.0.0.1:"+port+"/slow") }()
	}
	for range 4 {
		<-s.slow
	}
	since := time.Now()
	if got := f.Waits("web", drained, since); got == "" {
		t.Error("it has drained before HAProxy knows")
	}
	s.set(2, 0, redirect.Drain)
	eventually(t, "requests are waited for", func() bool { return strings.Contains(f.Waits("web", drained, since), "requests in haproxy") })
	if got := spread(t, port, 10); got["web-3"] > 0 {
		t.Errorf("new requests while it drains: %v", got)
	}
	close(s.busy)
	for range 4 {
		if got := <-answer; !strings.HasPrefix(got, "web-") {
			t.Errorf("a request under way ended with %s", got)
		}
	}
	eventually(t, "it has drained", func() bool { return f.Waits("web", drained, since) == "" })

	s.mu.Lock()
	s.weights = s.weights[:2]
	s.mu.Unlock()
	eventually(t, "its slot waits again", func() bool {
		slots, err := f.backends[0].see(t.Context())
		return err == nil && count(slots, Ready) == 2 && count(slots, Maint) == 2
	})

	// A list that is empty takes nobody out.
	s.mu.Lock()
	two := s.weights
	s.weights = nil
	s.mu.Unlock()
	empty := time.Now()
	eventually(t, "an empty list is seen", func() bool {
		f.backends[0].mu.Lock()
		defer f.backends[0].mu.Unlock()
		return f.backends[0].at.After(empty)
	})
	if got := spread(t, port, 4); got["web-1"] != 2 || got["web-2"] != 2 {
		t.Errorf("with an empty list: %v", got)
	}
	s.mu.Lock()
	s.weights = two
	s.mu.Unlock()

	// HAProxy comes back with what its configuration says, and is told again.
	proxy.Kill()
	if got := fetch(t, "http://127.0.0.1:"+port+"/"); strings.HasPrefix(got, "web-") {
		t.Errorf("a dead HAProxy answers %s", got)
	}
	eventually(t, "it is missed", func() bool { return f.Stats()["failures"] > 0 })
	proxy.Start()
	eventually(t, "both serve after a restart", func() bool {
		got := spread(t, port, 4)
		return got["web-1"] == 2 && got["web-2"] == 2
	})
	if got := f.Note("web", "i-1"); !strings.HasPrefix(got, "haproxy web/web1 ") {
		t.Errorf("note %q", got)
	}
}

func count(slots []Slot, state State) (n int) {
	for _, s := range slots {
		if s.State == state {
			n++
		}
	}
	return n
}

// TestDryRun: a group that does not act changes nothing, and nobody waits.
func TestDryRun(t *testing.T) {
	t.Parallel()
	port, s := freePort(t), newSite(t, 1)
	s.act = false
	_, socket := peertest.HAProxy(t, strings.ReplaceAll(global, "PORT", port)+"  server-template web 1-2 127.0.0.1:1 weight 100 disabled\n")
	f, err := New(Config{{Group: "web", Socket: socket, Address: "{private_ip}:{tag.port}"}}, s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	since := time.Now()
	s.set(0, 0, redirect.Drain)
	f.look(t.Context(), f.backends[0], s.Members())
	slots, err := f.backends[0].see(t.Context())
	if err != nil || count(slots, Maint) != 2 {
		t.Errorf("%v: %+v", err, slots)
	}
	if got := f.Waits("web", s.weights[0].Member, since); got != "" {
		t.Errorf("waits for %s", got)
	}
}

// TestTrouble: what is wrong is said, and too few slots are no disaster.
func TestTrouble(t *testing.T) {
	t.Parallel()
	port, s := freePort(t), newSite(t, 3)
	_, socket := peertest.HAProxy(t, strings.ReplaceAll(global, "PORT", port)+"  server-template web 1-2 127.0.0.1:1 weight 100 disabled\n")
	look := func(b Backend) (string, *Follower) {
		b.Group, b.Address = "web", "{private_ip}:{tag.port}"
		f, err := New(Config{b}, s, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		f.look(t.Context(), f.backends[0], s.Members())
		return fmt.Sprint(f.backends[0].err), f
	}
	for want, b := range map[string]Backend{
		"no such file":             {Socket: socket + "x"},
		"Can't find backend":       {Socket: socket, Backend: "nosuch"},
		"add\n    server-template": {Socket: socket, Slots: "app"},
		"1 servers of group web have no slot in backend web, which has 2": {Socket: socket},
	} {
		if got, _ := look(b); !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := spread(t, port, 4); got["web-1"] != 2 || got["web-2"] != 2 {
		t.Errorf("spread %v", got)
	}
	_, f := look(Backend{Socket: socket})
	if got := f.Note("web", "i-3"); got != "haproxy has no slot left" {
		t.Errorf("note %q", got)
	}
}
