package haproxy

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"rondo/alerts/state"
	"rondo/autoscale"
	"rondo/autoscale/redirect"
	"rondo/rrd"
	"rondo/syslogd/peertest"
)

// fleet is a group's members and what is read of them.
type fleet struct {
	mu      sync.Mutex
	members []autoscale.Membership
	free    map[string]float64
}

func (f *fleet) Members() []autoscale.Membership {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]autoscale.Membership(nil), f.members...)
}

func (f *fleet) Subscribe() (<-chan struct{}, func()) { return nil, func() {} }
func (f *fleet) LastSeen(string) (time.Time, bool)    { return time.Now(), true }
func (f *fleet) HostOf(ls rrd.Labels) string          { return ls.Get("host") }

func (f *fleet) Eval(_ context.Context, _ string, at time.Time) (out []rrd.Value, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for host, v := range f.free {
		out = append(out, rrd.Value{Labels: rrd.Labels{{Name: "host", Value: host}}, Time: rrd.At(at), Value: v})
	}
	return out, nil
}

func (f *fleet) set(phases ...autoscale.Phase) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := autoscale.Membership{Group: "web", At: time.Now()}
	for n, p := range phases {
		m.Instances = append(m.Instances, autoscale.Instance{ID: fmt.Sprintf("i-%d", n+1), Host: fmt.Sprintf("web-%d", n+1), Phase: p, LastSeen: time.Now()})
	}
	f.members = []autoscale.Membership{m}
}

// TestAgentCheck: a real HAProxy asks for its servers, and follows the answers.
func TestAgentCheck(t *testing.T) {
	t.Parallel()
	port, agent := freePort(t), freePort(t)
	f := &fleet{free: map[string]float64{"web-1": 0.42, "web-2": 0.07}}
	books, err := redirect.OpenBooks(state.NewMemory(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer books.Sockets.Close()
	conf := redirect.DefaultConfig()
	conf.AgentCheck.Listen, conf.Groups = "127.0.0.1:"+agent, []redirect.Group{{Group: "web"}}
	r, err := redirect.New(t.Context(), redirect.Options{Config: conf, Books: books, Metrics: f, Hosts: f, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, f) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	var servers strings.Builder
	for n := range 3 {
		fmt.Fprintf(&servers, "  server web-%d 127.0.0.1:1 weight 100 agent-check agent-addr 127.0.0.1 agent-port %s agent-inter 100ms agent-send \"web/web-%d\\n\"\n", n+1, agent, n+1)
	}
	_, socket := peertest.HAProxy(t, strings.ReplaceAll(global, "PORT", port)+servers.String())
	b := Backend{Group: "web", Backend: "web", Socket: socket}
	want := func(text string) {
		t.Helper()
		var got string
		defer func() { t.Log(got) }()
		eventually(t, text, func() bool {
			slots, err := b.see(t.Context())
			if err != nil {
				return false
			}
			var words []string
			for _, s := range slots {
				words = append(words, fmt.Sprintf("%s %d", s.State, s.Weight))
			}
			got = strings.Join(words, ", ")
			return got == text
		})
	}
	want("ready 100, ready 100, ready 100") // nobody knows who is in the group: nothing changes
	f.set(autoscale.InService, autoscale.InService)
	want("ready 42, ready 7, maint 100")
	f.set(autoscale.InService, autoscale.Draining)
	want("ready 42, drain 7, maint 100")
	f.set(autoscale.InService, autoscale.Terminating)
	want("ready 42, maint 7, maint 100")
	f.set(autoscale.InService, autoscale.InService, autoscale.InService)
	want("ready 42, ready 7, ready 25") // the third joins with the others' mean
}
